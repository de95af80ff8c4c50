"""RUST as a method: poses from the left half of every view, scenes from context views alone."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.rust.baseline import RustBaseline, RustOptions, weights_header
from baselines.rust.model import RustModel
from baselines.rust.network import RustNetwork, halves_of
from baselines.rust.objective import RustTrainee
from evalkit.method import PoseCode, Scene
from evalkit.training.trainee import Trainee
from evalkit.views import Views
from evalkit.weights.model_file import load_network

PIXELS_AT_ONCE = 2**15  # pixels decoded in one pass, which bounds the memory


class Rust(RustBaseline):
    """Half of a target gives its latent pose; a transformer renders pixels from a set of scene tokens."""

    def __init__(self, options: RustOptions, device: str) -> None:
        header = weights_header(options)
        self.model, self.card = header.settings(RustModel), self.card_of(options)
        self.network = load_network(header, RustNetwork(self.model)).to(device).eval()

    @staticmethod
    def trainee(model: RustModel) -> Trainee:
        """Return a new network with its objective."""
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
        """Decode all pixels, one view at a time."""
        assert isinstance(scene, Tensor) and poses.latent is not None
        clips = [
            torch.stack([self._image(latent, tokens) for latent in latents])
            for latents, tokens in zip(poses.latent, scene, strict=True)
        ]
        return torch.stack(clips)

    def _image(self, latent: Tensor, scene: Tensor) -> Tensor:
        """One view [3, H, W] of one scene [C, N, width]."""
        size = self.model.resolution
        parts = [
            self.network.colours(latent[None, None], pixels[None, None], scene[None])[0, 0]
            for pixels in torch.split(torch.arange(size * size, device=scene.device), PIXELS_AT_ONCE)
        ]
        return torch.cat(parts).T.reshape(3, size, size)
