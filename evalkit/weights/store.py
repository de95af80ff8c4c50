"""Finding and loading weights. A file is loaded only after its digest was checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache import cache_folder
from evalkit.errors import UserError
from evalkit.weights.catalogue import Weights, find

if TYPE_CHECKING:
    from torch import Tensor

_HTML = (b"<!doctype", b"<html", b"<?xml", b"<head")


class MissingWeights(UserError):
    """A network is not on this machine; the message says what to type."""


def folders() -> list[Path]:
    """Return the folders that are searched: those of ``EVALKIT_WEIGHTS``, then ``weights`` in the cache."""
    named = [Path(part).expanduser() for part in os.environ.get("EVALKIT_WEIGHTS", "").split(os.pathsep) if part]
    return [*named, download_folder()]


def download_folder() -> Path:
    """Return the folder that `evalkit weights pull` writes to."""
    return cache_folder() / "weights"


def candidate(weights: Weights) -> Path | None:
    """Return the first file with the right name, its digest not checked; None where there is none."""
    paths = (folder / file for folder in folders() for file in weights.digests())
    return next((path for path in paths if path.is_file()), None)


def locate(name: str) -> Path:
    """Return the path of weights by their name in the catalogue, after checking the digest.

    Raises MissingWeights where they are absent, UserError where the content of the file is wrong.
    """
    weights = find(name)
    path = candidate(weights)
    if path is None:
        raise MissingWeights(f"weights '{name}' are not here; type `evalkit weights pull {name}`")
    problem = flaw(path, weights.digests()[path.name])
    if problem:
        raise UserError(f"weights '{name}': {path} {problem}; remove it and type `evalkit weights pull {name}`")
    return path


def absent(names: Iterable[str]) -> tuple[str, ...]:
    """Return the weights that are not on this machine. Raises UserError where the content of a file is wrong."""
    return tuple(name for name in names if digest(name) is None)


def digest(name: str) -> str | None:
    """Return the SHA-256 of the file of these weights on this machine; None where there is none."""
    try:
        return find(name).digests()[locate(name).name]
    except MissingWeights:
        return None


def load(name: str) -> dict[str, Tensor]:
    """Load tensors by name, on the CPU. Only tensors are read: safetensors, or ``torch.load(weights_only=True)``.

    Raises as `locate` does, and UserError for a file that holds anything but tensors.
    """
    return read_tensors(locate(name))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a flat dictionary of tensors without executing code in the file."""
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, SafetensorError) as error:
        raise UserError(f"{path}: not a plain file of tensors ({str(error).splitlines()[0]})") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise UserError(f"{path}: expected a dictionary of tensors")
    return dict(tensors)


def flaw(path: Path, sha256: str) -> str | None:
    """Describe what is wrong with a file: it is a web page, or its digest differs; None if nothing is."""
    actual = file_digest(path)
    if actual == sha256:
        return None
    with path.open("rb") as file:
        start = file.read(256)
    if start.lstrip().lower().startswith(_HTML):
        return "is a web page saved under that name"
    return f"has SHA-256 {actual[:12]}…, expected {sha256[:12]}… ({path.stat().st_size:,} bytes)"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; it is computed again only when the size or the time of the file changes."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _digest(path: Path, size: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
