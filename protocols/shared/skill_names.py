"""Names of the numbers that compare each motion with its own clip and with other clips. Needs no tensor."""

from __future__ import annotations

from evalkit.metrics.accuracies import AucMethod, auc

SKILL, NEAR_SKILL, OWN_ERROR, OTHERS_ERROR = "skill", "near_skill", "own_error_deg", "others_error_deg"
BEATEN = "others_beaten"
SIGNED_AUC = auc(AucMethod.EXACT, 20, signed=True)
FOLDED_AUC = auc(AucMethod.XFACTOR, 20, signed=False)
OTHERS = "others"  # variant of an accuracy: against the true motions of other clips
OTHERS_LINE = "true motions of other clips"  # line of a table
ALIKE_DEG = 45.0  # clips whose true motions differ by less, on average, are too alike to tell skill


def floor(key: str) -> str:
    """The key of an accuracy of the same motions against those of other clips."""
    return f"{key}|{OTHERS}"


def note_on_alike(degrees: float, clips: str) -> str:
    """Why no skill is printed; ``clips`` says which are too alike."""
    return (
        f"clips too alike: the motions of {clips} are {degrees:.0f} degrees apart on average, "
        f"below {ALIKE_DEG:.0f}: no skill is printed"
    )
