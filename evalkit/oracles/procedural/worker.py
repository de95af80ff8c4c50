"""The worker processes of `procedural`: from tracks to cameras, by the geometry of `colmap`."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np

from evalkit.oracles.procedural.flat_start import flat_start, verified_observations
from evalkit.oracles.procedural.pure_rotation import refuse_pure_rotation
from evalkit.oracles.sfm.bundle import Bundle, Observations, adjust, relative_to_middle, triangulated
from evalkit.oracles.sfm.colmap_worker import serve
from evalkit.oracles.sfm.growth import grow_model
from evalkit.oracles.sfm.reconstruction import FOCAL_RATIOS, normalised, refuse_implausible, robust_loss
from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import Failure, FocalSettings, Tolerances
from evalkit.oracles.sfm.stability import cheapest_first, distinct, refuse_disagreeing_halves, refuse_rivals
from evalkit.oracles.sfm.starts import starts
from evalkit.oracles.sfm.two_view import Graph, Matches, refuse_static, verify_matches

TOLERANCES = Tolerances(match=1.5, growth=4.0, noise=0.3, inlier=2.0)
TRIAL_POINTS = 200
ROUNDS = ((4, 6, 1e-3), (4, 15, 1e-4))  # states that are kept, after how many steps per frame, at what tolerance
FINAL_STEPS = 60
FINAL_NOISE_PX = 0.1  # scale of the robust loss at the end: a smaller one is safe near the solution
MIN_LINK = 40  # matches that connect two frames; other rooms with the same textures reach 30
MIN_LINK_SHARE = 0.25  # of the matches of the best connected pair; rooms have 0.8 and more, turntables 0.4


def cameras_of(tracks: Array, side: int, settings: FocalSettings) -> Array:
    """Estimate w2c [V, 4, 4] from tracks [T, V, 2] in pixels, NaN where a point is not visible in a frame.

    Raises Failure with a reason.
    """
    matches = matches_of(~np.isnan(tracks[..., 0]))
    keypoints = [np.nan_to_num(pixels) for pixels in tracks.swapaxes(0, 1)]
    refuse_static(keypoints, matches)
    graph = verify_matches(keypoints, matches, side, side, settings, TOLERANCES)
    refuse_unconnected(graph, len(keypoints))
    refuse_pure_rotation(keypoints, graph, side, settings)
    data = verified_observations(keypoints, graph, side)
    solutions = refine(first_states(keypoints, graph, data, side, settings), data, side, settings)
    state = solutions.take([0])
    refuse_implausible(state, data, side, settings, TOLERANCES)
    if settings.refuse_unstable:
        refuse_rivals(solutions, data, robust_loss(FINAL_NOISE_PX, side, settings))
        refuse_disagreeing_halves(state, data, robust_loss(TOLERANCES.noise, side, settings))
    return normalised(state.w2c[0])


def matches_of(visible: Array) -> Matches:
    """Index pairs [M, 2] of the tracks visible in both frames of each pair, from ``visible`` [T, V]."""
    pairs = [(i, j) for i in range(visible.shape[1]) for j in range(i + 1, visible.shape[1])]
    shared = {(i, j): np.flatnonzero(visible[:, i] & visible[:, j]) for i, j in pairs}
    return {pair: np.stack([index, index], axis=1).astype(np.uint32) for pair, index in shared.items()}


def refuse_unconnected(graph: Graph, views: int) -> None:
    """Raise Failure where some frames share so few matches with the others that they may show something else."""
    links = {pair: len(geometry.inlier_matches) for pair, (_, geometry) in graph.items()}
    connected = np.eye(views, dtype=np.int64)
    for (i, j), inliers in links.items():
        connected[i, j] = connected[j, i] = inliers >= max(MIN_LINK, MIN_LINK_SHARE * max(links.values()))
    largest = int((np.linalg.matrix_power(connected, views) > 0).sum(1).max())
    if largest < views:
        raise Failure(f"only {largest} of {views} frames show the same")


def first_states(
    keypoints: list[Array], graph: Graph, data: Observations, side: int, settings: FocalSettings
) -> Bundle:
    """Two rough states (H = 2): the flat start, and a model grown from the best pair; only the first where that fails.

    Soft frames often have no pair that is good enough, and large steps are too far for a flat start. Either may end in
    a wrong minimum, so both are tried.
    """
    states = [flat_start(data, side, settings)]
    with suppress(Failure):
        states.append(triangulated(grow_model(keypoints, graph, side, side, settings, TOLERANCES)[0], data))
    parts = zip(*((state.w2c, state.points, state.focal) for state in states), strict=True)
    return Bundle(*(np.concatenate(part) for part in parts))


def refine(state: Bundle, data: Observations, side: int, settings: FocalSettings) -> Bundle:
    """Adjust each state at several focal lengths, as it is and reversed; keep the best, the last with all points.

    Soft frames have long flat minima: the best state after a few steps need not be the best in the end. Returns
    solutions that differ, the cheapest first.
    """
    loss = robust_loss(TOLERANCES.noise, side, settings)
    longest = np.argsort(-data.visible.sum(1), kind="stable")[:TRIAL_POINTS]
    trial_data = data.take(longest)
    trial = Bundle(state.w2c, state.points[:, longest], state.focal)
    ends = starts(relative_to_middle(trial), FOCAL_RATIOS)
    for kept, steps, tolerance in ROUNDS:
        ends = adjust(ends, trial_data, loss, steps * data.visible.shape[1], tolerance)
        assert ends.cost is not None
        ends = ends.take(np.argsort(ends.cost, kind="stable")[:kept])
    solutions = adjust(triangulated(ends.take(distinct(ends)), data), data, loss, FINAL_STEPS, 1e-4)
    return cheapest_first(adjust(solutions, data, replace(loss, scale=FINAL_NOISE_PX), FINAL_STEPS))


def main() -> None:
    """Serve tracks until the input ends."""
    arguments = json.loads(sys.argv[1])
    settings = FocalSettings(**arguments["geometry"])
    serve(lambda tracks: cameras_of(tracks, arguments["side"], settings))


if __name__ == "__main__":
    main()
