"""How well a training uses its device: operations of a step, by count, and the device's peak."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

BACKWARD = 2  # the backward pass of a matrix product is two products
# Dense bfloat16 on tensor cores, in 10^12 operations a second (NVIDIA's data sheets), by a part of the device's name.
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "RTX 4090": 165.0}


def operations(forward: Callable[[], dict[str, Tensor]]) -> float:
    """Floating-point operations, in 10^12, of a forward and a backward pass: those of products and attention.

    >>> layer = torch.nn.Linear(10, 20)
    >>> round(operations(lambda: {"loss": layer(torch.zeros(30, 10)).sum()}) * 1e12) == 3 * 2 * 30 * 10 * 20
    True
    """
    with torch.no_grad(), torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
        forward()
    return (1 + BACKWARD) * float(counter.get_total_flops()) / 1e12


def peak(device: torch.device) -> float | None:
    """Peak of a device in 10^12 bfloat16 operations a second, None where `PEAKS` does not list the device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return next((value for key, value in PEAKS.items() if key in name), None)
