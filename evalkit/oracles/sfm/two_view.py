"""Pairs of frames: SIFT keypoints, matches, and two-view geometry by pycolmap."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import SEED, ColmapSettings, Failure, FocalSettings, Tolerances

MIN_MATCHES = 15  # between two frames
MIN_MOTION_PX = 1.0  # a clip does not move if the median motion of the matches is smaller in every pair
DESCRIPTOR_NORM = 512.0  # COLMAP scales unit descriptors to 512

Pair = tuple[int, int]
Matches = dict[Pair, Array]  # index pairs [M, 2] of keypoints, by pair of frames
Graph = dict[Pair, tuple[Array, Any]]  # matches, and pycolmap's two-view geometry with its inliers


@cache
def colmap() -> Any:
    """Import pycolmap where it is first used: a process that only imports this module keeps its own zlib."""
    return import_module("pycolmap")


def match_frames(frames: Array, settings: ColmapSettings) -> tuple[list[Array], Matches]:
    """Find SIFT keypoints [N, 2] of frames [V, 3, H, W] uint8, and matches of all pairs of frames."""
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
    return keypoints, {(i, j): mutual_nearest(descriptors[i], descriptors[j], settings.match_ratio) for i, j in pairs}


def mutual_nearest(a: Array, b: Array, ratio: float) -> Array:
    """Index pairs [M, 2] of descriptors [N, 128] that are mutual nearest neighbours and pass Lowe's ratio test.

    The entries are integers, so that the products are exact in float32, in any order of summation.
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


def refuse_static(keypoints: Sequence[Array], matches: Matches) -> None:
    """Raise Failure for a clip in which nothing moves: it has no directions of motion to estimate."""
    motions_px = [
        np.median(np.linalg.norm(keypoints[i][m[:, 0]] - keypoints[j][m[:, 1]], axis=1))
        for (i, j), m in matches.items()
        if len(m) >= MIN_MATCHES
    ]
    if motions_px and max(motions_px) < MIN_MOTION_PX:
        raise Failure(f"the frames do not move (less than {MIN_MOTION_PX} pixels)")


def verify_matches(
    keypoints: Sequence[Array], matches: Matches, width: int, height: int, settings: FocalSettings, px: Tolerances
) -> Graph:
    """Estimate two-view geometry; return the pairs of frames that have one. Raises Failure where none has."""
    options = colmap().TwoViewGeometryOptions(min_num_inliers=MIN_MATCHES, detect_watermark=False)
    options.ransac.random_seed = SEED
    options.ransac.max_error = px.match
    options.ransac.max_num_trials = 2000
    camera = shared_camera(width, height, settings)
    graph: Graph = {}
    for (i, j), pairs in matches.items():
        if len(pairs) >= MIN_MATCHES:
            geometry = colmap().estimate_two_view_geometry(camera, keypoints[i], camera, keypoints[j], pairs, options)
            if len(geometry.inlier_matches) >= MIN_MATCHES:
                graph[i, j] = (pairs, geometry)
    if not graph:
        raise Failure("no two frames match")
    return graph


def shared_camera(width: int, height: int, settings: FocalSettings) -> Any:
    """The one camera of a clip: a pinhole, centred, with the focal length of the prior."""
    camera = colmap().Camera.create_from_model_name(1, "SIMPLE_PINHOLE", settings.focal_prior * width, width, height)
    camera.has_prior_focal_length = True
    return camera
