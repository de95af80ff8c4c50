"""The numbers of `probe` by name, and those that its table shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from evalkit.protocol import Better, Column

ANGLES_DEG = (10, 20, 30)
DISTANCES = (0.1, 0.2, 0.3)  # in units of the clip's largest distance from the reference


class Source(StrEnum):
    """What a pose is read from."""

    LATENT = "latent"  # the method's pose code: its latent, or its cameras where it has no latent
    FEATURES = "features"  # what the method computes its pose code from
    PIXELS = "pixels"  # control: small images
    NOISE = "noise"  # control: random numbers
    CONSTANT = "constant"  # control: nothing
    CAMERAS = "cameras"  # the method's own cameras


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
        return f"{self.source}.{self.reader}.{self.score}" + ("|seeds" if self.over_seeds else "")


class Score(NamedTuple):
    """One score of poses: its key in clip scores, its title, and what it is (see `Column`)."""

    key: str
    title: str
    quantity: str
    definition: str = ""


def columns_of(version: str) -> tuple[Column, ...]:
    """Columns of a version of the protocol: the MLP's numbers, those without a head, then others of the first score."""
    scores = _SCORES[version]()
    first = scores[0]
    return (
        *(_column(score, Source.LATENT, Reader.MLP, "MLP on\npose code") for score in scores),
        *(_column(score, Source.CAMERAS, Reader.DIRECT, "method's\ncameras") for score in _direct_scores(version)),
        _spread_column(first),
        _column(first, Source.LATENT, Reader.LINEAR, "linear on\npose code"),
        _column(first, Source.FEATURES, Reader.MLP, "MLP on\nfeatures"),
        _column(first, Source.FEATURES, Reader.LINEAR, "linear on\nfeatures"),
        _column(first, Source.NOISE, Reader.MLP, "MLP on\nnoise", Better.NONE),
    )


def _column(score: Score, source: Source, reader: Reader, title: str, better: Better = Better.HIGHER) -> Column:
    return Column(
        key=ScoreName(source, reader, score.key).key,
        title=f"{score.title} %\n{title}",
        scale=100,
        digits=1,
        better=better,
        quantity=score.quantity,
        definition=score.definition,
        variant=f"{source}, {reader}",
    )


def _spread_column(score: Score) -> Column:
    name = ScoreName(Source.LATENT, Reader.MLP, score.key, over_seeds=True)
    column = _column(score, name.source, name.reader, "std. dev.\nover seeds", Better.NONE)
    return replace(column, key=name.key, variant=f"{column.variant}, standard deviation over seeds")


def _our_scores() -> Sequence[Score]:
    return (
        Score("auc_exact_signed@20", "AUC@20\nsigned", "auc@20", "exact integral, signed, long baselines"),
        Score("rra@5", "RRA@5", "rra@5"),
        Score("rta_signed@20", "RTA@20\nsigned", "rta@20", "signed, long baselines"),
        Score("magnitude", "length\nagreement", "magnitude", "min/max of lengths after one scale a clip"),
    )


def _xfactor_scores() -> Sequence[Score]:
    auc = [Score(f"auc_xfactor_folded@{t}", f"AUC@{t}", f"auc@{t}", "XFactor: 31 bins, folded") for t in (20, 10, 30)]
    rra = [Score(f"rra@{t}", f"RRA@{t}", f"rra@{t}") for t in ANGLES_DEG]
    rta = [Score(f"rta_folded@{t}", f"RTA@{t}", f"rta@{t}", "folded") for t in ANGLES_DEG]
    return (*auc, *rra, *rta)


def _rayzer_scores() -> Sequence[Score]:
    rotation = [Score(f"rotation@{t}", f"rotation\nerror < {t}°", f"rotation@{t}", "each view") for t in ANGLES_DEG]
    unit = "each view; unit: the clip's largest distance from the reference"
    distance = [Score(f"distance@{t}", f"translation\nerror < {t}", f"distance@{t}", unit) for t in DISTANCES]
    return (*rotation, *distance)


def _direct_scores(version: str) -> Sequence[Score]:
    """The scores of the method's own cameras that a version shows."""
    if version != "rayzer":
        return ()
    shown = (f"rotation@{ANGLES_DEG[0]}", f"distance@{DISTANCES[0]}")
    return [score for score in _rayzer_scores() if score.key in shown]


_SCORES = {"1": _our_scores, "xfactor": _xfactor_scores, "rayzer": _rayzer_scores}
