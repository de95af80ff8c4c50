"""The numbers of `object` by name, and those that its table shows. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.protocol import Better, Column
from protocols.shared.columns import image_columns

SUCCESS = "success"
CHARGED_PSNR = "charged_psnr"  # PSNR of all pixels' error over the object's pixels
MASK_IOU = "mask_iou"  # of the render's silhouette and the object's
OBJECT_PSNR = "object_psnr"  # PSNR over the object's pixels
FAILED_AS_COLOUR = "failed=baseline"  # variant: over all objects, a failure scored as an image of one colour
AS_SHOWN = "all"  # variant: over all objects, each as it was rendered; one without a render is an image of one colour
_CHARGED_PSNR = Column(
    key=CHARGED_PSNR,
    title="PSNR dB\nof object,\npaint outside\ncharged",
    better=Better.HIGHER,
    quantity="psnr",
    definition="squared error of all pixels over the number of object pixels; plain PSNR without a known background",
)
_MASK_IOU = Column(
    key=MASK_IOU,
    title="mask\nIoU %",
    scale=100,
    digits=1,
    better=Better.HIGHER,
    quantity="iou",
    definition="pixels of the render that differ from the known background, against the object's pixels",
)
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


def as_shown(name: str) -> str:
    """The key of a metric's mean over all objects, each as it was rendered."""
    return f"{name}|{AS_SHOWN}"


def columns_of(metrics: Sequence[str]) -> tuple[Column, ...]:
    """The scores over all objects, the share of successes, one score over the successes, and the time an object takes.

    The first is the PSNR that what is painted outside the object lowers.
    """
    success = Column(SUCCESS, "objects\nrecon-\nstructed %", 100, 1, better=Better.HIGHER, quantity="success rate")
    return (
        *(replace(column, key=as_shown(column.key), variant=AS_SHOWN) for column in (_CHARGED_PSNR, _MASK_IOU)),
        success,
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
