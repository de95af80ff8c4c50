"""RayZer's three transformers: cameras from images, a scene from images and cameras, images from the scene."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.patches import patchify, unpatchify
from baselines.nn.transformer import Stack, deviation, normal_linears
from baselines.rayzer.cameras import CameraHead
from baselines.rayzer.codes import codes_of
from baselines.rayzer.conditioning import pose_tokens
from baselines.rayzer.gaussians import PixelGaussians, Rasteriser
from baselines.rayzer.model import RayZerModel
from evalkit.method import PoseCode


class RayZerNetwork(nn.Module):
    """The parts in the order in which they run: `embed`, `encode_poses`, `encode_scene`, `render` (section 4).

    With ``order`` "scene_first" the scene comes before the poses, and `encode_poses` sees it. With ``objective``
    "poses" nothing comes after them, and nothing else is there: neither lens nor scene nor renderer.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model, width = model, model.width
        self.embed_patches = nn.Linear(3 * model.patch**2, width, bias=False)
        self.codes = codes_of(model)
        self.camera_token = _learnt(1, width)
        self.camera_layers = Stack(width, model.heads, model.camera_layers)
        if model.pose != "latent":
            lens = model.objective == "images"
            self.camera_head = CameraHead(width, model.resolution, lens, model.head_deviation, model.head_scale)
        if model.objective == "images":
            self._build_scene(model)
        normal_linears((self.embed_patches,), deviation(width))

    def _build_scene(self, model: RayZerModel) -> None:
        width = model.width
        if model.order == "camera_first":
            self.context_pose = pose_tokens(model)
            # the layers of the fusion keep PyTorch's own initialisation, as in the released code
            self.fuse = nn.Sequential(
                nn.LayerNorm(2 * width, bias=False), nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width)
            )
        self.scene_layers = Stack(width, model.heads, model.scene_layers)
        if model.decoder == "gaussians":
            self.gaussians = PixelGaussians(model)
            self.renderer: nn.Module = Rasteriser(model)
            return
        self.initial_scene = _learnt(model.scene_tokens, width)
        self.renderer = Renderer(model)

    def embed(self, images: Tensor, ranks: Tensor) -> Tensor:
        """Tokens [B, V, patches, width] of images [B, V, 3, H, W] in [0, 1].

        ``ranks`` [B or 1, V]: the place of each view in the temporal order of its clip.
        """
        return self.embed_patches(patchify(2 * images - 1, self.model.patch)) + self.codes.patches(ranks)  # type: ignore[no-any-return]

    def encode_poses(self, tokens: Tensor, scene: Tensor | None = None) -> PoseCode:
        """Poses of all V views of a clip in temporal order, in the frame of the canonical one, of tokens from `embed`.

        Cameras, or for ``pose`` "latent" the camera tokens; these are the features in any case. ``scene`` is what
        `encode_scene` gave, where the order is scene first.
        """
        batch, views = tokens.shape[:2]
        ranks = torch.arange(views, device=tokens.device)
        cameras = (self.camera_token + self.codes.cameras(ranks)).expand(batch, -1, -1)
        rest = [tokens.flatten(1, 2)] if scene is None else [tokens.flatten(1, 2), scene]
        rotation = self.codes.rotation(views, 0 if scene is None else scene.shape[1])
        read = self.camera_layers(torch.cat([cameras, *rest], dim=1), rotation)[:, :views]
        if self.model.pose == "latent":
            return PoseCode(latent=read, features=read)
        return PoseCode(cameras=self.camera_head(read, self.model.canonical_of(views)), features=read)

    def encode_scene(self, tokens: Tensor, poses: PoseCode | None) -> Tensor:
        """The scene of the context's tokens [B, C, patches, width] and poses [B, C].

        It is [B, scene tokens, width], or for ``decoder`` "gaussians" [B, C * H * W, 14], packed.

        The tokens are those of `embed`, not what the camera layers made of them: those have seen the targets (section
        4.3). ``poses`` is None where the order is scene first.
        """
        if poses is not None:
            tokens = self.fuse(torch.cat([tokens, self.context_pose(poses).expand_as(tokens)], dim=-1))
        if self.model.decoder == "gaussians":
            assert poses is not None
            posed = self.scene_layers(tokens.flatten(1, 2)).unflatten(1, tokens.shape[1:3])
            return self.gaussians(posed, poses)  # type: ignore[no-any-return]
        start = self.initial_scene.expand(len(tokens), -1, -1)
        encoded: Tensor = self.scene_layers(torch.cat([start, tokens.flatten(1, 2)], dim=1))
        return encoded[:, : self.model.scene_tokens]

    def render(self, scene: Tensor, poses: PoseCode) -> Tensor:
        """Images [B, T, 3, H, W] of a scene at poses [B, T], each on its own.

        They lie in [0, 1] but for sums of Gaussians, which may leave it while they are trained.
        """
        return self.renderer(scene, poses)  # type: ignore[no-any-return]


class Renderer(nn.Module):
    """A transformer over the tokens of one target and those of the scene (section 4.4).

    The target's tokens are its rays'; without rays they are learnt ones, the same for all, and one for the pose.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model = model
        self.pose = pose_tokens(model)
        if model.pose != "se3_rays":
            self.initial_patches = _learnt(model.grid**2, model.width)
        self.norm = nn.LayerNorm(model.width, bias=False)
        self.layers = Stack(model.width, model.heads, model.decoder_layers)
        self.pixels = nn.Sequential(
            nn.LayerNorm(model.width, bias=False), nn.Linear(model.width, 3 * model.patch**2, bias=False), nn.Sigmoid()
        )
        normal_linears(self.pixels, deviation(model.width))

    def forward(self, scene: Tensor, poses: PoseCode) -> Tensor:
        """[B, scene tokens, width] and poses [B, T] -> [B, T, 3, H, W]."""
        target = self._tokens(poses)
        batch, count = target.shape[:2]
        repeated = scene[:, None].expand(-1, count, -1, -1)
        together = torch.cat([target, repeated], dim=2).flatten(0, 1)
        updated = self.layers(self.norm(together))[:, : self.model.grid**2]
        pixels = self.pixels(updated).reshape(batch, count, len(updated[0]), -1)
        return unpatchify(pixels, self.model.patch, self.model.resolution, self.model.resolution)

    def _tokens(self, poses: PoseCode) -> Tensor:
        pose: Tensor = self.pose(poses)
        if self.model.pose == "se3_rays":
            return pose
        return torch.cat([self.initial_patches.expand(*pose.shape[:2], -1, -1), pose], dim=2)


def _learnt(*shape: int) -> nn.Parameter:
    """Learnt tokens [..., width], which start from a normal distribution of `deviation`."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=deviation(shape[-1])))
