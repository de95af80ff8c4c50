"""The tests of `leak`: what a card claims by each, when that is kept, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.config.options import Options
from evalkit.method import PoseCode
from evalkit.protocol import Value

NOISE = 10.0  # a target is seen where answers change by so many times what asking again changes
VERDICTS = {True: ("pass", "fail"), False: ("holds", "depends")}  # where the card claims it, and where it does not
BEYOND = {"pass": 0.0, "fail": 1.0, "holds": 0.0, "depends": 1.0}


class Test(NamedTuple):
    """One test: its key in rows and tolerances, the title of its column, what a card claims by it, and, of a test that
    not every card claims something by, why not."""

    key: str
    title: str
    claim: str
    otherwise: str = ""


TESTS = (
    Test(
        "targets",
        "targets\nreach\ncontext",
        "targets do not reach what is predicted for the context",
        "the card offers joint poses, and those may depend on targets",
    ),
    Test("alone", "the\nsame,\nalone", "with context_only poses the scene does not depend on targets"),
    Test("pixels", "pixels\nin the\npose", "a transferred pose does not bring its picture along"),
    Test("se3", "not\nrigid", "cameras are rigid motions from the reference view", "the card speaks of latents"),
    Test("kind", "wrong\nkind", "poses are of the declared kind"),
    Test(
        "scale",
        "unit of\nlength",
        "the unit of the dataset's cameras does not matter",
        "the card asks for cameras or depth, and those have a unit",
    ),
    Test("repeat", "asked\nagain", "the same views have the same answer"),
    Test("order", "order\nof\nviews", "the order of the views does not matter", "no card speaks of order"),
    Test("count", "a view\nfewer", "other views do not move", "the card says which numbers of views work, no more"),
)


class Tolerances(Options):
    """The largest number of each test that passes; docs/protocols/leak.md says why these."""

    targets: Annotated[float, Field(ge=0)]
    alone: Annotated[float, Field(ge=0)]
    pixels: Annotated[float, Field(ge=0)]
    se3: Annotated[float, Field(ge=0)]
    kind: Annotated[float, Field(ge=0)]
    scale: Annotated[float, Field(ge=0)]
    repeat: Annotated[float, Field(ge=0)]
    order: Annotated[float, Field(ge=0)]
    count: Annotated[float, Field(ge=0)]

    def of(self, test: Test) -> float:
        """The tolerance of a test."""
        return float(getattr(self, test.key))


def claims(card: Card) -> dict[str, bool]:
    """Whether a card claims what each test is about.

    By `joint` poses the context may depend on targets; cameras that are asked for come in a unit; a card says how many
    views a method takes, but not that they give the same answer.
    """
    return {
        "targets": TargetPose.JOINT not in card.target_poses,
        "alone": True,
        "pixels": True,
        "se3": card.pose is not PoseKind.LATENT,
        "kind": True,
        "scale": not card.needs & {Need.CAMERAS, Need.DEPTH},
        "repeat": True,
        "order": False,
        "count": False,
    }


def declared(card: Card, poses: PoseCode) -> dict[str, Tensor]:
    """What the card claims, [B, tests]; whether poses are of another kind; the numbers a pose carries to a scene."""
    sizes = [0 if poses.latent is None else poses.latent.shape[-1], 0 if poses.cameras is None else 12]
    held = {
        (True, False): PoseKind.LATENT,
        (False, True): PoseKind.SE3,
        (True, True): PoseKind.BOTH,
    }.get((poses.latent is not None, poses.cameras is not None))
    some = poses.latent if poses.latent is not None else poses.cameras.w2c if poses.cameras is not None else None
    assert some is not None, f"{card.name} returned neither a latent nor cameras"
    zeros = torch.zeros(len(some), dtype=torch.float64, device=some.device)
    claimed = torch.tensor([claims(card)[test.key] for test in TESTS], device=some.device)
    return {
        "claims": claimed.expand(len(some), -1),
        "kind": zeros + (held is not card.pose),
        "pose_numbers": zeros + sum(sizes),
    }


def verdicts(numbers: Mapping[str, float], claimed: Sequence[bool], tolerance: Tolerances) -> dict[str, Value]:
    """A verdict on each test that has a number; how far targets reach is judged above the noise of asking again."""
    floor = dict.fromkeys(("targets", "alone"), NOISE * numbers["repeat"])
    return {
        f"{test.key}.verdict": VERDICTS[claim][numbers[test.key] > max(tolerance.of(test), floor.get(test.key, 0.0))]
        for test, claim in zip(TESTS, claimed, strict=True)
        if test.key in numbers
    }


def sentences(found: Mapping[str, Sequence[str]], worst: Mapping[str, float], tolerance: Tolerances) -> list[str]:
    """What the card claims beside what was found: verdicts on the clips and the worst number, by test."""
    lines: list[str] = []
    kept: list[str] = []
    unclaimed: list[str] = []
    for test in TESTS:
        verdicts = found.get(test.key, ())
        beyond = sum(int(BEYOND[verdict]) for verdict in verdicts)
        measured = (
            f"{beyond} of {len(verdicts)} clips beyond {tolerance.of(test):g}, worst {worst.get(test.key, 0):.2g}"
        )
        if "fail" in verdicts:
            lines.append(f"{test.key}: {measured}: VIOLATES THE CARD, by which {test.claim}")
        elif "depends" in verdicts:
            lines.append(f"{test.key}: {measured}, as declared: {test.otherwise}")
        elif verdicts:
            (kept if "pass" in verdicts else unclaimed).append(f"{test.key} {worst[test.key]:.2g}")
    absent = [test.key for test in TESTS if test.key not in found]
    return [
        *lines,
        *([f"as the card claims, worst numbers: {', '.join(kept)}"] if kept else []),
        *([f"within the tolerance, though the card does not claim it: {', '.join(unclaimed)}"] if unclaimed else []),
        *([f"not applicable: {', '.join(absent)}"] if absent else []),
    ]
