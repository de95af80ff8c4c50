"""Names and sizes of what bleed is computed from. Needs no tensor."""

from __future__ import annotations

BLEED = "bleed"  # compares renders with their own targets and with those of other clips
TARGET_CHANGE, RENDER_CHANGE = "target_change", "render_change"  # arrays: how images differ from their mean over views
SIDE = 32  # pixels at which changes are kept; larger images are averaged
FLAGGED = 0.02  # a lower bound above it is flagged, and what is surely below its negative


def change_bytes(targets: int, resolution: int) -> int:
    """Bytes of both arrays of a clip, in half precision."""
    return 2 * 2 * 3 * targets * min(SIDE, resolution) ** 2


def note_on_bleed(mean: float, low: float, high: float) -> str:
    """The sentence that stands beside flagged renders."""
    what, bound = ("pixels of A", low) if mean > 0 else ("negatives of pixels of A", high)
    return f"bleed: the renders hold {what} ({mean:.3f}, bound {bound:.3f}; flagged beyond {FLAGGED})"
