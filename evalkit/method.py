"""What a method is: three batched calls, and a card that declares its needs and its training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.views import Cameras, Views, cat_tensors, map_tensors, take_views

__all__ = ["Card", "Method", "PoseCode", "PoseKind", "Scene", "TargetPose", "reference_of"]

Code = TypeVar("Code", bound="PoseCode")
Scene = Any  # only the method that made it knows what it is


@dataclass(frozen=True)
class PoseCode:
    """Poses of V views: latent vectors, cameras, or both.

    Args:
        latent: [B, V, D].
        cameras: [B, V], relative to the reference view (`reference_of`), whose w2c is the identity. So a pose of clip A
            that is used in scene B is relative to B's reference view.
        features: [B, V, F], from which the method computed the poses. Only probes read them; they are never transferred
            to another scene.
    """

    latent: Tensor | None = None
    cameras: Cameras | None = None
    features: Tensor | None = None
    per_clip: ClassVar[frozenset[str]] = frozenset()  # fields of a subclass with one entry per clip, not per view

    def take(self, positions: Tensor) -> Self:
        """Return the poses of the views at ``positions`` [B, K]."""
        return map_tensors(self, lambda values: take_views(values, positions), self.per_clip)

    def rows(self, index: Tensor) -> Self:
        """Return the poses of the samples ``index`` [N] of the batch."""
        return map_tensors(self, lambda values: values[index])

    @staticmethod
    def cat(codes: Sequence[Code], dim: int) -> Code:
        """Join pose codes of one kind along the batch (``dim`` 0) or along the views (``dim`` 1)."""
        return cat_tensors(codes, dim, codes[0].per_clip if dim else ())

    def carried(self) -> PoseCode:
        """Return what is transferred to another scene: poses alone, because that scene has its own intrinsics."""
        return PoseCode(self.latent, None if self.cameras is None else Cameras(self.cameras.w2c, None))


@runtime_checkable
class Method(Protocol):
    """A novel-view-synthesis method. All calls are batched and run on the device of their input."""

    card: Card

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Estimate the poses of all views.

        Args:
            views: [B, V].
            context: positions of the context views [B, C]; the other views are targets. The reference view is
                ``reference_of(context)``.
        """
        ...

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Build a scene from the context views [B, C] and their poses; the reference is view C // 2."""
        ...

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Render the scene at ``poses`` [B, T], giving images [B, T, 3, H, W] in [0, 1]."""
        ...


def reference_of(context: Tensor) -> Tensor:
    """Return the reference view of each sample: the middle one of its context positions, [B, C] -> [B]."""
    return context[:, context.shape[1] // 2]
