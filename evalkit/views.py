"""Frames, Views, Cameras: what a dataset returns and what a method receives.

Conventions everywhere (docs/conventions.md): OpenCV camera axes (x right, y down, z forward),
``w2c`` is a 4x4 matrix that takes world points to camera points, pixel centres lie at +0.5, images are
float32 in [0, 1] as [..., 3, H, W], depth is the z coordinate in the camera (``inf`` where a ray meets
nothing), intrinsics are 3x3 in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from evalkit.card import Need

__all__ = ["Cameras", "Frames", "Need", "Views", "cat_tensors", "map_tensors", "take_views"]

Record = TypeVar("Record", bound=Any)  # a dataclass


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras: ``w2c`` [..., 4, 4] (OpenCV) and ``intrinsics`` [..., 3, 3] in pixels.

    ``intrinsics`` is None where only the pose matters, as in a pose that is transferred to another scene.
    """

    w2c: Tensor
    intrinsics: Tensor | None

    def __getitem__(self, index: object) -> Cameras:
        """Index the leading dimensions of both tensors."""
        return Cameras(self.w2c[index], None if self.intrinsics is None else self.intrinsics[index])  # type: ignore[index]

    def to(self, device: torch.device | str) -> Cameras:
        """Move to a device."""
        return Cameras(self.w2c.to(device), None if self.intrinsics is None else self.intrinsics.to(device))


@dataclass(frozen=True)
class Frames:
    """Frames of one sequence, with all that the dataset knows about them.

    Args:
        images: [V, 3, H, W] in [0, 1].
        numbers: frame numbers, which are positions in the sequence.
        cameras: [V].
        depth: [V, H, W], in the unit of the cameras' translation.
        mask: [V, H, W] bool, true on the object.
    """

    images: Tensor
    numbers: tuple[int, ...]
    cameras: Cameras | None = None
    depth: Tensor | None = None
    mask: Tensor | None = None

    def take(self, positions: Sequence[int]) -> Frames:
        """Return the frames at these positions (not frame numbers), in this order."""
        index = list(positions)
        return Frames(
            self.images[index],
            tuple(self.numbers[i] for i in index),
            None if self.cameras is None else self.cameras[index],
            None if self.depth is None else self.depth[index],
            None if self.mask is None else self.mask[index],
        )


@dataclass(frozen=True)
class Views:
    """A batch of views as a method receives it: images, and of the rest only what its card declares as needs.

    Args:
        images: [B, V, 3, H, W] in [0, 1]. NaN where the protocol hides the pixels of a target: a method that uses them
            returns NaN.
        sample_ids: B strings. Random numbers of a method may depend on them and on nothing else.
        w2c: [B, V, 4, 4].
        intrinsics: [B, V, 3, 3], in pixels.
        depth: [B, V, H, W].
        frame_numbers: [B, V].
        visible: bool [B, V, H, W], false where the protocol has painted over pixels of a target (`painted_over`), for
            methods that can leave pixels out; None where it has not.
    """

    images: Tensor
    sample_ids: tuple[str, ...]
    w2c: Tensor | None = None
    intrinsics: Tensor | None = None
    depth: Tensor | None = None
    frame_numbers: Tensor | None = None
    visible: Tensor | None = None

    @staticmethod
    def of(
        clips: Sequence[Frames], sample_ids: Sequence[str], needs: frozenset[Need], device: torch.device | str
    ) -> Views:
        """Stack clips of equal length and size into a batch that has only what is in ``needs``.

        Raises ValueError where the frames lack a need; runs check that before they start.
        """

        def stack(need: Need, parts: list[Tensor | None]) -> Tensor | None:
            if need not in needs:
                return None
            if any(part is None for part in parts):
                raise ValueError(f"the method needs {need}, which these frames do not have")
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
        return map_tensors(self, lambda values: take_views(values, positions))

    def rows(self, index: Tensor) -> Views:
        """Return the samples ``index`` [N] of the batch."""
        ids = tuple(self.sample_ids[i] for i in index.tolist())
        return replace(map_tensors(self, lambda values: values[index]), sample_ids=ids)

    @staticmethod
    def cat(parts: Sequence[Views]) -> Views:
        """Join batches of views along B."""
        return replace(cat_tensors(parts, dim=0), sample_ids=tuple(name for part in parts for name in part.sample_ids))

    def hiding(self, positions: Tensor) -> Views:
        """Return the same views with the pixels and depth at ``positions`` [B, K] replaced by NaN."""
        hidden = torch.zeros(self.images.shape[:2], dtype=torch.bool, device=self.images.device)
        hidden.scatter_(1, positions.to(hidden.device), True)
        images = self.images.masked_fill(hidden[:, :, None, None, None], torch.nan)
        depth = None if self.depth is None else self.depth.masked_fill(hidden[:, :, None, None], torch.nan)
        return replace(self, images=images, depth=depth)

    def painted_over(self, positions: Tensor, columns: int, colour: Tensor) -> Views:
        """Return the same views with the columns from ``columns`` on painted over, and depth there NaN.

        Args:
            positions: of the views [B, K].
            columns: how many columns at the left stay.
            colour: [B, 3].
        """
        rows = torch.zeros(self.images.shape[:2], dtype=torch.bool, device=self.images.device)
        rows.scatter_(1, positions.to(rows.device), True)
        right = torch.arange(self.images.shape[-1], device=rows.device) >= columns
        hidden = (rows[:, :, None, None] & right).expand(*self.images.shape[:2], *self.images.shape[-2:])
        images = torch.where(hidden[:, :, None], colour.to(self.images)[:, None, :, None, None], self.images)
        depth = None if self.depth is None else self.depth.masked_fill(hidden, torch.nan)
        return replace(self, images=images, depth=depth, visible=~hidden)


def take_views(values: Tensor, positions: Tensor) -> Tensor:
    """Return ``values`` [B, V, ...] at ``positions`` [B, K] of dimension 1: [B, K, ...]."""
    rows = torch.arange(values.shape[0], device=values.device)[:, None]
    return values[rows, positions.to(values.device)]


def map_tensors(record: Record, change: Callable[[Tensor], Tensor], kept: Collection[str] = ()) -> Record:
    """Return a copy of a dataclass in which ``change`` was applied to all tensors, also those of nested dataclasses.

    Fields whose names are in ``kept`` are not changed.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, Tensor):
            return change(value)
        return map_tensors(value, change) if is_dataclass(value) and not isinstance(value, type) else value

    names = [field.name for field in fields(record) if field.name not in kept]
    return replace(record, **{name: changed(getattr(record, name)) for name in names})


def cat_tensors(records: Sequence[Record], dim: int, kept: Collection[str] = ()) -> Record:
    """Concatenate the tensors of several dataclasses of one kind along a dimension, also in nested dataclasses.

    Fields whose names are in ``kept``, and values that are not tensors, are taken from the first. Raises ValueError
    where one has a tensor that another lacks.
    """

    def joined(name: str) -> Any:
        values = [getattr(record, name) for record in records]
        if all(isinstance(value, Tensor) for value in values):
            return torch.cat(values, dim)
        if all(is_dataclass(value) for value in values):
            return cat_tensors(values, dim)
        if any(isinstance(value, Tensor) or is_dataclass(value) for value in values):
            raise ValueError(f"only some of the parts have {name}")
        return values[0]

    first = records[0]
    return replace(first, **{field.name: joined(field.name) for field in fields(first) if field.name not in kept})
