"""All versions of pose without tensors: the samples, the columns, and which views are scored."""

from __future__ import annotations

from math import comb

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.errors import Unsupported, UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.protocol import Clip, Sample
from protocols.pose.columns import OURS, columns_of
from protocols.pose.options import PoseOptions
from protocols.shared.clips import ClipPlanner
from protocols.shared.sources import first_supported


class PosePlan:
    """Accuracy of explicit cameras against the true ones (NoPoSplat, VGGT, E-RayZer; ATE and RPE)."""

    Options = PoseOptions
    implementation = "protocols.pose.protocol:Pose"
    name, uses_oracle = "pose", False
    controls = ("no_motion", "dolly")
    paired = "protocols.pose.paired:paired"

    def __init__(self, options: PoseOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int) -> None:
        if Need.CAMERAS not in dataset.provides:
            raise UserError("protocol=pose compares with true cameras, which this dataset does not have")
        self.options, self.version = options, options.version
        self.clips = ClipPlanner(options, dataset, seed, options.frames)
        self.preprocess = self.clips.preprocess
        self.context_only = options.target_pose is TargetPose.CONTEXT_ONLY
        self.ends_only = options.version == "noposplat"  # the one pair of the first and the last context view
        self.columns = columns_of(options.version)

    def samples(self) -> list[Sample]:
        """The clips, see `ClipPlanner.samples`."""
        return self.clips.samples()

    def target_pose(self, card: Card) -> TargetPose:
        """What the pose encoder sees, as asked; `given` where a method is handed the dataset's cameras.

        Raises Unsupported for a method without cameras, and for one that cannot encode targets with the context.
        """
        if card.pose is PoseKind.LATENT:
            raise Unsupported(
                f"baseline '{card.name}' has no cameras: protocol=pose needs explicit ones (probe does not)"
            )
        if Need.CAMERAS in card.needs:
            return TargetPose.GIVEN
        if self.context_only:  # any method that can build a scene can encode its context
            return TargetPose.CONTEXT_ONLY
        return first_supported(card, (TargetPose.JOINT,), TargetPose.JOINT)

    def scored_positions(self, clip: Clip) -> tuple[int, ...]:
        """Positions in ``clip.numbers`` of the views that are scored."""
        if self.ends_only:
            return (clip.context_positions[0], clip.context_positions[-1])
        return clip.context_positions if self.context_only else tuple(range(len(clip.numbers)))

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample: four numbers in float64 and a mark for each pair of scored views.

        Version 2 keeps also two cameras of 16 float64 for each view.
        """
        views = [len(self.scored_positions(clip)) for clip in sample.clips]
        cameras = 2 * 16 * 8 if self.version == OURS else 0
        return sum((4 * 8 + 1) * comb(count, 2) + cameras * count for count in views)
