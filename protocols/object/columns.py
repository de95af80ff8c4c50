"""The numbers of `object` by name, and those that its table shows. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.protocol import Better, Column
from protocols.shared.columns import image_columns

SUCCESS = "success"
OBJECT_PSNR = "object_psnr"  # PSNR over the object's pixels
FAILED_AS_COLOUR = "failed=baseline"  # variant: over all objects, a failure scored as an image of one colour
_PSNR_OF_OBJECT = Column(
    key=OBJECT_PSNR,
    title="PSNR dB\nof object",
    better=Better.HIGHER,
    quantity="psnr",
    definition="over the object's pixels",
)


def over_all_objects(name: str) -> str:
    """The key of a metric's mean over all objects, failures included."""
    return f"{name}|{FAILED_AS_COLOUR}"


def columns_of(metrics: Sequence[str]) -> tuple[Column, ...]:
    """The share of successes, all metrics over all objects, one over the successes, and the time an object takes."""
    return (
        Column(SUCCESS, "objects\nrecon-\nstructed %", 100, 1, better=Better.HIGHER, quantity="success rate"),
        *(_over_all_objects(column) for column in (_PSNR_OF_OBJECT, *image_columns(metrics))),
        replace(_PSNR_OF_OBJECT, title=f"{_PSNR_OF_OBJECT.title},\nsuccesses", variant="successes only"),
        Column("seconds", "minutes\nan object", 1 / 60, 2, better=Better.LOWER, quantity="time an object, median"),
    )


def _over_all_objects(column: Column) -> Column:
    return replace(
        column,
        key=over_all_objects(column.key),
        title=f"{column.title},\nall objects",
        variant=FAILED_AS_COLOUR,
    )
