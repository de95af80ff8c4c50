"""What a run depends on, as digests: the identity under which it is found again."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from evalkit import __version__

# Packages whose version can change a number.
NUMERIC_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "pycolmap", "av")


@cache
def code_digest(packages: tuple[str, ...] = ("evalkit", "protocols", "baselines")) -> str:
    """SHA-256 over the source of our packages."""
    digest = hashlib.sha256()
    for package in packages:
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def environment(device: torch.device) -> dict[str, Any]:
    """Versions and hardware; part of the identity, since rows of different ones should not be mixed."""
    return {
        "evalkit": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "packages": {package: _version(package) for package in NUMERIC_PACKAGES},
    }


def digest_of(inputs: dict[str, Any]) -> str:
    """SHA-256 of a JSON tree, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
