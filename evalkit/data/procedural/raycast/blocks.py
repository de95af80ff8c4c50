"""Cutting work into blocks and running them in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch

from evalkit.threads import map_on_threads

T = TypeVar("T")


@dataclass(frozen=True)
class BlockSize:
    """Size of one block: ``rays`` that are shaded at once, ``tests`` pairs of ray and solid that are tested at once."""

    rays: int
    tests: int


def block_size(device: torch.device) -> BlockSize:
    """Choose the block size of a device.

    On a CPU an operation on such a block takes about 50 microseconds. That is long compared to a Python call and a
    switch between threads. Much larger blocks do not fit in the caches.
    """
    return BlockSize(122880, 130048) if device.type == "cpu" else BlockSize(1 << 22, 1 << 26)


def frames_at_once(resolution: int, count: int, device: torch.device) -> int:
    """How many of ``count`` frames to render as a group: a few blocks, and equally many for each thread."""
    most = max(4 * block_size(device).rays // resolution**2, 1)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    rounds = -(-count // (threads * most))
    return max(-(-count // (threads * rounds)), 1)


def run_blocks(work: Callable[[T], None], blocks: Iterable[T], device: torch.device) -> None:
    """Call ``work`` for all blocks, on as many threads as torch may use. The first error is raised."""
    if device.type == "cpu":
        map_on_threads(work, blocks)
        return
    for block in list(blocks):
        work(block)
