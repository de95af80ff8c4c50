"""Statements about the procedural worlds."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from evalkit.data.dataset import Catalogue, ClipShape, Dataset, KnownWorld, clip_shape_of
from evalkit.data.procedural.catalogue import Procedural
from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions, Split, Version, WorldName
from evalkit.data.procedural.primitives import Scene, Solid, Vector
from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.paths import CLEAR_BALL, MARGIN, PATH_DIAMETER, TURNTABLE_DISTANCE, rotation
from evalkit.data.procedural.scenes.rooms import distance_to
from evalkit.data.procedural.scenes.strokes import Timing, stroke_path
from evalkit.data.procedural.scenes.worlds import SequencePlan, plan_sequence
from evalkit.errors import SampleError, UserError
from evalkit.geometry.rays import world_rays
from evalkit.geometry.se3 import invert, relative_to, rotation_angle_deg
from evalkit.pixels import Preprocess, Profile
from evalkit.registry import Group, implementation, load
from tests.audit.parts.prior_motion import broken_bounds, prior_motion

PACKAGE = Path(__file__).resolve().parents[2] / "evalkit" / "data" / "procedural"
SMALL = Preprocess(64, Profile.PIXELSPLAT)
WORLDS: tuple[WorldName, ...] = ("rooms", "orbits", "turntable")
SPLITS: tuple[Split, ...] = ("train", "val", "test")
VERSIONS: tuple[Version, ...] = (1, 2)


def make(
    world: WorldName, split: Split = "test", count: int = 4, seed: int = 0, version: Version = 2
) -> ProceduralDataset:
    options = ProceduralOptions(world=world, split=split, count=count, seed=seed, version=version)
    return ProceduralDataset(options, "cpu")


@pytest.fixture(scope="module", params=WORLDS)
def data(request: pytest.FixtureRequest) -> ProceduralDataset:
    return make(request.param)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def first(data: ProceduralDataset) -> str:
    return data.sequences()[0].name


def vector(point: Tensor) -> Vector:
    x, y, z = point.tolist()
    return x, y, z


def centres(w2c: Tensor) -> Tensor:
    return invert(w2c)[..., :3, 3]


def plan(world: WorldName, index: int = 0, version: Version = 2) -> SequencePlan:
    return plan_sequence(world, Rng(world, "test", 0, index), 97, version=version)


def scenes_and_paths(world: WorldName, count: int, version: Version = 2) -> list[tuple[Scene, Tensor]]:
    return [(made.scene, torch.from_numpy(made.w2c)) for made in (plan(world, i, version) for i in range(count))]


def test_it_is_a_dataset_of_a_known_world(data: ProceduralDataset) -> None:
    assert isinstance(data, Dataset)
    assert isinstance(data, KnownWorld)
    frames = data.frames(first(data), [0, 96], SMALL)
    assert frames.images.shape == (2, 3, 64, 64)
    assert frames.images.dtype == torch.float32
    assert 0 <= frames.images.min() < frames.images.max() <= 1
    assert frames.cameras is not None
    assert frames.cameras.w2c.dtype == torch.float64


def test_a_frame_has_the_same_pixels_whatever_it_is_rendered_with(data: ProceduralDataset, threads: None) -> None:
    name = first(data)
    torch.set_num_threads(1)
    together = data.frames(name, range(10), Preprocess(72, Profile.PIXELSPLAT))
    for threads_now in (1, 2):
        torch.set_num_threads(threads_now)
        again = make(data.options.world, count=1)  # bakes its light with this many threads
        alone = again.frames(name, [3], Preprocess(72, Profile.PIXELSPLAT))
        assert torch.equal(alone.images[0], together.images[3])
        assert alone.depth is not None
        assert together.depth is not None
        assert torch.equal(alone.depth[0], together.depth[3])


def test_a_sequence_does_not_depend_on_how_many_there_are() -> None:
    few, many = make("rooms", count=2), make("rooms", count=50)
    name = few.sequences()[1].name
    assert torch.equal(few.frames(name, [5], SMALL).images, many.frames(name, [5], SMALL).images)
    assert few.digest() != many.digest()


def test_splits_and_seeds_share_no_world() -> None:
    paths = [
        plan_sequence("rooms", Rng("rooms", split, seed, i), 2).w2c
        for split in SPLITS
        for seed in (0, 1)
        for i in range(20)
    ]
    assert len({path.tobytes() for path in paths}) == len(paths)
    names = [{info.name for info in make("rooms", split).sequences()} for split in SPLITS]
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]


def test_unknown_sequences_and_frames_are_refused(data: ProceduralDataset) -> None:
    with pytest.raises(UserError, match="did you mean"):
        data.frames(first(data) + "0", [0], SMALL)
    with pytest.raises(SampleError, match="outside"):
        data.frames(first(data), [97], SMALL)


def scalar_hit(solid: Solid, origin: np.ndarray, ray: np.ndarray, inside: bool) -> float:  # type: ignore[type-arg]
    """Distance to one solid, with intervals and polynomial roots, in float64."""
    c, s = math.cos(solid.yaw), math.sin(solid.yaw)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    o, d = turn @ (origin - np.array(solid.centre)), turn @ ray
    near, far = -math.inf, math.inf
    for axis in (2,) if solid.quadric else (0, 1, 2):
        ends = sorted((sign * solid.half[axis] - o[axis]) / d[axis] for sign in (-1, 1))
        near, far = max(near, ends[0]), min(far, ends[1])
    if solid.quadric:
        a, b, k = solid.quadric
        radius = np.polynomial.Polynomial([o[0], d[0]]) ** 2 + np.polynomial.Polynomial([o[1], d[1]]) ** 2
        z = np.polynomial.Polynomial([o[2], d[2]])
        q = radius - (a + b * z + k * z * z)
        times = sorted([near, *(r.real for r in q.roots() if abs(r.imag) < 1e-12 and near < r.real < far)])
        inside_now = [t for t in times if q(t + 1e-9) < 0]
        return min((t for t in inside_now if t > 0), default=math.inf)
    if inside:
        return far
    return near if 0 < near <= far else math.inf


def test_depth_equals_a_scalar_solution(data: ProceduralDataset) -> None:
    frames = data.frames(first(data), [10], SMALL)
    scene = plan(data.options.world).scene
    assert frames.cameras is not None
    assert frames.depth is not None
    assert frames.cameras.intrinsics is not None
    origins, rays = world_rays(frames.cameras.w2c, frames.cameras.intrinsics, 64, 64)
    pixels = [(y, x) for y in range(3, 64, 7) for x in range(2, 64, 7)]
    errors = []
    for y, x in pixels:
        o, d = origins[0].numpy(), rays[0, y, x].numpy()
        hits = [scalar_hit(solid, o, d, False) for solid in scene.solids]
        truth = min([*hits, scalar_hit(scene.room, o, d, True)] if scene.room else hits)
        depth = float(frames.depth[0, y, x])
        errors.append(0.0 if truth == depth else abs(depth - truth) / min(truth, depth))
    assert np.quantile(errors, 0.97) < 2e-6  # a ray that grazes an edge may go either way
    assert np.mean(np.array(errors) > 1e-3) < 0.03


@pytest.mark.parametrize("world", ["rooms", "orbits"])
def test_a_point_keeps_its_colour_from_frame_to_frame(world: WorldName) -> None:
    data = make(world)
    frames = data.frames(first(data), [40, 46], Preprocess(128, Profile.PIXELSPLAT))
    cameras, depth = frames.cameras, frames.depth
    assert cameras is not None
    assert depth is not None
    assert cameras.intrinsics is not None
    origin, rays = world_rays(cameras.w2c, cameras.intrinsics, 128, 128)
    world_points = origin[0] + depth[0, ..., None] * rays[0]
    camera_points = world_points @ cameras.w2c[1, :3, :3].T + cameras.w2c[1, :3, 3]
    pixel = camera_points @ cameras.intrinsics[1].T
    grid = (pixel[..., :2] / pixel[..., 2:] / 64 - 1).float()[None]

    def sample(image: Tensor) -> Tensor:
        return torch.nn.functional.grid_sample(image[None], grid, align_corners=False)[0]

    there = sample(depth[1][None])[0]
    visible = (grid.abs().amax(-1)[0] < 0.98) & ((there - camera_points[..., 2].float()).abs() < 0.01)
    assert visible.float().mean() > 0.5
    change = (sample(frames.images[1]) - frames.images[0]).abs().amax(0)[visible]
    assert change.median() < 0.02
    assert change.quantile(0.9) < 0.08


def test_the_world_can_be_seen_from_anywhere(data: ProceduralDataset) -> None:
    frames = data.frames(first(data), [7, 8], SMALL)
    assert frames.cameras is not None
    again = data.view(first(data), frames.cameras.w2c, 64)
    assert torch.equal(again.images, frames.images)
    assert again.cameras is not None
    assert frames.cameras.intrinsics is not None
    assert again.cameras.intrinsics is not None
    assert torch.equal(again.cameras.intrinsics, frames.cameras.intrinsics)


def test_turntable_shows_an_object_before_white() -> None:
    data = make("turntable")
    frames = data.frames(first(data), range(0, 97, 16), SMALL)
    assert frames.cameras is not None
    assert frames.depth is not None
    nothing = frames.depth.isinf()
    assert 0.3 < nothing.float().mean() < 0.95
    inner = torch.nn.functional.max_pool2d((~nothing).float()[:, None], 3, 1, 1)[:, 0] == 0
    assert bool((frames.images.permute(0, 2, 3, 1)[inner] == 1).all())


@pytest.mark.parametrize("version", VERSIONS)
def test_turntable_turns_at_constant_distance_and_in_version_1_once_around(version: Version) -> None:
    for _, w2c in scenes_and_paths("turntable", 12, version):
        place = centres(w2c)
        assert torch.allclose(place.norm(dim=1), torch.tensor(TURNTABLE_DISTANCE, dtype=torch.float64))
        elevation = torch.rad2deg(torch.asin(place[:, 2] / TURNTABLE_DISTANCE))
        assert -20.1 < elevation.min() <= elevation.max() < 60.1
        if version == 2:
            assert elevation.max() - elevation.min() > 5
            continue
        assert elevation.max() - elevation.min() < 1e-9
        azimuth = torch.atan2(place[:, 1], place[:, 0])
        steps = torch.remainder(azimuth.roll(-1) - azimuth + math.pi, 2 * math.pi) - math.pi
        assert torch.allclose(steps, torch.tensor(2 * math.pi / 97, dtype=torch.float64))


@pytest.mark.parametrize("version", VERSIONS)
def test_rooms_leave_a_ball_free_for_every_transferred_camera(version: Version) -> None:
    made = scenes_and_paths("rooms", 30, version)
    for scene, w2c in made:
        assert scene.room is not None
        middle = scene.room.centre
        assert min(distance_to(solid, middle) for solid in scene.solids if max(solid.half[:2]) < 2) > CLEAR_BALL - 0.02
        place = centres(w2c)
        assert (place - torch.tensor(middle, dtype=torch.float64)).norm(dim=1).max() <= PATH_DIAMETER / 2
    rng = np.random.default_rng(0)
    turns = torch.from_numpy(rotation(rng.normal(size=(2000, 3)) * 2))
    for turn in turns:
        (_, path_a), (scene, path_b) = made[rng.integers(30)], made[rng.integers(30)]
        i, j, k = rng.integers(97, size=3)
        point = centres(path_b[k]) + turn @ (centres(path_a[i]) - centres(path_a[j]))
        assert scene.room is not None
        walls = scene.room.half - (point - torch.tensor(scene.room.centre)).abs().numpy()
        assert walls.min() > MARGIN
        assert min(distance_to(solid, vector(point)) for solid in scene.solids) > MARGIN


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("world", ["orbits", "turntable"])
def test_motion_of_one_orbit_never_meets_the_things_of_another(world: WorldName, version: Version) -> None:
    made = scenes_and_paths(world, 30, version)
    rng = np.random.default_rng(0)
    for _ in range(1000):
        (_, path_a), (scene, path_b) = made[rng.integers(30)], made[rng.integers(30)]
        i, j, k = rng.integers(97, size=3)
        camera = relative_to(path_a[i][None], path_a[j])[0] @ path_b[k]
        point = vector(centres(camera))
        assert min(distance_to(solid, point) for solid in scene.solids) > MARGIN
        if scene.room:
            walls = np.array(scene.room.half) - np.abs(np.array(point) - np.array(scene.room.centre))
            assert walls.min() > MARGIN


def test_rooms_of_version_1_move_every_way_by_amounts_that_can_be_measured() -> None:
    made = [w2c for _, w2c in scenes_and_paths("rooms", 60, 1)]
    moves = torch.stack([relative_to(w2c[[start + 32]], w2c[start])[0] for w2c in made for start in (0, 32, 64)])
    place = centres(moves)
    assert place.norm(dim=1).min() > 0.2
    assert 0.3 < place.norm(dim=1).median() < 0.6
    heading = place / place.norm(dim=1, keepdim=True)
    assert bool((heading.abs().mean(0) > 0.4).all())  # 0.5 each for the uniform sphere
    assert heading.mean(0).norm() < 0.25
    turn = rotation_angle_deg(moves[:, :3, :3])
    assert 5 < turn.min() < turn.max() < 25
    whole = torch.stack([rotation_angle_deg(relative_to(w2c, w2c[0])[:, :3, :3]).max() for w2c in made])
    assert 14 < whole.min() < whole.max() < 45


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_known_without_looking_tells_little_of_the_motion_of_version_2(world: WorldName) -> None:
    """The bounds of `make audit` on fewer sequences, and half of what frame numbers tell in version 1."""
    old, new = (prior_motion(ProceduralOptions(world=world, count=24, version=version)) for version in VERSIONS)
    assert broken_bounds(new) == []
    assert new["shuffled order"] < min(8, old["shuffled order"] / 2)
    assert new["constant speed"] < old["constant speed"] / 2


@pytest.mark.parametrize("world", WORLDS)
def test_windows_of_version_2_move_enough_and_smoothly(world: WorldName) -> None:
    made = torch.stack([w2c for _, w2c in scenes_and_paths(world, 40)])
    steps = made[:, 1:] @ invert(made[:, :-1])
    assert steps[..., :3, 3].norm(dim=-1).max() < {"rooms": 0.25, "orbits": 0.25, "turntable": 0.4}[world]
    assert rotation_angle_deg(steps[..., :3, :3]).max() < 20
    for start in range(0, 72, 6):
        place = centres(made[:, start : start + 25])
        assert (place[:, :, None] - place[:, None]).norm(dim=-1).amax((1, 2)).min() > 0.12


def test_longer_sequences_of_version_2_go_on_where_shorter_ones_end() -> None:
    for world in ("rooms", "orbits", "turntable"):
        short, long = (plan_sequence(world, Rng(world, "test", 0, 0), length).w2c for length in (40, 200))
        assert np.array_equal(short, long[:40])


@given(seed=st.integers(0, 10**6), pause_chance=st.floats(0, 1))
def test_a_stroke_path_stays_between_its_waypoints_and_has_no_jump_in_its_acceleration(
    seed: int, pause_chance: float
) -> None:
    def step(rng: Rng, _: NDArray[np.float64]) -> NDArray[np.float64]:
        return rng.array(1)

    timing = Timing(6, 18, pause_chance, 5)
    path = stroke_path(Rng(seed), 90, timing, np.array([0.5]), step)
    assert 0 <= path.min() <= path.max() <= 1
    # the third derivative of a stroke of 1 in 6 frames is at most 60 / 6^3, and three strokes overlap at most
    assert np.abs(np.diff(path, n=3, axis=0)).max() < 3 * 60 / 6**3


def test_digest_follows_options_and_source() -> None:
    assert make("rooms").digest() == make("rooms").digest()
    digests = {
        make(world, split, seed=seed, version=version).digest()
        for world, split, seed, version in product(WORLDS, ("val", "test"), (0, 1), VERSIONS)
    }
    assert len(digests) == 24


@pytest.mark.parametrize("world", WORLDS)
def test_a_pan_turns_where_the_middle_of_the_path_is(world: WorldName) -> None:
    path = plan(world)
    pan = plan_sequence(world, Rng(world, "test", 0, 0), 97, "pan")
    middle = torch.from_numpy(path.w2c)[48]
    assert (centres(torch.from_numpy(pan.w2c)) - centres(middle)).norm(dim=-1).max() < 1e-12
    angle_deg = rotation_angle_deg(relative_to(torch.from_numpy(pan.w2c), middle)[:, :3, :3])
    assert 5 < angle_deg.max() < 20
    assert pan.fov_deg == path.fov_deg and pan.scene == path.scene


def test_it_is_described_without_torch() -> None:
    code = (
        "import sys\n"
        "from evalkit.data.procedural.catalogue import Procedural\n"
        "dataset = Procedural(Procedural.Options(count=2), 'cpu')\n"
        "dataset.digest()\n"
        "assert [info.name for info in dataset.sequences()] == ['rooms-test-0000', 'rooms-test-0001']\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("room", "others"), [("raycast", {"scenes"}), ("textures", {"scenes", "raycast"}),
                                              ("scenes", {"raycast"})])  # fmt: skip
def test_the_rooms_of_the_package_import_one_way(room: str, others: set[str]) -> None:
    package = "evalkit.data.procedural."
    for file in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package):
                assert str(node.module).removeprefix(package).split(".")[0] not in others, file


def test_both_halves_describe_the_same_data() -> None:
    light, heavy = load(Group.DATASET, "procedural"), implementation(load(Group.DATASET, "procedural"))
    assert light is Procedural and heavy is ProceduralDataset
    options = ProceduralOptions(count=3)
    assert isinstance(light(options, "cpu"), Catalogue)
    assert light(options, "cpu").digest() == heavy(options, "cpu").digest()
    assert light(options, "cpu").sequences() == heavy(options, "cpu").sequences()
    assert clip_shape_of(light(options, "cpu")) == ClipShape(6, 3, (24, 48), (24, 32), (80, 96), Profile.PIXELSPLAT)


def test_every_option_has_a_default_and_a_description() -> None:
    assert ProceduralOptions().name == "procedural"
    fields = ProceduralOptions.model_fields
    assert all(field.description for name, field in fields.items() if name != "name")
    assert not any(field.is_required() for field in fields.values())
