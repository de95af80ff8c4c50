"""How far oracles can be trusted: each against the truth and against each other, clean and under graded damage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
import torch
from torch import Tensor

from evalkit.data.degrade import degraded
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.oracle import ClipLocation, Estimate, Oracle
from evalkit.stats.bootstrap import Interval, mean_interval

TRUTH = "truth"
MIN_BASELINE = 0.1  # of the clip's widest, as in tps
_BLOCK = 8  # clips that an oracle is asked about together
KEYS = ("auc_exact_signed@20", "rra@10", "rta_signed@20", "failed")


@dataclass(frozen=True)
class Clip:
    """Frames [V, 3, H, W] of one clip with their true cameras w2c [V, 4, 4], and its place where worlds are known."""

    name: str
    scene: str
    images: Tensor
    w2c: Tensor
    place: ClipLocation | None = None


def compare(
    oracles: Mapping[str, Oracle], clips: Sequence[Clip], grades: Sequence[str], advance: Callable[[int], None]
) -> pd.DataFrame:
    """One row for each clip, grade and pair of an oracle with the truth or with another oracle.

    ``failed`` is 1 where either of the pair gave no cameras; the accuracies are then 0, as though 90 degrees off.
    ``advance`` is told how many clips an oracle has answered.
    """
    rows: list[dict[str, str | float]] = []
    for grade in grades:
        for start in range(0, len(clips), _BLOCK):
            block = clips[start : start + _BLOCK]
            images = torch.stack([degraded(clip.images, grade, clip.name) for clip in block])
            answers = {TRUTH: Estimate(torch.stack([clip.w2c for clip in block]).double().cpu(), ("",) * len(block))}
            places = [clip.place for clip in block if clip.place is not None]
            for name, oracle in oracles.items():
                answers[name] = oracle.estimate(images, None, places if len(places) == len(block) else None)
                advance(len(block))
            for i, clip in enumerate(block):
                head = {"clip": clip.name, "scene": clip.scene, "grade": grade}
                rows += [
                    {**head, "of": name, "against": reference, **_row(answers[name], answers[reference], i)}
                    for reference, name in combinations(answers, 2)
                ]
    return pd.DataFrame(rows)


def _row(answer: Estimate, reference: Estimate, i: int) -> dict[str, float]:
    """Accuracies and failure of clip ``i``; NaN where the reference does not move."""
    if answer.reasons[i] or reference.reasons[i]:
        return dict.fromkeys(KEYS, 0.0) | {"failed": 1.0}
    scores = pose_scores(answer.w2c[i : i + 1], reference.w2c[i : i + 1], MIN_BASELINE).row()
    return {key: scores[key] for key in KEYS[:-1]} | {"failed": 0.0}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means with 95 % intervals by scene for each pair and grade, in the order of the rows: key, key_low, key_high."""
    found = []
    for (name, reference, grade), part in rows.groupby(["of", "against", "grade"], sort=False):
        intervals = mean_interval(part[list(KEYS)].to_numpy(dtype=float), [(scene,) for scene in part["scene"]])
        line: dict[str, object] = {"of": name, "against": reference, "grade": grade, "clips": len(part)}
        for key, interval in zip(KEYS, intervals, strict=True):
            line |= _columns(key, interval)
        found.append(line)
    return pd.DataFrame(found)


def _columns(key: str, interval: Interval) -> dict[str, float]:
    return {key: interval.mean, f"{key}_low": interval.low, f"{key}_high": interval.high}
