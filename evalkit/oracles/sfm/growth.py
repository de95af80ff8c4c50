"""A first model of all frames: pycolmap's incremental mapper at the prior focal length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evalkit.oracles.sfm.bundle import Bundle, Observations
from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import SEED, Failure, FocalSettings, Tolerances
from evalkit.oracles.sfm.two_view import MIN_MATCHES, Graph, colmap, shared_camera

MIN_START_ANGLE_DEG = 1.0  # median angle between the rays of the first two frames
MIN_SUPPORT = 0.4  # share of the matched keypoints that end in the model


def grow_model(
    keypoints: Sequence[Array], graph: Graph, width: int, height: int, settings: FocalSettings, px: Tolerances
) -> tuple[Bundle, Observations]:
    """Register all frames one after the other at the prior focal length. Raises Failure where some are left out."""
    database = clip_database(keypoints, graph, shared_camera(width, height, settings))
    manager = colmap().ReconstructionManager()
    colmap().set_random_seed(SEED)
    colmap().IncrementalPipeline(growth_options(px), database, manager).run()
    models = [manager.get(i) for i in range(manager.size())]
    if not models:
        raise Failure("no initial pair")
    largest = max(models, key=lambda model: model.num_reg_images())
    if largest.num_reg_images() < len(keypoints):
        raise Failure(f"{largest.num_reg_images()} of {len(keypoints)} frames registered")
    state, data = model_arrays(largest, keypoints, width, height, settings)
    support = data.visible.sum() / matched_keypoints(graph)
    if support < MIN_SUPPORT:
        raise Failure(f"the model explains only {100 * support:.0f} % of the matched points")
    return state, data


def matched_keypoints(graph: Graph) -> int:
    """Count the keypoints of all frames that have a verified match in another frame."""
    matched: dict[int, list[Array]] = {}
    for pair, (_, geometry) in graph.items():
        for frame, indices in zip(pair, geometry.inlier_matches.T, strict=True):
            matched.setdefault(frame, []).append(indices)
    return sum(len(np.unique(np.concatenate(indices))) for indices in matched.values())


def growth_options(px: Tolerances) -> Any:
    """Options of COLMAP's incremental mapper for few points and small angles."""
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


def clip_database(keypoints: Sequence[Array], graph: Graph, camera: Any) -> Any:
    """A COLMAP database in memory: one camera, one image per frame, the verified matches."""
    database = colmap().Database.open(":memory:")
    database.write_camera(camera, use_camera_id=True)
    rig = colmap().Rig(rig_id=1)
    rig.add_ref_sensor(camera.sensor_id)
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


def model_arrays(
    model: Any, keypoints: Sequence[Array], width: int, height: int, settings: FocalSettings
) -> tuple[Bundle, Observations]:
    """The cameras, points and observations of a model (H = 1), in the order of point numbers."""
    w2c = np.tile(np.eye(4), (len(keypoints), 1, 1))
    w2c[:, :3] = [model.images[i + 1].cam_from_world().matrix() for i in range(len(keypoints))]
    points = [model.points3D[i] for i in sorted(model.points3D)]
    elements = np.array(
        [(p, e.image_id - 1, e.point2D_idx) for p, point in enumerate(points) for e in point.track.elements], np.int64
    ).reshape(-1, 3)
    first_index = np.cumsum([0, *(len(k) for k in keypoints)])
    positions = np.concatenate(keypoints) - np.array([width / 2, height / 2])
    offsets, visible = np.zeros((len(points), len(keypoints), 2)), np.zeros((len(points), len(keypoints)), bool)
    offsets[elements[:, 0], elements[:, 1]] = positions[first_index[elements[:, 1]] + elements[:, 2]]
    visible[elements[:, 0], elements[:, 1]] = True
    xyz = np.array([p.xyz for p in points]).reshape(1, -1, 3)
    return Bundle(w2c[None], xyz, np.array([settings.focal_prior * width])), Observations(offsets, visible)
