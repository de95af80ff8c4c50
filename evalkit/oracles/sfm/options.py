"""Settings of all oracles whose geometry is structure from motion in worker processes."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Self

from pydantic import Field, model_validator

from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.oracles.oracle import Identity

GEOMETRY = ("focal_prior", "focal_spread", "focal_min", "focal_max", "refuse_unstable")
TIMEOUT_FRAMES = 5  # of the longest clip that has ``timeout_s`` and no more
WITHOUT_EFFECT = frozenset({"name", "workers", "timeout_s"})  # options that cannot change an answer


class SfmOptions(ComponentOptions):
    """What is known about the focal length, and the worker processes."""

    focal_prior: Annotated[
        float,
        Field(gt=0, description="Expected focal length in widths of the frame, shared by the clip (1.2: 45 degrees)."),
    ] = 1.2
    focal_spread: Annotated[
        float,
        Field(ge=0, description="Standard deviation of the logarithm of the focal length; 0 keeps it at focal_prior."),
    ] = 0.5
    focal_min: Annotated[
        float, Field(gt=0, description="Shortest focal length in widths; below it the clip counts as failed.")
    ] = 0.5
    focal_max: Annotated[
        float, Field(gt=0, description="Longest focal length in widths; above it the clip counts as failed.")
    ] = 3.0
    refuse_unstable: Annotated[
        bool,
        Field(description="Refuse a clip whose frames do not settle its cameras; false answers it, perhaps wrongly."),
    ] = True
    workers: Annotated[
        int, Field(ge=0, description="Processes of one thread each; 0: one per core. Never changes an answer.")
    ] = 0
    timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds for a clip of up to 5 frames, in proportion for longer ones; a slower clip counts "
            "as failed and is tried again in the next run.",
        ),
    ] = 60.0

    @model_validator(mode="after")
    def _prior_lies_within_its_bounds(self) -> Self:
        if not self.focal_min <= self.focal_prior <= self.focal_max:
            raise ValueError("focal_prior must lie in [focal_min, focal_max]")
        return self

    def effective(self) -> Identity:
        """Return the options that can change an answer."""
        return {key: value for key, value in self.model_dump().items() if key not in WITHOUT_EFFECT}

    def clip_timeout_s(self, views: int) -> float:
        """Return the seconds that a clip of ``views`` frames may take."""
        return self.timeout_s * max(1.0, views / TIMEOUT_FRAMES)

    def worker_count(self) -> int:
        """How many processes to use: ``workers``, or one per core."""
        return self.workers or len(os.sched_getaffinity(0))


def pycolmap_version(oracle: str) -> str:
    """Version of the installed pycolmap. Raises UserError where there is none; pycolmap is not imported."""
    try:
        return version("pycolmap")
    except PackageNotFoundError:
        raise UserError(f"oracle={oracle} needs pycolmap, which is not installed: pip install pycolmap") from None
