"""Frames, Views, Cameras: what a dataset hands out and what a method is allowed to see.

Conventions, here and everywhere (docs/conventions.md): OpenCV camera axes (x right, y down, z forward),
``w2c`` is a 4x4 matrix that takes world points to camera points, pixel centres lie at +0.5, images are
float32 in [0, 1] as [..., 3, H, W], depth is the z coordinate in the camera (``inf`` where a ray meets
nothing), intrinsics are 3x3 in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor


class Need(StrEnum):
    """What a method may ask for beside images; its card declares it, and it gets nothing else."""

    CAMERAS = "cameras"
    INTRINSICS = "intrinsics"
    DEPTH = "depth"
    FRAME_NUMBERS = "frame_numbers"


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras: ``w2c`` [..., 4, 4] (OpenCV) and ``intrinsics`` [..., 3, 3] in pixels.

    ``intrinsics`` is None where only the pose is meant, as in a pose that is carried to another scene.
    """

    w2c: Tensor
    intrinsics: Tensor | None

    def __getitem__(self, index: object) -> Cameras:
        """Index the leading dimensions of both tensors alike."""
        return Cameras(self.w2c[index], None if self.intrinsics is None else self.intrinsics[index])  # type: ignore[index]

    def to(self, device: torch.device | str) -> Cameras:
        """Move to a device."""
        return Cameras(self.w2c.to(device), None if self.intrinsics is None else self.intrinsics.to(device))


@dataclass(frozen=True)
class Frames:
    """Frames of one sequence, with all that the dataset knows about them.

    images [V, 3, H, W]; numbers: their positions in the sequence; cameras [V]; depth [V, H, W] in the unit
    of the cameras' translation.
    """

    images: Tensor
    numbers: tuple[int, ...]
    cameras: Cameras | None = None
    depth: Tensor | None = None

    def take(self, positions: Sequence[int]) -> Frames:
        """Return the frames at these positions (not frame numbers), in this order."""
        index = list(positions)
        return Frames(
            self.images[index],
            tuple(self.numbers[i] for i in index),
            None if self.cameras is None else self.cameras[index],
            None if self.depth is None else self.depth[index],
        )


@dataclass(frozen=True)
class Views:
    """A batch of views as a method sees them: images, and only what its card declares it needs.

    images [B, V, 3, H, W] (NaN where the protocol hides a target's pixels, so that using them shows);
    sample_ids: B strings, the only admissible seed of randomness; w2c [B, V, 4, 4];
    intrinsics [B, V, 3, 3]; depth [B, V, H, W]; frame_numbers [B, V].
    """

    images: Tensor
    sample_ids: tuple[str, ...]
    w2c: Tensor | None = None
    intrinsics: Tensor | None = None
    depth: Tensor | None = None
    frame_numbers: Tensor | None = None

    @staticmethod
    def of(
        clips: Sequence[Frames], sample_ids: Sequence[str], needs: frozenset[Need], device: torch.device | str
    ) -> Views:
        """Stack clips of equal length and size, keeping of each only what is in ``needs``.

        Raises ValueError where a need is not in the data; runs check that before they start.
        """

        def stack(need: Need, parts: list[Tensor | None]) -> Tensor | None:
            if need not in needs:
                return None
            if any(part is None for part in parts):
                raise ValueError(f"the method needs {need}, which these frames do not carry")
            return torch.stack([part for part in parts if part is not None]).to(device)

        cameras = [clip.cameras for clip in clips]
        return Views(
            images=torch.stack([clip.images for clip in clips]).to(device),
            sample_ids=tuple(sample_ids),
            w2c=stack(Need.CAMERAS, [None if c is None else c.w2c for c in cameras]),
            intrinsics=stack(Need.INTRINSICS, [None if c is None else c.intrinsics for c in cameras]),
            depth=stack(Need.DEPTH, [clip.depth for clip in clips]),
            frame_numbers=stack(Need.FRAME_NUMBERS, [torch.tensor(clip.numbers) for clip in clips]),
        )

    def take(self, positions: Tensor) -> Views:
        """Return the views at ``positions`` [B, K] of each sample."""

        def pick(values: Tensor | None) -> Tensor | None:
            return None if values is None else take_views(values, positions)

        return replace(
            self,
            images=take_views(self.images, positions),
            w2c=pick(self.w2c),
            intrinsics=pick(self.intrinsics),
            depth=pick(self.depth),
            frame_numbers=pick(self.frame_numbers),
        )

    def hiding(self, positions: Tensor) -> Views:
        """Return the same views with the pixels and depth at ``positions`` [B, K] replaced by NaN."""
        hidden = torch.zeros(self.images.shape[:2], dtype=torch.bool, device=self.images.device)
        hidden.scatter_(1, positions.to(hidden.device), True)
        images = self.images.masked_fill(hidden[:, :, None, None, None], torch.nan)
        depth = None if self.depth is None else self.depth.masked_fill(hidden[:, :, None, None], torch.nan)
        return replace(self, images=images, depth=depth)


def take_views(values: Tensor, positions: Tensor) -> Tensor:
    """Pick ``positions`` [B, K] along dimension 1 of ``values`` [B, V, ...], giving [B, K, ...]."""
    rows = torch.arange(values.shape[0], device=values.device)[:, None]
    return values[rows, positions.to(values.device)]
