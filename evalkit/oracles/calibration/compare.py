"""Compares oracles with true cameras and with each other, on clean clips and under graded damage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
import torch
from torch import Tensor

from evalkit.data.degrade import degraded
from evalkit.oracles.calibration.hook import Accuracies
from evalkit.oracles.oracle import ClipLocation, Estimate, Oracle
from evalkit.stats import mean_interval

TRUTH = "truth"
FAILED = "failed"
_BLOCK = 8  # clips that an oracle is given at once


@dataclass(frozen=True)
class CalibrationClip:
    """Frames [V, 3, H, W] of one clip with their true cameras w2c [V, 4, 4], and its location in a known world."""

    name: str
    scene: str
    images: Tensor
    w2c: Tensor
    location: ClipLocation | None = None


def compare(
    oracles: Mapping[str, Oracle],
    clips: Sequence[CalibrationClip],
    grades: Sequence[str],
    accuracies: Accuracies,
    advance: Callable[[int], None],
) -> pd.DataFrame:
    """Compare the answers of oracles with the truth and with each other.

    Args:
        oracles: by name.
        clips: equally many frames of equal size each.
        grades: kinds of damage, see `degraded`.
        accuracies: how cameras are compared.
        advance: called with the number of clips that an oracle has answered.

    Returns:
        One row per clip, grade and pair of an oracle (``of``) with the truth or with another oracle (``against``).
        ``failed`` is 1 where either of the pair gave no cameras; the accuracies are then 0, as if 90 degrees off.
    """
    rows: list[dict[str, str | float]] = []
    for grade in grades:
        for start in range(0, len(clips), _BLOCK):
            block = clips[start : start + _BLOCK]
            answers = _answers(oracles, block, grade, advance)
            for i, clip in enumerate(block):
                head = {"clip": clip.name, "scene": clip.scene, "grade": grade}
                rows += [
                    {**head, "of": name, "against": other, **_scores(answers[name], answers[other], i, accuracies)}
                    for other, name in combinations(answers, 2)
                ]
    return pd.DataFrame(rows)


def _answers(
    oracles: Mapping[str, Oracle], block: Sequence[CalibrationClip], grade: str, advance: Callable[[int], None]
) -> dict[str, Estimate]:
    """The truth, then the estimate of each oracle, for a block of clips at one grade."""
    images = torch.stack([degraded(clip.images, grade, clip.name) for clip in block])
    locations = [clip.location for clip in block if clip.location is not None]
    answers = {TRUTH: Estimate(torch.stack([clip.w2c for clip in block]).double().cpu(), ("",) * len(block))}
    for name, oracle in oracles.items():
        answers[name] = oracle.estimate(images, None, locations if len(locations) == len(block) else None)
        advance(len(block))
    return answers


def _scores(answer: Estimate, reference: Estimate, i: int, accuracies: Accuracies) -> dict[str, float]:
    """Accuracies and failure of clip ``i``; NaN where the reference does not move."""
    if answer.reasons[i] or reference.reasons[i]:
        return dict.fromkeys(accuracies.titles, 0.0) | {FAILED: 1.0}
    scores = accuracies.compare(answer.w2c[i : i + 1], reference.w2c[i : i + 1])
    return {key: scores[key] for key in accuracies.titles} | {FAILED: 0.0}


def summary(rows: pd.DataFrame, keys: Iterable[str]) -> pd.DataFrame:
    """Mean and 95 % interval by scene of each number (``key``, ``key_low``, ``key_high``), per pair and grade."""
    columns = [*keys, FAILED]
    lines = []
    for (name, reference, grade), part in rows.groupby(["of", "against", "grade"], sort=False):
        intervals = mean_interval(part[columns].to_numpy(dtype=float), [(scene,) for scene in part["scene"]])
        line: dict[str, object] = {"of": name, "against": reference, "grade": grade, "clips": len(part)}
        for key, interval in zip(columns, intervals, strict=True):
            line |= {key: interval.mean, f"{key}_low": interval.low, f"{key}_high": interval.high}
        lines.append(line)
    return pd.DataFrame(lines)
