"""augmentation@2 without tensors: the clips and the columns."""

from __future__ import annotations

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Sample
from protocols.augmentation.options import AugmentationOptions
from protocols.shared.columns import HALF_BLIND_GAIN, HALF_BLIND_PSNR, image_columns
from protocols.shared.sources import first_supported
from protocols.shared.wide_clips import FALLBACK_SPAN, WideClips


class AugmentationPlan:
    """Poses of one augmentation of a clip, rendered in another one, without an oracle (XFactor, Table 5)."""

    Options = AugmentationOptions
    implementation = "protocols.augmentation.protocol:Augmentation"
    name, version, uses_oracle = "augmentation", "2", False
    controls = ("static_blurred", "mean_context", "fade_context")

    def __init__(
        self, options: AugmentationOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int
    ) -> None:
        self.options, self.seed = options, seed
        self.clips = WideClips(options, dataset, FALLBACK_SPAN, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = (HALF_BLIND_GAIN, HALF_BLIND_PSNR, *image_columns(options.metrics))

    def samples(self) -> list[Sample]:
        """``clips`` wide clips of each sequence."""
        return self.clips.samples(self.options.clips)

    def target_pose(self, card: Card) -> TargetPose:
        """Always from the other augmentation."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample: each metric of each target, of renders and of augmentation 1, in float64."""
        numbers = 2 * len(self.options.metrics) + 1
        return 8 * numbers * sum(len(clip.target) for clip in sample.clips)
