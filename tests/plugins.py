"""Outside packages for tests: modules and entry points in a folder, as an installed package would have them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

METHOD = '''
"""A method from outside."""
import torch
from evalkit.config.options import ComponentOptions
from evalkit.method import Card, PoseCode, PoseKind, TargetPose


class Options(ComponentOptions):
    name: str = "{name}"
    level: float = 0.5
    weights: str = ""


class Grey:
    """One grey, whatever the pose."""

    Options = Options
    card = Card("{name}", "grey", PoseKind.LATENT, (TargetPose.GIVEN, TargetPose.TRANSFER))

    def __init__(self, options, device):
        self.level = float(open(options.weights).read()) if options.weights else options.level

    def encode_poses(self, views, context):
        return PoseCode(latent=torch.zeros(*views.images.shape[:2], 1))

    def encode_scene(self, views, poses):
        return views.images[:, :1]

    def render(self, scene, poses):
        return torch.full_like(scene, self.level).expand(-1, poses.latent.shape[1], -1, -1, -1)
'''


def install(folder: Path, name: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]]) -> None:
    """Put a package into ``folder``: ``modules`` by file name, ``entry_points`` by group and name."""
    for file, text in modules.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    metadata = folder / f"{name}-0.1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[evalkit.{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def evalkit(*arguments: str, plugins: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with the packages in ``plugins``."""
    path = [str(plugins)] if plugins else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "evalkit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
