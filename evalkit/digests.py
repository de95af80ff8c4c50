"""SHA-256 of settings, files and folders: what the identity of a run or a training is made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest_of(tree: Any) -> str:
    """Return the SHA-256 of a JSON tree, independent of the order of its keys.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder: the names and contents of all files below it.

    Raises OSError where something below ``path`` cannot be read.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for file_path in sorted(below for below in path.rglob("*") if below.is_file()):
        total.update(f"{file_path.relative_to(path).as_posix()}\0{content_digest(file_path)}\n".encode())
    return total.hexdigest()
