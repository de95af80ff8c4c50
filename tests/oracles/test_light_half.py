"""An oracle's settings and identity need no torch, and say the same as the half that computes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evalkit.oracles.oracle import reads_pixels
from evalkit.registry import Group, implementation, load, names

LOCAL = ("alignment", "cameras", "colmap", "procedural")  # the others need weights that are not part of the package
CODE = """
import json, sys
from evalkit.registry import Group, load
oracle_class = load(Group.ORACLE, sys.argv[1])
oracle = oracle_class(oracle_class.Options(), "cpu")
print(json.dumps([oracle.identity() if sys.argv[2] == "identity" else {}, "torch" in sys.modules]))
"""


def without_torch(name: str, what: str) -> dict[str, object]:
    """What the light half says of itself in a process of its own; it must not import torch."""
    output = subprocess.run([sys.executable, "-c", CODE, name, what], check=True, capture_output=True, text=True)
    identity, torch_imported = json.loads(output.stdout)
    assert not torch_imported
    return dict(identity)


@pytest.mark.parametrize("name", LOCAL)
def test_identity_needs_no_torch_and_is_that_of_the_half_that_computes(name: str) -> None:
    light = load(Group.ORACLE, name)
    assert without_torch(name, "identity") == implementation(light)(light.Options(), "cpu").identity()


@pytest.mark.parametrize("name", ["vggt", "depth_anything_3"])
def test_settings_of_networks_need_no_torch(name: str) -> None:
    without_torch(name, "settings")


@pytest.mark.parametrize("name", names(Group.ORACLE))
def test_every_setting_has_a_default_and_a_description(name: str) -> None:
    options = load(Group.ORACLE, name).Options
    assert options().name == name
    assert all(field.description for key, field in options.model_fields.items() if key != "name")


def test_only_the_datasets_cameras_are_answered_without_pixels() -> None:
    assert [name for name in names(Group.ORACLE) if not reads_pixels(load(Group.ORACLE, name))] == ["cameras"]


def test_workers_import_neither_torch_nor_pillow() -> None:
    modules = "evalkit.oracles.sfm.colmap_worker, evalkit.oracles.procedural.worker"
    code = f"import sys, {modules}; assert not {{'torch', 'PIL', 'pycolmap'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
