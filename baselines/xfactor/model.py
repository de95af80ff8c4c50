"""The settings of an XFactor: its sizes, and the choices that the paper's Table 3 takes away one by one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from evalkit.config.options import Options
from evalkit.data.augment import AugmentOptions

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class XFactorModel(Options):
    """Everything that a trained XFactor was built from, and what its objective was.

    ``pose``: an unconstrained latent, or an SE(3) camera with a focal length, seen by the renderer as Plücker rays.
    ``contexts``: views that the renderer builds on, 1 for the stereo-monocular model. ``joint_encoder``: the pose
    encoder sees all views at once, not pairs of the reference and one other. ``objective``: each half of the patches
    is rendered at the pose that the other half was given, or every image at its own. ``unmasked``: share of clips
    that are rendered at their own pose all the same; ``annealed``: the part of the training in which it falls to that
    from 1 (the paper has the last value from the start: [0, 0]).
    """

    resolution: Count
    patch: Count
    width: Count
    heads: Count
    encoder_layers: Count
    render_layers: Count
    pose: Literal["latent", "se3"]
    pose_dim: Count
    pose_tokens: Count
    contexts: Count
    joint_encoder: bool
    objective: Literal["transferable", "autoencoding"]
    unmasked: Share
    annealed: tuple[Share, Share]
    same_target: Share
    augment: AugmentOptions | None
    perceptual: Annotated[float, Field(ge=0)]

    @field_validator("annealed")
    @classmethod
    def _in_order(cls, annealed: tuple[float, float]) -> tuple[float, float]:
        if annealed[0] > annealed[1]:
            raise ValueError("expected [start,end], such as [0.1,0.5]")
        return annealed

    def own_pose(self, progress: float) -> float:
        """The share of clips that are rendered at their own pose."""
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
