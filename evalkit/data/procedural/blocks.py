"""Cutting work into blocks that stay in cache, and doing them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class BlockSize:
    """How much one block holds: ``rays`` shaded at once, ``tests`` ray-solid pairs at once.

    On a CPU both stay below 32768, the size from which torch splits one operation over threads: blocks run on
    threads of their own, which costs less than meeting after every operation, and fit in the second-level cache.
    """

    rays: int
    tests: int


def block_size(device: torch.device) -> BlockSize:
    """Choose the block size of a device."""
    import os
    k = int(os.environ.get("K", "1"))
    return BlockSize(30720 * k, 32512 * k) if device.type == "cpu" else BlockSize(1 << 22, 1 << 26)


def run_blocks(work: Callable[[T], None], blocks: Iterable[T], device: torch.device) -> None:
    """Do all blocks, on as many threads as torch may use; the first error is raised."""
    import os
    threads = (torch.get_num_threads() if os.environ.get("MODE", "pool") == "pool" else 1) if device.type == "cpu" else 1
    if threads == 1:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
        for done in [pool.submit(work, block) for block in blocks]:
            done.result()
    torch.set_num_threads(threads)
