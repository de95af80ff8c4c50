"""Where answers and downloads are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The one cache directory: ``EVALKIT_CACHE``, else ``~/.cache/evalkit``."""
    return Path(os.environ.get("EVALKIT_CACHE") or "~/.cache/evalkit").expanduser()
