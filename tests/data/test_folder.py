"""The folder dataset: what it finds, what it leaves out with a note, and what it returns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.feature import SIFT, match_descriptors

from evalkit.card import Need
from evalkit.data.dataset import ClipShape, Dataset, clip_shape_of
from evalkit.data.stored.folder import Folder, FolderOptions, load_clip
from evalkit.errors import SampleError, UserError
from evalkit.pixels import Preprocess, Profile

SMALL = Preprocess(32, Profile.PIXELSPLAT)


def _open(root: Path | None) -> Folder:
    return Folder(FolderOptions(root=None if root is None else str(root)), "cpu")


def _frame(path: Path, grey: int, size: tuple[int, int] = (48, 36)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (grey, grey, grey)).save(path)


def _cameras(folder: Path, files: list[str], **changes: Any) -> None:
    frames = []
    for number, file in enumerate(files):
        w2c = np.eye(4)
        w2c[0, 3] = number
        intrinsics = {"fx": 40.0, "fy": 40.0, "cx": 24.0, "cy": 18.0, "w": 48, "h": 36}
        frames.append({"file_path": file, "w2c": w2c.tolist()} | intrinsics)
    (folder / "opencv_cameras.json").write_text(json.dumps({"frames": frames} | changes))


def _greys(dataset: Folder, sequence: str, numbers: list[int]) -> list[int]:
    return (dataset.frames(sequence, numbers, SMALL).images.mean((1, 2, 3)) * 255).round().int().tolist()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three sequences: images in the folder, in images/, and listed by a camera file, out of name order."""
    for grey in (1, 2, 10):
        _frame(tmp_path / "plain" / f"frame{grey}.png", grey)
        _frame(tmp_path / "nested" / "images" / f"{grey}.JPG", grey)
        _frame(tmp_path / "posed" / "rgb" / f"{grey}.png", grey)
    _cameras(tmp_path / "posed", ["rgb/10.png", "rgb/1.png"])
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "plain" / "LICENSE").write_text("free")
    return tmp_path


def test_frames_come_in_the_order_of_their_numbers_or_of_the_camera_file(root: Path) -> None:
    dataset = _open(root)
    assert isinstance(dataset, Dataset)
    lengths = [(s.name, s.scene, s.segments, s.problem) for s in dataset.sequences()]
    assert lengths == [
        ("nested", "nested", ((0, 3),), None),
        ("plain", "plain", ((0, 3),), None),
        ("posed", "posed", ((0, 2),), None),
    ]
    assert _greys(dataset, "plain", [0, 1, 2]) == [1, 2, 10]
    assert _greys(dataset, "nested", [2, 0]) == [10, 1]
    assert _greys(dataset, "posed", [0, 1, 0]) == [10, 1, 10]
    frames = dataset.frames("posed", [1, 0], SMALL)
    assert frames.numbers == (1, 0) and frames.cameras is not None and frames.cameras.intrinsics is not None
    assert frames.cameras.w2c[:, 0, 3].tolist() == [1, 0] and frames.cameras.w2c.dtype == torch.float64
    # 48x36 to 43x32, centre 32x32: pixelSplat's rounding, true ratios.
    expected = torch.tensor([[40 * 43 / 48, 0, 24 * 43 / 48 - 5], [0, 40 * 32 / 36, 16], [0, 0, 1]]).double()
    torch.testing.assert_close(frames.cameras.intrinsics, expected.expand(2, 3, 3))


def test_nothing_is_left_out_in_silence(root: Path) -> None:
    (root / "empty").mkdir()
    _frame(root / "preview.png", 0)
    _frame(root / "nested" / "thumbnail.png", 0)
    _cameras(root / "posed", ["rgb/10.png", "rgb/1.png", "rgb/404.png"])
    dataset = _open(root)
    assert dataset.provides == {Need.FRAME_NUMBERS}
    assert set(dataset.notes) == {
        "ignored, a folder without frames: empty",
        "ignored, beside the sequences: 1 images",
        "not used: cameras, intrinsics; only 1 of 3 sequences have them",
        "nested: 1 images beside images/ ignored",
        "posed: 1 images without a camera in opencv_cameras.json are left out",
        "posed: 1 images of opencv_cameras.json do not exist; samples with them will fail",
    }


def test_cameras_are_provided_where_every_sequence_has_them(root: Path) -> None:
    dataset = _open(root / "posed")  # a sequence by itself is a dataset of one
    assert [s.name for s in dataset.sequences()] == ["posed"]
    assert dataset.provides == {Need.FRAME_NUMBERS, Need.CAMERAS, Need.INTRINSICS}


def test_a_bad_frame_or_camera_file_affects_only_itself(root: Path) -> None:
    (root / "plain" / "frame2.png").write_bytes((root / "plain" / "frame2.png").read_bytes()[:60])
    _cameras(root / "posed", ["../plain/frame1.png"])
    (root / "clip.mp4").write_bytes(b"no video")
    pytest.importorskip("av")
    dataset = _open(root)
    problems = {s.name: s.problem for s in dataset.sequences() if s.problem}
    assert set(problems) == {"posed", "clip.mp4"}
    assert problems["posed"].startswith("posed: opencv_cameras.json: frame '../plain/frame1.png' is not a path inside")
    assert problems["clip.mp4"].startswith("clip.mp4: unreadable video")
    assert _greys(dataset, "plain", [0, 2]) == [1, 10]
    with pytest.raises(SampleError, match=r"^plain/frame2\.png: damaged image"):
        dataset.frames("plain", [0, 1], SMALL)
    with pytest.raises(SampleError, match=r"^posed: opencv_cameras\.json"):
        dataset.frames("posed", [0], SMALL)
    with pytest.raises(SampleError, match="plain has 3 frames, no frame 3"):
        dataset.frames("plain", [3], SMALL)
    with pytest.raises(SampleError, match=r"^nested/images/1\.JPG: 48x36 becomes 48x32"):
        dataset.frames("nested", [0], Preprocess(40, Profile.ERAYZER_P16))


def test_sizes_may_differ_within_a_sequence(root: Path) -> None:
    _frame(root / "plain" / "frame3.png", 3, (30, 90))
    _frame(root / "plain" / "frame4.png", 4, (16, 16))
    assert _greys(_open(root), "plain", [0, 1, 2, 3, 4]) == [1, 2, 3, 4, 10]


def test_a_video_is_a_sequence(root: Path, write_video: Callable[..., Path], decode: Callable[[Any], int]) -> None:
    write_video(root / "walk.mp4")
    dataset = _open(root)
    assert dataset.sequences()[-1].name == "walk.mp4" and dataset.sequences()[-1].segments == ((0, 30),)
    frames = dataset.frames("walk.mp4", [21, 4, 21], Preprocess(48, Profile.PIXELSPLAT))
    assert frames.images.shape == (3, 3, 48, 48)
    whole = load_clip(root / "walk.mp4", Preprocess(48, Profile.PIXELSPLAT))
    assert whole.numbers == tuple(range(30))
    torch.testing.assert_close(frames.images, whole.images[[21, 4, 21]], rtol=0, atol=0)
    wide = np.pad((whole.images[4] * 255).permute(1, 2, 0).numpy(), ((0, 0), (8, 8), (0, 0)))
    assert decode(wide) & 0b11110 == 4  # the crop cuts the first bar off


def test_the_digest_is_of_content_not_of_place(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = _open(root).digest()
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(root, copy)
    assert _open(copy).digest() == before
    _frame(copy / "plain" / "frame1.png", 7)
    assert _open(copy).digest() != before
    shutil.rmtree(copy)
    shutil.copytree(root, copy)
    _cameras(copy / "posed", ["rgb/10.png", "rgb/1.png"], segments=[{"start": 0, "end": 1}])
    assert _open(copy).digest() != before
    (copy / "posed" / "opencv_cameras.json").unlink()
    assert _open(copy).digest() != before


def test_what_is_missing_is_asked_for(root: Path) -> None:
    with pytest.raises(UserError, match=r"dataset\.root=DIR"):
        _open(None)
    with pytest.raises(UserError, match="no folder"):
        _open(root / "nowhere")
    (root / "empty").mkdir()
    with pytest.raises(UserError, match=r"no frames in .* expected DIR/<sequence>/<images>"):
        _open(root / "empty")
    with pytest.raises(UserError, match="no frames in"):
        load_clip(root / "empty", SMALL)


def test_load_clip_reads_a_folder_with_its_cameras_or_says_what_is_wrong(root: Path) -> None:
    clip = load_clip(root / "posed", SMALL)
    assert clip.images.shape == (2, 3, 32, 32) and clip.cameras is not None
    assert load_clip(root / "plain", SMALL).cameras is None
    (root / "plain" / "frame2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"^plain/frame2\.png: empty file$"):
        load_clip(root / "plain", SMALL)


def test_a_clip_holds_the_frames_outside_of_segments_too(root: Path) -> None:
    _cameras(root / "posed", ["rgb/10.png", "rgb/1.png", "rgb/2.png"], segments=[{"start": 1, "end": 2}])
    assert load_clip(root / "posed", SMALL).numbers == (0, 1, 2)


def test_the_profile_names_a_clip_shape(root: Path) -> None:
    assert _open(root).clip_shape == ClipShape(6, 3, (8, 14), (8, 14), profile=Profile.PIXELSPLAT)
    dataset = Folder(FolderOptions(root=str(root), profile="dl3dv"), "cpu")
    assert clip_shape_of(dataset).span == (64, 96) and clip_shape_of(dataset).profile is Profile.LVSM_P16
    with pytest.raises(UserError, match=r"^dataset\.profile: no 'dl3vd' \(did you mean 'dl3dv'\?\)$"):
        Folder(FolderOptions(root=str(root), profile="dl3vd"), "cpu")


def test_planning_a_folder_imports_no_torch(root: Path) -> None:
    code = (
        "import sys\nfrom evalkit.data.stored.folder import Folder, FolderOptions\n"
        f"dataset = Folder(FolderOptions(root={str(root)!r}), 'cpu')\n"
        "dataset.sequences(), dataset.digest(), dataset.notes, dataset.provides, dataset.clip_shape\n"
        "assert not {'torch', 'pandas', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_real_captures_are_listed_with_their_segments(shared: Path) -> None:
    dataset = _open(shared / "scenes")
    sequences = {s.name: s for s in dataset.sequences()}
    assert sorted(sequences) == ["banana", "brighton_beach", "mydesk", "skull", "tum_fr2_desk"]
    assert dataset.notes == () and Need.CAMERAS in dataset.provides
    segments = ((0, 52), (55, 81), (82, 141), (141, 182), (182, 339), (339, 370), (370, 412))
    assert sequences["mydesk"].segments == segments
    frames = dataset.frames("mydesk", [497, 0], Preprocess(256, Profile.PIXELSPLAT))
    assert frames.images.shape == (2, 3, 256, 256) and frames.numbers == (497, 0)


@pytest.mark.parametrize(("scene", "numbers"), [("tum_fr2_desk", [0, 10]), ("banana", [0, 1])])
@pytest.mark.parametrize("profile", [Profile.PIXELSPLAT, Profile.LVSM_P16])
def test_real_cameras_explain_the_matches_of_preprocessed_frames(
    shared: Path, scene: str, numbers: list[int], profile: Profile
) -> None:
    frames = _open(shared / "scenes").frames(scene, numbers, Preprocess(256, profile))
    assert frames.cameras is not None and frames.cameras.intrinsics is not None
    intrinsics = frames.cameras.intrinsics.numpy()
    first, second = _matches(frames.images.mean(1).numpy())
    assert len(first) >= 20
    assert _epipolar_error(first, second, frames.cameras.w2c.numpy(), intrinsics) < 0.6
    uncropped = intrinsics + np.array([[0, 0, 42.0], [0, 0, 0], [0, 0, 0]])
    assert _epipolar_error(first, second, frames.cameras.w2c.numpy(), uncropped) > 1.0


def _matches(grey: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel coordinates [N, 2] of SIFT matches between two images [2, H, W]."""
    points, descriptors = [], []
    for image in grey:
        sift = SIFT(upsampling=1)
        sift.detect_and_extract(image)
        points.append(sift.keypoints[:, ::-1] + 0.5)
        descriptors.append(sift.descriptors)
    pairs = match_descriptors(*descriptors, max_ratio=0.7, cross_check=True)
    return points[0][pairs[:, 0]], points[1][pairs[:, 1]]


def _epipolar_error(
    first: NDArray[np.float64], second: NDArray[np.float64], w2c: NDArray[np.float64], intrinsics: NDArray[np.float64]
) -> float:
    """Median Sampson distance in pixels (Hartley and Zisserman, 11.4.3)."""
    motion = w2c[1] @ np.linalg.inv(w2c[0])
    essential = np.cross(motion[:3, 3], motion[:3, :3], axisb=0, axisc=0)
    fundamental = np.linalg.inv(intrinsics[1]).T @ essential @ np.linalg.inv(intrinsics[0])
    x, y = np.pad(first, ((0, 0), (0, 1)), constant_values=1), np.pad(second, ((0, 0), (0, 1)), constant_values=1)
    gradient = np.hstack([(x @ fundamental.T)[:, :2], (y @ fundamental)[:, :2]])
    residual = np.einsum("ni,ij,nj->n", y, fundamental, x)
    return float(np.median(np.abs(residual) / np.linalg.norm(gradient, axis=1)))
