"""What probe counts: its columns, which inputs and heads are compared, and the numbers of one clip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from evalkit.geometry.se3 import rotation_angle_deg
from evalkit.metrics.motion import long_baselines, magnitude_agreement
from evalkit.metrics.pose import relative_pose_errors
from evalkit.metrics.pose_scores import PoseScores
from evalkit.protocol import Arrays, Column
from evalkit.stats.bootstrap import Interval
from protocols.probe.heads import Poses, TrainingOptions, predict, rescaled, train
from protocols.probe.inputs import noise, standardised
from protocols.shared.summaries import intervals

LATENT, FEATURES, PIXELS, NOISE, CONSTANT = "latent", "features", "pixels", "noise", "constant"
CODES = (LATENT, FEATURES)  # of the method; the others are what it has to beat
TRUTH = "w2c"
LINEAR, MLP = "linear", "mlp"
CAMERAS, DIRECT = "cameras", "direct"  # what the method itself says, without a head of ours
ANGLES, DISTANCES = (10, 20, 30), (0.1, 0.2, 0.3)  # degrees; units of the clip's largest distance from the reference


def columns_of(version: str) -> tuple[Column, ...]:
    """What is printed: the MLP's numbers, what needs no head, then one of them as others read it, and that of noise."""
    if version == "rayzer":
        scores = [(f"rotation@{t}", f"R@{t}") for t in ANGLES] + [(f"distance@{t}", f"t@{t}") for t in DISTANCES]
    elif version == "xfactor":
        names = (("auc_xfactor_folded", "AUC"), ("rra", "RRA"), ("rta_folded", "RTA"))
        scores = [(f"{key}@{t}", f"{title}@{t}") for key, title in names for t in ANGLES]
        scores.sort(key=lambda score: score[0] != "auc_xfactor_folded@20")
    else:
        names = (("auc_exact_signed@20", "AUC@20\nsigned"), ("rra@5", "RRA@5"), ("rta_signed@20", "RTA@20\nsigned"))
        scores = [*names, ("magnitude", "lengths\nagree %")]
    direct = [score for score in scores if version == "rayzer" and score[0] in ("rotation@10", "distance@0.1")]
    key, title = scores[0]
    title = title.split("\n", maxsplit=1)[0]
    return (
        *(Column(f"{LATENT}.{MLP}.{score}", name, 100, 1) for score, name in scores),
        *(Column(f"{CAMERAS}.{DIRECT}.{score}", f"{name}\ndirect", 100, 1) for score, name in direct),
        Column(f"{LATENT}.{MLP}.{key}|seeds", f"{title}\n± seeds", 100, 1),
        Column(f"{LATENT}.{LINEAR}.{key}", f"{title}\nlinear", 100, 1),
        *(Column(f"{FEATURES}.{MLP}.{score}", f"{name}\nfeatures", 100, 1) for score, name in scores[:1]),
        Column(f"{FEATURES}.{LINEAR}.{key}", f"{title}\nfeat., linear", 100, 1),
        Column(f"{NOISE}.{MLP}.{key}", f"{title}\nof noise", 100, 1),
    )


class Data(NamedTuple):
    """Inputs [N, V, D] by name, true poses [N, V], and which clips are for training, validation and test.

    ``direct`` are the method's own cameras [N, V], where it has any.
    """

    inputs: Mapping[str, Tensor]
    true: Poses
    parts: tuple[Tensor, Tensor, Tensor]
    direct: Poses | None = None


def gathered(parts: Sequence[pd.DataFrame], arrays: Arrays) -> Data:
    """All that was kept of the clips of each part, and the controls' inputs; shorter clips are padded."""
    rows = pd.concat(parts)
    ids = [str(sample) for sample in rows["sample"]]
    kept = [arrays(sample) for sample in ids]
    w2c = [each[TRUTH].double() for each in kept]
    counts = pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in w2c], batch_first=True)
    counts[torch.arange(len(ids)), torch.tensor(rows["reference"].tolist())] = False
    inputs = {
        name: pad_sequence([each[name] for each in kept], batch_first=True)
        for name in (*CODES, PIXELS)
        if name in kept[0]
    }
    width = inputs[LATENT].shape[-1]
    drawn = [noise(sample, len(each), width) for sample, each in zip(ids, w2c, strict=True)]
    inputs[NOISE] = pad_sequence(drawn, batch_first=True)
    inputs[CONSTANT] = torch.zeros(*counts.shape, 1)
    ends = np.cumsum([len(part) for part in parts]).tolist()
    train_, validation, test = (torch.arange(end - len(part), end) for part, end in zip(parts, ends, strict=True))
    true = Poses.of(pad_sequence(w2c, batch_first=True), counts)
    return Data(inputs, true, (train_, validation, test), _own_cameras(kept, counts))


def _own_cameras(kept: Sequence[Mapping[str, Tensor]], counts: Tensor) -> Poses | None:
    """The method's cameras, brought to a unit as the true ones are: by themselves alone."""
    if CAMERAS not in kept[0]:
        return None
    flat = pad_sequence([each[CAMERAS] for each in kept], batch_first=True)
    return Poses.of(flat.view(*flat.shape[:-1], 3, 4), counts)


def probe(
    data: Data, test: pd.DataFrame, options: TrainingOptions, min_baseline: float, seed: int
) -> dict[str, Interval]:
    """Every score of every input and head, as ``input.head.score``: the mean over test clips and seeds.

    Intervals come from scenes; ``|seeds`` is the standard deviation over seeds. What needs no head has no seeds.
    """
    found = _direct(data, test, options, min_baseline)
    for name, head, hidden in _probes(data.inputs, options.hidden):
        trained, watched, tested = data.parts
        seen = data.true.counts & torch.zeros_like(data.true.counts).index_fill_(0, trained, True)
        inputs = standardised(data.inputs[name], seen)
        identity = (seed, "probe", name, head)
        fitted = train(inputs, data.true, (trained, watched), hidden, options, identity)
        rotation, translation = predict(fitted, inputs[tested])
        true = data.true[tested]
        translation = rescaled(translation, true.translation, true.counts, options.rescale)
        rows = [_clips(*each, true, min_baseline) for each in zip(rotation, translation, strict=True)]
        tables = [pd.DataFrame(clips, index=test.index).add_prefix(f"{name}.{head}.") for clips in rows]
        mean = sum(tables[1:], tables[0]) / len(tables)
        found |= intervals(test, {str(key): mean[key] for key in mean})
        spread = pd.DataFrame([each.mean() for each in tables]).std()
        found |= {
            f"{key}|seeds": Interval(float(spread[key]), math.nan, math.nan, len(tables), 0) for key in spread.index
        }
    return found


def _direct(data: Data, test: pd.DataFrame, options: TrainingOptions, min_baseline: float) -> dict[str, Interval]:
    """The same scores of the method's own cameras on the same test clips."""
    if data.direct is None:
        return {}
    own, true = data.direct[data.parts[2]], data.true[data.parts[2]]
    translation = rescaled(own.translation, true.translation, true.counts, options.rescale)
    table = pd.DataFrame(_clips(own.rotation, translation, true, min_baseline), index=test.index)
    return intervals(test, {f"{CAMERAS}.{DIRECT}.{key}": table[key] for key in table})


def _probes(inputs: Mapping[str, Tensor], hidden: tuple[int, ...]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Both heads on everything; of a constant they can make no more than each other."""
    for name in inputs:
        yield name, LINEAR, ()
        if name != CONSTANT:
            yield name, MLP, hidden


def _clips(rotation: Tensor, translation: Tensor, true: Poses, min_baseline: float) -> list[dict[str, float]]:
    """Scores of each test clip: of all pairs of its views, and of its views against the reference."""
    pairs = _pairs(Poses(rotation, translation, true.counts), true, min_baseline)
    off_deg = rotation_angle_deg(rotation.double() @ true.rotation.double().mT)
    off = (translation - true.translation).norm(dim=-1)
    rows = []
    for i, counts in enumerate(true.counts):
        row = pairs[i].row()
        row |= {f"rotation@{t}": float((off_deg[i, counts] < t).double().mean()) for t in ANGLES}
        rows.append(row | {f"distance@{t}": float((off[i, counts] < t).double().mean()) for t in DISTANCES})
    return rows


def _pairs(predicted: Poses, true: Poses, min_baseline: float) -> dict[int, PoseScores]:
    """`pose_scores` of each clip, computed for all clips of as many views at once."""
    found: dict[int, PoseScores] = {}
    views = true.counts.sum(-1)
    for count in set(views.tolist()):
        clips = (views == count).nonzero().squeeze(-1)
        ours, theirs = _with_reference(predicted[clips]), _with_reference(true[clips])
        rotation, signed = relative_pose_errors(ours, theirs, signed=True)
        folded, lengths = torch.minimum(signed, 180 - signed), magnitude_agreement(ours, theirs)
        each = zip(rotation, folded, signed, lengths, long_baselines(theirs, min_baseline), strict=True)
        found |= {clip: PoseScores(*one) for clip, one in zip(clips.tolist(), each, strict=True)}
    return found


def _with_reference(poses: Poses) -> Tensor:
    """w2c [N, 1 + V', 4, 4] of the reference, which is the identity by definition, and of the V' views that count."""
    clips, count = len(poses.counts), int(poses.counts[0].sum())
    w2c = torch.eye(4, dtype=torch.float64).repeat(clips, 1 + count, 1, 1)
    w2c[:, 1:, :3, :3] = poses.rotation[poses.counts].double().view(clips, count, 3, 3)
    w2c[:, 1:, :3, 3] = poses.translation[poses.counts].double().view(clips, count, 3)
    return w2c


def reference_lines(found: Mapping[str, Interval], width: int) -> dict[str, dict[str, float]]:
    """The controls' numbers, under the columns of the latent."""
    names = {PIXELS: "raw pixels", NOISE: f"random features ({width})", CONSTANT: "constant pose"}
    lines: dict[str, dict[str, float]] = {title: {} for title in names.values()}
    for key, interval in found.items():
        source, head, score = key.split(".", maxsplit=2)
        if source in names:
            heads = (LINEAR, MLP) if source == CONSTANT else (head,)
            lines[names[source]] |= {f"{LATENT}.{each}.{score}": interval.mean for each in heads}
    return lines
