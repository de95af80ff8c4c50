"""A new format on disk: it names its sequences and reads one frame, all else is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evalkit.card import Need
from evalkit.data.dataset import Dataset
from evalkit.data.stored.base import StoredDataset, StoredOptions, StoredSequence
from evalkit.data.stored.frame import StoredFrame
from evalkit.data.stored.images import read_image, read_mask
from evalkit.errors import SampleError, UserError
from evalkit.pixels import Preprocess, Profile

WIDTH, HEIGHT = 96, 64
INTRINSICS = np.array([[80.0, 0, 50], [0, 84, 30], [0, 0, 1]])


class Toy(StoredDataset[StoredSequence]):
    """<sequence>/<n>.png, <n>.depth.npy, <n>.mask.png and cameras.json. This is all that a new format writes."""

    def open(self, name: str, path: Path) -> StoredSequence:
        count = len(json.loads((path / "cameras.json").read_text()))
        parts = [Need.CAMERAS, Need.INTRINSICS, *([Need.DEPTH] if (path / "0.depth.npy").exists() else [])]
        return StoredSequence(name=name, length=count, provides=frozenset(parts), segments=((0, 2), (2, count)))

    def read_frame(self, sequence: StoredSequence, number: int) -> StoredFrame:
        folder = self.root / sequence.name
        w2c = np.array(json.loads((folder / "cameras.json").read_text())[number])
        depth = np.load(folder / f"{number}.depth.npy") if Need.DEPTH in sequence.provides else None
        mask = read_mask(folder / f"{number}.mask.png")
        return StoredFrame(read_image(folder / f"{number}.png"), INTRINSICS, w2c, depth, mask)


def _depth() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A slanted plane: the depth of a pixel says where it lies."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return 2 + columns / WIDTH + 2 * rows / HEIGHT


def _write(folder: Path, count: int = 4, with_depth: bool = True) -> None:
    folder.mkdir()
    cameras = []
    for number in range(count):
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        pixels = np.stack([columns * 2, rows * 3, np.full_like(rows, number)], axis=-1)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        Image.fromarray(((columns > 40) * 255).astype(np.uint8)).save(folder / f"{number}.mask.png")
        if with_depth:
            np.save(folder / f"{number}.depth.npy", _depth())
        w2c = np.eye(4)
        w2c[:3, 3] = number, 0.5, 1
        cameras.append(w2c.tolist())
    (folder / "cameras.json").write_text(json.dumps(cameras))


def _open(root: Path) -> Toy:
    return Toy(StoredOptions(name="toy", root=str(root)), "cpu")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b", "a"):
        _write(tmp_path / name)
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_sequences_ranges_and_needs(root: Path) -> None:
    dataset = _open(root)
    assert isinstance(dataset, Dataset)
    infos = [(info.name, info.scene, info.segments, info.problem) for info in dataset.sequences()]
    assert infos == [("a", "a", ((0, 2), (2, 4)), None), ("b", "b", ((0, 2), (2, 4)), None)]
    assert dataset.provides == frozenset(Need) and dataset.notes == ()


def test_only_what_all_sequences_have_is_provided(root: Path) -> None:
    _write(root / "c", with_depth=False)
    dataset = _open(root)
    assert dataset.provides == frozenset(Need) - {Need.DEPTH}
    assert dataset.notes == ("not used: depth; only 2 of 3 sequences have them",)
    assert dataset.frames("c", [0], Preprocess(16, Profile.PIXELSPLAT)).depth is None


def test_each_frame_is_read_once_in_any_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, numbers_read = _open(root), []
    read_frame = dataset.read_frame

    def counted(sequence: StoredSequence, number: int) -> StoredFrame:
        numbers_read.append(number)
        return read_frame(sequence, number)

    monkeypatch.setattr(dataset, "read_frame", counted)
    frames = dataset.frames("a", [3, 1, 3], Preprocess(32, Profile.PIXELSPLAT))
    assert numbers_read == [1, 3] and frames.numbers == (3, 1, 3)
    assert (frames.images[:, 2].amax((1, 2)) * 255).round().tolist() == [3, 1, 3]
    assert frames.cameras is not None and frames.cameras.w2c[:, 0, 3].tolist() == [3, 1, 3]
    again = frames.take([1])
    assert again.mask is not None and frames.mask is not None and torch.equal(again.mask[0], frames.mask[1])


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("resolution", [32, 64])
def test_a_point_is_seen_at_the_same_place_of_the_scene_before_and_after(
    root: Path, profile: Profile, resolution: int
) -> None:
    frames = _open(root).frames("a", [2], Preprocess(resolution, profile))
    assert frames.cameras is not None and frames.cameras.intrinsics is not None
    assert frames.depth is not None and frames.mask is not None
    assert frames.images.shape == (1, 3, resolution, resolution)
    assert frames.depth.shape == frames.mask.shape == (1, resolution, resolution)
    assert (frames.depth.dtype, frames.mask.dtype) == (torch.float32, torch.bool)
    rows, columns = np.mgrid[4 : resolution - 4, 4 : resolution - 4]
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(frames.cameras.intrinsics[0].numpy()).T
    stored = rays @ INTRINSICS.T  # where the same rays meet the stored image
    x, y = stored[..., 0], stored[..., 1]
    depth = frames.depth[0, 4:-4, 4:-4].numpy()
    np.testing.assert_allclose(depth, 2 + x / WIDTH + 2 * y / HEIGHT, atol=0.5 / WIDTH + 1 / HEIGHT + 1e-6)
    np.testing.assert_allclose(frames.images[0, 0, 4:-4, 4:-4].numpy() * 255, 2 * (x - 0.5), atol=1.5)
    np.testing.assert_allclose(frames.images[0, 1, 4:-4, 4:-4].numpy() * 255, 3 * (y - 0.5), atol=2)
    mask = frames.mask[0, 4:-4, 4:-4].numpy()
    assert mask[x > 42].all() and not mask[x < 40].any()


@pytest.mark.parametrize("file", ["0.png", "3.depth.npy", "1.mask.png", "cameras.json"])
def test_the_digest_changes_with_the_content_of_any_file(root: Path, file: str) -> None:
    before = _open(root).digest()
    assert _open(root).digest() == before
    (root / "a" / ".cache").write_bytes(b"hidden")
    assert _open(root).digest() == before
    path = root / "b" / file
    path.write_bytes(path.read_bytes() + b" ")
    assert _open(root).digest() != before


def test_errors_name_sequence_and_frame(root: Path) -> None:
    small = Preprocess(32, Profile.PIXELSPLAT)
    (root / "a" / "0.png").write_bytes(b"")
    (root / "a" / "1.depth.npy").unlink()
    np.save(root / "a" / "2.depth.npy", _depth()[:-1])
    (root / "a" / "3.depth.npy").write_bytes(b"damaged")
    (root / "b" / "cameras.json").write_text("{")
    dataset = _open(root)
    for numbers, reason in [
        ([0], "a frame 0: empty file"),
        ([1], "a frame 1: 1.depth.npy: No such file or directory"),
        ([2], "a frame 2: its image has 96x64 pixels, its depth or mask 96x63"),
        ([3], "a frame 3: "),
        ([9], "a has 4 frames, no frame 9"),
    ]:
        with pytest.raises(SampleError) as failure:
            dataset.frames("a", numbers, small)
        assert str(failure.value).startswith(reason) and "\n" not in str(failure.value)
        assert str(root) not in str(failure.value)
    problem = dataset.sequences()[1].problem
    assert problem is not None and problem.startswith("b: JSONDecodeError")
    with pytest.raises(SampleError, match=r"^b: JSONDecodeError"):
        dataset.frames("b", [0], small)
    with pytest.raises(SampleError, match=r"no sequence 'aa'.*did you mean 'a'"):
        dataset.frames("aa", [0], small)


def test_a_missing_folder_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset=toy needs dataset.root=DIR"):
        Toy(StoredOptions(name="toy"), "cpu")
    with pytest.raises(UserError, match=r"no frames in .* expected DIR/<sequence>"):
        _open(tmp_path)


def test_the_base_imports_no_torch() -> None:
    code = "import sys, evalkit.data.stored.base, evalkit.data.stored.images; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
