"""Structure from motion on one short clip: SIFT, matching and growth by pycolmap, then the bundle of `bundle.py`.

Only worker processes import this module (see `colmap_worker.py`). Everything runs on one thread with fixed seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from evalkit.oracles.sfm.bundle import (
    Array,
    Bundle,
    Observations,
    Robust,
    adjust,
    parallax_deg,
    residuals,
    seen_from_middle,
    starts,
    triangulated,
)

SEED = 0
MIN_MATCHES = 15  # between two frames
STILL_PX = 1.0  # a clip whose matches move less than this (median, in every pair) does not move
DESCRIPTOR_NORM = 512.0  # COLMAP scales unit descriptors to 512
MIN_START_ANGLE_DEG = 1.0  # median angle under which the first two frames see the points
TRIAL_POINTS = 120
TRIAL_STEPS = (5, 4, 60)  # so many, and so many more a frame, up to a limit: long clips turn slowly
FINAL_STEPS = 60
FOCAL_RATIOS = (0.7, 1.0, 1.5)  # starts, in units of the prior focal length
MIN_SUPPORT = 0.4  # share of the matched points that end in the model
MIN_PARALLAX_DEG = 0.3  # median over the points
MIN_INLIERS = 0.5

Matches = dict[tuple[int, int], Array]
Graph = dict[tuple[int, int], tuple[Array, Any]]


@cache
def colmap() -> Any:
    """The module pycolmap, imported where it is first used: whoever imports the present module (to collect doctests,
    to render documentation) keeps a zlib that works."""
    return import_module("pycolmap")


class Failure(Exception):
    """There are no cameras for this clip; the message says why."""


@dataclass(frozen=True)
class Lens:
    """What is known about the focal length before a frame has been seen, in units of the width."""

    focal_prior: float
    focal_spread: float
    focal_min: float
    focal_max: float


@dataclass(frozen=True)
class Settings(Lens):
    """The options of `ColmapOracle` that change answers."""

    peak_threshold: float
    max_features: int
    match_ratio: float


@dataclass(frozen=True)
class Tolerances:
    """How well keypoints lie, in pixels: those of SIFT at 256 pixels."""

    match: float = 1.0  # of two-view geometry
    growth: float = 4.0  # loose: the focal length is still the prior's
    noise: float = 0.2  # scale of the robust loss
    inlier: float = 1.5  # of the finished model


SIFT = Tolerances()


def reconstruct(frames: Array, settings: Settings) -> Array:
    """Estimate w2c [V, 4, 4] of frames [V, 3, H, W] uint8, relative to the first, widest baseline 1.

    Raises Failure with a reason.
    """
    height, width = frames.shape[2:]
    keypoints, matches = matched(frames, settings)
    return solved(keypoints, matches, width, height, settings, SIFT)


def solved(
    keypoints: Sequence[Array], matches: Matches, width: int, height: int, settings: Lens, px: Tolerances
) -> Array:
    """Estimate w2c [V, 4, 4] from keypoints [N, 2] of each frame and index pairs [M, 2] of each two frames."""
    refuse_still(keypoints, matches)
    graph = verified(keypoints, matches, width, height, settings, px)
    if not graph:
        raise Failure("no two frames match")
    state, data = grown(keypoints, graph, width, height, settings, px)
    state = refined(state, data, width, settings, px)
    check(state, data, width, settings, px)
    return normalised(state.w2c[0])


def matched(frames: Array, settings: Settings) -> tuple[list[Array], Matches]:
    """SIFT positions [N, 2] of each frame, and index pairs [M, 2] of mutual nearest neighbours of each two frames."""
    options = colmap().FeatureExtractionOptions(num_threads=1, use_gpu=False)
    options.sift.max_num_features = settings.max_features
    options.sift.first_octave = -1  # twice the size: at 256 pixels most of the detail is one or two pixels wide
    options.sift.peak_threshold = settings.peak_threshold
    extractor = colmap().FeatureExtractor.create(options, colmap().Device.cpu)
    luminance = np.tensordot(frames, np.array([0.299, 0.587, 0.114], np.float32), ([1], [0])) / np.float32(255)
    features = [extractor.extract_from_float32_array(np.ascontiguousarray(image)) for image in luminance]
    keypoints = [colmap().keypoints_to_matrix(k)[:, :2].astype(np.float64) for k, _ in features]
    descriptors = [np.asarray(d.data).reshape(-1, 128).astype(np.float32) for _, d in features]
    pairs = [(i, j) for i in range(len(frames)) for j in range(i + 1, len(frames))]
    return keypoints, {(i, j): nearest(descriptors[i], descriptors[j], settings.match_ratio) for i, j in pairs}


def nearest(a: Array, b: Array, ratio: float) -> Array:
    """Index pairs [M, 2] of descriptors [N, 128] that are each other's nearest and pass Lowe's ratio test.

    The entries are integers, so that the products are exact in float32, in whatever order they are summed.
    """
    if len(a) < 2 or len(b) < 2:
        return np.zeros((0, 2), np.uint32)
    similarity = a @ b.T
    rows, best = np.arange(len(a)), similarity.argmax(1)
    mutual = similarity.argmax(0)[best] == rows
    first = similarity[rows, best]
    similarity[rows, best] = -1
    first, second = (np.arccos(np.minimum(s / DESCRIPTOR_NORM**2, 1)) for s in (first, similarity.max(1)))
    kept = mutual & (first <= ratio * second)
    return np.stack([rows[kept], best[kept]], axis=1).astype(np.uint32)


def refuse_still(keypoints: Sequence[Array], matches: Matches) -> None:
    """Raise Failure for a clip in which nothing moves: it has no directions of motion to estimate."""
    moves = [
        np.median(np.linalg.norm(keypoints[i][m[:, 0]] - keypoints[j][m[:, 1]], axis=1))
        for (i, j), m in matches.items()
        if len(m) >= MIN_MATCHES
    ]
    if moves and max(moves) < STILL_PX:
        raise Failure(f"the frames do not move (less than {STILL_PX} pixels)")


def verified(
    keypoints: Sequence[Array], matches: Matches, width: int, height: int, settings: Lens, px: Tolerances
) -> Graph:
    """Matches and two-view geometry of the pairs of frames that have one."""
    options = colmap().TwoViewGeometryOptions(min_num_inliers=MIN_MATCHES, detect_watermark=False)
    options.ransac.random_seed = SEED
    options.ransac.max_error = px.match
    options.ransac.max_num_trials = 2000
    lens = camera(width, height, settings)
    found = {}
    for (i, j), pairs in matches.items():
        if len(pairs) >= MIN_MATCHES:
            geometry = colmap().estimate_two_view_geometry(lens, keypoints[i], lens, keypoints[j], pairs, options)
            if len(geometry.inlier_matches) >= MIN_MATCHES:
                found[i, j] = (pairs, geometry)
    return found


def camera(width: int, height: int, settings: Lens) -> Any:
    """The one camera of a clip: a pinhole, centred, with the focal length of the prior."""
    lens = colmap().Camera.create_from_model_name(1, "SIMPLE_PINHOLE", settings.focal_prior * width, width, height)
    lens.has_prior_focal_length = True
    return lens


def grown(
    keypoints: Sequence[Array], graph: Graph, width: int, height: int, settings: Lens, px: Tolerances
) -> tuple[Bundle, Observations]:
    """Register all frames one after the other at the prior focal length. Raises Failure where some are left out."""
    database = clip_database(keypoints, graph, camera(width, height, settings))
    manager = colmap().ReconstructionManager()
    colmap().set_random_seed(SEED)
    colmap().IncrementalPipeline(growth_options(px), database, manager).run()
    models = [manager.get(i) for i in range(manager.size())]
    if not models:
        raise Failure("no initial pair")
    largest = max(models, key=lambda model: model.num_reg_images())
    if largest.num_reg_images() < len(keypoints):
        raise Failure(f"{largest.num_reg_images()} of {len(keypoints)} frames registered")
    state, data = arrays(largest, keypoints, width, height, settings)
    support = data.seen.sum() / matched_keypoints(graph)
    if support < MIN_SUPPORT:
        raise Failure(f"the model explains only {100 * support:.0f} % of the matched points")
    return state, data


def matched_keypoints(graph: Graph) -> int:
    """How many keypoints of all frames have a verified match in another frame."""
    ends: dict[int, list[Array]] = {}
    for pair, (_, geometry) in graph.items():
        for frame, indices in zip(pair, geometry.inlier_matches.T, strict=True):
            ends.setdefault(frame, []).append(indices)
    return sum(len(np.unique(np.concatenate(indices))) for indices in ends.values())


def growth_options(px: Tolerances) -> Any:
    """COLMAP's incremental mapper, made to work with few points and small angles."""
    options = colmap().IncrementalPipelineOptions(num_threads=1, random_seed=SEED, extract_colors=False)
    options.multiple_models = False
    options.min_model_size = 2
    options.min_num_matches = MIN_MATCHES
    options.ba_refine_focal_length = False
    options.ba_global_max_refinements = 2
    mapper, triangulation = options.mapper, options.triangulation
    mapper.num_threads, mapper.random_seed, triangulation.random_seed = 1, SEED, SEED
    mapper.init_min_num_inliers = 30
    mapper.init_max_error = px.match
    mapper.init_min_tri_angle = MIN_START_ANGLE_DEG
    mapper.init_max_forward_motion = 1.0
    mapper.abs_pose_refine_focal_length = False
    mapper.abs_pose_max_error = px.growth
    mapper.abs_pose_min_num_inliers = 10
    mapper.abs_pose_min_inlier_ratio = 0.15
    mapper.filter_max_reproj_error = px.growth
    mapper.filter_min_tri_angle = triangulation.min_angle = 0.3
    triangulation.merge_max_reproj_error = triangulation.complete_max_reproj_error = px.growth
    triangulation.ignore_two_view_tracks = False
    return options


def clip_database(keypoints: Sequence[Array], graph: Graph, lens: Any) -> Any:
    """A COLMAP database in memory: one camera, a frame an image, the matches that were verified."""
    database = colmap().Database.open(":memory:")
    database.write_camera(lens, use_camera_id=True)
    rig = colmap().Rig(rig_id=1)
    rig.add_ref_sensor(lens.sensor_id)
    database.write_rig(rig, use_rig_id=True)
    for number, positions in enumerate(keypoints, start=1):
        image = colmap().Image(image_id=number, name=f"{number:04d}", camera_id=1, points2D=colmap().Point2DList())
        frame = colmap().Frame(frame_id=number, rig_id=1)
        frame.add_data_id(image.data_id)
        database.write_frame(frame, use_frame_id=True)
        image.frame_id = number
        database.write_image(image, use_image_id=True)
        database.write_keypoints(number, positions.astype(np.float32))
    for (i, j), (pairs, geometry) in graph.items():
        database.write_matches(i + 1, j + 1, pairs)
        database.write_two_view_geometry(i + 1, j + 1, geometry)
    return database


def arrays(
    model: Any, keypoints: Sequence[Array], width: int, height: int, settings: Lens
) -> tuple[Bundle, Observations]:
    """The cameras, points and observations of a model, in the order of point numbers."""
    w2c = np.tile(np.eye(4), (len(keypoints), 1, 1))
    w2c[:, :3] = [model.images[i + 1].cam_from_world().matrix() for i in range(len(keypoints))]
    points = [model.points3D[i] for i in sorted(model.points3D)]
    elements = np.array(
        [(p, e.image_id - 1, e.point2D_idx) for p, point in enumerate(points) for e in point.track.elements], np.int64
    ).reshape(-1, 3)
    starts_at = np.cumsum([0, *(len(k) for k in keypoints)])
    positions = np.concatenate(keypoints) - np.array([width / 2, height / 2])
    offsets, seen = np.zeros((len(points), len(keypoints), 2)), np.zeros((len(points), len(keypoints)), bool)
    offsets[elements[:, 0], elements[:, 1]] = positions[starts_at[elements[:, 1]] + elements[:, 2]]
    seen[elements[:, 0], elements[:, 1]] = True
    xyz = np.array([p.xyz for p in points]).reshape(1, -1, 3)
    return Bundle(w2c[None], xyz, np.array([settings.focal_prior * width])), Observations(offsets, seen)


def refined(state: Bundle, data: Observations, width: int, settings: Lens, px: Tolerances) -> Bundle:
    """Pick the best of several starts on the points seen most often, then adjust all points from there."""
    how = Robust(px.noise, settings.focal_prior * width, settings.focal_spread)
    longest = np.argsort(-data.seen.sum(1), kind="stable")[:TRIAL_POINTS]
    few = data.take(longest)
    trial = Bundle(state.w2c, state.points[:, longest], state.focal)
    base, per_frame, limit = TRIAL_STEPS
    steps = min(base + per_frame * data.seen.shape[1], limit)
    ends = adjust(starts(seen_from_middle(trial), FOCAL_RATIOS), few, how, steps, 1e-3)
    assert ends.cost is not None
    winner = ends.take([int(ends.cost.argmin())])
    return adjust(triangulated(winner, data), data, how, FINAL_STEPS)


def check(state: Bundle, data: Observations, width: int, settings: Lens, px: Tolerances) -> None:
    """Raise Failure where the cameras cannot be believed."""
    focal = float(state.focal[0]) / width
    if not settings.focal_min <= focal <= settings.focal_max:
        raise Failure(f"degenerate focal ({focal:.2f} widths)")
    parallax = float(np.median(parallax_deg(state, data)))
    if parallax < MIN_PARALLAX_DEG:
        raise Failure(f"too little parallax ({parallax:.2f} degrees)")
    error = np.linalg.norm(residuals(state, data)[0], axis=-1)[data.seen]
    inliers = float((error < px.inlier).mean())
    if inliers < MIN_INLIERS:
        raise Failure(f"only {100 * inliers:.0f} % of the matches fit")


def normalised(w2c: Array) -> Array:
    """Cameras [V, 4, 4] relative to the first, scaled so that the widest baseline is 1."""
    first = w2c[0]
    relative = w2c @ np.linalg.inv(first)
    relative[0] = np.eye(4)
    centres = -np.einsum("vji,vj->vi", relative[:, :3, :3], relative[:, :3, 3])
    relative[:, :3, 3] /= np.linalg.norm(centres[:, None] - centres, axis=-1).max()
    return relative
