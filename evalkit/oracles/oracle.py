"""What an oracle is."""

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
    """Where a clip was taken: a sequence of a known world, and cameras w2c [N, 4, 4] there to start looking from."""

    world: KnownWorld
    sequence: str
    around: Tensor

    def digest(self) -> str:
        """SHA-256 of all of it."""
        total = hashlib.sha256(f"{_digest_of(self.world)} {self.sequence} {list(self.around.shape)}".encode())
        total.update(self.around.double().cpu().contiguous().numpy().tobytes())
        return total.hexdigest()


@lru_cache(maxsize=8)
def _digest_of(world: KnownWorld) -> str:
    """That of the world, worked out once: it reads the world's source, and every clip of a run asks for it."""
    return world.digest()


@dataclass(frozen=True)
class Estimate:
    """Cameras of B clips: w2c [B, V, 4, 4] float64 on the CPU, up to a similarity a clip, NaN where it failed.

    ``reasons`` holds one string a clip: empty for a success, else why there are no cameras.
    """

    w2c: Tensor
    reasons: tuple[str, ...]

    @property
    def success(self) -> tuple[bool, ...]:
        """One flag a clip."""
        return tuple(not reason for reason in self.reasons)


class OracleIdentity(Protocol):
    """The half of an oracle that planning needs: no tensor, no torch, no network."""

    def identity(self) -> Identity:
        """Everything an answer depends on: name, revision, weights, precision, reference policy, settings."""
        ...


@runtime_checkable
class Oracle(OracleIdentity, Protocol):
    """Estimates the cameras of clips. Each clip is answered alone: never with the help of another.

    Optional attributes: ``reads_pixels`` (False where answers do not depend on the images, and are not cached),
    ``notes`` (lines that the user should read), and ``implementation`` (see `evalkit.registry`).
    """

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate cameras of ``images`` [B, V, 3, H, W] in [0, 1]; V >= 2.

        ``cameras`` [B, V] are the dataset's own, where there are any; only the `cameras` oracle looks at them.
        ``places``: where each clip was taken, where that is known; only the `alignment` oracle looks there.
        """
        ...
