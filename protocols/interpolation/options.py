"""Settings of `interpolation`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from evalkit.metrics.named import MetricNames
from protocols.shared.clips import ClipOptions


class Mode(StrEnum):
    """The path from one camera to the next."""

    SE3 = "se3"  # the geodesic of rigid motions, a screw at constant speed
    SPHERE = "sphere"  # Slerp of the rotations; the camera stays on a sphere and looks at its centre (RayZer)


class LatentPath(StrEnum):
    """What to do with a pose that is a latent, or a latent beside a camera."""

    REFUSE = "refuse"  # no geometry says what lies between two latents
    LINEAR = "linear"  # the straight line between them


class InterpolationOptions(ClipOptions):
    """Settings of interpolation: clips, the path between two poses, and how renders are compared."""

    name: str = "interpolation"
    version: Annotated[Literal["2", "rayzer"], Field(description="Ours (2) or RayZer's.")] = "2"
    target: Annotated[
        Annotated[int, Field(ge=1)] | None, Field(description="Target views of a clip; null: the dataset's number.")
    ] = None
    mode: Annotated[
        Mode,
        Field(description="Path between two cameras: se3, the geodesic, or sphere, Slerp about a turntable's centre."),
    ] = Mode.SE3
    latent: Annotated[
        LatentPath, Field(description="Latent poses: refuse them, or linear: interpolate on the straight line.")
    ] = LatentPath.REFUSE
    metrics: Annotated[MetricNames, Field(description="Image metrics by name; docs/metrics.md lists them.")] = (
        "psnr",
        "ssim",
        "lpips_vgg",
    )
