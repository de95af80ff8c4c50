"""Refuses answers that the frames do not settle: rival solutions that fit as well, halves that disagree.

A wrong answer can have small residuals. With few points or little parallax, cameras tens of degrees apart explain the
same pixels, and which of them costs least is a matter of chance. And errors of matches that are alike in neighbouring
pixels shift all points of a region, which no residual shows, but then the regions disagree with each other.
"""

from __future__ import annotations

import numpy as np

from evalkit.oracles.sfm.bundle import Bundle, Observations, RobustLoss, adjust, point_costs
from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import Failure

MIN_DISTANCE_DEG = 8.0  # two states that differ by less are the same solution
MAX_RIVALS = 3
MAX_ANGLE_DEG = 25.0  # rival solutions, and halves of the frames, that differ by more make the answer doubtful
RIVAL_SIGMAS = 2.0  # a rival that fits worse by so many standard deviations is none
HALF_STEPS = 60
MIN_HALF_POINTS = 30


def angle_between_deg(a: Array, b: Array) -> float:
    """How far cameras ``a`` and ``b``, w2c [V, 4, 4], differ, in degrees.

    The median over all pairs of frames of the angle between the directions of their relative translations, or of
    their relative rotations where that is larger.
    """
    first, second = np.triu_indices(len(a), 1)
    relative_a, relative_b = (w2c[second] @ np.linalg.inv(w2c[first]) for w2c in (a, b))
    directions = [
        r[:, :3, 3] / np.maximum(np.linalg.norm(r[:, :3, 3], axis=-1), 1e-12)[:, None] for r in (relative_a, relative_b)
    ]
    traces = np.einsum("pij,pij->p", relative_a[:, :3, :3], relative_b[:, :3, :3])
    translation, rotation = (directions[0] * directions[1]).sum(-1), (traces - 1) / 2
    return max(float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1))))) for cosine in (translation, rotation))


def distinct(ends: Bundle) -> Array:
    """Indices of the cheapest of the states ``ends`` (with costs) and of the next that differ from those before."""
    assert ends.cost is not None
    chosen: list[int] = []
    for index in np.argsort(ends.cost, kind="stable"):
        if all(angle_between_deg(ends.w2c[index], ends.w2c[other]) > MIN_DISTANCE_DEG for other in chosen):
            chosen.append(int(index))
    return np.array(chosen[: 1 + MAX_RIVALS])


def cheapest_first(states: Bundle) -> Bundle:
    """Sort states (with costs) by cost."""
    assert states.cost is not None
    return states.take(np.argsort(states.cost, kind="stable"))


def refuse_rivals(solutions: Bundle, data: Observations, loss: RobustLoss) -> None:
    """Raise Failure where another of the ``solutions`` differs much from the first and fits about as well.

    How much worse it fits is measured in standard deviations of the sum of the differences of the points' costs (Vuong,
    Likelihood ratio tests for model selection and non-nested hypotheses, 1989).
    """
    costs = point_costs(solutions, data, loss)
    for rival in range(1, len(solutions.focal)):
        worse = costs[rival] - costs[0]
        angle = angle_between_deg(solutions.w2c[rival], solutions.w2c[0])
        if angle > MAX_ANGLE_DEG and worse.sum() < RIVAL_SIGMAS * np.linalg.norm(worse):
            raise Failure(f"two solutions fit about as well and differ by {angle:.0f} degrees")


def refuse_disagreeing_halves(state: Bundle, data: Observations, loss: RobustLoss) -> None:
    """Raise Failure where the left and right, or upper and lower, halves of the points (H = 1) give other cameras."""
    middle = (data.offsets * data.visible[..., None]).sum(1) / data.visible.sum(1)[:, None]
    for axis, names in enumerate(("left and the right", "upper and the lower")):
        below = middle[:, axis] < np.median(middle[:, axis])
        halves = [np.flatnonzero(below), np.flatnonzero(~below)]
        if min(len(half) for half in halves) < MIN_HALF_POINTS:
            continue
        a, b = (
            adjust(Bundle(state.w2c, state.points[:, half], state.focal), data.take(half), loss, HALF_STEPS, 1e-4).w2c[
                0
            ]
            for half in halves
        )
        angle = angle_between_deg(a, b)
        if angle > MAX_ANGLE_DEG:
            raise Failure(f"the {names} half of the frames give cameras that differ by {angle:.0f} degrees")
