"""RUST as a method: poses from the left half of every view, scenes from context views alone."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from baselines.rust.model import RustModel
from baselines.rust.network import RustNetwork, halves_of
from baselines.rust.objective import RustTrainee
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.method import PoseCode, Scene
from evalkit.training.trainee import Trainee
from evalkit.views import Views
from evalkit.weights.model_file import Trained, read_trained

NAME = "rust"
SHIPPED = Path(__file__).with_name("mini.safetensors")
QUERIES = 2**15  # pixels decoded at a time, so that memory does not grow with resolution, views and samples


class RustOptions(ComponentOptions):
    """``weights``: "mini" for those that come along, or the path of a file that `evalkit train` wrote."""

    weights: str


class Rust:
    """RUST (CVPR 2023): half of a target gives its latent pose, a transformer renders pixels from a set of tokens."""

    Options = RustOptions
    Model = RustModel

    def __init__(self, options: RustOptions, device: str) -> None:
        trained = read_trained(options.weights, NAME, RustModel, RustNetwork, SHIPPED)
        self.model, self.card = trained.model, card_of(trained)
        self.network = trained.network.to(device).eval()

    @staticmethod
    def trainee(model: RustModel) -> Trainee:
        """A network of these settings, with the objective that trains it."""
        return RustTrainee(model)

    @torch.no_grad()
    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Latents of all views, each from its left half and the scene of the context views."""
        scene = self.network.scene(views.take(context).images)
        left = torch.zeros(views.images.shape[:2], dtype=torch.bool, device=views.images.device)
        pose = self.network.pose(halves_of(views.images, left), left, scene)
        return PoseCode(latent=pose.latent, features=pose.features)

    @torch.no_grad()
    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """The scene tokens [B, C, N, width]; poses are not needed."""
        return self.network.scene(views.images)

    @torch.no_grad()
    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Decode all pixels, a view at a time."""
        assert isinstance(scene, Tensor) and poses.latent is not None
        images = [
            [self._image(latent, own) for latent in latents] for latents, own in zip(poses.latent, scene, strict=True)
        ]
        return torch.stack([torch.stack(views) for views in images])

    def _image(self, latent: Tensor, scene: Tensor) -> Tensor:
        """One view [3, H, W] of one scene [C, N, width]."""
        size = self.model.resolution
        parts = [
            self.network.colours(latent[None, None], pixels[None, None], scene[None])[0, 0]
            for pixels in torch.split(torch.arange(size * size, device=scene.device), QUERIES)
        ]
        return torch.cat(parts).T.reshape(3, size, size)


def card_of(trained: Trained[RustModel, RustNetwork]) -> Card:
    """What these weights need, saw, and can be asked for."""
    model = trained.model
    return Card(
        name=NAME,
        summary=f"set-latent scene, pose of {model.latent} numbers from the left half of a view",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
        context_views=frozenset(model.contexts),
        resolution=model.resolution,
        weights=trained.digest,
        trained_on=trained.trained_on,
        licence=trained.licence,
        paper="arXiv 2211.14306",
        score_region="right_half",
    )
