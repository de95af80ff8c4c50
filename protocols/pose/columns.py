"""The numbers of `pose` by name, and those that each version prints. Needs no tensor."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.accuracies import MAGNITUDE, THRESHOLDS, AucMethod, auc
from evalkit.protocol import Better, Column

POOLED = {"noposplat": (AucMethod.SUPERGLUE, (5, 10, 20)), "vggt": (AucMethod.VGGT, (30, 15, 5, 3))}
RPA_THRESHOLDS = (5, 15, 30)  # degrees
TRAJECTORY = ("ate", "ate_relative", "rpe_rotation_deg", "rpe_translation", "rpe_translation_relative")


def rpa_key(threshold: int) -> str:
    """The key of E-RayZer's share of pairs that are at most ``threshold`` degrees off."""
    return f"rpa@{threshold}"


def columns_of(version: str) -> tuple[Column, ...]:
    """What a version prints; of the pooled versions in the order of `protocols.pose.scores.pooled`."""
    if version in POOLED:
        return _pooled(version)
    if version == "erayzer":
        return tuple(_rpa(threshold) for threshold in RPA_THRESHOLDS)
    return (
        *(auc(AucMethod.EXACT, threshold, signed=True).column() for threshold in THRESHOLDS),
        MAGNITUDE.column(),
        *_trajectory(),
    )


def _pooled(version: str) -> tuple[Column, ...]:
    """Areas over the errors of all pairs of the dataset together, their mean and their median."""
    method, thresholds = POOLED[version]
    areas = [auc(method, threshold, signed=False).column() for threshold in thresholds]
    return (
        *(replace(area, title=f"{area.title},\nall pairs pooled", variant="pooled") for area in areas),
        _pooled_error("error_deg_mean", "mean pose\nerror °", "mean"),
        _pooled_error("error_deg_median", "median pose\nerror °", "median"),
    )


def _pooled_error(key: str, title: str, statistic: str) -> Column:
    return Column(key, title, better=Better.LOWER, quantity="pose error", definition="folded", variant=statistic)


def _rpa(threshold: int) -> Column:
    title = f"RPA@{threshold}°\nfolded %"
    definition = "rotation and folded translation error at most the threshold"
    return Column(
        rpa_key(threshold), title, 100, 1, better=Better.HIGHER, quantity=f"rpa@{threshold}", definition=definition
    )


def _trajectory() -> tuple[Column, ...]:
    extent = "over the largest distance of two true cameras"
    return (
        Column(
            "ate_relative", "ATE, % of\ncamera extent", 100, 1, better=Better.LOWER, quantity="ate", definition=extent
        ),
        Column("rpe_rotation_deg", "RPE\nrotation °", better=Better.LOWER, quantity="rpe rotation"),
        Column(
            "rpe_translation_relative",
            "RPE translation,\n% of camera extent",
            100,
            1,
            better=Better.LOWER,
            quantity="rpe translation",
            definition=extent,
        ),
    )
