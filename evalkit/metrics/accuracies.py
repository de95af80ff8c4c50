"""Names and definitions of the pose accuracies: what a protocol prints and selects rows by. Imports no torch.

A key such as ``auc_exact_signed@20`` is spelled here and nowhere else. The numbers are computed in
`evalkit.metrics.pose_scores` (one clip) and `evalkit.metrics.pose` (any errors).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from evalkit.protocol import Better, Column

THRESHOLDS = (5, 10, 20, 30)  # degrees


class AucMethod(StrEnum):
    """Whose area under the curve of accuracy against threshold. They differ by 1 to 5 points on few pairs."""

    XFACTOR = "xfactor"  # 31 bins over [0, 30] degrees: "AUC@20" ends at 19.35
    VGGT = "vggt"  # 1-degree bins, each counted at its right edge
    POSEDIFFUSION = "posediffusion"  # t + 1 bins over [0, t]
    SUPERGLUE = "superglue"  # trapezoids through the points of the empirical distribution
    EXACT = "exact"  # the integral itself


_METHOD_TITLES = {
    AucMethod.XFACTOR: "XFactor",
    AucMethod.VGGT: "VGGT",
    AucMethod.POSEDIFFUSION: "PoseDiffusion",
    AucMethod.SUPERGLUE: "SuperGlue",
    AucMethod.EXACT: "exact",
}


@dataclass(frozen=True)
class PoseAccuracy:
    """One accuracy of relative poses: a fraction in [0, 1], printed in percent.

    Args:
        key: its name in a row ("auc_exact_signed@20").
        title: the header in a table; lines are separated by a newline.
        quantity: what it is a number of ("auc@20", "rra@5", "translation length").
        definition: which of several definitions ("exact, signed"); empty where there is only one.
        better: which direction is better.
    """

    key: str
    title: str
    quantity: str
    definition: str = ""
    better: Better = Better.HIGHER

    def column(self, *, prefix: str = "", variant: str = "", title: str = "") -> Column:
        """Return the column of a summary, in percent with one digit.

        Args:
            prefix: put before the key as it is ("ceiling.", "latent.mlp.").
            variant: put after the key with a bar ("failed=90" gives the key "auc_exact_signed@20|failed=90").
            title: a header in place of ``self.title``.
        """
        key = f"{prefix}{self.key}|{variant}" if variant else f"{prefix}{self.key}"
        return Column(
            key,
            title or self.title,
            scale=100,
            digits=1,
            better=self.better,
            quantity=self.quantity,
            definition=self.definition,
            variant=variant,
        )


def rra(threshold: int) -> PoseAccuracy:
    """Return the accuracy of relative rotations: errors below ``threshold`` degrees."""
    return PoseAccuracy(f"rra@{threshold}", f"RRA@{threshold}", f"rra@{threshold}")


def rta(threshold: int, *, signed: bool) -> PoseAccuracy:
    """Return the accuracy of relative translation directions: errors below ``threshold`` degrees.

    ``signed`` compares directions with their sign, for pairs with a long baseline; folded takes t and -t as equal.
    """
    sign = _sign(signed)
    return PoseAccuracy(f"rta_{sign}@{threshold}", f"RTA@{threshold}\n{sign}", f"rta@{threshold}", sign)


def auc(method: AucMethod, threshold: int, *, signed: bool) -> PoseAccuracy:
    """Return the area under the accuracy curve up to ``threshold`` degrees, by one definition (`AucMethod`).

    >>> auc(AucMethod.EXACT, 20, signed=True).key
    'auc_exact_signed@20'
    """
    sign = _sign(signed)
    subtitle = "signed" if signed and method == AucMethod.EXACT else _METHOD_TITLES[method]
    if signed and method != AucMethod.EXACT:
        subtitle += ", signed"
    return PoseAccuracy(
        f"auc_{method}_{sign}@{threshold}", f"AUC@{threshold}\n{subtitle}", f"auc@{threshold}", f"{method}, {sign}"
    )


def _sign(signed: bool) -> str:
    return "signed" if signed else "folded"


# How well the lengths of relative translations agree, with one scale per clip.
MAGNITUDE = PoseAccuracy("magnitude", "lengths\nagree %", "translation length")

# What `PoseScores.row` holds, in its order. Select columns of a table of rows by `accuracy.key`:
#   [accuracy.key for accuracy in ACCURACIES]
ACCURACIES: tuple[PoseAccuracy, ...] = (
    *(
        accuracy
        for threshold in THRESHOLDS
        for accuracy in (
            rra(threshold),
            rta(threshold, signed=False),
            rta(threshold, signed=True),
            auc(AucMethod.XFACTOR, threshold, signed=False),
            auc(AucMethod.EXACT, threshold, signed=True),
        )
    ),
    MAGNITUDE,
)
