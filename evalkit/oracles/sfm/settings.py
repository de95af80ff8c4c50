"""What a reconstruction is given beside frames: the focal length, tolerances, SIFT's settings; and how it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

SEED = 0  # of every random choice in pycolmap


class Failure(Exception):
    """There are no cameras for this clip; the message says why."""


@dataclass(frozen=True)
class FocalSettings:
    """What is known about the focal length before any frame is read, in widths of the frame; whether to refuse."""

    focal_prior: float
    focal_spread: float
    focal_min: float
    focal_max: float
    refuse_unstable: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class ColmapSettings(FocalSettings):
    """The options of the `colmap` oracle that change answers."""

    peak_threshold: float
    max_features: int
    match_ratio: float


@dataclass(frozen=True)
class Tolerances:
    """Accuracy of keypoints in pixels: the defaults are those of SIFT at 256 pixels."""

    match: float = 1.0  # of two-view geometry
    growth: float = 4.0  # large: the focal length is not adjusted yet
    noise: float = 0.2  # scale of the robust loss
    inlier: float = 1.5  # of the finished model


SIFT = Tolerances()
