"""nvs@2 without tensors: the samples, the columns, and where target poses come from."""

from __future__ import annotations

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.index.released import evaluated_by_released_code
from evalkit.metrics.named import image_metric
from evalkit.oracles.oracle import OracleIdentity
from evalkit.protocol import Column, Sample
from protocols.nvs.options import NvsOptions
from protocols.shared.clips import ClipPlanner
from protocols.shared.columns import image_columns
from protocols.shared.sources import first_supported

SOURCES = (
    TargetPose.GIVEN,
    TargetPose.JOINT,
    TargetPose.CONTEXT_ONLY,
    TargetPose.ALIGNED_SE3,
    TargetPose.ALIGNED_FREE,
)
DEDUP = "dedup"  # variant of a metric: without the targets that are context frames


class NvsPlan:
    """Held-out frames of a clip rendered from its other frames: PSNR, SSIM, LPIPS (RayZer, Tables 1-3)."""

    Options = NvsOptions
    implementation = "protocols.nvs.protocol:Nvs"
    name, version, uses_oracle = "nvs", "2", False

    def __init__(self, options: NvsOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        self.options, self.seed = options, seed
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess, self.index = self.clips.preprocess, self.clips.index
        self.columns = self._columns()

    def _columns(self) -> tuple[Column, ...]:
        """The metrics; with a published list also the first of them without targets that are context frames."""
        columns = image_columns(self.options.metrics)
        if self.index is None:
            return columns
        title = f"{columns[0].title}\nonly targets\nnot in context"
        return (*columns, image_metric(columns[0].key).column(variant=DEDUP, title=title))

    def samples(self) -> list[Sample]:
        """The entries of the published list, or ``clips`` windows of each sequence."""
        planned = self.clips.samples()
        if self.options.drop_last is None:
            return planned
        processes, batch = self.options.drop_last
        return [planned[i] for i in evaluated_by_released_code(len(planned), processes, batch)]

    def target_pose(self, card: Card) -> TargetPose:
        """The source that was asked for, else the first that the method offers of all but `transfer`."""
        return first_supported(card, SOURCES, self.options.target_pose)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample: each metric of each target, in float64."""
        return 8 * len(self.options.metrics) * sum(len(clip.target) for clip in sample.clips)
