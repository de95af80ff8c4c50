"""Training of all heads on all inputs, and the scores of test clips."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.motion import long_baselines, magnitude_agreement
from evalkit.metrics.pose import relative_pose_errors
from evalkit.metrics.pose_scores import PoseScores
from evalkit.stats.interval import Interval
from evalkit.stats.jackknife import OwnAndOthers
from evalkit.training.pose_loss import RelativePoses
from protocols.probe.columns import ANGLES_DEG, CODES, DISTANCES, Reader, ScoreName, Source
from protocols.probe.head_training import train
from protocols.probe.heads import predict, rescaled
from protocols.probe.inputs import standardised
from protocols.probe.options import HeadOptions
from protocols.probe.other_clips import compared, intervals_of, mean_over_seeds, numbers_of, with_reference
from protocols.probe.probe_data import ProbeData
from protocols.shared.summaries import intervals

Scores = dict[ScoreName, Interval]


class Probing(NamedTuple):
    """How heads are trained and scored: their options, the shortest baseline that counts, and the run's seed."""

    options: HeadOptions
    min_baseline: float
    seed: int


def all_scores(data: ProbeData, test_rows: pd.DataFrame, probing: Probing) -> Scores:
    """Every score of every source and reader: the mean over test clips and seeds.

    Intervals are clustered by scene. Scores ``over_seeds`` are standard deviations over seeds; the method's own
    cameras have none.
    """
    scores = _scores_of_cameras(data, test_rows, probing)
    for source, reader, hidden in _heads(data.inputs, probing.options.hidden):
        scores |= _scores_of_head(source, reader, hidden, data, test_rows, probing)
    return scores


def reference_lines(scores: Scores, width: int) -> dict[str, dict[str, float]]:
    """Scores of the controls, under the keys of the same readers of the latent."""
    titles = {
        Source.PIXELS: "raw pixels",
        Source.NOISE: f"random features ({width})",
        Source.CONSTANT: "constant pose",
        Source.TIME: "time",
        Source.TIME_AND_SIDE: "time × one bit",
    }
    lines: dict[str, dict[str, float]] = {title: {} for title in titles.values()}
    for name, interval in scores.items():
        if name.source in titles:
            readers = (Reader.LINEAR, Reader.MLP) if name.source is Source.CONSTANT else (name.reader,)
            lines[titles[name.source]] |= {
                name._replace(source=Source.LATENT, reader=reader).key: interval.mean for reader in readers
            }
    return lines


def _heads(
    inputs: Mapping[Source, Tensor], hidden: tuple[int, ...]
) -> Iterator[tuple[Source, Reader, tuple[int, ...]]]:
    """Both heads on all sources; the constant has the linear one only, since an MLP reads the same from it."""
    for source in inputs:
        yield source, Reader.LINEAR, ()
        if source is not Source.CONSTANT:
            yield source, Reader.MLP, hidden


def _scores_of_head(
    source: Source, reader: Reader, hidden: tuple[int, ...], data: ProbeData, test_rows: pd.DataFrame, probing: Probing
) -> Scores:
    """Train a head for each seed and score it on the test clips."""
    predicted, true = _predicted(source, reader, hidden, data, probing), data.true[data.parts.test]
    tables = [pd.DataFrame(_clip_rows(one, true, probing), index=test_rows.index) for one in predicted]
    of_seeds = [compared(one, true, test_rows, probing.min_baseline) for one in predicted]
    mean = sum(tables[1:], tables[0]) / len(tables)
    scores = _named(source, reader, test_rows, mean, mean_over_seeds(of_seeds))
    numbers = [dict(table.mean()) | numbers_of(one) for table, one in zip(tables, of_seeds, strict=True)]
    spread = pd.DataFrame(numbers).std()
    for score in spread.index:
        name = ScoreName(source, reader, str(score), over_seeds=True)
        scores[name] = Interval(float(spread[score]), math.nan, math.nan, len(tables), 0)
    return scores


def _predicted(
    source: Source, reader: Reader, hidden: tuple[int, ...], data: ProbeData, probing: Probing
) -> list[RelativePoses]:
    """Train a head for each seed, and read the poses [N, V] of the test clips with each."""
    inputs, parts = standardised(data.inputs[source], data.is_training_view), data.parts
    identity = (probing.seed, "probe", source.value, reader.value)
    head = train(inputs, data.true, parts.train, parts.validation, hidden, probing.options, identity)
    counts = data.true.counts[parts.test]
    return [RelativePoses(*of_seed, counts) for of_seed in zip(*predict(head, inputs[parts.test]), strict=True)]


def compared_by_heads(data: ProbeData, test_rows: pd.DataFrame, probing: Probing) -> dict[ScoreName, OwnAndOthers]:
    """Values of test clips with their own and with other clips, by the heads on the method's codes."""
    codes = {source: data.inputs[source] for source in CODES if source in data.inputs}
    true, found = data.true[data.parts.test], dict[ScoreName, OwnAndOthers]()
    for source, reader, hidden in _heads(codes, probing.options.hidden):
        predicted = _predicted(source, reader, hidden, data, probing)
        values = mean_over_seeds([compared(one, true, test_rows, probing.min_baseline) for one in predicted])
        found |= {ScoreName(source, reader, key): of for key, of in values.items()}
    return found


def _scores_of_cameras(data: ProbeData, test_rows: pd.DataFrame, probing: Probing) -> Scores:
    """The same scores of the method's own cameras, without a head, on the same test clips."""
    if data.own_cameras is None:
        return {}
    own, true = data.own_cameras[data.parts.test], data.true[data.parts.test]
    table = pd.DataFrame(_clip_rows(own, true, probing), index=test_rows.index)
    others = compared(own, true, test_rows, probing.min_baseline)
    return _named(Source.CAMERAS, Reader.DIRECT, test_rows, table, others)


def _named(
    source: Source,
    reader: Reader,
    test_rows: pd.DataFrame,
    table: pd.DataFrame,
    others: Mapping[str, OwnAndOthers],
) -> Scores:
    """Means and intervals of a table of clip scores, and of comparisons with other clips."""
    means = intervals(test_rows, {str(score): table[score] for score in table}) | intervals_of(others)
    return {ScoreName(source, reader, score): interval for score, interval in means.items()}


def _clip_rows(predicted: RelativePoses, true: RelativePoses, probing: Probing) -> list[dict[str, float]]:
    """Scores of each clip, rescaled: of all pairs of its views, and of each view against the reference."""
    rotation = predicted.rotation
    translation = rescaled(predicted.translation, true.translation, true.counts, probing.options.rescale)
    pair_scores = _pair_scores(RelativePoses(rotation, translation, true.counts), true, probing.min_baseline)
    errors_deg = rotation_angle_deg(rotation.double() @ true.rotation.double().mT)
    distances = (translation - true.translation).norm(dim=-1)
    rows = []
    for clip, counts in enumerate(true.counts):
        row = pair_scores[clip].row()
        row |= {f"rotation@{t}": float((errors_deg[clip, counts] < t).double().mean()) for t in ANGLES_DEG}
        row |= {f"distance@{t}": float((distances[clip, counts] < t).double().mean()) for t in DISTANCES}
        rows.append(row)
    return rows


def _pair_scores(predicted: RelativePoses, true: RelativePoses, min_baseline: float) -> dict[int, PoseScores]:
    """`PoseScores` of each clip by its index, computed for all clips of equally many views at once."""
    scores: dict[int, PoseScores] = {}
    views = true.counts.sum(-1)
    for count in set(views.tolist()):
        clips = (views == count).nonzero().squeeze(-1)
        predicted_w2c, true_w2c = (torch.stack(with_reference(poses[clips])) for poses in (predicted, true))
        rotation, signed = relative_pose_errors(predicted_w2c, true_w2c, signed=True)
        folded, lengths = torch.minimum(signed, 180 - signed), magnitude_agreement(predicted_w2c, true_w2c)
        is_long = long_baselines(true_w2c, min_baseline)
        errors = zip(rotation, folded, signed, lengths, is_long, strict=True)
        scores |= {
            clip: PoseScores(*errors_of_clip) for clip, errors_of_clip in zip(clips.tolist(), errors, strict=True)
        }
    return scores
