"""tps@3 and tps@xfactor without tensors: pairs of clips and the columns."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.errors import UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Sample
from protocols.shared.bleed_names import change_bytes
from protocols.shared.sources import first_supported
from protocols.shared.transfer_plan import TransferPlanner
from protocols.tps.calibration import TpsCalibration
from protocols.tps.columns import columns_of
from protocols.tps.options import TpsOptions

if TYPE_CHECKING:
    import pandas as pd


class TpsPlan:
    """Poses from clip A rendered in the scene of clip B: does an oracle see A's camera motion? (XFactor, Table 1)"""

    Options = TpsOptions
    implementation = "protocols.tps.protocol:Tps"
    name, uses_oracle = "tps", True
    calibration = TpsCalibration()
    controls = ("static_blurred", "mean_context", "half_motion", "fixed_motion", "blend_target")
    paired = "protocols.tps.paired:paired"

    def __init__(self, options: TpsOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        if oracle is None:
            raise UserError("protocol=tps needs an oracle: oracle=colmap")
        if options.target < 2:
            raise UserError(f"protocol.target={options.target}: relative poses need at least 2 target frames")
        self.options, self.version = options, options.version
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = columns_of(options.version, options.identity)

    def samples(self) -> list[Sample]:
        """Pairs of clips, see `TransferPlanner.samples`."""
        return self.transfers.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """Always from another clip."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample, at most.

        Four comparisons of four float64 and a mark per pair of targets; three cameras of 16 float64 per target; what
        changes between the targets and between the renders, in half precision.
        """
        return sum(
            4 * (4 * 8 + 1) * comb(targets, 2) + 3 * 16 * 8 * targets + change_bytes(targets, self.options.resolution)
            for targets in (len(clip.target) for clip in sample.clips[:1])
        )

    @staticmethod
    def row_numbers(rows: pd.DataFrame) -> dict[str, pd.Series]:
        """The number of each row behind columns that count failures."""
        from protocols.tps.summary import row_numbers  # planning needs no pandas

        return row_numbers(rows)
