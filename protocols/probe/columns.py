"""The numbers of `probe` by name, and those that its table shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from evalkit.metrics.accuracies import MAGNITUDE, AucMethod, PoseAccuracy, auc, rra, rta
from evalkit.protocol import Better, Column

ANGLES_DEG = (10, 20, 30)
OURS = "2"  # the version of our own
SHARE, NEAR_SHARE = "others_beaten", "near_others_beaten"
SEEDS = "seeds"  # variant of a number: its standard deviation over seeds
DISTANCES = (0.1, 0.2, 0.3)  # in units of the clip's largest distance from the reference


class Source(StrEnum):
    """What a pose is read from."""

    LATENT = "latent"  # the method's pose code: its latent, or its cameras where it has no latent
    FEATURES = "features"  # what the method computes its pose code from
    PIXELS = "pixels"  # control: small images
    NOISE = "noise"  # control: random numbers
    CONSTANT = "constant"  # control: nothing
    TIME = "time"  # control: the rank of the view
    TIME_AND_SIDE = "time_and_side"  # control: the same, with the side to which the camera truly moves as its sign
    CAMERAS = "cameras"  # the method's own cameras


CODES = (Source.LATENT, Source.FEATURES)  # the method's; other sources are controls


class Reader(StrEnum):
    """What reads a pose."""

    LINEAR = "linear"  # a linear head
    MLP = "mlp"  # a head with hidden layers
    DIRECT = "direct"  # no head: the method's cameras as they are


class ScoreName(NamedTuple):
    """The name of one number of the summary; with ``over_seeds`` its standard deviation over seeds."""

    source: Source
    reader: Reader
    score: str
    over_seeds: bool = False

    @property
    def key(self) -> str:
        """The number's key in `Summary.metrics`."""
        return f"{self.source}.{self.reader}.{self.score}" + (f"|{SEEDS}" if self.over_seeds else "")


def columns_of(version: str) -> tuple[Column, ...]:
    """Columns of a version: shares of other clips (ours), the MLP's numbers, those without a head, then others."""
    scores = _SCORES[version]()
    first = scores[0]
    return (
        *(_of_other_clips() if version == OURS else ()),
        *(_column(score, Source.LATENT, Reader.MLP, "MLP on\npose code") for score in scores),
        *(_column(score, Source.CAMERAS, Reader.DIRECT, "method's\ncameras") for score in _direct_scores(version)),
        _spread_column(first),
        _column(first, Source.LATENT, Reader.LINEAR, "linear on\npose code"),
        _column(first, Source.FEATURES, Reader.MLP, "MLP on\nfeatures"),
        _column(first, Source.FEATURES, Reader.LINEAR, "linear on\nfeatures"),
        replace(_column(first, Source.NOISE, Reader.MLP, "MLP on\nnoise"), better=Better.NONE),
    )


def _of_other_clips() -> tuple[Column, ...]:
    """The share of other clips that fit worse than the own, by several readers; of near clips by the MLP."""
    share, near = _shares()
    return (
        _column(share, Source.LATENT, Reader.MLP, "MLP on\npose code"),
        _column(near, Source.LATENT, Reader.MLP, "MLP on\npose code"),
        _spread_column(share),
        _column(share, Source.LATENT, Reader.LINEAR, "linear on\npose code"),
        _column(share, Source.FEATURES, Reader.MLP, "MLP on\nfeatures"),
        replace(_column(share, Source.NOISE, Reader.MLP, "MLP on\nnoise"), better=Better.NONE),
    )


def _shares() -> tuple[PoseAccuracy, PoseAccuracy]:
    quantity = "other test clips whose true cameras fit the prediction worse than the own"
    near = "the quarter of clips whose true motion is most like the own"
    return (
        PoseAccuracy(SHARE, "nearer to own\nthan to others", quantity, "all clips of other scenes"),
        PoseAccuracy(NEAR_SHARE, "same,\nnear others", quantity, near),
    )


def _column(score: PoseAccuracy, source: Source, reader: Reader, title: str) -> Column:
    column = score.column(title=f"{score.title} %\n{title}")
    definition = "; ".join(part for part in (score.definition, f"{source}, {reader}") if part)
    return replace(column, key=ScoreName(source, reader, score.key).key, definition=definition)


def _spread_column(score: PoseAccuracy) -> Column:
    name = ScoreName(Source.LATENT, Reader.MLP, score.key, over_seeds=True)
    column = _column(score, name.source, name.reader, "std. dev.\nover seeds")
    quantity = f"standard deviation of {column.quantity} over seeds"
    return replace(column, key=name.key, better=Better.NONE, quantity=quantity, variant=SEEDS)


def _our_scores() -> Sequence[PoseAccuracy]:
    lengths = replace(MAGNITUDE, title="lengths\nagree")
    return (auc(AucMethod.EXACT, 20, signed=True), rra(5), rta(20, signed=True), lengths)


def _xfactor_scores() -> Sequence[PoseAccuracy]:
    aucs = [auc(AucMethod.XFACTOR, threshold, signed=False) for threshold in (20, 10, 30)]
    return (*aucs, *(rra(threshold) for threshold in ANGLES_DEG), *(rta(t, signed=False) for t in ANGLES_DEG))


def _rayzer_scores() -> Sequence[PoseAccuracy]:
    unit = "unit: the clip's largest distance from the reference"
    return (
        *(PoseAccuracy(f"rotation@{t}", f"rotation\nerror < {t}°", f"rotation of a view@{t}") for t in ANGLES_DEG),
        *(
            PoseAccuracy(f"distance@{t}", f"translation\nerror < {t}", f"translation of a view@{t}", unit)
            for t in DISTANCES
        ),
    )


def _direct_scores(version: str) -> Sequence[PoseAccuracy]:
    """The scores of the method's own cameras that a version shows."""
    if version != "rayzer":
        return ()
    shown = (f"rotation@{ANGLES_DEG[0]}", f"distance@{DISTANCES[0]}")
    return [score for score in _rayzer_scores() if score.key in shown]


_SCORES = {OURS: _our_scores, "xfactor": _xfactor_scores, "rayzer": _rayzer_scores}
