"""The plan of `object`: one clip around each object. Needs no tensor."""

from __future__ import annotations

from evalkit.card import Card, Need, TargetPose
from evalkit.data.dataset import Catalogue, SequenceInfo
from evalkit.errors import Unsupported, UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Clip, Sample
from protocols.object.columns import columns_of
from protocols.object.options import ObjectOptions
from protocols.object.pose_knowledge import has_own_cameras
from protocols.object.turn_frames import frames_around


class ObjectPlan:
    """Unseen views of an object from an unposed video around it: success rate, PSNR, SSIM, LPIPS (UVRM, Table A1)."""

    Options = ObjectOptions
    implementation = "protocols.object.protocol:Object"
    name, uses_oracle = "object", False
    controls = ("no_motion",)

    def __init__(self, options: ObjectOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        """Raise UserError for a dataset without cameras."""
        if Need.CAMERAS not in dataset.provides:
            raise UserError("protocol=object renders at true relative poses, which this dataset does not have")
        self.options, self.version, self.dataset = options, options.version, dataset
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = columns_of(options.metrics)

    def samples(self) -> list[Sample]:
        """One clip a sequence: context frames equally spaced around the object, targets between them."""
        return [self._sample(sequence) for sequence in self.dataset.sequences()]

    def _sample(self, sequence: SequenceInfo) -> Sample:
        start, end = max(sequence.segments, key=lambda segment: segment[1] - segment[0], default=(0, 0))
        context, target = frames_around(start, end, self.options.context, self.options.target, self.options.closed)
        problem = sequence.problem or ""
        if not problem and len({*context, *target}) < self.options.context + self.options.target:
            problem = f"{sequence.name}: {end - start} frames without a jump have no room for context and targets"
        clips = () if problem else (Clip(sequence.name, context, target),)
        return Sample(sequence.name, (sequence.scene,), clips, problem)

    def target_pose(self, card: Card) -> TargetPose:
        """`given`: targets lie at the dataset's cameras. Raises Unsupported for a method that cannot render there."""
        if not has_own_cameras(card) and TargetPose.GIVEN not in card.target_poses:
            raise Unsupported(f"baseline '{card.name}' has latent poses, which no camera can steer (protocol=nvs can)")
        return TargetPose.GIVEN

    def kept_bytes(self, sample: Sample) -> int:
        """Size of the arrays kept of a sample: each metric of renders and of one colour, in float64."""
        targets = sum(len(clip.target) for clip in sample.clips)
        return 8 * targets * 2 * (len(self.options.metrics) + 1)
