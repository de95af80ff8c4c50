"""What the worker processes of `procedural` do: from tracks to cameras, by the back-end of `colmap`."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np

from evalkit.oracles.procedural.flat_start import flat_start, verified_observations
from evalkit.oracles.procedural.turning import refuse_turning
from evalkit.oracles.sfm.bundle import (
    Array,
    Bundle,
    Observations,
    Robust,
    adjust,
    seen_from_middle,
    starts,
    triangulated,
)
from evalkit.oracles.sfm.colmap_worker import serve
from evalkit.oracles.sfm.reconstruction import (
    FOCAL_RATIOS,
    Failure,
    Graph,
    Lens,
    Matches,
    Tolerances,
    check,
    grown,
    normalised,
    refuse_still,
    verified,
)

TOLERANCES = Tolerances(match=1.5, growth=4.0, noise=0.3, inlier=2.0)
TRIAL_POINTS = 200
ROUNDS = ((4, 6, 1e-3), (1, 15, 1e-4))  # how many states stay, after how many steps a frame, at what tolerance
FINAL_STEPS = 60
FINAL_NOISE_PX = 0.1  # scale of the robust loss at the end, from where it can do no harm
FEWEST = 40  # matches that hold two frames together; other rooms with the same textures reach 30
WEAK_LINK = 0.25  # of the matches of the two frames that share most; rooms have 0.8 and more, turntables 0.4


def cameras(tracks: Array, side: int, lens: Lens) -> Array:
    """Estimate w2c [V, 4, 4] from tracks [T, V, 2] in pixels, NaN where a frame does not see the point.

    Raises Failure with a reason.
    """
    matches = shared(~np.isnan(tracks[..., 0]))
    keypoints = [np.nan_to_num(places) for places in tracks.swapaxes(0, 1)]
    refuse_still(keypoints, matches)
    graph = verified(keypoints, matches, side, side, lens, TOLERANCES)
    if not graph:
        raise Failure("no two frames match")
    refuse_cuts(graph, len(keypoints))
    refuse_turning(keypoints, graph, side, lens)
    state, data = started(keypoints, graph, side, lens)
    state = settled(state, data, side, lens)
    check(state, data, side, lens, TOLERANCES)
    return normalised(state.w2c[0])


def shared(seen: Array) -> Matches:
    """Index pairs [M, 2] of the tracks that each two frames see, from ``seen`` [T, V]."""
    pairs = [(i, j) for i in range(seen.shape[1]) for j in range(i + 1, seen.shape[1])]
    both = {(i, j): np.flatnonzero(seen[:, i] & seen[:, j]) for i, j in pairs}
    return {pair: np.stack([index, index], axis=1).astype(np.uint32) for pair, index in both.items()}


def refuse_cuts(graph: Graph, views: int) -> None:
    """Raise Failure where frames share so much less with the others that they may show something else."""
    links = {pair: len(geometry.inlier_matches) for pair, (_, geometry) in graph.items()}
    reach = np.eye(views, dtype=np.int64)
    for (i, j), inliers in links.items():
        reach[i, j] = reach[j, i] = inliers >= max(FEWEST, WEAK_LINK * max(links.values()))
    group = int((np.linalg.matrix_power(reach, views) > 0).sum(1).max())
    if group < views:
        raise Failure(f"only {group} of {views} frames show the same")


def started(keypoints: list[Array], graph: Graph, side: int, lens: Lens) -> tuple[Bundle, Observations]:
    """Two rough states (H = 2): flat, and grown from the best pair of frames; only the first where none will do.

    Soft frames often have no pair that is good enough, and wide steps are too far for a flat start. Where both are
    had, both are tried: either may lie in the wrong valley of the error.
    """
    data = verified_observations(keypoints, graph, side)
    states = [flat_start(data, side, lens)]
    with suppress(Failure):
        states.append(triangulated(grown(keypoints, graph, side, side, lens, TOLERANCES)[0], data))
    parts = zip(*((state.w2c, state.points, state.focal) for state in states), strict=True)
    return Bundle(*(np.concatenate(part) for part in parts)), data


def settled(state: Bundle, data: Observations, side: int, lens: Lens) -> Bundle:
    """Adjust each state at several focal lengths, as it is and inside out; the best go on, the last with all points.

    Soft frames leave long flat valleys: what is best after a few steps need not be in the end.
    """
    how = Robust(TOLERANCES.noise, lens.focal_prior * side, lens.focal_spread)
    longest = np.argsort(-data.seen.sum(1), kind="stable")[:TRIAL_POINTS]
    few = data.take(longest)
    trial = Bundle(state.w2c, state.points[:, longest], state.focal)
    ends = starts(seen_from_middle(trial), FOCAL_RATIOS)
    for kept, steps, tolerance in ROUNDS:
        ends = adjust(ends, few, how, steps * data.seen.shape[1], tolerance)
        assert ends.cost is not None
        ends = ends.take(np.argsort(ends.cost, kind="stable")[:kept])
    state = adjust(triangulated(ends, data), data, how, FINAL_STEPS, 1e-4)
    return adjust(state, data, replace(how, scale=FINAL_NOISE_PX), FINAL_STEPS)


def main() -> None:
    """Serve tracks until the input ends."""
    given = json.loads(sys.argv[1])
    lens = Lens(**given["lens"])
    serve(lambda tracks: cameras(tracks, given["side"], lens))


if __name__ == "__main__":
    main()
