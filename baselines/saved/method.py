"""Renders made earlier, by any code, read from a folder as if they had just been made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from baselines.saved.baseline import SavedBaseline, SavedOptions, folder_of
from evalkit.errors import SampleError
from evalkit.files import file_name
from evalkit.method import PoseCode, Scene
from evalkit.protocol import RENDERS
from evalkit.views import Views


class Saved(SavedBaseline):
    """Reads renders from a folder instead of making them."""

    def __init__(self, options: SavedOptions, device: str) -> None:
        self.folder, self.device = folder_of(options), device
        self.card = self.card_of(options)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Latents [B, V, 0]: the poses were used when the renders were made; only their number is kept."""
        return PoseCode(latent=torch.zeros(*views.images.shape[:2], 0, device=views.images.device))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the sample ids and the image size."""
        return views.sample_ids, views.images.shape[-1]

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Read the renders. Raises SampleError where they are missing or of another size, number or type."""
        assert poses.latent is not None
        sample_ids, size = scene
        shape = (poses.latent.shape[1], 3, size, size)
        return torch.stack([_read(self.folder, sample_id, shape) for sample_id in sample_ids]).to(self.device)


def _read(folder: Path, sample_id: str, shape: tuple[int, ...]) -> Tensor:
    """Read the renders [T, 3, H, W] of a sample, of this ``shape``."""
    name = file_name(sample_id)
    tensors, pictures = folder / f"{name}.safetensors", sorted((folder / name).glob("*.png"))
    if tensors.is_file():
        images = _read_tensor(tensors)
    elif pictures:
        images = _read_pngs(pictures)
    else:
        raise SampleError(f"no render {tensors.name}, nor a folder {name}/ with *.png")
    if tuple(images.shape) != shape:
        raise SampleError(f"{name}: renders have shape {list(images.shape)}, expected {list(shape)}")
    if images.dtype != torch.float32 or not bool(((images >= 0) & (images <= 1)).all()):
        raise SampleError(f"{name}: renders must be float32 in [0, 1]")
    return images


def _read_tensor(path: Path) -> Tensor:
    try:
        return load_file(path).get(RENDERS, torch.empty(0))
    except SafetensorError as error:
        raise SampleError(f"{path.name}: not a safetensors file ({error})") from error


def _read_pngs(paths: Sequence[Path]) -> Tensor:
    """Read pictures of one size as [T, 3, H, W] in [0, 1]."""
    images = [_read_png(path) for path in paths]
    if any(image.shape != images[0].shape for image in images):
        raise SampleError(f"{paths[0].parent.name}: pictures of different sizes")
    return torch.stack(images)


def _read_png(path: Path) -> Tensor:
    """Read a picture as [3, H, W] in [0, 1]."""
    try:
        with Image.open(path) as image:
            pixels = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
            return pixels.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 255
    except OSError as error:
        raise SampleError(f"{path.parent.name}/{path.name}: not a readable picture") from error
