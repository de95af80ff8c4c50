"""The settings of a RUST: its sizes, and what it learns from in each step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.training.options import Count, ModelOptions, PixelLoss

DOWNSAMPLING = 8  # three convolutional blocks, each of which halves the resolution


class RustModel(ModelOptions):
    """What a RUST is built from, and its training objective. `recipes/` holds the sizes."""

    resolution: Annotated[
        int, Field(multiple_of=2 * DOWNSAMPLING, description="Side of the square images, in pixels; a multiple of 16.")
    ]
    channels: Annotated[Count, Field(description="Channels of the first convolution; each block doubles them.")]
    width: Annotated[Count, Field(description="Channels of the tokens of encoder and pose estimator.")]
    heads: Annotated[Count, Field(description="Attention heads of a layer.")]
    mlp_ratio: Annotated[
        float, Field(gt=0, description="Hidden channels of the MLPs of encoder and pose estimator, over `width`.")
    ]
    encoder_layers: Annotated[Count, Field(description="Layers of the scene encoder.")]
    pose_layers: Annotated[Count, Field(description="Pairs of cross- and self-attention of the pose estimator.")]
    decoder_layers: Annotated[Count, Field(description="Layers of the decoder.")]
    decoder_width: Annotated[Count, Field(description="Channels of the decoder's queries; its attention has `width`.")]
    colour_width: Annotated[Count, Field(description="Hidden channels of the MLP from queries to colours.")]
    octaves: Annotated[Count, Field(description="Frequencies of a pixel's coordinates.")]
    latent: Annotated[
        Count, Field(description="Numbers of a pose: 8 in the paper, 64 and 768 on the project page.")
    ] = 8
    contexts: Annotated[
        tuple[Annotated[int, Field(ge=2)], ...],
        Field(min_length=1, description="Numbers of context views; each step draws one."),
    ]
    targets: Annotated[Count, Field(description="Target views of a clip.")]
    supervise: Annotated[
        Literal["unseen", "all"],
        Field(description="The loss covers the half of a target that the pose estimator did not see, or all of it."),
    ] = "unseen"
    rays_per_target: Annotated[int, Field(ge=0, description="Random pixels of a target rendered in a step; 0: all.")]
    pixel_loss: Annotated[PixelLoss, Field(description="Loss of colours: absolute or squared error.")]

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
