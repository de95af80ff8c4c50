"""Numbers of a transfer that need no oracle: what is shown, pixels of A, exact transfer error. Needs no tensor."""

from __future__ import annotations

from dataclasses import replace

from evalkit.metrics.catalogue import LPIPS_VGG
from evalkit.metrics.identity_feature import NETWORKS, Feature
from evalkit.protocol import Better, Column
from protocols.shared.bleed_names import BLEED

IDENTITY, IDENTITY_REAL = "identity", "identity_real"

EXACT_PSNR, EXACT_SSIM = "exact_psnr", "exact_ssim"
EXACT_PSNR_VISIBLE, EXACT_VISIBLE_FRACTION = "exact_psnr_visible", "exact_visible_fraction"
EXACT_GAIN, EXACT_LPIPS = "exact_gain", "exact_lpips"
EXACT = (EXACT_PSNR, EXACT_SSIM, EXACT_PSNR_VISIBLE, EXACT_VISIBLE_FRACTION, EXACT_GAIN, EXACT_LPIPS)

BLEEDING = "flagged by bleed"  # block of a table


def exact_columns() -> tuple[Column, ...]:
    """PSNR against the exact views, its gain over still images, SSIM, LPIPS, and PSNR of visible surfaces."""
    return (
        exact_psnr_column(),
        exact_gain_column(),
        replace(_exact(EXACT_SSIM, "exact\nSSIM"), quantity="ssim", digits=3),
        Column(
            EXACT_LPIPS,
            "exact\nLPIPS",
            digits=3,
            networks=LPIPS_VGG.networks,
            better=Better.LOWER,
            quantity="lpips",
            definition="vgg, against scene B ray-cast along A's motion",
        ),
        _exact(EXACT_PSNR_VISIBLE, "exact transfer\nPSNR dB, visible\nsurfaces only", "visible surfaces"),
    )


def exact_psnr_column() -> Column:
    """PSNR against the exact views."""
    return _exact(EXACT_PSNR, "exact transfer\nPSNR dB")


def exact_gain_column() -> Column:
    """PSNR gained over the best image that does not move."""
    gain = "dB above the best of static, static_blurred and mean_context on the same pair"
    return Column(EXACT_GAIN, "exact gain\ndB", better=Better.HIGHER, quantity="psnr gain", definition=gain)


def bleed_column() -> Column:
    """Whether pixels of A's targets are in the renders."""
    definition = "correlation of changes over the views with A's own targets, less that with other pairs'"
    return Column(
        BLEED, "bleed", 1, 3, better=Better.LOWER, quantity="pixels of A in the render", definition=definition
    )


def identity_column(feature: Feature) -> Column:
    """Whether renders show B; ``feature`` is what frames are compared by."""
    return Column(
        IDENTITY,
        "shows B,\nnot A %",
        100,
        1,
        NETWORKS[feature],
        better=Better.HIGHER,
        quantity="renders nearer to the context of B than to any frame of A",
        definition=feature.value,
    )


def _exact(key: str, title: str, variant: str = "") -> Column:
    definition = "against scene B ray-cast along A's motion, without the reference view"
    return Column(key, title, better=Better.HIGHER, quantity="psnr", definition=definition, variant=variant)
