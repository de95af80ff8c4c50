"""The `procedural` dataset as far as it can be described without tensors."""

from __future__ import annotations

import hashlib
from pathlib import Path

from evalkit.card import Need
from evalkit.data.dataset import SequenceInfo
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.data.shapes import shape_named


class Procedural:
    """Ray-cast worlds with exact cameras, depth and intrinsics."""

    Options = ProceduralOptions
    implementation = "evalkit.data.procedural.dataset:ProceduralDataset"
    provides = frozenset(Need)
    # Frames are rendered square, so that every preprocessing profile gives the same pixels.
    clip_shape = shape_named("procedural")

    def __init__(self, options: ProceduralOptions, device: str) -> None:
        self.options, self.device = options, device

    def sequences(self) -> list[SequenceInfo]:
        """All sequences. Each one shows a scene of its own."""
        options = self.options
        names = [f"{options.world}-{options.split}-{index:04d}" for index in range(options.count)]
        return [SequenceInfo(name, scene=name, segments=((0, options.length),)) for name in names]

    def digest(self) -> str:
        """SHA-256 of the options and of the source files of this package."""
        total = hashlib.sha256(self.options.model_dump_json().encode())
        package = Path(__file__).parent
        for file in sorted(package.rglob("*.py")):
            total.update(file.relative_to(package).as_posix().encode())
            total.update(file.read_bytes())
        return total.hexdigest()
