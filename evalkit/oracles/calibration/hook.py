"""What a protocol says about its use of an oracle, so that commands can measure how far to trust oracles there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.protocol import Clip, Sample
from evalkit.registry import Group, load, names

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Accuracies:
    """How the cameras of an oracle are compared with others.

    ``titles``: the numbers that are reported, by key, the most important first. ``compare`` takes estimated and
    reference w2c [1, V, 4, 4] of a clip and returns at least those, as fractions; higher is better.
    """

    titles: Mapping[str, str]
    compare: Callable[[Tensor, Tensor], Mapping[str, float]]


@dataclass(frozen=True)
class TrustColumns:
    """The columns of a protocol's rows that say how far its oracle can be trusted.

    ``accuracy``: the score by the oracle, a fraction; ``truth``: the same question answered without an oracle;
    ``right_scene``: share of the renders that show the right scene. ``oracle_on_real`` and ``oracle_on_render``: "ok",
    or why the oracle failed. Names and labels are for texts and plots.
    """

    accuracy: str
    truth: str
    right_scene: str
    oracle_on_real: str
    oracle_on_render: str
    accuracy_name: str
    truth_name: str
    accuracy_label: str
    truth_label: str


class Calibration(Protocol):
    """The class attribute ``calibration`` of a protocol. It needs no tensor until cameras are compared."""

    trust: TrustColumns

    def clip(self, sample: Sample) -> Clip:
        """Return the clip whose targets the oracle is asked about; its context gives cameras to start from."""
        ...

    def accuracies(self, options: ComponentOptions) -> Accuracies:
        """Return how cameras are compared under the protocol's options."""
        ...


def calibration_of(protocol: str) -> Calibration:
    """Return what a protocol says about its oracle. Raises UserError for one that says nothing."""
    calibration: Calibration | None = getattr(load(Group.PROTOCOL, protocol), "calibration", None)
    if calibration is None:
        raise UserError(
            f"protocol '{protocol}' cannot calibrate oracles; these can: {', '.join(calibrated_protocols()) or 'none'}"
        )
    return calibration


def calibrated_protocols() -> list[str]:
    """Return the names of the installed protocols that have a `Calibration`."""
    return [name for name in names(Group.PROTOCOL) if _has_calibration(name)]


def _has_calibration(protocol: str) -> bool:
    try:
        return getattr(load(Group.PROTOCOL, protocol), "calibration", None) is not None
    except UserError:  # it cannot be imported here
        return False
