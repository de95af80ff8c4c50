"""What a model file says about itself, read without torch and without loading its weights.

A safetensors file begins with the length of its header, 8 bytes, little-endian; the header is JSON. Ours has one entry
`FORMAT` in its metadata: for which baseline the weights are, the settings of the model, and how it was trained.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from evalkit.config.options import Options
from evalkit.errors import UserError
from evalkit.weights.store import file_digest

FORMAT = "evalkit-model-1"
LENGTH_BYTES = 8
SHIPPED_NAME = "mini"  # the value of an option ``weights`` that stands for the file beside the code

Settings = TypeVar("Settings", bound=Options)


class ModelEntry(Options):
    """The metadata entry `FORMAT` of a model file."""

    baseline: str
    model: dict[str, Any]
    training: dict[str, Any]


@dataclass(frozen=True)
class ModelHeader:
    """A model file without its weights: settings of the model, how it was trained, and the SHA-256 of the file."""

    file: Path
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    digest: str

    @property
    def trained_on(self) -> str:
        """The training data, in words."""
        return str(self.training.get("trained_on", "not said"))

    @property
    def licence(self) -> str:
        """The licence of the weights, in words."""
        return str(self.training.get("licence", "not said"))

    def settings(self, settings_class: type[Settings]) -> Settings:
        """Return the settings of the model. Raises UserError where this version has other settings."""
        try:
            return settings_class.model_validate_json(json.dumps(self.model))  # JSON: tuples were written as lists
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise UserError(f"{self.file}: its settings are not those of this version ({problem})") from error


def model_path(weights: str, shipped: Path) -> Path:
    """Return the file that an option ``weights`` means: ``shipped`` for "mini", else the path itself."""
    return shipped if weights == SHIPPED_NAME else Path(weights)


def read_header(file: Path, baseline: str) -> ModelHeader:
    """Read the header of a file that `write_model` wrote for this baseline. Raises UserError for any other file."""
    if not file.is_file():
        raise UserError(f"no such weights: {file}; expected a file that `evalkit train baseline={baseline}` wrote")
    text = _metadata(file).get(FORMAT)
    expected = f"expected weights of '{baseline}' as `evalkit train` writes them"
    try:
        entry = ModelEntry.model_validate_json(text or "")
    except ValidationError as error:
        raise UserError(f"{file} holds something else: {expected}") from error
    if entry.baseline != baseline:
        raise UserError(f"{file} holds weights of '{entry.baseline}': {expected}")
    return ModelHeader(file, entry.model, entry.training, file_digest(file))


def _metadata(file: Path) -> dict[str, str]:
    """The metadata of a safetensors file. Raises UserError where the file is not one, or is cut short."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(LENGTH_BYTES), "little")
        header = opened.read(length) if LENGTH_BYTES + length <= size else b""
    try:
        tensors = json.loads(header)
        metadata = {str(key): str(value) for key, value in tensors.pop("__metadata__", {}).items()}
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors.values()), default=0)
    except (ValueError, AttributeError, TypeError, LookupError) as error:
        raise UserError(f"{file}: not a safetensors file (no readable header)") from error
    if size != LENGTH_BYTES + length + end:
        expected = LENGTH_BYTES + length + end
        raise UserError(f"{file}: not a whole safetensors file ({size:,} bytes, expected {expected:,})")
    return metadata
