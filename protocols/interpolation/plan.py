"""The plan of `interpolation`: clips whose targets lie between two context frames. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.data.dataset import Catalogue
from evalkit.errors import Unsupported, UserError
from evalkit.oracles.oracle import OracleIdentity
from evalkit.protocol import Better, Column, Sample
from protocols.interpolation.options import InterpolationOptions, LatentPath
from protocols.shared.clips import ClipPlanner
from protocols.shared.columns import image_columns

OFF_PATH_GAIN = Column(
    "off_path_gain",
    "gain off\nthe path dB",
    better=Better.HIGHER,
    quantity="psnr",
    definition="at poses between the first and the last context view, in known worlds",
    variant="above the best image that needs no pose",
)
GAIN = Column(
    "gain",
    "gain on\nframes dB",
    better=Better.HIGHER,
    quantity="psnr",
    variant="above the best image that needs no pose",
)
COPY = "copy_"  # before a metric's name: of the nearest context view, rendered at its own predicted pose


class InterpolationPlan:
    """Held-out frames at poses between those predicted for their neighbours: PSNR, SSIM, LPIPS (RayZer, Table 5)."""

    Options = InterpolationOptions
    implementation = "protocols.interpolation.protocol:Interpolation"
    name, uses_oracle = "interpolation", False
    controls = ("static_blurred", "mean_context", "fade_context")

    def __init__(
        self, options: InterpolationOptions, dataset: Catalogue, oracle: OracleIdentity | None, seed: int
    ) -> None:
        """Raise UserError for a dataset without cameras."""
        if Need.CAMERAS not in dataset.provides:
            raise UserError(
                "protocol=interpolation takes its coefficients from true cameras, which this dataset does not have"
            )
        self.options, self.version = options, options.version
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess = self.clips.preprocess
        self.columns = columns_of(options.metrics)
        if options.version == "2":
            self.columns = (OFF_PATH_GAIN, GAIN, *self.columns)

    def samples(self) -> list[Sample]:
        """Clips as `ClipPlanner` draws them; a clip with a target outside of its context becomes a problem."""
        return [_with_problem(sample) for sample in self.clips.samples()]

    def target_pose(self, card: Card) -> TargetPose:
        """`interpolated`. Raises Unsupported for latent poses, unless the options interpolate them."""
        if card.pose is not PoseKind.SE3 and self.options.latent is LatentPath.REFUSE:
            raise Unsupported(
                f"baseline '{card.name}' has latent poses, which have no geodesic: protocol.latent=linear takes "
                "the straight line"
            )
        return TargetPose.INTERPOLATED

    def kept_bytes(self, sample: Sample) -> int:
        """Bytes of the arrays of a sample, in float64: metrics of renders and copies, fractions, PSNR off the path."""
        targets = sum(len(clip.target) for clip in sample.clips)
        return 8 * targets * (2 * len(self.options.metrics) + 2)


def columns_of(metrics: Sequence[str]) -> tuple[Column, ...]:
    """Each metric, and the first one again for the copies: each method is compared with its own."""
    columns = image_columns(metrics)
    first = columns[0]
    copies = replace(
        first,
        key=COPY + first.key,
        title=f"{first.title} of\nnearest view\nat its own pose",
        variant="nearest context view, rendered at its own predicted pose",
    )
    return (*columns, copies)


def _with_problem(sample: Sample) -> Sample:
    """The sample, with a problem if a target does not lie between two context frames."""
    for clip in sample.clips:
        outside = [number for number in clip.target if not min(clip.context) <= number <= max(clip.context)]
        if outside:
            problem = f"target frame {outside[0]} does not lie between two context frames"
            return replace(sample, clips=(), problem=problem)
    return sample
