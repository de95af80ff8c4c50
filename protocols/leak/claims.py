"""The checks of `leak`: what a card claims by each, the verdict on a clip, and the sentences that are printed.

Needs no tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.protocol import Better, Column, Value
from protocols.leak.options import Tolerances
from protocols.shared.bleed_names import BLEED

if TYPE_CHECKING:
    from evalkit.stats.interval import Interval

SIDES = (1, 2, 4, 8)  # of the pictures of targets that are read from poses
KEPT_OF_POSE = 1024  # numbers; longer poses are projected
LEAST_SCENES = 8  # with fewer, too little is learnt to read anything
TIMES_REPEAT = 10.0  # a change by other targets counts only where it is this many times that of a repeated call


class Verdict(StrEnum):
    """The outcome of a check on one clip."""

    PASS = "pass"  # the card claims it, and it is so
    FAIL = "fail"  # the card claims it, and it is not so
    HOLDS = "holds"  # the card does not claim it, and it is so
    DEPENDS = "depends"  # the card does not claim it, and it is not so

    @staticmethod
    def of(is_claimed: bool, is_exceeded: bool) -> Verdict:
        """The verdict on a number that does or does not exceed its tolerance."""
        if is_claimed:
            return Verdict.FAIL if is_exceeded else Verdict.PASS
        return Verdict.DEPENDS if is_exceeded else Verdict.HOLDS

    @property
    def is_exceeded(self) -> bool:
        """Whether the number exceeds its tolerance."""
        return self in (Verdict.FAIL, Verdict.DEPENDS)


class Check(NamedTuple):
    """One check.

    Args:
        key: its name in rows, summaries and tolerances.
        title: the header of its column, which shows a share of clips.
        claim: what a card claims by it.
        no_claim: why some cards make no claim, if so.
    """

    key: str
    title: str
    claim: str
    no_claim: str = ""

    @property
    def verdict_key(self) -> str:
        """Row key of the verdict."""
        return f"{self.key}.verdict"

    @property
    def worst_key(self) -> str:
        """Summary key of the largest number."""
        return f"{self.key}.worst"

    @property
    def column(self) -> Column:
        """The share of clips whose number exceeds the tolerance."""
        return Column(
            self.key,
            f"{self.title}\n% clips",
            scale=100,
            digits=1,
            better=Better.LOWER,
            quantity="share of clips above the tolerance",
            definition=self.claim,
        )

    def tolerance(self, tolerances: Tolerances) -> float:
        """The largest number that passes."""
        return float(getattr(tolerances, self.key))


TARGETS = Check(
    "targets",
    "targets\nchange\ncontext",
    "target images do not change what is predicted for the context",
    "the card offers joint poses, which may depend on targets",
)
ALONE = Check(
    "alone",
    "one target\nchanges\nscene",
    "with context_only poses, target images do not change the scene",
)
PIXELS = Check("pixels", "pose\ncarries\npixels", "a transferred pose does not carry the pixels of its image")
SE3 = Check(
    "se3", "cameras\nnot rigid", "cameras are rigid motions from the reference view", "the card declares latents"
)
KIND = Check("kind", "not the\ndeclared\npose kind", "poses are of the kind that the card declares")
SCALE = Check(
    "scale",
    "unit of\nlength\nchanges\nanswer",
    "the unit of length of the dataset's cameras does not change the answer",
    "the card asks for cameras or depth, which have a unit of length",
)
REPEAT = Check("repeat", "repeated\ncall\nchanges\nanswer", "the same views give the same answer")
ORDER = Check(
    "order",
    "order of\nviews\nchanges\nposes",
    "the order of the views does not change poses",
    "no card makes a claim about the order of views",
)
COUNT = Check(
    "count",
    "one view\nless\nchanges\nposes",
    "the poses of the other views do not change without one context view",
    "the card only says which numbers of views the method takes",
)
CHECKS = (TARGETS, ALONE, PIXELS, SE3, KIND, SCALE, REPEAT, ORDER, COUNT)


READABLE = tuple(
    Column(
        f"readable@{side}",
        f"pose tells\n{side}x{side}\n%",
        scale=100,
        digits=0,
        better=Better.LOWER,
        quantity=f"share of what the context leaves open in targets at {side} pixels a side",
        definition="read from poses by what was learnt from other scenes",
    )
    for side in SIDES
)
BLEED_COLUMN = Column(
    BLEED, "bleed", 1, 3, better=Better.LOWER, quantity="pixels of A in the render", definition="own minus others"
)
SET_COLUMNS = (*READABLE, BLEED_COLUMN)


def claims(card: Card) -> dict[Check, bool]:
    """Whether a card claims what each check is about.

    No claim: about targets with `joint` poses, which may depend on them; about the unit of length where the card asks
    for cameras or depth; about the order and the number of views.
    """
    return {
        TARGETS: TargetPose.JOINT not in card.target_poses,
        ALONE: True,
        PIXELS: True,
        SE3: card.pose is not PoseKind.LATENT,
        KIND: True,
        SCALE: not card.needs & {Need.CAMERAS, Need.DEPTH},
        REPEAT: True,
        ORDER: False,
        COUNT: False,
    }


def verdicts(numbers: Mapping[str, float], claimed: Sequence[bool], tolerances: Tolerances) -> dict[str, Value]:
    """The verdict on each check that has a number.

    A change by other targets must also exceed `TIMES_REPEAT` times the change by a repeated call.

    Args:
        numbers: of one clip, by the key of the check.
        claimed: whether the card makes the claim of each of `CHECKS`.
        tolerances: the largest numbers that pass.
    """
    repeated = dict.fromkeys((TARGETS, ALONE), TIMES_REPEAT * numbers[REPEAT.key])
    return {
        check.verdict_key: Verdict.of(
            is_claimed, numbers[check.key] > max(check.tolerance(tolerances), repeated.get(check, 0.0))
        ).value
        for check, is_claimed in zip(CHECKS, claimed, strict=True)
        if check.key in numbers
    }


def sentences(
    verdicts_of: Mapping[Check, Sequence[Verdict]], worst: Mapping[Check, float], tolerances: Tolerances
) -> list[str]:
    """Sentences that compare the card with what was measured.

    Args:
        verdicts_of: the verdicts on all clips, by check.
        worst: the largest number, by check.
        tolerances: the largest numbers that pass.
    """
    exceeded: list[str] = []
    as_claimed: list[str] = []
    not_claimed: list[str] = []
    for check in CHECKS:
        of_clips = verdicts_of.get(check, ())
        if Verdict.FAIL in of_clips:
            measured = _measured(check, of_clips, worst[check], tolerances)
            exceeded.append(f"{measured}: VIOLATES THE CARD, which claims: {check.claim}")
        elif Verdict.DEPENDS in of_clips:
            measured = _measured(check, of_clips, worst[check], tolerances)
            exceeded.append(f"{measured}, as declared: {check.no_claim}")
        elif of_clips:
            (as_claimed if Verdict.PASS in of_clips else not_claimed).append(f"{check.key} {worst[check]:.2g}")
    absent = [check.key for check in CHECKS if check not in verdicts_of]
    return [
        *exceeded,
        *_listed("within the tolerance, as the card claims; largest numbers", as_claimed),
        *_listed("within the tolerance, although the card does not claim it; largest numbers", not_claimed),
        *_listed("not applicable", absent),
    ]


def _measured(check: Check, of_clips: Sequence[Verdict], worst: float, tolerances: Tolerances) -> str:
    count = sum(verdict.is_exceeded for verdict in of_clips)
    tolerance = check.tolerance(tolerances)
    return (
        f"{check.key}: {count} of {len(of_clips)} clips above the tolerance {tolerance:g}, largest number {worst:.2g}"
    )


def _listed(title: str, items: Sequence[str]) -> list[str]:
    """One line, or none without items."""
    return [f"{title}: {', '.join(items)}"] if items else []


def sentences_on_readable(shares: Mapping[str, Interval], tolerances: Tolerances) -> tuple[list[str], bool]:
    """Sentences on what poses tell of targets, and whether it is more than is tolerated.

    Args:
        shares: by the key of each of `READABLE`; empty where there are too few scenes.
        tolerances: a share whose lower bound exceeds its tolerance counts.
    """
    if not shares:
        return [f"what the pose tells of targets, and bleed: too few clips to tell, under {LEAST_SCENES} scenes"], False
    flagged: list[str] = []
    within: list[str] = []
    for side, column, allowed in zip(SIDES, READABLE, tolerances.readable, strict=True):
        share = shares[column.key]
        text = f"{100 * share.mean:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f}) at {side}x{side}"
        if share.low > allowed:
            flagged.append(f"{text}, tolerance {100 * allowed:.0f} %")
        else:
            within.append(text)
    lines = _listed("THE POSE CARRIES PIXELS: of what the context leaves open in targets, it tells", flagged)
    return [*lines, *_listed("within the tolerance, of what the context leaves open the pose tells", within)], bool(
        flagged
    )
