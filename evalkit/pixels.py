"""How a stored image becomes the square of pixels that a protocol scores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Profile(StrEnum):
    """Published ways to make a square of a stored image (docs/data.md)."""

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
    """Make squares of ``resolution`` x ``resolution`` pixels in the way of ``profile``."""

    resolution: int
    profile: Profile
