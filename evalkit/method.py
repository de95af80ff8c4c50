"""What a method is: three batched calls and a card that says what it needs and what it saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.views import Cameras, Views, cat_tensors, map_tensors, take_views

__all__ = ["Card", "Method", "PoseCode", "PoseKind", "Scene", "TargetPose", "reference_of"]

Code = TypeVar("Code", bound="PoseCode")
Scene = Any  # opaque to everyone but the method that made it


@dataclass(frozen=True)
class PoseCode:
    """Poses in whatever form the method likes: a latent [B, V, D], cameras [B, V], or both.

    ``features`` [B, V, F] are what the poses were read from, where a method has such; only probes look at them, and
    they are never carried to another scene. Cameras are relative to the reference view (`reference_of`), whose w2c is
    the identity; that makes a pose of clip A, used in scene B, compose on B's reference without further ado.
    """

    latent: Tensor | None = None
    cameras: Cameras | None = None
    features: Tensor | None = None
    per_clip: ClassVar[frozenset[str]] = frozenset()  # fields of a subclass that hold one entry a clip, not a view

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
        """Return what is carried to another scene: poses alone, since that scene has intrinsics of its own."""
        return PoseCode(self.latent, None if self.cameras is None else Cameras(self.cameras.w2c, None))


@runtime_checkable
class Method(Protocol):
    """A novel-view-synthesis method. All calls are batched and run on the device of their input."""

    card: Card

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Estimate a pose for each of the V views of ``views`` [B, V]; ``context`` [B, C] are the positions
        of the context views, the others are targets. The reference is ``reference_of(context)``."""
        ...

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Build a scene from the context views [B, C] and their poses; the reference is view C // 2."""
        ...

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Render the scene at ``poses`` [B, T], giving images [B, T, 3, H, W] in [0, 1]."""
        ...


def reference_of(context: Tensor) -> Tensor:
    """The reference view of each sample: the middle one of its context positions [B, C] -> [B]."""
    return context[:, context.shape[1] // 2]
