"""The settings of a RUST: its sizes, and what it was trained on in each step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.config.options import Options
from evalkit.training.losses import PixelLoss

DOWNSAMPLING = 8  # three convolutional blocks, each of which halves the resolution

Count = Annotated[int, Field(ge=1)]


class RustModel(Options):
    """Everything that a trained RUST was built from, and what its objective was.

    ``channels``: of the first convolution, doubled by each block. ``width``, ``heads``, ``mlp_ratio``: of encoder and
    pose estimator. ``pose_layers``: pairs of cross- and self-attention. ``decoder_width``: of the decoder's queries,
    whose attention is ``width`` wide all the same; ``colour_width``: of the hidden layers that turn queries into
    colours; ``octaves``: frequencies of a pixel's coordinates. ``latent``: numbers of a pose; the authors' page shows
    64 and 768 beside the paper's 8.

    A clip holds ``targets`` views beside one of ``contexts``. ``supervise``: the loss covers the half of the target
    that the pose estimator did not see, or all of it; ``rays_per_target``: how many random pixels of that are rendered
    in a step (0: all).
    """

    resolution: Annotated[int, Field(multiple_of=2 * DOWNSAMPLING)]
    channels: Count
    width: Count
    heads: Count
    mlp_ratio: Annotated[float, Field(gt=0)]
    encoder_layers: Count
    pose_layers: Count
    decoder_layers: Count
    decoder_width: Count
    colour_width: Count
    octaves: Count
    latent: Count
    contexts: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)]
    targets: Count
    supervise: Literal["unseen", "all"]
    rays_per_target: Annotated[int, Field(ge=0)]
    pixel_loss: PixelLoss

    @field_validator("resolution")
    @classmethod
    def _has_pixels(cls, resolution: int) -> int:
        if resolution < 2 * DOWNSAMPLING:
            raise ValueError(f"a half image is {DOWNSAMPLING} pixels wide or more")
        return resolution

    @property
    def grid(self) -> int:
        """Tokens along a side of a view."""
        return self.resolution // DOWNSAMPLING

    @property
    def hidden(self) -> int:
        """Channels inside the MLPs of all attention blocks."""
        return int(self.mlp_ratio * self.width)

    @property
    def supervised_pixels(self) -> int:
        """Pixels of a target that the loss may cover."""
        return self.resolution**2 // (2 if self.supervise == "unseen" else 1)

    @property
    def rays(self) -> int:
        """Pixels of a target that are rendered in a step."""
        return min(self.rays_per_target, self.supervised_pixels) or self.supervised_pixels
