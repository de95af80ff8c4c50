"""Blur, noise and JPEG in known amounts, as renders have them. They measure how far an oracle can be trusted."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional

from evalkit.errors import UserError
from evalkit.seeds import generator

CLEAN = "clean"
GRADES = (
    CLEAN,
    "blur 1",
    "blur 1.5",
    "blur 3",
    "noise 0.02",
    "noise 0.05",
    "noise 0.1",
    "jpeg 50",
    "jpeg 20",
    "jpeg 10",
)


def degraded(clip: Tensor, grade: str, seed: str) -> Tensor:
    """Degrade a clip.

    Args:
        clip: images [V, 3, H, W] in [0, 1].
        grade: ``clean``, or one of these with a number, such as ``blur 1.5``: ``blur`` (standard deviation in pixels),
            ``noise`` (standard deviation of white noise on each channel, clipped), ``jpeg`` (Pillow's quality).
        seed: seed of the noise, such as the name of the clip.

    Raises:
        UserError: for an unknown grade.

    >>> degraded(torch.zeros(1, 3, 8, 8), "noise 0.1", "a").count_nonzero().item() < 192  # half of it is clipped
    True
    """
    kind, _, amount = grade.partition(" ")
    if grade == CLEAN:
        return clip
    if kind not in _DEGRADE or not amount.replace(".", "", 1).isdigit():
        raise UserError(
            f"no degradation '{grade}': expected clean, or blur, noise, jpeg and a number, such as 'blur 1.5'"
        )
    return _DEGRADE[kind](clip, float(amount), seed)


def blurred(clip: Tensor, sigma: float) -> Tensor:
    """Blur images [V, C, H, W] with a Gaussian of standard deviation ``sigma`` pixels, cut off at 3 ``sigma``."""
    side = 2 * math.ceil(3 * sigma) + 1
    images: Tensor = functional.gaussian_blur(clip, [side, side], [sigma, sigma])
    return images


def softened(images: Tensor) -> Tensor:
    """Blur images [V, C, S, S] by 1/32 of their side: 1 pixel at 32 x 32. It raises the PSNR of a wrong image."""
    return blurred(images, images.shape[-1] / 32)


def _with_blur(clip: Tensor, amount: float, seed: str) -> Tensor:
    return blurred(clip, amount)


def _with_noise(clip: Tensor, amount: float, seed: str) -> Tensor:
    noise = torch.from_numpy(generator("degrade", seed, str(amount)).standard_normal(tuple(clip.shape)))
    return (clip + amount * noise.to(clip)).clamp(0, 1)


def _with_jpeg(clip: Tensor, amount: float, seed: str) -> Tensor:
    return torch.stack([_jpeg_encoded(frame, int(amount)) for frame in clip])


def _jpeg_encoded(frame: Tensor, quality: int) -> Tensor:
    """Encode a frame [3, H, W] as JPEG and decode it again."""
    buffer = BytesIO()
    functional.to_pil_image((frame * 255).round().byte().cpu()).save(buffer, "JPEG", quality=quality)
    pixels: Tensor = functional.pil_to_tensor(Image.open(buffer))
    return pixels.to(frame) / 255


_DEGRADE: dict[str, Callable[[Tensor, float, str], Tensor]] = {
    "blur": _with_blur,
    "noise": _with_noise,
    "jpeg": _with_jpeg,
}
