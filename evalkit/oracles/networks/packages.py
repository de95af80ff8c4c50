"""The optional packages of oracles: how to install them, and which version is installed. None is imported here."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from evalkit.errors import UserError

VGGT_COMMIT = "44b3afbd1869d8bde4894dd8ea1e293112dd5eba"
INSTALL = {  # --no-deps: both pin numpy<2 without need, and Depth Anything 3 also asks for evo (GPL-3) and open3d
    "vggt": f"pip install --no-deps git+https://github.com/facebookresearch/vggt@{VGGT_COMMIT}",
    "depth_anything_3": "pip install 'evalkit[da3]' && pip install --no-deps depth-anything-3==0.1.1",
}


def require(module: str, oracle: str) -> Any:
    """Import a module of an oracle's package. Raises UserError, with what to type, where that fails."""
    try:
        return import_module(module)
    except ImportError as error:
        why = f"oracle={oracle} needs {module.split('.')[0]}, which cannot be imported ({error})"
        raise UserError(f"{why}; type `{INSTALL[oracle]}`") from None


def installed_version(package: str) -> str:
    """The commit from which a package was installed, else its version, else "unknown" (a folder on the path)."""
    try:
        installed = distribution(package)
    except PackageNotFoundError:
        return "unknown"
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", installed.version))
