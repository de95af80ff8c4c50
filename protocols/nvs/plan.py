"""nvs@3 without tensors: the samples, the columns, and where target poses come from."""

from __future__ import annotations

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.index.released import evaluated_by_released_code
from evalkit.metrics.named import image_metric
from evalkit.oracles.oracle import OracleIdentity
from evalkit.protocol import Column, Sample
from protocols.nvs.options import NvsOptions
from protocols.shared.clips import ClipPlanner
from protocols.shared.columns import HALF_BLIND_GAIN, HALF_BLIND_PSNR, image_columns
from protocols.shared.sources import first_supported
from protocols.shared.wide_clips import WideClips

SOURCES = (
    TargetPose.GIVEN,
    TargetPose.JOINT,
    TargetPose.CONTEXT_ONLY,
    TargetPose.ALIGNED_SE3,
    TargetPose.ALIGNED_FREE,
)
DEDUP = "dedup"  # variant of a metric: without the targets that are context frames


class NvsPlan:
    """Held-out frames of a clip from its other frames: half-blind gain; PSNR, SSIM, LPIPS (RayZer, Tables 1-3)."""

    Options = NvsOptions
    implementation = "protocols.nvs.protocol:Nvs"
    name, version, uses_oracle = "nvs", "3", False
    controls = ("static_blurred", "mean_context", "fade_context")

    def __init__(self, options: NvsOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        self.options, self.seed = options, seed
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess, self.index = self.clips.preprocess, self.clips.index
        self.wide = WideClips(options.wide, dataset, self.clips.counts.span, seed)
        self.columns = self._columns()

    def _columns(self) -> tuple[Column, ...]:
        """Half-blind first, then the metrics; with a list also the first of them without targets that are context."""
        columns = (HALF_BLIND_GAIN, HALF_BLIND_PSNR, *image_columns(self.options.metrics))
        if self.index is None:
            return columns
        first = image_metric(self.options.metrics[0])
        return (*columns, first.column(variant=DEDUP, title=f"{first.title}\nonly targets\nnot in context"))

    def samples(self) -> list[Sample]:
        """The entries of the published list, or ``clips`` windows of each sequence, each with a wide clip."""
        planned = self.clips.samples() if self.index else self.wide.added(self.clips.samples())
        if self.options.drop_last is None:
            return planned
        processes, batch = self.options.drop_last
        return [planned[i] for i in evaluated_by_released_code(len(planned), processes, batch)]

    def target_pose(self, card: Card) -> TargetPose:
        """The source that was asked for, else the first that the method offers of all but `transfer`."""
        return first_supported(card, SOURCES, self.options.target_pose)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample: each metric of each target, and their PSNR half-blind, in float64."""
        if not sample.clips:
            return 0
        return 8 * (len(self.options.metrics) * len(sample.clips[0].target) + len(sample.clips[-1].target))
