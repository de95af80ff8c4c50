"""The plan of `object`: one clip around each object. Needs no tensor."""

from __future__ import annotations

from numpy.random import Generator

from evalkit.card import Card, Need, TargetPose
from evalkit.data.dataset import Catalogue, SequenceInfo
from evalkit.errors import Unsupported, UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.pixels import Preprocess
from evalkit.protocol import Clip, Sample
from evalkit.seeds import generator
from protocols.object.columns import columns_of
from protocols.object.options import ObjectOptions
from protocols.object.pose_knowledge import has_own_cameras
from protocols.object.turn_frames import Frames, even_frames, least_steps, uneven_frames


class ObjectPlan:
    """Unseen views of an object from an unposed video around it: PSNR, silhouette, success rate (UVRM, Table A1)."""

    Options = ObjectOptions
    implementation = "protocols.object.protocol:Object"
    name, uses_oracle = "object", False
    controls = ("no_motion",)

    def __init__(self, options: ObjectOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        """Raise UserError for a dataset without cameras."""
        if Need.CAMERAS not in dataset.provides:
            raise UserError("protocol=object renders at true relative poses, which this dataset does not have")
        self.options, self.version, self.dataset, self.seed = options, options.version, dataset, seed
        self.preprocess = Preprocess(options.resolution, options.preprocess)
        self.columns = columns_of(options.metrics)

    def samples(self) -> list[Sample]:
        """One clip a sequence: context frames around the object or on a part of the way, targets between them."""
        return [self._sample(sequence) for sequence in self.dataset.sequences()]

    def _sample(self, sequence: SequenceInfo) -> Sample:
        options, scenes = self.options, (sequence.scene,)
        start, end = max(sequence.segments, key=lambda segment: segment[1] - segment[0], default=(0, 0))
        steps = int(least_steps(options.context, options.target).sum()) if options.split == "uneven" else 0
        frames = self._frames(sequence.name, start, end) if end - start > steps else ((), ())
        problem = sequence.problem or ""
        if not problem and len({*frames[0], *frames[1]}) < options.context + options.target:
            problem = f"{sequence.name}: {end - start} frames without a jump have no room for context and targets"
        return Sample(sequence.name, scenes, () if problem else (Clip(sequence.name, *frames),), problem)

    def _frames(self, name: str, start: int, end: int) -> Frames:
        options = self.options
        if options.split == "even":
            return even_frames(start, end, options.context, options.target, options.closed)
        return uneven_frames(start, end, options.context, options.target, options.part, self._rng("frames", name))

    def is_backwards(self, sample: Sample) -> bool:
        """Whether a method is shown the turn of a sample backwards."""
        is_drawn = self._rng("backwards", sample.id).random() < self.options.backwards
        return self.options.split == "uneven" and bool(is_drawn)

    def _rng(self, *words: str) -> Generator:
        return generator(self.seed, "object", *words)

    def target_pose(self, card: Card) -> TargetPose:
        """`given`: targets lie at the dataset's cameras. Raises Unsupported for a method that cannot render there."""
        if not has_own_cameras(card) and TargetPose.GIVEN not in card.target_poses:
            raise Unsupported(f"baseline '{card.name}' has latent poses, which no camera can steer (protocol=nvs can)")
        return TargetPose.GIVEN

    def kept_bytes(self, sample: Sample) -> int:
        """Size of the arrays kept of a sample: each score of renders and of one colour, in float64."""
        targets = sum(len(clip.target) for clip in sample.clips)
        return 8 * targets * 2 * (len(self.options.metrics) + 3)
