"""All accuracies of relative poses of one clip: the numbers of True Pose Similarity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from evalkit.metrics.accuracies import ACCURACIES as ACCURACIES
from evalkit.metrics.accuracies import MAGNITUDE, auc, rra, rta
from evalkit.metrics.accuracies import THRESHOLDS as THRESHOLDS
from evalkit.metrics.motion import long_baselines, magnitude_agreement
from evalkit.metrics.pose import AucMethod, accuracy, joint_error, pose_auc, relative_pose_errors


@dataclass(frozen=True)
class PoseScores:
    """Errors of all P = V(V-1)/2 relative poses of one clip; NaN where there is no estimate.

    Args:
        rotation: rotation errors in degrees [P].
        folded, signed: translation errors in degrees [P], by both definitions of `relative_pose_errors`.
        magnitude: agreement of translation lengths [P], see `magnitude_agreement`.
        long: which pairs have a long baseline, bool [P], see `long_baselines`.
    """

    rotation: Tensor
    folded: Tensor
    signed: Tensor
    magnitude: Tensor
    long: Tensor

    def row(self, prefix: str = "") -> dict[str, float]:
        """Return the accuracies listed in `evalkit.metrics.accuracies.ACCURACIES`, as fractions by their keys.

        ``folded`` is XFactor's definition: all pairs, translation sign-folded, 31 bins. ``signed`` is ours: the pairs
        with a long baseline, translation signed, the exact integral; NaN where no pair is left. RRA is the same for
        both.
        """
        folded, signed = joint_error(self.rotation, self.folded), joint_error(self.rotation, self.signed)
        row: dict[str, float] = {}
        for t in THRESHOLDS:
            row[rra(t).key] = float(accuracy(self.rotation, t))
            row[rta(t, signed=False).key] = float(accuracy(self.folded, t))
            row[rta(t, signed=True).key] = self._of_long_pairs(accuracy, self.signed, t)
            row[auc(AucMethod.XFACTOR, t, signed=False).key] = float(pose_auc(folded, t, AucMethod.XFACTOR))
            row[auc(AucMethod.EXACT, t, signed=True).key] = self._of_long_pairs(_exact, signed, t)
        row[MAGNITUDE.key] = float(self.magnitude.mean())
        return {prefix + key: value for key, value in row.items()}

    def every_auc(self) -> dict[str, float]:
        """Return all five definitions of the AUC over all pairs, folded and signed, by their keys.

        They serve to compare papers with each other.
        """
        translation = {False: self.folded, True: self.signed}
        errors = {signed: joint_error(self.rotation, errors_deg) for signed, errors_deg in translation.items()}
        return {
            auc(method, threshold, signed=signed).key: float(pose_auc(errors_deg, threshold, method))
            for method in AucMethod
            for signed, errors_deg in errors.items()
            for threshold in THRESHOLDS
        }

    def _of_long_pairs(self, score: Callable[[Tensor, float], Tensor], errors: Tensor, threshold: float) -> float:
        return float(score(errors[self.long], threshold)) if self.long.any() else math.nan

    def arrays(self, prefix: str = "") -> dict[str, Tensor]:
        """Return the errors [P] by name: any other accuracy can be computed from them."""
        return {
            f"{prefix}rotation_error_deg": self.rotation,
            f"{prefix}translation_error_folded_deg": self.folded,
            f"{prefix}translation_error_signed_deg": self.signed,
            f"{prefix}magnitude_agreement": self.magnitude,
            f"{prefix}long_baseline": self.long,
        }


def pose_scores(pred_w2c: Tensor, true_w2c: Tensor, min_baseline: float) -> PoseScores:
    """Compare two trajectories of one clip up to a similarity.

    Args:
        pred_w2c, true_w2c: world-to-camera matrices [1, V, 4, 4], V >= 2.
        min_baseline: a pair of views has a long baseline if the true distance of its cameras is at least this fraction
            of the largest distance in the clip.
    """
    rotation, folded = relative_pose_errors(pred_w2c, true_w2c)
    _, signed = relative_pose_errors(pred_w2c, true_w2c, signed=True)
    magnitude = magnitude_agreement(pred_w2c, true_w2c)
    return PoseScores(rotation[0], folded[0], signed[0], magnitude[0], long_baselines(true_w2c, min_baseline)[0])


def _exact(errors: Tensor, threshold: float) -> Tensor:
    return pose_auc(errors, threshold, AucMethod.EXACT)
