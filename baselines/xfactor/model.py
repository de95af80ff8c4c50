"""The settings of an XFactor: its sizes, and the choices that the ablations of the paper's Table 3 change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.data.augment_options import AugmentOptions
from evalkit.training.options import Count, ModelOptions, NotNegative, Share


class XFactorModel(ModelOptions):
    """What an XFactor is built from, and its training objective. `recipes/` holds the sizes."""

    patch: Annotated[Count, Field(description="Side of a patch, in pixels.")]
    width: Annotated[Count, Field(description="Channels of a token.")]
    heads: Annotated[Count, Field(description="Attention heads of a layer.")]
    encoder_layers: Annotated[Count, Field(description="Layers of the pose encoder.")]
    render_layers: Annotated[Count, Field(description="Layers of the renderer.")]
    pose: Annotated[
        Literal["latent", "se3"],
        Field(description="A free latent, or an SE(3) camera with a focal length, rendered from its Plücker rays."),
    ] = "latent"
    pose_dim: Annotated[Count, Field(description="Numbers of a latent pose.")]
    pose_tokens: Annotated[Count, Field(description="Tokens from which the pose is read.")]
    contexts: Annotated[Count, Field(description="Context views of the renderer; 1: the stereo-monocular model.")] = 1
    joint_encoder: Annotated[
        bool, Field(description="Encode all views together; false: pairs of the reference and one other view.")
    ] = False
    objective: Annotated[
        Literal["transferable", "autoencoding"],
        Field(description="Render each half of the patches at the pose of the other half, or images at their own."),
    ] = "transferable"
    unmasked: Annotated[Share, Field(description="Share of clips that are rendered at their own pose all the same.")]
    annealed: Annotated[
        tuple[Share, Share],
        Field(description="Shares of the training between which that share falls from 1 to `unmasked` (paper: [0,0])."),
    ] = (0.0, 0.0)
    same_target: Annotated[Share, Field(description="Chance that the target is one of the context views.")] = 0.05
    augment: Annotated[
        AugmentOptions | None, Field(description="Colour and blur changes of what the encoder sees; null: none.")
    ] = None
    perceptual: Annotated[NotNegative, Field(description="Weight of LPIPS beside the L1 loss; 0: none.")] = 0.0

    @field_validator("annealed")
    @classmethod
    def _in_order(cls, annealed: tuple[float, float]) -> tuple[float, float]:
        if annealed[0] > annealed[1]:
            raise ValueError("expected [start,end], such as [0.1,0.5]")
        return annealed

    def own_pose_share(self, progress: float) -> float:
        """Share of clips that are rendered at their own pose, at the share ``progress`` of the training."""
        if self.objective == "autoencoding" or progress < self.annealed[0]:
            return 1.0
        if progress >= self.annealed[1]:
            return self.unmasked
        share = (progress - self.annealed[0]) / (self.annealed[1] - self.annealed[0])
        return 1 + share * (self.unmasked - 1)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.resolution // self.patch
