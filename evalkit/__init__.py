"""evalkit: the benchmark and evaluation suite for self-supervised novel view synthesis."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`evalkit.evaluate`, imported when it is first asked for: the command line needs it not."""
    if name == "evaluate":
        return import_module("evalkit.api").evaluate
    raise AttributeError(f"module 'evalkit' has no attribute '{name}'")
