"""XFactor as a baseline: its settings, and what its weights declare, read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from baselines.xfactor.model import XFactorModel
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.weights.header import ModelHeader, model_path, read_header

NAME = "xfactor"
SHIPPED = Path(__file__).with_name("mini.safetensors")


class XFactorOptions(ComponentOptions):
    """Settings of `baseline=xfactor`."""

    name: str = NAME
    weights: Annotated[
        str, Field(description="mini (shipped), or a file of `evalkit train` or `evalkit weights convert xfactor`.")
    ] = "mini"


class XFactorBaseline:
    """Self-supervised: latent poses that must render another half of the same views, no geometry at all (XFactor)."""

    Options, Model = XFactorOptions, XFactorModel
    implementation = "baselines.xfactor.method:XFactor"

    @staticmethod
    def card_of(options: XFactorOptions) -> Card:
        """Return the card of the weights. Raises UserError where the file is missing or another than expected."""
        header = weights_header(options)
        model = header.settings(XFactorModel)
        return Card(
            name=NAME,
            summary="latent poses of pairs of views, rendered without geometry",
            pose=PoseKind.LATENT,
            target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
            context_views=None if model.contexts == 1 else frozenset({model.contexts}),
            resolution=model.resolution,
            weights=header.digest,
            trained_on=header.trained_on,
            licence=header.licence,
            paper="arXiv 2510.13063",
        )


def weights_header(options: XFactorOptions) -> ModelHeader:
    """Read the header of the file that ``options.weights`` means."""
    return read_header(model_path(options.weights, SHIPPED), NAME)
