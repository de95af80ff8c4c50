"""The plan of `probe`: clips of many scenes. Needs no tensor."""

from __future__ import annotations

from evalkit.card import Card, Need, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.errors import UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.protocol import Sample
from protocols.probe.columns import columns_of
from protocols.probe.options import ProbeOptions
from protocols.probe.scene_split import MIN_SCENES
from protocols.shared.clips import ClipPlanner


class ProbePlan:
    """Small heads trained to read the camera from frozen pose codes (XFactor, Table 2; RayZer, Table 6)."""

    Options = ProbeOptions
    implementation = "protocols.probe.protocol:Probe"
    name = "probe"
    paired = "protocols.probe.paired:paired"
    uses_oracle = True  # an instance says whether its options ask for one

    def __init__(self, options: ProbeOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        """Raise UserError where the true cameras are neither in the dataset nor from an oracle."""
        self.uses_oracle = options.truth == "oracle"
        if self.uses_oracle and oracle is None:
            raise UserError("protocol.truth=oracle needs an oracle: oracle=colmap")
        if not self.uses_oracle and Need.CAMERAS not in dataset.provides:
            raise UserError("protocol.truth=dataset: this dataset has no cameras; type protocol.truth=oracle")
        self.options, self.seed, self.version = options, seed, options.version
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess = self.clips.preprocess
        self.columns = columns_of(options.version)

    def samples(self) -> list[Sample]:
        """Clips as `ClipPlanner` draws them, the first of each sequence first: a limited run has many scenes.

        Raises UserError where the dataset has too few scenes to split.
        """
        planned = self.clips.samples()
        scenes = {scene for sample in planned for scene in sample.scenes}
        if len(scenes) < MIN_SCENES:
            raise UserError(
                f"protocol=probe trains, stops and scores on different scenes: the dataset has {len(scenes)}, "
                f"expected {MIN_SCENES} or more, better 50"
            )
        if self.clips.index is not None:
            return planned
        clips = self.options.clips
        return [sample for number in range(clips) for sample in planned[number::clips]]

    def target_pose(self, card: Card) -> TargetPose:
        """`joint`, since the encoder sees all views; `given` for a method that needs the dataset's cameras."""
        return TargetPose.GIVEN if Need.CAMERAS in card.needs else TargetPose.JOINT

    def kept_bytes(self, sample: Sample) -> int:
        """Largest size of the arrays kept of a sample: codes and features, thumbnails, cameras."""
        views = sum(len(clip.numbers) for clip in sample.clips)
        float32_numbers = 2 * self.options.width + 3 * self.options.pixels**2 + 12
        return views * (4 * float32_numbers + 8 * 16)
