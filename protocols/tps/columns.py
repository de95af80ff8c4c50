"""The numbers of `tps` by name, and those that each version prints. Needs no tensor."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.accuracies import ACCURACIES, MAGNITUDE, AucMethod, auc, rra, rta
from evalkit.metrics.identity_feature import Feature
from evalkit.protocol import Better, Column
from protocols.shared.skill_names import (
    BEATEN,
    FOLDED_AUC,
    NEAR_SKILL,
    OTHERS,
    OTHERS_ERROR,
    OWN_ERROR,
    SIGNED_AUC,
    SKILL,
)
from protocols.shared.transfer_columns import bleed_column, exact_columns, identity_column

# Before the key of an accuracy (`evalkit.metrics.accuracies.ACCURACIES`) in a row: which cameras are compared.
RENDER = ""  # the oracle on the renders against the oracle on A's real targets
CEILING = "ceiling."  # the oracle on a blurred copy of A's real targets against the oracle on the targets
RENDER_VS_TRUTH = "render_vs_truth."  # the oracle on the renders against A's true cameras
REAL_VS_TRUTH = "real_vs_truth."  # the oracle on A's real targets against A's true cameras

# What the oracle answered on a clip: "ok", or why there are no cameras.
ORACLE_ON_REAL, ORACLE_ON_BLURRED, ORACLE_ON_RENDER = "oracle_on_real", "oracle_on_blurred", "oracle_on_render"

FAILED_AS_90 = "failed=90"  # variant of an accuracy: renders that the oracle could not read count as 90 degrees off
ORACLE_FAILED = "oracle_failed"  # share of the renders that the oracle could not read
ROTATION_SPAN, BASELINE = "rotation_span_deg", "baseline"  # how much the camera of A moves

AMPLITUDE = "amplitude"  # how much of the way of A the render goes

# Arrays kept of a pair: the oracle's cameras, and how images differ from their mean over the views.
REAL_W2C, BLURRED_W2C, RENDER_W2C = "real_w2c", "blurred_w2c", "render_w2c"


def accuracy_keys(prefix: str) -> tuple[str, ...]:
    """The keys of all accuracies of one comparison, by its prefix."""
    return tuple(prefix + accuracy.key for accuracy in ACCURACIES)


def failed_as_90(key: str) -> str:
    """The key of an accuracy in which unreadable renders count as 90 degrees off."""
    return f"{key}|{FAILED_AS_90}"


def columns_of(version: str, feature: Feature) -> tuple[Column, ...]:
    """What a version prints; ``feature`` is what frames are compared by."""
    return _of_the_paper() if version == "xfactor" else _ours(feature)


def _of_the_paper() -> tuple[Column, ...]:
    """XFactor's Table 1, its main number first."""
    thresholds = (10, 20, 30)
    main = auc(AucMethod.XFACTOR, 20, signed=False)
    others = (
        *(rra(threshold) for threshold in thresholds),
        *(rta(threshold, signed=False) for threshold in thresholds),
        *(auc(AucMethod.XFACTOR, threshold, signed=False) for threshold in thresholds if threshold != 20),
    )
    return (main.column(), *(accuracy.column() for accuracy in others), _oracle_failed())


def _ours(feature: Feature) -> tuple[Column, ...]:
    return (
        *_of_skill(),
        *_of_accuracies(),
        _oracle_failed(),
        identity_column(feature),
        bleed_column(),
        *exact_columns(),
    )


def _of_skill() -> tuple[Column, ...]:
    higher, lower, none = Better.HIGHER, Better.LOWER, Better.NONE
    definition = "1 - error against A / error against other clips A; failures as 90 degrees"
    near = f"{definition}; the quarter of clips whose motion is most like that of A"
    error = "mean of max(rotation, signed translation error) of the long pairs of views"
    return (
        Column(SKILL, "skill %", 100, 1, better=higher, quantity="skill", definition=definition),
        Column(NEAR_SKILL, "near\nskill %", 100, 1, better=higher, quantity="skill", definition=near),
        Column(OWN_ERROR, "error\nagainst A °", 1, 1, better=lower, quantity="error, degrees", definition=error),
        Column(OTHERS_ERROR, "against\nothers °", 1, 1, better=none, quantity="error, degrees", definition=error),
        Column(BEATEN, "nearer to A\nthan to\nothers %", 100, 1, better=higher, quantity="other clips that A beats"),
        Column(AMPLITUDE, "amplitude", 1, 2, better=none, quantity="length moved along the way of A, over its length"),
    )


def _of_accuracies() -> tuple[Column, ...]:
    return (
        SIGNED_AUC.column(),
        replace(SIGNED_AUC.column(variant=OTHERS, title="same,\nagainst\nothers"), better=Better.NONE),
        SIGNED_AUC.column(variant=FAILED_AS_90, title="AUC@20 signed,\nfailures as 90°"),
        FOLDED_AUC.column(),
        replace(FOLDED_AUC.column(variant=OTHERS, title="same,\nagainst\nothers"), better=Better.NONE),
        MAGNITUDE.column(),
    )


def _oracle_failed() -> Column:
    title = "oracle failed\non renders %"
    return Column(ORACLE_FAILED, title, 100, 1, better=Better.LOWER, quantity="renders that the oracle could not read")
