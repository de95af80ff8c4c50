"""RayZer as a method: poses of a whole clip, a scene from its context, renders at any pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from baselines.rayzer.model import RayZerModel
from baselines.rayzer.network import RayZerNetwork
from baselines.rayzer.objective import RayZerTrainee
from baselines.rayzer.poses import ClipPoses, in_canonical_frame, in_reference_frame
from baselines.rayzer.supervised import SupervisedRayZer
from baselines.rayzer.weights import RayZerWeights, read_weights
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.training.trainee import Trainee
from evalkit.views import Views, take_views

SELF_SUPERVISED = "cameras of all views, then a latent scene, then a learnt renderer"
SUPERVISED = "supervised: cameras of all views, learnt from true poses; no scene, no renders"
NOTHING_TO_RENDER = (
    "these weights of rayzer were trained on poses and render nothing: type protocol=probe@rayzer or protocol=pose, "
    "or baseline.weights= a file trained on images"
)


class RayZerOptions(ComponentOptions):
    """``weights``: mini (shipped), the path of a file that `evalkit train` wrote, or that of a released .pt."""

    name: Literal["rayzer"]
    weights: str


@dataclass(frozen=True)
class RayZerScene:
    """Scene tokens [B, S, width] or packed Gaussians [B, G, 14], and what poses need to be seen in.

    That is the reference [B, 4, 4] and its lens [B, 3, 3].
    """

    tokens: Tensor
    reference: Tensor | None
    lens: Tensor | None


class RayZer:
    """Self-supervised: cameras of all views at once, a latent scene from the context, a learnt renderer (RayZer)."""

    Options, Model = RayZerOptions, RayZerModel

    def __init__(self, options: RayZerOptions, device: str) -> None:
        trained = read_weights(options.weights)
        self.model, self.card = trained.model, card_of(trained)
        self.network: RayZerNetwork = trained.network.to(device).eval().requires_grad_(False)

    @staticmethod
    def trainee(model: RayZerModel) -> Trainee:
        """The network with its objective, untrained."""
        return SupervisedRayZer(model) if model.objective == "poses" else RayZerTrainee(model)

    @torch.no_grad()
    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Poses of all views together, as trained, then relative to the reference; see `ClipPoses`.

        Features are the camera tokens. Raises UserError for a number of views that was not trained with: the rank of
        each view is embedded, and the canonical view depends on their number.
        """
        batch, count = views.images.shape[:2]
        if count not in self.model.views:
            raise UserError(
                f"these weights of rayzer estimate poses of {_listed(self.model.views)} views at once, got {count}: "
                "choose numbers of context and target views that add up to one of these"
            )
        ranks = torch.arange(count, device=views.images.device).expand(batch, -1)
        tokens = self.network.embed(views.images.float(), ranks[:1])
        first = self.model.order == "scene_first"
        scene = self.network.encode_scene(take_views(tokens, context), None) if first else None
        return in_reference_frame(self.network.encode_poses(tokens, scene), reference_of(context), ranks)

    @torch.no_grad()
    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Scene tokens of the context and its poses, in the frame of the canonical view.

        The ranks are those of the clip that ``poses`` were estimated in; poses that come from elsewhere are taken for
        those of a clip that is the context alone, whose reference is canonical. Raises UserError for weights that
        were trained on poses.
        """
        if self.model.objective == "poses":
            raise UserError(NOTHING_TO_RENDER)
        count = views.images.shape[1]
        alone = torch.arange(count, device=views.images.device)[None]
        known = poses if isinstance(poses, ClipPoses) else ClipPoses(poses.latent, poses.cameras)
        tokens = self.network.embed(views.images.float(), alone if known.ranks is None else known.ranks)
        seen = None if self.model.order == "scene_first" else in_canonical_frame(known, known.reference)
        lens = None if known.cameras is None else known.cameras.intrinsics
        reference_lens = None if lens is None else lens[:, count // 2]
        return RayZerScene(self.network.encode_scene(tokens, seen), known.reference, reference_lens)

    @torch.no_grad()
    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Decode each target by itself; a pose without a lens is seen through that of the scene's reference."""
        if self.model.objective == "poses":
            raise UserError(NOTHING_TO_RENDER)
        assert isinstance(scene, RayZerScene)
        images = self.network.render(scene.tokens, in_canonical_frame(poses, scene.reference, scene.lens))
        return images.float().clamp(0, 1)


def card_of(trained: RayZerWeights) -> Card:
    """What these weights need, saw, and can be asked for.

    Where poses of the context alone are called for, the context's number must be one of the clips' that were trained
    with; for poses of the context and one target, that number too.
    """
    model = trained.model
    supervised = model.objective == "poses"
    return Card(
        name="rayzer",
        summary=SUPERVISED if supervised else SELF_SUPERVISED,
        pose=PoseKind.LATENT if model.pose == "latent" else PoseKind.SE3,
        target_poses=(TargetPose.JOINT,) if supervised else _pose_sources(model),
        context_views=model.contexts,
        resolution=model.resolution,
        weights=trained.digest,
        trained_on=trained.trained_on,
        licence=trained.licence,
        paper="arXiv 2505.00702",
    )


def _pose_sources(model: RayZerModel) -> tuple[TargetPose, ...]:
    alone = model.contexts & model.views
    sources = [TargetPose.JOINT]
    if any(count + 1 in model.views for count in alone):
        sources.append(TargetPose.CONTEXT_ONLY)
    if alone:
        sources += [TargetPose.INTERPOLATED, TargetPose.TRANSFER]
    return tuple(sources)


def _listed(counts: frozenset[int]) -> str:
    return " or ".join(str(count) for count in sorted(counts))
