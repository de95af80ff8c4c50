"""Which pixels of a stored image a protocol scores: part of a run's identity, hence named."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Profile(StrEnum):
    """How published codes get from a stored image to a square."""

    PIXELSPLAT = "pixelsplat"
    LVSM_P8 = "lvsm-p8"
    LVSM_P16 = "lvsm-p16"
    LVSM_P14 = "lvsm-p14"
    ERAYZER_P16 = "erayzer-p16"
    ERAYZER_DEMO = "erayzer-demo"
    PENSIEVE_BILINEAR = "pensieve-bilinear"
    XFACTOR_BILINEAR = "xfactor-bilinear"


@dataclass(frozen=True)
class Preprocess:
    """A square crop of ``resolution`` pixels, made the way of ``profile``."""

    resolution: int
    profile: Profile
