"""What a method is: three batched calls and a card that says what it needs and what it saw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from evalkit.views import Cameras, Need, Views, take_views

Scene = Any  # opaque to everyone but the method that made it


class TargetPose(StrEnum):
    """Where the poses of the rendered views come from. No table mixes two of these in one column."""

    GIVEN = "given"  # the dataset's cameras; target pixels are hidden
    JOINT = "joint"  # the pose encoder sees the targets together with the context
    CONTEXT_ONLY = "context_only"  # each target is encoded alone with the context
    ALIGNED_SE3 = "aligned_se3"  # given, then optimised on SE(3) against the target image (NoPoSplat)
    ALIGNED_FREE = "aligned_free"  # predicted, then optimised as a free 4x4 matrix (SPFSplat, NAS3R)
    INTERPOLATED = "interpolated"  # between the predicted poses of context views
    TRANSFER = "transfer"  # taken from another clip


class PoseKind(StrEnum):
    """What a PoseCode of the method holds."""

    LATENT = "latent"
    SE3 = "se3"
    BOTH = "both"


@dataclass(frozen=True)
class Card:
    """What a method declares about itself; `leak` protocols check it, tables print it.

    ``target_poses`` is in order of preference: a protocol takes the first that it can use.
    ``context_views`` and ``resolution`` None mean any; ``weights`` is the SHA-256 of the files it stands for.
    ``score_region``: the part of a target whose pixels its pose has not seen, where the pose sees one half by design.
    """

    name: str
    summary: str
    pose: PoseKind
    target_poses: tuple[TargetPose, ...]
    needs: frozenset[Need] = frozenset()
    context_views: frozenset[int] | None = None
    resolution: int | None = None
    weights: str = ""
    trained_on: str = "nothing"
    licence: str = "Apache-2.0"
    paper: str = ""
    score_region: Literal["all", "right_half"] = "all"


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

    def take(self, positions: Tensor) -> PoseCode:
        """Return the poses of the views at ``positions`` [B, K]."""
        latent, features = (
            None if each is None else take_views(each, positions) for each in (self.latent, self.features)
        )
        if self.cameras is None:
            return PoseCode(latent, None, features)
        intrinsics = self.cameras.intrinsics
        lens = None if intrinsics is None else take_views(intrinsics, positions)
        return PoseCode(latent, Cameras(take_views(self.cameras.w2c, positions), lens), features)

    def carried(self) -> PoseCode:
        """The poses alone: what is carried to another scene, which has a lens of its own."""
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
