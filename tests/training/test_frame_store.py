"""The pool: cameras stay with their frames, whichever way a clip runs or is mirrored, and wherever it was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evalkit.card import Need
from evalkit.config.validation import parse
from evalkit.data.dataset import Dataset, SequenceInfo
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.errors import UserError
from evalkit.geometry.projection import forward_splat
from evalkit.pixels import Preprocess, Profile
from evalkit.training.clip_batch import ClipBatch, draw_roles
from evalkit.training.frame_store import FrameStore
from evalkit.training.options import ClipSampling
from evalkit.views import Cameras, Frames

SIDE = 32


def orbits(length: int = 9) -> ProceduralDataset:
    options = {
        "world": "orbits",
        "split": "train",
        "count": 1,
        "length": length,
        "motion": "path",
        "seed": 0,
    }
    return ProceduralDataset(parse(ProceduralOptions, {"name": "procedural"} | options), "cpu")


class Numbered:
    """Frames as grey as their number says, of cameras as far away as it says; the second sequence is longer."""

    provides = frozenset({Need.CAMERAS})
    reads = 0

    def sequences(self) -> list[SequenceInfo]:
        return [SequenceInfo(f"s{i}", f"s{i}", ((0, 20 + i),)) for i in range(2)]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        self.reads += 1
        grey = torch.tensor(list(numbers)) + 100 * int(sequence[1])
        w2c = torch.eye(4, dtype=torch.float64).repeat(len(grey), 1, 1)
        w2c[:, 0, 3] = grey
        return Frames((grey / 255)[:, None, None, None].expand(-1, 3, 4, 4), tuple(numbers), Cameras(w2c, None))

    def digest(self) -> str:
        return "numbered"


class Bare(Numbered):
    """The same without cameras, of which one or the other says so beforehand."""

    def __init__(self, promises: bool) -> None:
        self.provides = frozenset({Need.CAMERAS}) if promises else frozenset()  # type: ignore[misc]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        return replace(super().frames(sequence, numbers, preprocess), cameras=None)


def pool(dataset: Dataset, folder: Path, cameras: bool = True, resolution: int = 4) -> FrameStore:
    return FrameStore.of(dataset, resolution, 1, folder, "cpu", lambda done, total: None, cameras)


def drawn(source: FrameStore, views: int, reverse: float = 0, mirror: float = 0, batch: int = 8) -> ClipBatch:
    longest = source.frames.shape[1] - 1
    options = ClipSampling(
        stride=1, shortest=longest, longest=(longest, longest), curriculum=0, reverse=reverse, mirror=mirror
    )
    return source.draw(batch, views, options.window(1, views), options, np.random.default_rng(0))


def test_a_mirrored_image_belongs_to_the_mirrored_camera(tmp_path: Path) -> None:
    """Two views of an orbit, of which depth moves one onto the other, still do so, as well as before."""
    dataset = orbits()
    truth = dataset.frames("orbits-train-0000", range(9), Preprocess(SIDE, Profile.PIXELSPLAT))
    assert truth.depth is not None and truth.cameras is not None and truth.cameras.intrinsics is not None
    depth, lens = truth.depth.float()[None], truth.cameras.intrinsics.float()[None]

    def off(images: torch.Tensor, depth: torch.Tensor, w2c: torch.Tensor) -> float:
        first, last = (Cameras(w2c[:, [i]], lens[:, [i]]) for i in (0, 8))
        moved, fell = forward_splat(images[:, [0]], depth[:, [0]], first, last)
        return float((moved - images[:, [8]]).abs().mean(2)[fell].mean())

    source = pool(dataset, tmp_path, resolution=SIDE)
    plain, mirrored = drawn(source, 9, batch=1), drawn(source, 9, mirror=1, batch=1)
    assert plain.w2c is not None and mirrored.w2c is not None
    assert torch.equal(mirrored.images, plain.images.flip(-1)) and not torch.equal(mirrored.w2c, plain.w2c)
    assert torch.allclose(torch.linalg.det(mirrored.w2c), torch.ones(1, 9))
    found = off(mirrored.images, depth.flip(-1), mirrored.w2c)
    assert found == pytest.approx(off(plain.images, depth, plain.w2c), rel=1e-3)
    assert found < 0.6 * off(mirrored.images, depth.flip(-1), plain.w2c)


def test_cameras_follow_their_frames(tmp_path: Path) -> None:
    source = pool(Numbered(), tmp_path)
    assert source.frames.shape == (2, 20, 3, 4, 4) and source.w2c is not None and source.w2c.dtype == torch.float32
    clips = drawn(source, 5, reverse=0.5, mirror=0.5, batch=64)
    assert clips.w2c is not None
    place, grey = clips.w2c[:, :, 0, 3], (255 * clips.images[:, :, 0, 0, 0]).round()
    assert torch.equal(place.abs(), grey)
    forwards, mirrored = (grey.diff(dim=1) > 0).all(1), (place < 0).any(1)
    assert torch.equal(forwards, ~(grey.diff(dim=1) < 0).all(1)) and 16 < forwards.sum() < 48
    assert 16 < mirrored.sum() < 48


def test_cameras_change_nothing_in_what_is_drawn(tmp_path: Path) -> None:
    with_them, without = pool(Numbered(), tmp_path), pool(Numbered(), tmp_path, cameras=False)
    images = [drawn(each, 5, reverse=0.5, mirror=0.5).images for each in (with_them, without)]
    assert torch.equal(*images)
    assert drawn(without, 5, mirror=0.5).w2c is None


def test_what_was_read_once_is_kept_with_its_cameras(tmp_path: Path) -> None:
    dataset = Numbered()
    pool(dataset, tmp_path, cameras=False)
    again = pool(dataset, tmp_path)
    assert dataset.reads == 2 and again.w2c is not None
    for file in tmp_path.glob("*.w2c"):  # as an interrupted process leaves it
        file.unlink()
    third = pool(dataset, tmp_path)
    assert dataset.reads == 4 and third.w2c is not None and torch.equal(third.w2c, again.w2c)


@pytest.mark.parametrize(("promises", "who"), [(False, "this dataset"), (True, "s0")])
def test_cameras_that_are_not_there_are_missed_in_one_line(tmp_path: Path, promises: bool, who: str) -> None:
    assert pool(Bare(promises), tmp_path, cameras=False).w2c is None
    with pytest.raises(UserError, match=f"^{who} has no cameras to train on: expected .*procedural$"):
        pool(Bare(promises), tmp_path)


def test_first_and_last_view_are_always_context() -> None:
    context, target = draw_roles(200, 7, 3, np.random.default_rng(0))
    assert (context[:, 0] == 0).all() and (context[:, -1] == 6).all()
    assert (context.diff(dim=1) > 0).all() and (target.diff(dim=1) > 0).all()
    assert torch.equal(torch.cat([context, target], 1).sort(1).values, torch.arange(7).expand(200, -1))
    counts = torch.bincount(target.flatten(), minlength=7)[1:6]
    assert counts.min() > 90 and counts.max() < 150  # 120 each, were it exact
