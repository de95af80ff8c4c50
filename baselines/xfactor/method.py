"""XFactor as a method: latent poses from pairs of views, renders from images and latents alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from baselines.xfactor.baseline import XFactorBaseline, XFactorOptions, weights_header
from baselines.xfactor.model import XFactorModel
from baselines.xfactor.network import XFactorNetwork, whole
from baselines.xfactor.objective import XFactorTrainee, pairwise
from baselines.xfactor.official import convert
from evalkit.errors import UserError
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.training.trainee import Trainee
from evalkit.views import Views, take_views
from evalkit.weights.model_file import load_network

TARGETS_AT_ONCE = 8  # targets rendered in one pass, which bounds the memory


@dataclass(frozen=True)
class XFactorScene:
    """Context images [B, C, 3, H, W] and their latents [B, C, P], reference first."""

    images: Tensor
    latents: Tensor


class XFactor(XFactorBaseline):
    """Latent poses of pairs of views; renders from images and latents alone."""

    def __init__(self, options: XFactorOptions, device: str) -> None:
        header = weights_header(options)
        self.model, self.card = header.settings(XFactorModel), self.card_of(options)
        network = load_network(header, XFactorNetwork(self.model))
        self.network = network.to(device).eval().requires_grad_(False)

    @staticmethod
    def trainee(model: XFactorModel) -> Trainee:
        """Return a new network with its objective."""
        return XFactorTrainee(model)

    @staticmethod
    def convert(folder: Path, file: Path, views: int) -> None:
        """Write the checkpoint released in ``folder`` as the model ``file``; see `official.convert`."""
        convert(folder, file, views)

    @torch.no_grad()
    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The latent [B, V, P] of each view, from the pair of the reference and this view; 0 for the reference.

        Features [B, V, F] are the input of the last layers, 2048 channels in the released model. The ablation that
        encodes all views together does so with the reference first. Where a protocol has painted over pixels, only
        the patches without such pixels are read, of both views of a pair, as in the training.
        """
        images = 2 * views.images.float() - 1
        count = images.shape[1]
        reference = reference_of(context)[:, None]
        others = _without(reference, count)
        order = torch.cat([reference, others], dim=1)
        poses, features = self._encoded(
            take_views(images, order), whole(len(images), self.model.grid**2, images.device)
        )
        if views.visible is not None:
            visible = take_views(views.visible, order)
            seen = self._encoded(take_views(images, order), self._visible_patches(visible))
            hidden = ~visible.all(-1).all(-1)[..., None]
            poses, features = (
                torch.where(hidden, part, full) for part, full in zip(seen, (poses, features), strict=True)
            )
        return PoseCode(latent=poses, features=features).take(order.argsort(dim=1))

    def _encoded(self, images: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, V, P] and features [B, V, F] of images [B, V, 3, H, W], reference first, from one segment."""
        if self.model.joint_encoder:
            poses, features = self.network.encoder(images, segments)
        else:
            poses, features = pairwise(self.network, images, segments)
        return poses[:, 0], features[:, 0]

    def _visible_patches(self, visible: Tensor) -> Tensor:
        """The patches [B, 1, K] without painted pixels in any view, by ``visible`` [B, V, H, W]; as many in each clip.

        Raises UserError where no patch is left.
        """
        size = self.model.patch
        patches = (
            visible.all(1).unflatten(2, (-1, size)).unflatten(1, (-1, size)).all(4).all(2).flatten(1)
        )  # [B, grid^2]
        count = int(patches.sum(1).min())
        if not count:
            raise UserError(f"xfactor: no patch of {size} x {size} pixels is visible")
        chosen: Tensor = patches.float().topk(count).indices.sort().values
        return chosen[:, None]

    @torch.no_grad()
    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the context images with their latents; the stereo-monocular model keeps the reference alone.

        Raises UserError for a number of context views that the weights were not trained with.
        """
        assert poses.latent is not None
        count = views.images.shape[1]
        reference = torch.full((len(views.images), 1), count // 2, device=views.images.device)
        kept = reference
        if self.model.contexts > 1:
            if count != self.model.contexts:
                raise UserError(f"these weights of xfactor build on {self.model.contexts} context views, got {count}")
            kept = torch.cat([reference, _without(reference, count)], dim=1)
        return XFactorScene(take_views(2 * views.images.float() - 1, kept), take_views(poses.latent, kept))

    @torch.no_grad()
    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Render each target by itself from the context."""
        assert isinstance(scene, XFactorScene) and poses.latent is not None
        rendered = [self._render(scene, latents) for latents in poses.latent.split(TARGETS_AT_ONCE, dim=1)]
        return torch.cat(rendered, dim=1)

    def _render(self, scene: XFactorScene, latents: Tensor) -> Tensor:
        """Images [B, T, 3, H, W] at target latents [B, T, P]."""
        batch, targets = latents.shape[:2]
        images = scene.images.repeat_interleave(targets, dim=0)
        context = scene.latents.repeat_interleave(targets, dim=0)
        poses = torch.cat([context, latents.flatten(0, 1)[:, None]], dim=1)[:, None]  # [B T, 1, C + 1, P]
        segments = whole(len(images), self.model.grid**2, images.device)
        rendered: Tensor = self.network.renderer(images, poses, segments)
        return rendered.reshape(batch, targets, *rendered.shape[1:])


def _without(reference: Tensor, count: int) -> Tensor:
    """The positions [B, V - 1] of all views but the reference [B, 1], in order."""
    positions = torch.arange(count, device=reference.device).expand(len(reference), -1)
    return positions[positions != reference].reshape(len(reference), count - 1)
