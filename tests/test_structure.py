"""The direction of imports, and what they cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Who may not import whom (docs: the design's "dependencies run one way").
FORBIDDEN = {
    "evalkit": {"protocols", "baselines", "leaderboards"},
    "protocols": {"baselines", "leaderboards", "evalkit.run", "evalkit.cli"},
    "baselines": {"protocols", "leaderboards", "evalkit.run", "evalkit.cli"},
}
# Inside the core, the lower layers do not know the upper ones.
UPPER = {"evalkit.run", "evalkit.cli", "evalkit.config.compose"}
LOWER = ["geometry", "metrics", "stats", "data", "oracles"]


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for module in imports_of(path):
            assert not any(module == bad or module.startswith(bad + ".") for bad in FORBIDDEN[package]), (path, module)


@pytest.mark.parametrize("folder", LOWER)
def test_lower_layers_do_not_know_upper_ones(folder: str) -> None:
    for path in (ROOT / "evalkit" / folder).rglob("*.py"):
        for module in imports_of(path):
            assert not any(module == bad or module.startswith(bad + ".") for bad in UPPER), (path, module)


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom evalkit.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'numpy', 'pandas', 'hydra', 'pydantic'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_listing_components_imports_no_torch() -> None:
    code = (
        "import sys\nfrom evalkit.cli.main import app\n"
        "try:\n    app(['list'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    listing = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert all(name in listing for name in ("tps", "nvs", "warp", "procedural", "folder", "colmap", "psnr"))
