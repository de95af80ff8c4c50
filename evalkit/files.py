"""Files that are whole or absent, whatever kills the process, and names that fit any file system."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote


def write_atomically(path: Path, content: bytes, writer: str = "") -> None:
    """Write a file so that readers and survivors of a crash see all of it or nothing.

    ``writer`` names who writes, so that two processes never share a temporary file and the same process,
    started again, overwrites what a crash left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{writer}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def file_name(sample_id: str) -> str:
    """Turn a sample id into a file name: other characters percent-encoded, long ids cut and hashed.

    >>> file_name("kitchen/left~hall#0")
    'kitchen%2Fleft~hall#0'
    """
    name = quote(sample_id, safe="~#@+=, ()")
    name = "%2E" + name[1:] if name.startswith(".") else name
    if len(name) <= 180:
        return name
    return f"{name[:150]}-{hashlib.sha256(sample_id.encode()).hexdigest()[:16]}"
