"""Cutting work into blocks, and doing them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch

from evalkit.threads import map_on_threads

T = TypeVar("T")


@dataclass(frozen=True)
class BlockSize:
    """How much one block holds: ``rays`` shaded at once, ``tests`` ray-solid pairs at once."""

    rays: int
    tests: int


def block_size(device: torch.device) -> BlockSize:
    """Choose the block size of a device.

    On a CPU an operation on a block takes some 50 microseconds: long beside what it costs to call it, and to hand
    the interpreter from thread to thread; much larger blocks leave the caches.
    """
    return BlockSize(122880, 130048) if device.type == "cpu" else BlockSize(1 << 22, 1 << 26)


def frames_at_once(resolution: int, count: int, device: torch.device) -> int:
    """How many of ``count`` frames to render as a group: a few blocks' worth, and the same for every thread."""
    fitting = max(4 * block_size(device).rays // resolution**2, 1)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    rounds = -(-count // (threads * fitting))
    return max(-(-count // (threads * rounds)), 1)


def run_blocks(work: Callable[[T], None], blocks: Iterable[T], device: torch.device) -> None:
    """Do all blocks, on as many threads as torch may use; the first error is raised."""
    if device.type == "cpu":
        map_on_threads(work, blocks)
        return
    for block in list(blocks):
        work(block)
