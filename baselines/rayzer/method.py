"""RayZer as a method: poses of a whole clip, a scene from its context, renders at any pose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.rayzer.baseline import RayZerBaseline, RayZerOptions
from baselines.rayzer.model import RayZerModel
from baselines.rayzer.objective import RayZerTrainee
from baselines.rayzer.poses import ClipPoses, in_canonical_frame, in_reference_frame
from baselines.rayzer.supervised import SupervisedRayZer
from baselines.rayzer.weights import load_weights
from evalkit.errors import UserError
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.training.trainee import Trainee
from evalkit.views import Views, take_views

NOTHING_TO_RENDER = (
    "these weights of rayzer were trained on poses and render nothing: type protocol=probe@rayzer or protocol=pose, "
    "or baseline.weights= a file trained on images"
)


@dataclass(frozen=True)
class RayZerScene:
    """Scene tokens [B, S, width] or packed Gaussians [B, G, 14], with the frame in which poses are read.

    ``reference``: w2c of the reference in the frame of the canonical view [B, 4, 4]; ``reference_intrinsics``
    [B, 3, 3].
    """

    tokens: Tensor
    reference: Tensor | None
    reference_intrinsics: Tensor | None


class RayZer(RayZerBaseline):
    """Cameras of all views at once, a latent scene from the context, a learnt renderer."""

    def __init__(self, options: RayZerOptions, device: str) -> None:
        self.card = self.card_of(options)
        self.network = load_weights(options).to(device).eval().requires_grad_(False)
        self.model = self.network.model

    @staticmethod
    def trainee(model: RayZerModel) -> Trainee:
        """Return a new network with its objective."""
        return SupervisedRayZer(model) if model.objective == "poses" else RayZerTrainee(model)

    @torch.no_grad()
    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Poses of all views together, as trained, then relative to the reference; see `ClipPoses`.

        Features are the camera tokens. Raises UserError for a number of views that the model was not trained with: the
        rank of each view is embedded, and the canonical view depends on their number.
        """
        batch, count = views.images.shape[:2]
        if count not in self.model.views:
            raise UserError(
                f"these weights of rayzer estimate poses of {_listed(self.model.views)} views at once, got {count}: "
                "choose numbers of context and target views that add up to one of these"
            )
        ranks = torch.arange(count, device=views.images.device).expand(batch, -1)
        tokens = self.network.embed(views.images.float(), ranks[:1])
        scene_first = self.model.order == "scene_first"
        scene = self.network.encode_scene(take_views(tokens, context), None) if scene_first else None
        return in_reference_frame(self.network.encode_poses(tokens, scene), reference_of(context), ranks)

    @torch.no_grad()
    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """The scene of the context and its poses, in the frame of the canonical view.

        Ranks are those of the clip that ``poses`` were estimated in. Poses without ranks are taken for those of a clip
        that is the context alone, whose reference is canonical. Raises UserError for weights trained on poses.
        """
        if self.model.objective == "poses":
            raise UserError(NOTHING_TO_RENDER)
        count = views.images.shape[1]
        clip_poses = poses if isinstance(poses, ClipPoses) else ClipPoses(poses.latent, poses.cameras)
        ranks = clip_poses.ranks
        if ranks is None:
            ranks = torch.arange(count, device=views.images.device)[None]
        tokens = self.network.embed(views.images.float(), ranks)
        scene_first = self.model.order == "scene_first"
        canonical = None if scene_first else in_canonical_frame(clip_poses, clip_poses.reference, None)
        intrinsics = None if clip_poses.cameras is None else clip_poses.cameras.intrinsics
        reference_intrinsics = None if intrinsics is None else intrinsics[:, count // 2]
        return RayZerScene(self.network.encode_scene(tokens, canonical), clip_poses.reference, reference_intrinsics)

    @torch.no_grad()
    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Decode each target by itself; a pose without intrinsics gets those of the reference of the scene."""
        if self.model.objective == "poses":
            raise UserError(NOTHING_TO_RENDER)
        assert isinstance(scene, RayZerScene)
        canonical = in_canonical_frame(poses, scene.reference, scene.reference_intrinsics)
        return self.network.render(scene.tokens, canonical).float().clamp(0, 1)


def _listed(counts: frozenset[int]) -> str:
    return " or ".join(str(count) for count in sorted(counts))
