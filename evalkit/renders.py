"""What lies beside saved renders in `renders.json`: which method made them, and at which target poses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from evalkit.card import TargetPose
from evalkit.config.options import Options
from evalkit.errors import UserError

RENDERS_CARD = "renders.json"


class RendersCard(Options):
    """The content of `renders.json`."""

    baseline: Annotated[str, Field(description="Name of the method that made the renders.")] = "saved"
    target_pose: Annotated[TargetPose | None, Field(description="Where the poses of the rendered views came from.")] = (
        None
    )
    score_region: Annotated[
        Literal["all", "right_half"], Field(description="The part of a target whose pixels its pose has not seen.")
    ] = "all"


def read_renders_card(folder: Path) -> RendersCard:
    """Read `renders.json` of a folder, or the defaults where there is none. Raises UserError where it is damaged."""
    file = folder / RENDERS_CARD
    if not file.is_file():
        return RendersCard()
    try:
        return RendersCard.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        problem = f"{key}: {first['msg']}" if key else first["msg"]
        raise UserError(f'{file}: {problem}; expected {{"baseline": "mine", "target_pose": "joint"}}') from error
