"""RUST as a baseline: its settings, and what its weights declare, read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from baselines.rust.model import RustModel
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.weights.header import ModelHeader, model_path, read_header

NAME = "rust"
SHIPPED = Path(__file__).with_name("mini.safetensors")


class RustOptions(ComponentOptions):
    """Settings of `baseline=rust`."""

    name: str = NAME
    weights: Annotated[str, Field(description="mini (shipped), or a file of `evalkit train`.")] = "mini"


class RustBaseline:
    """RUST (CVPR 2023): half of a target gives its latent pose, a transformer renders pixels from a set of tokens."""

    Options, Model = RustOptions, RustModel
    implementation = "baselines.rust.method:Rust"

    @staticmethod
    def card_of(options: RustOptions) -> Card:
        """Return the card of the weights. Raises UserError where the file is missing or another than expected."""
        header = weights_header(options)
        model = header.settings(RustModel)
        return Card(
            name=NAME,
            summary=f"set-latent scene, pose of {model.latent} numbers from the left half of a view",
            pose=PoseKind.LATENT,
            target_poses=(TargetPose.JOINT, TargetPose.CONTEXT_ONLY, TargetPose.TRANSFER),
            context_views=frozenset(model.contexts),
            resolution=model.resolution,
            weights=header.digest,
            trained_on=header.trained_on,
            licence=header.licence,
            paper="arXiv 2211.14306",
            score_region="right_half",
        )


def weights_header(options: RustOptions) -> ModelHeader:
    """Read the header of the file that ``options.weights`` means."""
    return read_header(model_path(options.weights, SHIPPED), NAME)
