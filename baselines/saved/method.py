"""Renders made earlier, by anybody's code, scored as if they had just been made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.config.options import ComponentOptions
from evalkit.errors import SampleError, UserError
from evalkit.files import file_name
from evalkit.method import PoseCode, Scene
from evalkit.protocol import RENDERS_CARD
from evalkit.views import Views


class SavedOptions(ComponentOptions):
    """Where the renders lie and, unless ``renders.json`` there says so, which target poses they used."""

    dir: str | None
    target_pose: TargetPose | None


class Saved:
    """Reads renders from a folder instead of making them: `<sample>.safetensors`, or `<sample>/*.png`."""

    Options = SavedOptions

    def __init__(self, options: SavedOptions, device: str) -> None:
        if options.dir is None:
            raise UserError("baseline=saved needs baseline.dir=RENDERS_DIR")
        self.folder, self.device = Path(options.dir), device
        if not self.folder.is_dir():
            raise UserError(f"no folder {self.folder}: expected renders saved by `evalkit run save_renders=true`")
        self.card = _card(self.folder, options.target_pose)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Poses were dealt with when the renders were made; only their number is kept."""
        return PoseCode(latent=torch.zeros(*views.images.shape[:2], 0, device=views.images.device))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Remember which samples these are, and their image size."""
        return views.sample_ids, views.images.shape[-1]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Read the renders. SampleError where they are missing or of another size or number."""
        assert poses.latent is not None
        sample_ids, size = scene
        expected = (poses.latent.shape[1], 3, size, size)
        return torch.stack([self._read(sample_id, expected) for sample_id in sample_ids]).to(self.device)

    def lacks(self, sample_ids: Iterable[str]) -> list[str]:
        """Those samples of which the folder holds no render."""
        names = {path.stem if path.suffix == ".safetensors" else path.name for path in self.folder.iterdir()}
        return [sample_id for sample_id in sample_ids if file_name(sample_id) not in names]

    def _read(self, sample_id: str, expected: tuple[int, ...]) -> Tensor:
        exact = self.folder / f"{file_name(sample_id)}.safetensors"
        pictures = sorted((self.folder / file_name(sample_id)).glob("*.png"))
        if exact.is_file():
            images = load_file(exact).get("renders", torch.empty(0))
        elif pictures:
            images = torch.stack([_read_png(path) for path in pictures])
        else:
            raise SampleError(f"no render {exact.name}, nor a folder {file_name(sample_id)}/ with *.png")
        if tuple(images.shape) != expected:
            raise SampleError(f"{exact.stem}: renders have shape {list(images.shape)}, expected {list(expected)}")
        if images.dtype != torch.float32 or not bool(((images >= 0) & (images <= 1)).all()):
            raise SampleError(f"{exact.stem}: renders must be float32 in [0, 1]")
        return images


def _read_png(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
        return pixels.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255


def _card(folder: Path, target_pose: TargetPose | None) -> Card:
    card_file = folder / RENDERS_CARD
    written = json.loads(card_file.read_text(encoding="utf-8")) if card_file.is_file() else {}
    source = target_pose or TargetPose(written["target_pose"]) if written or target_pose else None
    if source is None:
        raise UserError(
            f"{folder}: which target poses were used? expected baseline.target_pose="
            f"{'|'.join(TargetPose)} (or {RENDERS_CARD} in the folder)"
        )
    return Card(
        name=str(written.get("baseline", "saved")),
        summary=f"renders read from {folder}",
        pose=PoseKind.LATENT,
        target_poses=(source,),
        score_region=written.get("score_region", "all"),
    )
