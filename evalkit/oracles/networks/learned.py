"""What all oracles share that are published networks: loading weights, input frames, answers in batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evalkit.errors import UserError
from evalkit.geometry.se3 import relative_to
from evalkit.oracles.frames import clips_to_uint8
from evalkit.oracles.oracle import Estimate

NOT_FINITE = "the network answered with NaN or infinity"


def with_weights(network: nn.Module, tensors: dict[str, Tensor], prefix: str) -> nn.Module:
    """Load the tensors whose names begin with ``prefix`` into a network, and freeze it.

    Tensors that it does not have are left out, as the packages themselves do; UserError where one is missing.
    """
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    missing = network.load_state_dict(own, strict=False, assign=True).missing_keys
    if missing:
        kind = f"{type(network).__module__}.{type(network).__name__}"
        raise UserError(f"these weights are not those of {kind}: {len(missing)} tensors are missing, as {missing[0]}")
    return network.eval().requires_grad_(False)


def square(images: Tensor, side: int) -> Tensor:
    """Scale the short side of images [..., 3, H, W] to ``side``, crop the centre to a square, clamp to [0, 1].

    Bicubic, as XFactor's oracle does it; without antialiasing, which only matters for images larger than ``side``.
    """
    height, width = images.shape[-2:]
    scaled = [round(length * side / min(height, width)) for length in (height, width)]
    flat = interpolate(images.flatten(0, -4), size=scaled, mode="bicubic", align_corners=False)
    top, left = ((length - side) // 2 for length in scaled)
    cropped = flat[..., top : top + side, left : left + side].clamp(0, 1)
    return cropped.reshape(*images.shape[:-2], side, side)


def estimate_in_batches(
    images: Tensor, side: int, batch: int, device: str, solve: Callable[[Tensor], Tensor]
) -> Estimate:
    """Run ``solve`` on clips, ``batch`` at a time, and express its cameras relative to the first frame.

    Batches are always full, the last one filled up with its own first clip: matrix products round differently for
    other shapes, and an answer must not depend on the number of clips. Pixels are rounded to 8 bits first.

    Args:
        images: [B, V, 3, H, W] in [0, 1].
        side: resolution of the network in pixels.
        batch: clips at a time.
        device: where the network is.
        solve: takes squares [batch, V, 3, side, side] float32 on ``device`` and returns w2c [batch, V, 4, 4].

    Raises ValueError as `clips_to_uint8` does.
    """
    answers = [torch.zeros(0, images.shape[1], 4, 4, dtype=torch.float64)]
    for clips in torch.split(clips_to_uint8(images), batch) if len(images) else ():
        full = torch.cat([clips, clips[:1].expand(batch - len(clips), *clips.shape[1:])])
        with torch.inference_mode():
            w2c = solve(square(full.to(device, torch.float32) / 255, side))
        answers.append(w2c[: len(clips)].to("cpu", torch.float64))
    w2c = torch.cat(answers)
    finite = w2c.isfinite().flatten(1).all(1)
    relative = relative_to(w2c, w2c[:, 0]).masked_fill(~finite[:, None, None, None], torch.nan)
    return Estimate(relative, tuple("" if is_finite else NOT_FINITE for is_finite in finite.tolist()))


def autocast(device: str, precision: str) -> torch.autocast:
    """The context in which a network runs in bfloat16, or in float32 where ``precision`` says so."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16")
