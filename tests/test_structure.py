"""The direction of imports between all folders, and what imports cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("evalkit", "protocols", "baselines", "leaderboards")
# The house from the ground up: a module or folder of evalkit imports nothing that stands above it.
FLOORS = (
    {"errors", "files", "cache", "seeds", "digests", "modules", "threads", "console", "device"},
    {"card", "pixels", "views", "geometry", "stats"},
    {"config", "registry", "method", "protocol", "renders"},
    {"metrics", "data", "weights"},
    {"oracles", "training", "index"},
    {"run"},
    {"cli", "api", "__main__"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
# What the folders beside evalkit may use of each other.
BESIDE = {"protocols": "shared", "baselines": "nn"}


def modules() -> dict[str, Path]:
    """Every module by its dotted name."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports, wherever in its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & MODULES.keys()


def folder_of(module: str) -> str:
    """The folder of a module; a module beside other folders is a room of its own."""
    folder = MODULES[module].parent
    beside = any((inner / "__init__.py").is_file() for inner in folder.iterdir() if inner.is_dir())
    return module if beside else ".".join(folder.relative_to(ROOT).parts)


def test_evalkit_imports_no_folder_beside_it() -> None:
    for module, path in MODULES.items():
        if module.partition(".")[0] == "evalkit":
            outside = {name for name in imports_of(path) if name.partition(".")[0] != "evalkit"}
            assert not outside, (module, outside)


def test_nothing_in_evalkit_imports_upward() -> None:
    unknown = {name for name in MODULES if name.startswith("evalkit.") and name.split(".")[1] not in FLOOR_OF}
    assert not unknown, "tests/test_structure.py must know on which floor it stands"
    for module, path in MODULES.items():
        if module.startswith("evalkit."):
            for imported in imports_of(path) - {"evalkit"}:
                above = FLOOR_OF[imported.split(".")[1]] > FLOOR_OF[module.split(".")[1]]
                assert not above, f"{module} imports {imported}, which stands above it"


@pytest.mark.parametrize("package", BESIDE)
def test_protocols_and_baselines_stand_apart(package: str) -> None:
    for module, path in MODULES.items():
        if module.partition(".")[0] != package:
            continue
        for imported in imports_of(path):
            top, _, rest = imported.partition(".")
            assert top in ("evalkit", package), (module, imported)
            assert not imported.startswith(("evalkit.run", "evalkit.cli", "evalkit.api")), (module, imported)
            own = module.split(".")[1:2]
            assert top == "evalkit" or not rest or rest.split(".")[0] in (*own, BESIDE[package]), (module, imported)


def test_no_folder_is_in_a_circle() -> None:
    """Rooms that reach each other, directly or not, lie in one folder."""
    rooms = sorted({folder_of(module) for module in MODULES})
    edges = [(folder_of(module), folder_of(name)) for module, path in MODULES.items() for name in imports_of(path)]
    rows, columns = zip(*((rooms.index(a), rooms.index(b)) for a, b in edges), strict=True)
    graph = coo_array(([1] * len(edges), (rows, columns)), shape=(len(rooms), len(rooms)))
    labels = connected_components(graph, connection="strong")[1].tolist()
    for label in set(labels):
        circle = [room for room, own in zip(rooms, labels, strict=True) if own == label]
        folders = {room.rpartition(".")[0] if room in MODULES else room for room in circle}
        assert len(circle) == 1 or len(folders) == 1, f"folders import each other in a circle: {circle}"


def imported_by(*arguments: str) -> set[str]:
    """What a command imports, by the first part of each module's name."""
    code = (
        "import sys\nfrom evalkit.cli.main import app\n"
        f"try:\n    app({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "except BaseException as error:\n    assert type(error).__name__ == 'UserError', error\n"
        "sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert not {"torch", "numpy", "pandas", "hydra"} & imported_by(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "protocols", "tps"],
        ["list", "baselines", "xfactor"],
        ["list", "datasets", "folder"],
        ["list", "oracles", "colmap"],
        ["doctor"],
        ["cache", "list"],
        ["weights", "list"],
        ["run", "protocol=tsp"],
        ["run", "protocol=tps", "protocol.pairs=none"],
        ["run", "baseline=xfactor", "baseline.wieghts=mini"],
        ["run", "protocol=nvs", "protocol.metrics=[psrn]"],
        ["train", "trainer.recipe.stepz=3"],
    ],
    ids=" ".join,
)
def test_what_needs_no_tensor_imports_no_torch(arguments: list[str]) -> None:
    assert not {"torch", "torchvision", "pycolmap", "lightning_fabric"} & imported_by(*arguments)


@pytest.mark.parametrize(
    "protocol", ["tps", "nvs", "pose", "probe", "interpolation", "object", "leak", "fid", "augmentation"]
)
def test_planning_imports_no_torch(protocol: str, tmp_path: Path) -> None:
    command = ["run", f"protocol={protocol}", "limit=6", "dry_run=true", f"out={tmp_path}"]
    assert not {"torch", "torchvision", "pycolmap", "pandas"} & imported_by(*command)
    assert not list(tmp_path.iterdir()), "nothing is written"


@pytest.mark.parametrize("baseline", ["xfactor", "rayzer", "rust"])
def test_a_card_is_read_without_torch(baseline: str, tmp_path: Path) -> None:
    command = ["run", "protocol=tps", f"baseline={baseline}", "controls=false", "dataset.world=orbits", "limit=2"]
    command += ["oracle=alignment", "protocol.resolution=32", "dry_run=true", f"out={tmp_path}"]
    assert "torch" not in imported_by(*command)


def test_a_finished_run_is_printed_without_torch(tmp_path: Path) -> None:
    command = ["run", "protocol=nvs", "baseline=static", "protocol.resolution=32", "protocol.metrics=[psnr]", "limit=2"]
    assert "torch" in imported_by(*command, f"out={tmp_path}")
    assert not {"torch", "pandas"} & imported_by(*command, f"out={tmp_path}")
    assert not {"torch", "pandas"} & imported_by("show", str(tmp_path))
