"""Every accuracy of relative poses, from one pair of trajectories: the numbers of True Pose Similarity."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from evalkit.metrics.pose import AucMethod, accuracy, joint_error, pose_auc, relative_pose_errors

THRESHOLDS = (5, 10, 20, 30)


@dataclass(frozen=True)
class PoseScores:
    """Errors of all V(V-1)/2 relative poses of one clip, in degrees [P]; NaN where there is no estimate."""

    rotation: Tensor
    folded: Tensor
    signed: Tensor

    def row(
        self, prefix: str = "", methods: tuple[AucMethod, ...] = (AucMethod.XFACTOR, AucMethod.EXACT)
    ) -> dict[str, float]:
        """RRA, RTA and AUC at all thresholds as fractions; translation sign-folded (paper) and signed."""
        row: dict[str, float] = {}
        for threshold in THRESHOLDS:
            row[f"rra@{threshold}"] = float(accuracy(self.rotation, threshold))
            for name, translation in (("folded", self.folded), ("signed", self.signed)):
                error = joint_error(self.rotation, translation)
                row[f"rta_{name}@{threshold}"] = float(accuracy(translation, threshold))
                for method in methods:
                    row[f"auc_{method}_{name}@{threshold}"] = float(pose_auc(error, threshold, method))
        return {prefix + key: value for key, value in row.items()}

    def arrays(self, prefix: str = "") -> dict[str, Tensor]:
        """The errors themselves, from which any other accuracy can be computed."""
        return {
            f"{prefix}rotation_error_deg": self.rotation,
            f"{prefix}translation_error_folded_deg": self.folded,
            f"{prefix}translation_error_signed_deg": self.signed,
        }


def pose_scores(pred_w2c: Tensor, true_w2c: Tensor) -> PoseScores:
    """Compare two trajectories w2c [1, V, 4, 4] of one clip, V >= 2, up to a similarity."""
    rotation, folded = relative_pose_errors(pred_w2c, true_w2c)
    _, signed = relative_pose_errors(pred_w2c, true_w2c, signed=True)
    return PoseScores(rotation[0], folded[0], signed[0])
