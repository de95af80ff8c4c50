"""The frames that clips are drawn from, rendered or read once and kept on the training device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evalkit.card import Need
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.pixels import Preprocess, Profile
from evalkit.training.clip_batch import ClipBatch
from evalkit.training.options import ClipSampling


@dataclass(frozen=True)
class FrameStore:
    """Frames [N, F, 3, S, S] of N sequences as bytes, which take a quarter of the memory of floats.

    ``w2c`` [N, F, 4, 4] (float32) are their true cameras, where they are needed.
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
        callback: Callable[[int, int], None],
        cameras: bool = False,
    ) -> FrameStore:
        """Render or read every ``stride``-th frame of all sequences, cut to the length of the shortest.

        Args:
            dataset: where frames come from.
            resolution: side of the frames, in pixels.
            stride: every how many frames one is kept.
            folder: keeps the frames on disk, so that a process that was stopped does not start again.
            device: where the frames are kept in memory.
            callback: called as ``callback(sequences done, sequences)``, first before any is done.
            cameras: also keep the true cameras.

        Raises:
            UserError: ``cameras`` are needed and a sequence has none.
        """
        if cameras and Need.CAMERAS not in dataset.provides:
            raise UserError(_no_cameras("this dataset"))
        sequences = dataset.sequences()
        images: list[Tensor] = []
        poses: list[Tensor] = []
        callback(0, len(sequences))
        for i, sequence in enumerate(sequences):
            files = folder / f"{i:05d}.rgb", folder / f"{i:05d}.w2c"
            if not files[0].is_file() or (cameras and not files[1].is_file()):
                _write(dataset, sequence, stride, Preprocess(resolution, Profile.PIXELSPLAT), files)
            images.append(_read(files[0], np.uint8, (3, resolution, resolution)))
            if cameras:
                if not files[1].is_file():
                    raise UserError(_no_cameras(sequence.name))
                poses.append(_read(files[1], np.float32, (4, 4)))
            callback(i + 1, len(sequences))
        shortest = min(map(len, images))
        frames = torch.stack([sequence_images[:shortest] for sequence_images in images]).to(device)
        w2c = torch.stack([sequence_poses[:shortest] for sequence_poses in poses]).to(device) if cameras else None
        return FrameStore(frames, w2c)

    def draw(
        self, batch: int, views: int, window: tuple[int, int], options: ClipSampling, rng: np.random.Generator
    ) -> ClipBatch:
        """Draw clips [B, V]: both ends of a window and random frames between them, in temporal order.

        Args:
            batch: number of clips B.
            views: number of views V.
            window: smallest and largest distance between the ends, in kept frames, both inclusive.
            options: chances of reversed and mirrored clips.
            rng: the source of all randomness.

        Raises:
            UserError: the sequences are shorter than the smallest window.
        """
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
        index = sequence.to(device), torch.from_numpy(frames).to(device)
        clips = ClipBatch(self.frames[index].float() / 255, None if self.w2c is None else self.w2c[index])
        return clips.mirrored(torch.from_numpy(rng.random(batch) < options.mirror).to(device))


def _write(
    dataset: Dataset, sequence: SequenceInfo, stride: int, preprocess: Preprocess, files: tuple[Path, Path]
) -> None:
    """Write the frames of a sequence's longest segment, and their cameras where it has some."""
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
    """Draw positions [B, V] in windows of length ``span`` [B]: both ends, and others between without replacement."""
    inside = np.arange(1, max(int(span.max()), 2))
    keys = np.where(inside < span[:, None], rng.random((len(span), len(inside))), 2.0)
    inner = np.sort(inside[np.argsort(keys, axis=1)[:, : views - 2]], axis=1)
    return np.concatenate([np.zeros_like(span)[:, None], inner, span[:, None]], axis=1)
