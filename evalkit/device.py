"""Which device a run uses, answered without torch wherever there is no GPU."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import UserError


@dataclass(frozen=True)
class Device:
    """A device: ``name`` for torch ("cpu", "cuda:0"), ``kind`` as numbers depend on it ("cpu", the GPU's model)."""

    name: str
    kind: str


def resolve_device(typed: str) -> Device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:1`` into a device that exists. Raises UserError otherwise."""
    if typed == "cpu" or (typed == "auto" and not _may_have_gpu()):
        return Device("cpu", "cpu")
    if _may_have_gpu():
        found = _ask_torch(typed)
        if found is not None:
            return found
    raise UserError(f"device={typed} is not available here: expected cpu, auto or an existing cuda:N")


def gpu_names() -> list[str]:
    """Return the names of the NVIDIA GPUs that the driver reports (Linux); no torch is imported."""
    lines = [
        line
        for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]


def _may_have_gpu() -> bool:
    return sys.platform != "linux" or bool(gpu_names()) or Path("/dev/nvidiactl").exists()


def _ask_torch(typed: str) -> Device | None:
    import torch

    if typed == "auto":
        typed = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(typed)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        return None
    return Device(str(device), torch.cuda.get_device_name(device) if device.type == "cuda" else device.type)
