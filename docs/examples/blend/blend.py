"""Blend: cross-fades the two context frames that are nearest in time. A whole method, ready to be scored."""

from __future__ import annotations

from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.method import PoseCode, reference_of
from evalkit.views import Views, take_views


class BlendOptions(ComponentOptions):
    """Its settings: `evalkit run baseline=blend baseline.sharpness=2`."""

    name: str = "blend"
    sharpness: float = Field(1.0, description="How much the nearer of the two frames dominates.")


class BlendScene(NamedTuple):
    """What the method keeps of its context."""

    images: Tensor  # [B, C, 3, H, W]
    times: Tensor  # [B, C, 1]


class Blend:
    """Cross-fades the two context frames nearest in time."""

    Options = BlendOptions
    card = Card(
        name="blend",
        summary="cross-fade of the two context frames nearest in time",
        pose=PoseKind.LATENT,
        target_poses=(TargetPose.GIVEN, TargetPose.TRANSFER),
        needs=frozenset({Need.FRAME_NUMBERS}),
    )

    def __init__(self, options: BlendOptions, device: str) -> None:
        self.options = options

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """A pose is the time since the reference frame: [B, V, 1]."""
        reference = take_views(views.frame_numbers, reference_of(context)[:, None])
        return PoseCode(latent=(views.frame_numbers - reference).float()[..., None])

    def encode_scene(self, views: Views, poses: PoseCode) -> BlendScene:
        """Nothing to build."""
        return BlendScene(views.images, poses.latent)

    def render(self, scene: BlendScene, poses: PoseCode) -> Tensor:
        """Weight the two nearest frames by the inverse of their distance in time."""
        near = (poses.latent - scene.times.mT).abs().topk(2, dim=-1, largest=False)  # of distances [B, T, C]
        weight = torch.softmax(-self.options.sharpness * near.values.clamp(min=1e-3).log(), dim=-1)
        pictures = take_views(scene.images, near.indices.flatten(1)).unflatten(1, near.indices.shape[1:])
        return (weight[..., None, None, None] * pictures).sum(dim=2)
