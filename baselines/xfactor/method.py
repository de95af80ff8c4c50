"""XFactor as a method: latent poses from pairs of views, renders from images and latents alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import XFactorNetwork, whole
from baselines.xfactor.objective import XFactorTrainee, pairwise
from baselines.xfactor.official import convert
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.training.trainee import Trainee
from evalkit.views import Views, take_views
from evalkit.weights.model_file import Trained, read_trained

SHIPPED = Path(__file__).with_name("mini.safetensors")
TARGETS_AT_ONCE = 8  # renders a pass, so that memory does not grow with the number of targets


class XFactorOptions(ComponentOptions):
    """``weights``: mini (shipped), or the path of a file that `evalkit train` or `evalkit weights convert` wrote."""

    name: Literal["xfactor"]
    weights: str


@dataclass(frozen=True)
class XFactorScene:
    """Context images [B, C, 3, H, W] and their latents [B, C, P], reference first."""

    images: Tensor
    latents: Tensor


class XFactor:
    """Self-supervised: latent poses that must render another half of the same views, no geometry at all (XFactor)."""

    Options, Model = XFactorOptions, XFactorModel

    def __init__(self, options: XFactorOptions, device: str) -> None:
        trained = read_trained(options.weights, "xfactor", XFactorModel, XFactorNetwork, SHIPPED)
        self.model, self.card = trained.model, card_of(trained)
        self.network = trained.network.to(device).eval().requires_grad_(False)

    @staticmethod
    def trainee(model: XFactorModel) -> Trainee:
        """The network with its objective, untrained."""
        return XFactorTrainee(model)

    @staticmethod
    def convert(folder: Path, out: Path, contexts: int) -> None:
        """Write the checkpoint released in ``folder`` as a model file; see `official.convert`."""
        convert(folder, out, contexts)

    @torch.no_grad()
    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The latent [B, V, P] of each view from the pair that it makes with the reference, whose own is exactly 0.

        Features are what the latents were read from, 2048 channels in the released model. The ablation that encodes
        views together does so with the reference first.
        """
        images = 2 * views.images.float() - 1
        count = images.shape[1]
        reference = reference_of(context)[:, None]
        others = _without(reference, count)
        order = torch.cat([reference, others], dim=1)
        segments = whole(len(images), self.model.grid**2, images.device)
        ordered = take_views(images, order)
        together = self.model.joint_encoder
        poses, features = (
            self.network.encoder(ordered, segments) if together else pairwise(self.network, ordered, segments)
        )
        back = order.argsort(dim=1)
        return PoseCode(latent=take_views(poses[:, 0], back), features=take_views(features[:, 0], back))

    @torch.no_grad()
    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the context images with their latents; the stereo-monocular model keeps the reference alone."""
        assert poses.latent is not None
        count = views.images.shape[1]
        reference = torch.full((len(views.images), 1), count // 2, device=views.images.device)
        keep = reference
        if self.model.contexts > 1:
            if count != self.model.contexts:
                raise UserError(f"these weights of xfactor build on {self.model.contexts} context views, got {count}")
            keep = torch.cat([reference, _without(reference, count)], dim=1)
        return XFactorScene(take_views(2 * views.images.float() - 1, keep), take_views(poses.latent, keep))

    @torch.no_grad()
    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Render each target by itself from the context."""
        assert isinstance(scene, XFactorScene) and poses.latent is not None
        rendered = [self._some(scene, part) for part in poses.latent.split(TARGETS_AT_ONCE, dim=1)]
        return torch.cat(rendered, dim=1)

    def _some(self, scene: XFactorScene, latents: Tensor) -> Tensor:
        batch, targets = latents.shape[:2]
        images = scene.images.repeat_interleave(targets, dim=0)
        seen = scene.latents.repeat_interleave(targets, dim=0)
        poses = torch.cat([seen, latents.flatten(0, 1)[:, None]], dim=1)[:, None]  # [B T, 1, C + 1, P]
        segments = whole(len(images), self.model.grid**2, images.device)
        rendered: Tensor = self.network.renderer(images, poses, segments)
        return rendered.reshape(batch, targets, *rendered.shape[1:])


def card_of(trained: Trained[XFactorModel, XFactorNetwork]) -> Card:
    """What these weights need, saw, and can be asked for."""
    model = trained.model
    return Card(
        name="xfactor",
        summary="latent poses of pairs of views, rendered without geometry",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
        context_views=None if model.contexts == 1 else frozenset({model.contexts}),
        resolution=model.resolution,
        weights=trained.digest,
        trained_on=trained.trained_on,
        licence=trained.licence,
        paper="arXiv 2510.13063",
    )


def _without(reference: Tensor, count: int) -> Tensor:
    """The positions [B, V - 1] of all views but the reference [B, 1], in order."""
    everything = torch.arange(count, device=reference.device).expand(len(reference), -1)
    return everything[everything != reference].reshape(len(reference), count - 1)
