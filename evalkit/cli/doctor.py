"""`evalkit doctor`: what is installed, what is missing, what to type."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table

from evalkit.cache import cache_folder
from evalkit.console import console
from evalkit.device import gpu_names
from evalkit.oracles.networks.packages import INSTALL

# Package, what it is for, what to type when it is missing.
PACKAGES = (
    ("torch", "everything", "pip install -c constraints.txt -e ."),
    ("pycolmap", "oracle=colmap", "pip install pycolmap"),
    ("av", "videos in dataset=folder", "pip install 'evalkit[video]'"),
    ("vggt", "oracle=vggt", f"{INSTALL['vggt']} && evalkit weights pull vggt-1b"),
    ("depth-anything-3", "oracle=depth_anything_3", f"{INSTALL['depth_anything_3']} && evalkit weights pull da3-base"),
)


def print_report() -> None:
    """Print one line for each package, the devices, and the cache folder; then what to type for what is missing."""
    table = Table(box=None, show_header=False)
    table.add_row("python", platform.python_version(), "")
    missing = []
    for package, purpose, command in PACKAGES:
        try:
            table.add_row(package, version(package), purpose)
        except PackageNotFoundError:
            table.add_row(package, "[red]missing[/]", purpose)
            missing.append(f"for {purpose} type: {command}")
    table.add_row("devices", _devices(), "device=auto takes the first GPU")
    folder = cache_folder()
    table.add_row("cache", str(folder), _writable(folder))
    console().print(table)
    for line in missing:  # never wrapped, and its brackets are no markup: it is there to be copied
        console().print(line, soft_wrap=True, markup=False, highlight=False)


def _devices() -> str:
    """The CPU and what the driver reports: torch is not asked, which takes seconds to import."""
    return ", ".join(["cpu", *gpu_names()])


def _writable(folder: Path) -> str:
    """Whether the folder, or the nearest existing one above it, can be written to."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return "writable" if os.access(existing, os.W_OK) else "[red]not writable[/]: set EVALKIT_CACHE=DIR"
