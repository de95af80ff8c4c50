"""augmentation@1 without tensors: the clips and the columns."""

from __future__ import annotations

from dataclasses import replace

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Catalogue, SequenceInfo
from evalkit.errors import SampleError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Sample
from protocols.augmentation.options import AugmentationOptions
from protocols.shared.columns import image_columns
from protocols.shared.sources import first_supported
from protocols.shared.transfer_plan import TransferPlanner


class SingleClips(TransferPlanner):
    """Clips as `tps` has them; each is paired with itself."""

    def samples(self) -> list[Sample]:
        """``pairs`` clips of each sequence, without the targets that are context frames: those need no pose."""
        sequences = self.dataset.sequences()
        return [self._single(sequence, number) for number in range(self.options.pairs) for sequence in sequences]

    def _single(self, sequence: SequenceInfo, number: int) -> Sample:
        sample_id = f"{sequence.name}#{number}"
        try:
            if sequence.problem:
                raise SampleError(sequence.problem)
            clip = self.clip(sequence, sample_id)
            target = tuple(frame for frame in clip.target if frame not in clip.context)
            if not target:
                raise SampleError(f"{sequence.name}: every target of the window is a context frame")
        except SampleError as error:
            return Sample(sample_id, (sequence.scene,), (), str(error))
        return Sample(sample_id, (sequence.scene,), (replace(clip, target=target),))


class AugmentationPlan:
    """Poses of one augmentation of a clip, rendered in another one: PSNR, SSIM, LPIPS, no oracle (XFactor, Table 5)"""

    Options = AugmentationOptions
    implementation = "protocols.augmentation.protocol:Augmentation"
    name, version, uses_oracle = "augmentation", "1", False

    def __init__(
        self, options: AugmentationOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int
    ) -> None:
        self.options, self.seed = options, seed
        self.clips = SingleClips(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = image_columns(options.metrics)

    def samples(self) -> list[Sample]:
        """The clips, see `SingleClips.samples`."""
        return self.clips.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """Always from the other augmentation."""
        return first_supported(card, (TargetPose.TRANSFER,), None)

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample: each metric of each target, of renders and of augmentation 1, in float64."""
        return 2 * 8 * len(self.options.metrics) * sum(len(clip.target) for clip in sample.clips)
