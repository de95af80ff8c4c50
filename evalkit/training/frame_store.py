"""The frames that clips are drawn from: every one rendered or read once, and kept on the training device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Need
from evalkit.config.options import Options
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.pixels import Preprocess, Profile
from evalkit.training.clip_batch import ClipBatch


class ClipOptions(Options):
    """Which clips are drawn: the shortest and longest window, in frames of the dataset, at the start and at the end
    of the ``curriculum``, a share of the training over which the longest grows; chances of running backwards and of
    being mirrored."""

    stride: Annotated[int, Field(ge=1)]
    shortest: Annotated[int, Field(ge=1)]
    longest: tuple[int, int]
    curriculum: Annotated[float, Field(ge=0, le=1)]
    reverse: Annotated[float, Field(ge=0, le=1)]
    mirror: Annotated[float, Field(ge=0, le=1)]

    def window(self, progress: float, views: int) -> tuple[int, int]:
        """Shortest and longest window in frames of the pool, both inclusive, with room for ``views`` frames."""
        share = 1.0 if self.curriculum == 0 else min(progress / self.curriculum, 1.0)
        longest = self.longest[0] + share * (self.longest[1] - self.longest[0])
        low = max(round(self.shortest / self.stride), views - 1)
        return low, max(round(longest / self.stride), low)


@dataclass(frozen=True)
class FrameStore:
    """Frames [N, F, 3, S, S] of N sequences as bytes: a twelfth of what floats of all would take with their gradients.

    ``w2c`` [N, F, 4, 4] (float32) are their true cameras, where they were asked for.
    """

    frames: Tensor
    w2c: Tensor | None = None

    @staticmethod
    def of(
        dataset: Dataset,
        resolution: int,
        stride: int,
        folder: Path,
        device: str,
        tell: Callable[[int, int], None],
        cameras: bool = False,
    ) -> FrameStore:
        """Render or read every ``stride``-th frame of all sequences, cut to the shortest; ``folder`` keeps them.

        ``tell(done, all)`` is called as it goes. A process that is stopped finds its frames again. Raises UserError
        where ``cameras`` are asked for and a sequence has none.
        """
        if cameras and Need.CAMERAS not in dataset.provides:
            raise UserError(_no_cameras("this dataset"))
        sequences = dataset.sequences()
        rows: list[Tensor] = []
        poses: list[Tensor] = []
        for i, sequence in enumerate(sequences):
            files = folder / f"{i:05d}.rgb", folder / f"{i:05d}.w2c"
            if not files[0].is_file() or (cameras and not files[1].is_file()):
                _keep(dataset, sequence, stride, Preprocess(resolution, Profile.PIXELSPLAT), files)
            rows.append(_read(files[0], np.uint8, (3, resolution, resolution)))
            if cameras:
                if not files[1].is_file():
                    raise UserError(_no_cameras(sequence.name))
                poses.append(_read(files[1], np.float32, (4, 4)))
            tell(i + 1, len(sequences))
        shortest = min(len(row) for row in rows)
        frames = torch.stack([row[:shortest] for row in rows]).to(device)
        return FrameStore(frames, torch.stack([each[:shortest] for each in poses]).to(device) if cameras else None)

    def draw(
        self, batch: int, views: int, window: tuple[int, int], options: ClipOptions, rng: np.random.Generator
    ) -> ClipBatch:
        """Draw clips [B, V]: the ends of a window and random frames between, in order of time."""
        count, length = self.frames.shape[:2]
        longest = min(window[1], length - 1)
        if longest < window[0]:
            raise UserError(f"sequences of {length} frames hold no window of {window[0] + 1}: expected longer ones")
        span = rng.integers(window[0], longest, size=batch, endpoint=True)
        first = (rng.random(batch) * (length - span)).astype(np.int64)
        frames = first[:, None] + inner_frames(span, views, rng)
        backwards = rng.random(batch) < options.reverse
        frames[backwards] = frames[backwards, ::-1]
        sequence = torch.from_numpy(rng.integers(count, size=batch))[:, None]
        device = self.frames.device
        at = sequence.to(device), torch.from_numpy(frames).to(device)
        clips = ClipBatch(self.frames[at].float() / 255, None if self.w2c is None else self.w2c[at])
        return clips.mirrored(torch.from_numpy(rng.random(batch) < options.mirror).to(device))


def _keep(
    dataset: Dataset, sequence: SequenceInfo, stride: int, preprocess: Preprocess, files: tuple[Path, Path]
) -> None:
    """Write the frames of the longest segment, and their cameras where there are any, whoever asks for them next."""
    if sequence.problem:
        raise UserError(f"{sequence.name}: {sequence.problem}")
    start, end = max(sequence.segments, key=lambda segment: segment[1] - segment[0])
    frames = dataset.frames(sequence.name, range(start, end, stride), preprocess)
    if frames.cameras is not None:
        write_atomically(files[1], frames.cameras.w2c.float().cpu().numpy().tobytes())
    write_atomically(files[0], frames.images.mul(255).round().byte().cpu().numpy().tobytes())


def _read(file: Path, kind: type[np.uint8] | type[np.float32], shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.fromfile(file, dtype=kind)).reshape(-1, *shape)


def _no_cameras(where: str) -> str:
    return f"{where} has no cameras to train on: expected true ones beside the frames, as in dataset=procedural"


def inner_frames(
    span: np.ndarray[tuple[int], np.dtype[np.int64]], views: int, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Ranks [B, V] in windows of length ``span`` [B]: 0, the last, and between them others without replacement."""
    inside = np.arange(1, max(int(span.max()), 2))
    keys = np.where(inside < span[:, None], rng.random((len(span), len(inside))), 2.0)
    inner = np.sort(inside[np.argsort(keys, axis=1)[:, : views - 2]], axis=1)
    return np.concatenate([np.zeros_like(span)[:, None], inner, span[:, None]], axis=1)
