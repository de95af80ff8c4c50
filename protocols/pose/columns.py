"""The numbers of `pose` by name, and those that each version prints. Needs no tensor."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.accuracies import MAGNITUDE, THRESHOLDS, AucMethod, auc
from evalkit.protocol import Better, Column
from protocols.shared.skill_names import NEAR_SKILL, OTHERS, OTHERS_ERROR, OWN_ERROR, SIGNED_AUC, SKILL

OURS = "2"  # the version of our own
POOLED = {"noposplat": (AucMethod.SUPERGLUE, (5, 10, 20)), "vggt": (AucMethod.VGGT, (30, 15, 5, 3))}
RPA_THRESHOLDS = (5, 15, 30)  # degrees
ROTATION_AMPLITUDE = "rotation_amplitude"
TRUE_W2C, PREDICTED_W2C = "true_w2c", "predicted_w2c"  # arrays kept of a clip, by our version
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
    return (*_skill(), *_accuracies(), *_trajectory())


def _skill() -> tuple[Column, ...]:
    """Near skill first: one bit of the truth, such as left or right, has skill, but no near skill."""
    definition = "1 - error against the own true cameras / error against those of other clips"
    near = f"{definition}; the quarter of clips whose true motion is most like the own"
    error = "mean of max(rotation, signed translation error) of the long pairs of views"
    turned = "rotation about the true axis, over the true rotation; pairs that turn by 5 degrees or more"
    return (
        Column(NEAR_SKILL, "near\nskill %", 100, 1, better=Better.HIGHER, quantity="skill", definition=near),
        Column(SKILL, "skill %", 100, 1, better=Better.HIGHER, quantity="skill", definition=definition),
        Column(OWN_ERROR, "pose\nerror °", 1, 1, better=Better.LOWER, quantity="error, degrees", definition=error),
        Column(OTHERS_ERROR, "against\nothers °", 1, 1, quantity="error, degrees", definition=error),
        Column(ROTATION_AMPLITUDE, "rotation\namplitude", quantity="rotation amplitude", definition=turned),
        MAGNITUDE.column(),
    )


def _accuracies() -> tuple[Column, ...]:
    """AUC@20 with its measured floor, then the other thresholds."""
    others = [auc(AucMethod.EXACT, threshold, signed=True) for threshold in THRESHOLDS if threshold != 20]
    floor = SIGNED_AUC.column(variant=OTHERS, title="same,\nagainst\nothers")
    return (
        SIGNED_AUC.column(),
        replace(floor, better=Better.NONE),
        *(accuracy.column() for accuracy in others),
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
