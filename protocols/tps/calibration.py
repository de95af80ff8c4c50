"""What `tps` says about its oracle: which clips it is asked about, and which columns show whether to trust it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.config.options import ComponentOptions
from evalkit.metrics.accuracies import rra, rta
from evalkit.oracles.calibration.hook import Accuracies, TrustColumns
from evalkit.protocol import Clip, Sample
from protocols.shared.skill_names import SIGNED_AUC
from protocols.shared.transfer_columns import EXACT_PSNR, IDENTITY
from protocols.tps.columns import ORACLE_ON_REAL, ORACLE_ON_RENDER
from protocols.tps.options import TpsOptions

if TYPE_CHECKING:
    from torch import Tensor


class TpsCalibration:
    """The oracle is asked about the targets of clip A; TPS is compared with the exact transfer error."""

    trust = TrustColumns(
        accuracy=SIGNED_AUC.key,
        truth=EXACT_PSNR,
        right_scene=IDENTITY,
        oracle_on_real=ORACLE_ON_REAL,
        oracle_on_render=ORACLE_ON_RENDER,
        accuracy_name="TPS",
        truth_name="exact transfer PSNR",
        accuracy_label="AUC@20 signed by the oracle, failures as 90°, %",
        truth_label="exact transfer PSNR, dB",
    )

    def clip(self, sample: Sample) -> Clip:
        """Clip A, whose targets give the poses."""
        return sample.clips[0]

    def accuracies(self, options: ComponentOptions) -> Accuracies:
        """Accuracies of relative poses; translations count only between cameras ``min_baseline`` apart."""
        assert isinstance(options, TpsOptions)
        min_baseline = options.min_baseline

        def compare(w2c: Tensor, reference_w2c: Tensor) -> dict[str, float]:
            from evalkit.metrics.pose_scores import pose_scores

            return pose_scores(w2c, reference_w2c, min_baseline).row()

        return Accuracies(
            {SIGNED_AUC.key: "AUC@20", rra(10).key: "RRA@10", rta(20, signed=True).key: "RTA@20"}, compare
        )
