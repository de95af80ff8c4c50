"""Settings of `probe`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evalkit.config.options import Options
from protocols.shared.clips import ClipOptions


class Rescale(StrEnum):
    """Which scale, one a clip, brings predicted translations to the true ones by least squares."""

    NONE = "none"  # no scale: predictions count as they are
    SIGNED = "signed"  # any scale: a reversed trajectory can be right (XFactor)
    POSITIVE = "positive"  # never below 0.1: a reversed trajectory is wrong


class HeadOptions(Options):
    """How heads are trained: AdamW with a cosine schedule of the learning rate."""

    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        Field(min_length=1, description="Widths of the MLP between its input and the 12 numbers of a pose."),
    ] = (256, 64)
    rescale: Annotated[
        Rescale,
        Field(description="Least-squares scale of a clip's predicted translations: none, signed (any) or positive."),
    ] = Rescale.POSITIVE
    seeds: Annotated[int, Field(ge=3, description="Heads of each kind, with other first weights and orders.")] = 3
    steps: Annotated[int, Field(ge=1, description="Largest number of training steps.")] = 400
    patience: Annotated[int, Field(ge=1, description="Steps without a lower validation loss before it stops.")] = 100
    batch: Annotated[int, Field(ge=1, description="Clips a training step.")] = 32
    learning_rate: Annotated[float, Field(gt=0, description="First learning rate of AdamW; it falls to 0.")] = 0.005
    weight_decay: Annotated[float, Field(ge=0, description="Weight decay of AdamW.")] = 0.01


class ProbeOptions(ClipOptions):
    """Settings of probe: clips, true poses, the split of scenes, and the heads."""

    name: str = "probe"
    version: Annotated[
        Literal["2", "xfactor", "rayzer"],
        Field(description="Which numbers the table shows: ours (2), XFactor's or RayZer's."),
    ] = "2"
    clips: Annotated[int, Field(ge=1, description="Clips of each sequence.")] = 4
    truth: Annotated[
        Literal["dataset", "oracle"],
        Field(description="Whose cameras are the true ones: the dataset's or the oracle's."),
    ] = "dataset"
    split: Annotated[
        tuple[float, float, float], Field(description="Fractions of the scenes for training, validation and test.")
    ] = (0.6, 0.2, 0.2)
    width: Annotated[int, Field(ge=1, description="Codes of more numbers a view are projected to this many.")] = 2048
    pixels: Annotated[
        int, Field(ge=1, description="Side in pixels of the images that the raw-pixel control reads.")
    ] = 8
    min_baseline: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Signed translation errors count only pairs at least this fraction of the clip's widest apart.",
        ),
    ] = 0.1
    training: Annotated[HeadOptions, Field(description="How the heads are trained.")] = HeadOptions()

    @model_validator(mode="after")
    def _fractions_add_up_to_1(self) -> Self:
        if min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError("split must be three positive fractions that add up to 1, such as [0.6,0.2,0.2]")
        return self
