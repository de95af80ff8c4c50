"""Differences of two methods in numbers of `probe` that compare with other clips, on the same test clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from evalkit.config.validation import parse
from evalkit.protocol import Arrays
from evalkit.stats.jackknife import OwnAndOthers
from evalkit.stats.paired import Comparison
from protocols.probe.columns import ScoreName
from protocols.probe.options import ProbeOptions
from protocols.probe.other_clips import STATISTICS
from protocols.probe.probe_data import gather, readable_rows, rows_of_scenes
from protocols.probe.scene_split import MIN_SCENES, split_scenes
from protocols.probe.scores import Probing, compared_by_heads
from protocols.shared.paired import Run, differences, of_both


def paired(a: Run, b: Run, settings: Mapping[str, Any]) -> dict[str, Comparison]:
    """Return a - b by key, with intervals and p-values by the jackknife; ``settings`` are the protocol's.

    Heads of both methods are trained again, on the clips whose true cameras both know.
    """
    options = parse(ProbeOptions, settings)
    scenes = {str(scene) for rows in (a[0], b[0]) for names in rows["scenes"] for scene in names}
    rows_a, rows_b = of_both(readable_rows(a[0]), readable_rows(b[0]))
    if len(scenes) < MIN_SCENES or rows_a.empty:
        return {}
    compared_a, compared_b = (_compared(rows, run[1], scenes, options) for rows, run in ((rows_a, a), (rows_b, b)))
    statistics = {name.key: STATISTICS[name.score] for name in compared_a}
    by_key_a, by_key_b = ({name.key: of for name, of in each.items()} for each in (compared_a, compared_b))
    return differences(by_key_a, by_key_b, statistics)


def _compared(
    rows: pd.DataFrame, arrays: Arrays, scenes: Iterable[str], options: ProbeOptions
) -> dict[ScoreName, OwnAndOthers]:
    seed = int(rows["seed"].iloc[0])
    split = split_scenes(scenes, options.split, seed)
    parts = [rows_of_scenes(rows, names) for names in (split.train, split.validation, split.test)]
    if any(part.empty for part in parts):
        return {}
    probing = Probing(options.training, options.min_baseline, seed)
    return compared_by_heads(gather(parts, arrays), parts[2], probing)
