"""Three formats of camera files agree on one scene; files that cannot be used are refused in one line."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from evalkit.data.stored.camera_files import find_cameras
from evalkit.data.stored.camera_files.table import CameraTable
from evalkit.errors import SampleError

FRAMES = ("images/f1.png", "images/f2.png", "images/f10.png")
QUATERNIONS = Rotation.random(3, random_state=0).as_quat()  # x, y, z, w
TRANSLATIONS = np.array([[0.1, -0.2, 3.0], [1.0, 0.5, 2.0], [-2.0, 0.25, 4.0]])
INTRINSICS = {"fx": 50.0, "fy": 52.0, "cx": 31.0, "cy": 25.0}  # of images of 64x48


def _w2c() -> np.ndarray[Any, np.dtype[np.float64]]:
    matrices = np.tile(np.eye(4), (3, 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = Rotation.from_quat(QUATERNIONS).as_matrix(), TRANSLATIONS
    return matrices


def _opencv(folder: Path, **changes: Any) -> dict[str, Any]:
    frames = [
        {"file_path": file, "w2c": matrix.tolist(), "h": 48, "w": 64} | INTRINSICS
        for file, matrix in zip(FRAMES, _w2c(), strict=True)
    ]
    return _write(folder / "opencv_cameras.json", {"scene_name": "toy", "frames": frames} | changes)


def _transforms(folder: Path, **changes: Any) -> dict[str, Any]:
    c2w = np.linalg.inv(_w2c()) @ np.diag([1, -1, -1, 1])
    frames = [
        {"file_path": "./" + file.removesuffix(".png"), "transform_matrix": m.tolist()}
        for file, m in zip(FRAMES, c2w, strict=True)
    ]
    shared = {"fl_x": 50.0, "fl_y": 52.0, "cx": 31.0, "cy": 25.0, "w": 64.0, "h": 48, "k1": 0.0}
    return _write(folder / "transforms.json", shared | {"frames": frames} | changes)


def _colmap_text(folder: Path) -> None:
    model = folder / "sparse"
    model.mkdir()
    (model / "cameras.txt").write_text("# Camera list\n7 PINHOLE 64 48 50 52 31 25\n")
    lines = ["# Image list\n"]
    for number in (2, 0, 1):
        x, y, z, w = QUATERNIONS[number]
        values = " ".join(f"{value:.17g}" for value in (w, x, y, z, *TRANSLATIONS[number]))
        points = "1.5 2.5 -1" if number == 0 else ""
        lines.append(f"{number + 1} {values} 7 {Path(FRAMES[number]).name}\n{points}\n")
    (model / "images.txt").write_text("".join(lines))


def _colmap_binary(folder: Path) -> None:
    model = folder / "colmap" / "sparse" / "0"
    model.mkdir(parents=True)
    (model / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 7, 1, 64, 48, 50, 52, 31, 25))
    images = struct.pack("<Q", 3)
    for number in (2, 0, 1):
        x, y, z, w = QUATERNIONS[number]
        images += struct.pack("<i7di", number + 1, w, x, y, z, *TRANSLATIONS[number], 7)
        images += Path(FRAMES[number]).name.encode() + b"\0" + struct.pack("<Q", number)
        images += struct.pack("<ddq", 1.5, 2.5, -1) * number
    (model / "images.bin").write_bytes(images)


# In a process of its own: pycolmap and Pillow bring two versions of zlib.
_PYCOLMAP = """
import json, sys, numpy as np, pycolmap
model, frames = json.load(sys.stdin)
scene = pycolmap.Reconstruction()
scene.add_camera_with_trivial_rig(
    pycolmap.Camera(model="SIMPLE_RADIAL", width=64, height=48, params=[50, 31, 25, 0], camera_id=1))
for number, (name, quaternion, translation) in enumerate(frames, 1):
    pose = pycolmap.Rigid3d(pycolmap.Rotation3d(np.array(quaternion)), np.array(translation))
    points = np.arange(2.0 * number).reshape(number, 2)
    scene.add_image_with_trivial_frame(
        pycolmap.Image(name=name, keypoints=points, camera_id=1, image_id=number), pose)
scene.write_binary(model) if model.endswith("0") else scene.write_text(model)
"""


def _colmap_itself(folder: Path, model: str) -> None:
    (folder / model).mkdir(parents=True)
    frames = [(Path(file).name, list(q), list(t)) for file, q, t in zip(FRAMES, QUATERNIONS, TRANSLATIONS, strict=True)]
    request = json.dumps([str(folder / model), frames[::-1]])
    subprocess.run([sys.executable, "-c", _PYCOLMAP], input=request, text=True, check=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for file in FRAMES:
        Image.new("RGB", (64, 48)).save(tmp_path / file)
    return tmp_path


def _all_w2c(table: CameraTable) -> NDArray[np.float64]:
    return np.stack([table.w2c(index) for index in range(len(table.images))])


def _read(folder: Path) -> CameraTable:
    table = find_cameras(folder)
    assert table is not None
    return table


@pytest.mark.parametrize("write", [_opencv, _transforms, _colmap_text, _colmap_binary])
def test_every_format_gives_the_same_cameras(folder: Path, write: Callable[[Path], object]) -> None:
    write(folder)
    table = _read(folder)
    assert table.images == FRAMES
    np.testing.assert_allclose(_all_w2c(table), _w2c(), rtol=0, atol=1e-12)
    for index in range(3):
        assert table.intrinsics(index, 64, 48).tolist() == [[50, 0, 31], [0, 52, 25], [0, 0, 1]]


@pytest.mark.parametrize("model", ["sparse/0", "sparse"])
def test_models_that_colmap_writes_are_read(folder: Path, model: str) -> None:
    _colmap_itself(folder, model)
    table = _read(folder)
    assert table.images == FRAMES
    np.testing.assert_allclose(_all_w2c(table), _w2c(), rtol=0, atol=1e-12)
    assert table.intrinsics(1, 64, 48).tolist() == [[50, 0, 31], [0, 50, 25], [0, 0, 1]]


def test_the_richest_format_goes_first(folder: Path) -> None:
    for write, name in ((_colmap_text, "sparse"), (_transforms, "transforms.json"), (_opencv, "opencv_cameras.json")):
        write(folder)
        assert _read(folder).name == name


def test_intrinsics_follow_the_size_of_the_image(folder: Path) -> None:
    _opencv(folder)
    table = _read(folder)
    assert table.intrinsics(0, 32, 12).tolist() == [[25, 0, 15.5], [0, 13, 6.25], [0, 0, 1]]
    with pytest.raises(SampleError, match="for 64x48, but upright it is 48x64"):
        table.intrinsics(0, 48, 64)


def test_field_of_view_takes_the_size_from_the_image(folder: Path) -> None:
    content = _transforms(folder)
    angle = 2 * math.atan(0.5)
    _write(folder / "transforms.json", {"camera_angle_x": angle, "frames": content["frames"]})
    intrinsics = _read(folder).intrinsics(2, 64, 48)
    assert intrinsics.dtype == np.float64
    np.testing.assert_allclose(intrinsics, [[64.0, 0, 32], [0, 64, 24], [0, 0, 1]], rtol=1e-12)


def test_a_frame_may_have_its_own_intrinsics(folder: Path) -> None:
    content = _transforms(folder)
    content["frames"][1] |= {"fl_x": 70.0, "cy": 20.0}
    _write(folder / "transforms.json", content)
    table = _read(folder)
    assert table.intrinsics(0, 64, 48)[0, 0] == 50
    assert table.intrinsics(1, 64, 48).tolist() == [[70, 0, 31], [0, 52, 20], [0, 0, 1]]


def test_segments_are_kept_and_checked(folder: Path) -> None:
    _opencv(folder, segments=[{"start": 0, "end": 1, "n": 1}, {"start": 1, "end": 3}])
    assert _read(folder).segments == ((0, 1), (1, 3))
    _opencv(folder, segments=[{"start": 0, "end": 2}, {"start": 1, "end": 3}])
    with pytest.raises(SampleError, match="segment 1-3"):
        _read(folder)


@pytest.mark.parametrize("path", ["../other.png", "images/../../x.png", "/etc/x.png", "C:\\x.png", "..\\x.png", ""])
def test_paths_out_of_the_folder_are_refused(folder: Path, path: str) -> None:
    for write, key in ((_opencv, "opencv_cameras.json"), (_transforms, "transforms.json")):
        content = write(folder)
        content["frames"][1]["file_path"] = path
        _write(folder / key, content)
        with pytest.raises(SampleError, match="not a path inside the folder"):
            _read(folder)
        (folder / key).unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda w2c: w2c * math.nan, r"frames\.1\.w2c\.0\.0: Input should be a finite number"),
        (lambda w2c: w2c @ np.diag([-1, 1, 1, 1]), "f2.png: its camera is not a rotation"),
        (lambda w2c: w2c @ np.diag([1, 1.01, 1, 1]), "f2.png: its camera is not a rotation"),
        (lambda w2c: w2c + np.eye(4)[[3, 0, 1, 2]], "f2.png: its camera is not a rotation"),
        (lambda w2c: w2c[:2], r"frames\.1\.w2c"),
        (lambda w2c: w2c[:, :3], r"frames\.1\.w2c\.0\.3: Field required"),
    ],
)
def test_a_camera_that_is_no_rigid_motion_is_named(folder: Path, damage: Callable[[Any], Any], reason: str) -> None:
    content = _opencv(folder)
    content["frames"][1]["w2c"] = damage(np.array(content["frames"][1]["w2c"])).tolist()
    _write(folder / "opencv_cameras.json", content)
    with pytest.raises(SampleError, match=reason) as failure:
        _read(folder)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    "change", [{"k1": 0.01}, {"p2": -1e-4}, {"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True}]
)
def test_distortion_is_refused(folder: Path, change: dict[str, Any]) -> None:
    _transforms(folder, **change)
    with pytest.raises(SampleError, match="distorted; undistort"):
        _read(folder)


@pytest.mark.parametrize(
    "line", ["7 SIMPLE_RADIAL 64 48 50 31 25 0.01", "7 FOV 64 48 50 52 31 25 0", "7 OPENCV_FISHEYE 64 48"]
)
def test_distorted_colmap_models_are_refused(folder: Path, line: str) -> None:
    _colmap_text(folder)
    (folder / "sparse" / "cameras.txt").write_text(line)
    with pytest.raises(SampleError, match=r"^sparse: camera model [A-Z_]+ is distorted"):
        _read(folder)


def test_damaged_files_are_told_in_one_line(folder: Path) -> None:
    _colmap_binary(folder)
    images = folder / "colmap" / "sparse" / "0" / "images.bin"
    images.write_bytes(images.read_bytes()[:-3])
    with pytest.raises(SampleError, match="damaged COLMAP model"):
        _read(folder)
    for content in ("", "{", "[]", '{"frames": []}', '{"frames": 3}', "\x00"):
        (folder / "transforms.json").write_text(content)
        with pytest.raises(SampleError, match=r"^transforms\.json: ") as failure:
            _read(folder)
        assert "\n" not in str(failure.value)


def test_real_captures_are_rigid_and_complete(shared: Path) -> None:
    counts = {"banana": 15, "brighton_beach": 18, "mydesk": 498, "skull": 66, "tum_fr2_desk": 20}
    for scene, count in counts.items():
        table = _read(shared / "scenes" / scene)
        assert len(table.images) == count
        w2c = _all_w2c(table)
        assert w2c.dtype == np.float64
        rotation = w2c[:, :3, :3]
        identity = np.broadcast_to(np.eye(3), (count, 3, 3))
        np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), identity, rtol=1e-7, atol=1e-7)


def _write(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    path.write_text(json.dumps(content))
    return content
