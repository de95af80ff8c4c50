"""RayZer as a baseline: its settings, and what its weights declare, read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from baselines.rayzer.model import RayZerModel, Split
from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.weights.header import model_path, read_header
from evalkit.weights.store import file_digest

NAME = "rayzer"
SHIPPED = Path(__file__).with_name("mini.safetensors")
RELEASED_SUFFIX = ".pt"
SELF_SUPERVISED = "cameras of all views, then a latent scene, then a learnt renderer"
SUPERVISED = "supervised: cameras of all views, learnt from true poses; no scene, no renders"
# The released configuration. The sizes of a checkpoint are read from its weights (`official.official_model`).
RELEASED = RayZerModel(
    resolution=256,
    patch=16,
    width=768,
    heads=12,
    camera_layers=8,
    scene_layers=12,
    decoder_layers=12,
    scene_tokens=3072,
    splits=(Split(16, 8),),
    canonical="middle",
    pose="se3_rays",
    order="camera_first",
    decoder="tokens",
    objective="images",
    pixel="mse",
    perceptual=0.2,
    positions="sines",
    head_deviation=1e-3,
    head_scale=1.0,
)


class RayZerOptions(ComponentOptions):
    """Settings of `baseline=rayzer`."""

    name: str = NAME
    weights: Annotated[
        str, Field(description="mini (shipped), or a file: of `evalkit train`, or a released checkpoint (.pt).")
    ] = "mini"


@dataclass(frozen=True)
class WeightsInfo:
    """What is known of weights without loading them; of a released checkpoint, ``model`` has nominal sizes."""

    model: RayZerModel
    digest: str
    trained_on: str
    licence: str


class RayZerBaseline:
    """Self-supervised: cameras of all views at once, a latent scene from the context, a learnt renderer (RayZer)."""

    Options, Model = RayZerOptions, RayZerModel
    implementation = "baselines.rayzer.method:RayZer"

    @staticmethod
    def card_of(options: RayZerOptions) -> Card:
        """Return the card of the weights. Raises UserError where the file is missing or another than expected.

        Where poses of the context alone are asked for, the number of context views must be one of the numbers of views
        trained with; for poses of the context and one target, that number plus one.
        """
        info = weights_info(options)
        model, supervised = info.model, info.model.objective == "poses"
        return Card(
            name=NAME,
            summary=SUPERVISED if supervised else SELF_SUPERVISED,
            pose=PoseKind.LATENT if model.pose == "latent" else PoseKind.SE3,
            target_poses=(TargetPose.JOINT,) if supervised else _target_poses(model),
            context_views=model.contexts,
            resolution=model.resolution,
            weights=info.digest,
            trained_on=info.trained_on,
            licence=info.licence,
            paper="arXiv 2505.00702",
        )


def weights_info(options: RayZerOptions) -> WeightsInfo:
    """Read what is known of the weights without loading them."""
    file = model_path(options.weights, SHIPPED)
    if file.suffix != RELEASED_SUFFIX:
        header = read_header(file, NAME)
        return WeightsInfo(header.settings(RayZerModel), header.digest, header.trained_on, header.licence)
    if not file.is_file():
        raise UserError(f"no such weights: {file}; expected a released RayZer checkpoint")
    return WeightsInfo(RELEASED, file_digest(file), "DL3DV-10K", "as released, CC-BY-NC-SA-4.0 (code)")


def _target_poses(model: RayZerModel) -> tuple[TargetPose, ...]:
    context_alone = model.contexts & model.views
    sources = [TargetPose.JOINT]
    if any(count + 1 in model.views for count in context_alone):
        sources.append(TargetPose.CONTEXT_ONLY)
    if context_alone:
        sources += [TargetPose.INTERPOLATED, TargetPose.TRANSFER]
    return tuple(sources)
