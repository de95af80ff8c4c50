"""Settings that every oracle shares whose geometry is structure from motion in worker processes."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from evalkit.config.options import ComponentOptions

NEVER_MATTERS = frozenset({"name", "workers", "timeout_s"})  # options that cannot change an answer


class SfmOptions(ComponentOptions):
    """The lens and the workers; `config/oracle/colmap.yaml` says what each is for."""

    focal_prior: float = Field(gt=0)
    focal_spread: float = Field(ge=0)
    focal_min: float = Field(gt=0)
    focal_max: float = Field(gt=0)
    workers: int = Field(ge=0)
    timeout_s: float = Field(gt=0)

    @model_validator(mode="after")
    def _prior_lies_within_its_bounds(self) -> Self:
        if not self.focal_min <= self.focal_prior <= self.focal_max:
            raise ValueError("focal_prior must lie in [focal_min, focal_max]")
        return self
