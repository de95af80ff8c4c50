"""Renders made earlier, by any code: where they lie, what they declare, and which samples lack one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.files import file_name
from evalkit.renders import RENDERS_CARD, RendersCard, read_renders_card


class SavedOptions(ComponentOptions):
    """Settings of `baseline=saved`."""

    name: str = "saved"
    dir: Annotated[str | None, Field(description="Folder of renders, as save_renders=true writes it; required.")] = None
    target_pose: Annotated[
        TargetPose | None,
        Field(description=f"Target poses of the renders; null: as {RENDERS_CARD} in the folder says."),
    ] = None


class SavedBaseline:
    """Reads renders from a folder instead of making them: `<sample>.safetensors`, or `<sample>/*.png`."""

    Options = SavedOptions
    implementation = "baselines.saved.method:Saved"

    @staticmethod
    def card_of(options: SavedOptions) -> Card:
        """Return the card of the method that made the renders. Raises UserError where its target poses are unknown."""
        folder = folder_of(options)
        written = read_renders_card(folder)
        return Card(
            name=written.baseline,
            summary=f"renders read from {folder}",
            pose=PoseKind.LATENT,
            target_poses=(_target_pose(options, written, folder),),
            score_region=written.score_region,
            from_files=True,
        )

    @staticmethod
    def missing(options: SavedOptions, sample_ids: Iterable[str]) -> tuple[list[str], str]:
        """Return the samples that the folder holds no render of, and what is wrong with them, in words."""
        folder = folder_of(options)
        names = {path.stem if path.suffix == ".safetensors" else path.name for path in folder.iterdir()}
        without = [sample_id for sample_id in sample_ids if file_name(sample_id) not in names]
        return without, f"have no render in {folder}"


def folder_of(options: SavedOptions) -> Path:
    """Return the folder of renders. Raises UserError where none is named or there is no such folder."""
    if options.dir is None:
        raise UserError("baseline=saved needs baseline.dir=RENDERS_DIR")
    folder = Path(options.dir)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}: expected renders saved by `evalkit run save_renders=true`")
    return folder


def _target_pose(options: SavedOptions, written: RendersCard, folder: Path) -> TargetPose:
    target_pose = options.target_pose or written.target_pose
    if target_pose is None:
        raise UserError(
            f"{folder}: which target poses were used? expected baseline.target_pose={'|'.join(TargetPose)} "
            f"(or {RENDERS_CARD} in the folder)"
        )
    return target_pose
