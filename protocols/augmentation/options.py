"""Settings of `augmentation`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evalkit.data.augment_options import AugmentOptions
from evalkit.metrics.named import MetricNames
from protocols.shared.transfer_plan import TransferOptions


class AugmentationOptions(TransferOptions):
    """Settings of augmentation: beside those of the transfer, how a clip is changed and how renders are compared."""

    name: str = "augmentation"
    pairs: Annotated[int, Field(ge=1, description="Clips of each sequence, each in two augmentations.")] = 1
    augment: Annotated[AugmentOptions, Field(description="How clips are changed.")] = AugmentOptions()
    metrics: Annotated[MetricNames, Field(description="Image metrics by name; docs/metrics.md lists them.")] = (
        "psnr",
        "ssim",
        "lpips_vgg",
    )
