"""What an oracle is: it estimates the cameras of a clip and reports success or a reason for failure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from evalkit.data.dataset import KnownWorld

if TYPE_CHECKING:
    from torch import Tensor

    from evalkit.views import Cameras

Identity = dict[str, str | int | float | bool]


@dataclass(frozen=True)
class ClipLocation:
    """Where a clip was taken: a sequence of a known world, and cameras ``start_w2c`` [N, 4, 4] to start from."""

    world: KnownWorld
    sequence: str
    start_w2c: Tensor

    def digest(self) -> str:
        """SHA-256 of the world, the sequence and the cameras."""
        total = hashlib.sha256(f"{_digest_of(self.world)} {self.sequence} {list(self.start_w2c.shape)}".encode())
        total.update(self.start_w2c.double().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()


@lru_cache(maxsize=8)
def _digest_of(world: KnownWorld) -> str:
    """Digest of a world, computed once: it reads the world's source, and every clip of a run needs it."""
    return world.digest()


@dataclass(frozen=True)
class Estimate:
    """Cameras of B clips: w2c [B, V, 4, 4] float64 on the CPU, up to a similarity per clip, NaN where it failed.

    ``reasons`` holds one string per clip: empty for a success, else why there are no cameras.
    """

    w2c: Tensor
    reasons: tuple[str, ...]

    @property
    def success(self) -> tuple[bool, ...]:
        """One flag per clip."""
        return tuple(not reason for reason in self.reasons)


class OracleIdentity(Protocol):
    """The half of an oracle that planning needs: no tensor, no torch, no network."""

    def identity(self) -> Identity:
        """Everything an answer depends on: name, revision, weights, precision, reference frame, settings."""
        ...


@runtime_checkable
class Oracle(OracleIdentity, Protocol):
    """Estimates the cameras of clips. Each clip is answered alone: no other clip changes its answer.

    Optional attributes: ``reads_pixels`` (False where answers do not depend on the images, and are not cached),
    ``has_scale`` (True where cameras come in the unit of the world; otherwise each clip has a scale of its own),
    ``notes`` (lines that the user should read), and ``implementation`` (see `evalkit.registry`).
    """

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate the cameras of clips.

        Args:
            images: [B, V, 3, H, W] in [0, 1]; V >= 2.
            cameras: the dataset's own cameras [B, V], where there are any. Only the `cameras` oracle reads them.
            locations: where each clip was taken, where that is known. Only the `alignment` oracle reads them.
        """
        ...


def reads_pixels(oracle: OracleIdentity) -> bool:
    """Whether the answers of an oracle depend on the images; if so they can be cached by content."""
    return bool(getattr(oracle, "reads_pixels", True))


def has_scale(oracle: OracleIdentity) -> bool:
    """Whether the cameras of different clips by this oracle have one unit of length, that of the world."""
    return bool(getattr(oracle, "has_scale", False))
