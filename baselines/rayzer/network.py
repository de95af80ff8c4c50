"""RayZer's three transformers: cameras from images, a scene from images and cameras, images from the scene."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.nn.camera_head import CameraHead
from baselines.nn.gaussians import Gaussians
from baselines.nn.patches import patchify, unpatchify
from baselines.nn.pixel_gaussians import PixelGaussians
from baselines.nn.rasteriser import rasterise
from baselines.nn.transformer import Stack, deviation, normal_linears
from baselines.rayzer.codes import position_codes
from baselines.rayzer.conditioning import pose_embedding, pose_tokens
from baselines.rayzer.model import RayZerModel
from evalkit.method import PoseCode


class RayZerNetwork(nn.Module):
    """`embed`, `encode_poses`, `encode_scene` and `render`, in the order in which they run (section 4).

    With ``order`` "scene_first" the scene comes before the poses, and `encode_poses` gets it. With ``objective``
    "poses" there are no intrinsics, no scene and no renderer.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model, width = model, model.width
        self.embed_patches = nn.Linear(3 * model.patch**2, width, bias=False)
        self.codes = position_codes(model)
        self.camera_token = _learnt(1, width)
        self.camera_layers = Stack(width, model.heads, model.camera_layers)
        if model.pose != "latent":
            with_intrinsics = model.objective == "images"
            self.camera_head = CameraHead(
                width, model.resolution, with_intrinsics, model.head_deviation, model.head_scale
            )
        if model.objective == "images":
            self._build_scene(model)
        normal_linears((self.embed_patches,), deviation(width))

    def _build_scene(self, model: RayZerModel) -> None:
        width = model.width
        if model.order == "camera_first":
            self.context_pose = pose_embedding(model)
            # These layers keep the initialisation of PyTorch, as in the released code.
            self.fuse = nn.Sequential(
                nn.LayerNorm(2 * width, bias=False), nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width)
            )
        self.scene_layers = Stack(width, model.heads, model.scene_layers)
        if model.decoder == "gaussians":
            self.gaussians = PixelGaussians(width, model.resolution, model.patch)
            return
        self.initial_scene = _learnt(model.scene_tokens, width)
        self.renderer = Renderer(model)

    def embed(self, images: Tensor, ranks: Tensor) -> Tensor:
        """Tokens [B, V, patches, width] of images [B, V, 3, H, W] in [0, 1].

        ``ranks`` [B or 1, V]: the place of each view in the temporal order of its clip.
        """
        return self.embed_patches(patchify(2 * images - 1, self.model.patch)) + self.codes.patches(ranks)  # type: ignore[no-any-return]

    def encode_poses(self, tokens: Tensor, scene: Tensor | None = None) -> PoseCode:
        """Poses of all V views of a clip in temporal order, in the frame of the canonical view.

        They are cameras, or for ``pose`` "latent" the camera tokens, which are the features in any case.

        Args:
            tokens: [B, V, patches, width], from `embed`.
            scene: from `encode_scene`, where ``order`` is "scene_first".
        """
        batch, views = tokens.shape[:2]
        ranks = torch.arange(views, device=tokens.device)
        cameras = (self.camera_token + self.codes.cameras(ranks)).expand(batch, -1, -1)
        others = [tokens.flatten(1, 2)] if scene is None else [tokens.flatten(1, 2), scene]
        rotation = self.codes.rotation(views, 0 if scene is None else scene.shape[1])
        features = self.camera_layers(torch.cat([cameras, *others], dim=1), rotation)[:, :views]
        if self.model.pose == "latent":
            return PoseCode(latent=features, features=features)
        return PoseCode(cameras=self.camera_head(features, self.model.canonical_of(views)), features=features)

    def encode_scene(self, tokens: Tensor, poses: PoseCode | None) -> Tensor:
        """The scene [B, scene tokens, width], or for ``decoder`` "gaussians" packed Gaussians [B, C * H * W, 14].

        Args:
            tokens: [B, C, patches, width] of the context, from `embed`; the output of the camera layers would hold
                content of the targets (section 4.3).
            poses: of the context [B, C]; None where ``order`` is "scene_first".
        """
        if poses is not None:
            tokens = self.fuse(torch.cat([tokens, pose_tokens(self.context_pose, poses).expand_as(tokens)], dim=-1))
        if self.model.decoder == "gaussians":
            assert poses is not None and poses.cameras is not None
            posed = self.scene_layers(tokens.flatten(1, 2)).unflatten(1, tokens.shape[1:3])
            return self.gaussians(posed, poses.cameras.w2c, poses.cameras.intrinsics).packed()  # type: ignore[no-any-return]
        initial = self.initial_scene.expand(len(tokens), -1, -1)
        encoded: Tensor = self.scene_layers(torch.cat([initial, tokens.flatten(1, 2)], dim=1))
        return encoded[:, : self.model.scene_tokens]

    def render(self, scene: Tensor, poses: PoseCode) -> Tensor:
        """Images [B, T, 3, H, W] of a scene at poses [B, T], each target by itself.

        Values lie in [0, 1], for Gaussians not always.
        """
        if self.model.decoder == "gaussians":
            return _rasterised(scene, poses, self.model.resolution)
        return self.renderer(scene, poses)  # type: ignore[no-any-return]


class Renderer(nn.Module):
    """A transformer over the tokens of one target and those of the scene (section 4.4).

    The tokens of a target embed its rays. Without rays they are learnt, the same for all targets, and one more token
    embeds the pose.
    """

    def __init__(self, model: RayZerModel) -> None:
        super().__init__()
        self.model = model
        self.pose = pose_embedding(model)
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
        tokens = torch.cat([target, repeated], dim=2).flatten(0, 1)
        updated = self.layers(self.norm(tokens))[:, : self.model.grid**2]
        pixels = self.pixels(updated).reshape(batch, count, len(updated[0]), -1)
        return unpatchify(pixels, self.model.patch, self.model.resolution, self.model.resolution)

    def _tokens(self, poses: PoseCode) -> Tensor:
        pose = pose_tokens(self.pose, poses)
        if self.model.pose == "se3_rays":
            return pose
        return torch.cat([self.initial_patches.expand(*pose.shape[:2], -1, -1), pose], dim=2)


def _rasterised(scene: Tensor, poses: PoseCode, resolution: int) -> Tensor:
    """Images [B, T, 3, H, W] of packed Gaussians [B, G, 14] at cameras [B, T], in float32 (Table 7, 1).

    The paper says "3DGS + rasterization", which did not converge; how tokens become Gaussians is taken from GS-LRM.
    """
    assert poses.cameras is not None and poses.cameras.intrinsics is not None
    with torch.autocast(scene.device.type, enabled=False):
        return rasterise(Gaussians.unpacked(scene.float()), poses.cameras.w2c, poses.cameras.intrinsics, resolution)


def _learnt(*shape: int) -> nn.Parameter:
    """Learnt tokens [..., width] from a truncated normal distribution of standard deviation `deviation`."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=deviation(shape[-1])))
