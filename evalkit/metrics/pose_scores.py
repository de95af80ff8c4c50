"""Every accuracy of relative poses, from one pair of trajectories: the numbers of True Pose Similarity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from evalkit.metrics.motion import long_baselines, magnitude_agreement
from evalkit.metrics.pose import AucMethod, accuracy, joint_error, pose_auc, relative_pose_errors

THRESHOLDS = (5, 10, 20, 30)


@dataclass(frozen=True)
class PoseScores:
    """Errors of all V(V-1)/2 relative poses of one clip, in degrees [P]; NaN where there is no estimate.

    ``magnitude`` [P] is the agreement of lengths, ``long`` [P] (bool) says which baselines are long enough for
    their direction to mean something.
    """

    rotation: Tensor
    folded: Tensor
    signed: Tensor
    magnitude: Tensor
    long: Tensor

    def row(self, prefix: str = "") -> dict[str, float]:
        """Two definitions at all thresholds, as fractions.

        ``folded`` is XFactor's: all pairs, translation sign-folded, 31 bins. ``signed`` is ours: the pairs with a long
        baseline, translation signed, the exact integral; NaN where no pair is left. RRA is the same for both.
        """
        row: dict[str, float] = {}
        for threshold in THRESHOLDS:
            row[f"rra@{threshold}"] = float(accuracy(self.rotation, threshold))
            row[f"rta_folded@{threshold}"] = float(accuracy(self.folded, threshold))
            row[f"rta_signed@{threshold}"] = self._of_long(accuracy, self.signed, threshold)
            folded, signed = (joint_error(self.rotation, each) for each in (self.folded, self.signed))
            row[f"auc_xfactor_folded@{threshold}"] = float(pose_auc(folded, threshold, AucMethod.XFACTOR))
            row[f"auc_exact_signed@{threshold}"] = self._of_long(_exact, signed, threshold)
        row["magnitude"] = float(self.magnitude.mean())
        return {prefix + key: value for key, value in row.items()}

    def every_auc(self) -> dict[str, float]:
        """All five definitions of the AUC over all pairs, folded and signed, for whoever has to compare papers."""
        errors = {name: joint_error(self.rotation, each) for name, each in self._translations().items()}
        return {
            f"auc_{method}_{name}@{threshold}": float(pose_auc(error, threshold, method))
            for method in AucMethod
            for name, error in errors.items()
            for threshold in THRESHOLDS
        }

    def _translations(self) -> dict[str, Tensor]:
        return {"folded": self.folded, "signed": self.signed}

    def _of_long(self, score: Callable[[Tensor, float], Tensor], errors: Tensor, threshold: float) -> float:
        return float(score(errors[self.long], threshold)) if self.long.any() else math.nan

    def arrays(self, prefix: str = "") -> dict[str, Tensor]:
        """The errors themselves, from which any other accuracy can be computed."""
        return {
            f"{prefix}rotation_error_deg": self.rotation,
            f"{prefix}translation_error_folded_deg": self.folded,
            f"{prefix}translation_error_signed_deg": self.signed,
            f"{prefix}magnitude_agreement": self.magnitude,
            f"{prefix}long_baseline": self.long,
        }


def pose_scores(pred_w2c: Tensor, true_w2c: Tensor, min_baseline: float) -> PoseScores:
    """Compare two trajectories w2c [1, V, 4, 4] of one clip, V >= 2, up to a similarity.

    Baselines of ``true_w2c`` count as long from ``min_baseline`` of its widest.
    """
    rotation, folded = relative_pose_errors(pred_w2c, true_w2c)
    _, signed = relative_pose_errors(pred_w2c, true_w2c, signed=True)
    magnitude = magnitude_agreement(pred_w2c, true_w2c)
    return PoseScores(rotation[0], folded[0], signed[0], magnitude[0], long_baselines(true_w2c, min_baseline)[0])


def _exact(errors: Tensor, threshold: float) -> Tensor:
    return pose_auc(errors, threshold, AucMethod.EXACT)
