"""Damage done to training frames: blur, noise, JPEG, lost resolution, colour changes, holes and smears."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from evalkit.oracles.procedural.refinement import blurred

MAX_BLUR_PX, MAX_NOISE, MAX_SHRINK = 3.2, 0.08, 3.0


def augmented(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Damage frames [V, 3, H, W] of one clip, each at random, but with similar blur and noise."""
    blur = rng.uniform(0, MAX_BLUR_PX) if rng.uniform() < 0.5 else 0.0
    noise = rng.uniform(0, MAX_NOISE) if rng.uniform() < 0.35 else 0.0
    coarse = rng.uniform() < 0.35
    return torch.stack([_augmented_frame(frame, blur, noise, coarse, rng) for frame in frames])


def _augmented_frame(image: Tensor, blur: float, noise: float, coarse: bool, rng: np.random.Generator) -> Tensor:
    if rng.uniform() < 0.5:
        image = recoloured(image, rng)
    if coarse and rng.uniform() < 0.7:
        image = smeared(image, rng)
    if blur > 0:
        image = blurred(image, blur * rng.uniform(0.8, 1.2))
    if coarse and rng.uniform() < 0.5:
        image = shrunk(image, rng.uniform(1, MAX_SHRINK))
    if noise > 0:
        image = image + noise * torch.from_numpy(rng.standard_normal(image.shape, np.float32))
    image = image.clamp(0, 1)
    return compressed(image, int(rng.integers(20, 90))) if rng.uniform() < 0.25 else image


def recoloured(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Change exposure, white balance and gamma."""
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (3, 1, 1)).astype(np.float32)) * float(rng.uniform(0.8, 1.2))
    return (image.clamp(1e-4, 1) ** float(rng.uniform(0.8, 1.25)) * gain + float(rng.uniform(-0.05, 0.05))).clamp(0, 1)


def shrunk(image: Tensor, factor: float) -> Tensor:
    """Reduce the resolution by ``factor`` and resize to the original size."""
    small = interpolate(image[None], scale_factor=1 / factor, mode="bilinear", antialias=True)
    return interpolate(small, size=image.shape[-2:], mode="bilinear")[0]


def smeared(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Fill random regions as a renderer fills holes: with blurred colours, shifted pixels, or grey."""
    side = image.shape[-1]
    coarse_noise = torch.from_numpy(rng.standard_normal((1, 1, 12, 12), np.float32))
    field = interpolate(coarse_noise, size=(side, side), mode="bicubic")[0]
    hole = field > float(rng.uniform(0.8, 1.8))
    fillings = (blurred(image, 8.0), image.roll(int(rng.integers(4, 16)), -1), torch.full_like(image, 0.5))
    return torch.where(hole, fillings[int(rng.integers(len(fillings)))], image)


def compressed(image: Tensor, quality: int) -> Tensor:
    """Compress as JPEG at ``quality`` of 100."""
    pixels = (image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1).float() / 255
