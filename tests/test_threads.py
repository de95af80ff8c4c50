"""Threads that compute alone: results in order, the first error raised, the setting of torch restored."""

from __future__ import annotations

import threading

import pytest
import torch

from evalkit.threads import map_on_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_results_are_in_order_on_one_torch_thread_each_and_the_setting_comes_back(threads: int) -> None:
    before = torch.get_num_threads()
    barrier = threading.Barrier(threads)

    def work(item: int) -> tuple[int, int]:
        barrier.wait(30)  # all threads are in use
        return item, torch.get_num_threads()

    results = map_on_threads(work, range(threads), threads)
    assert results == [(item, 1) for item in range(threads)]
    assert torch.get_num_threads() == before


def test_the_error_of_an_item_is_raised_and_the_setting_comes_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        map_on_threads(lambda item: 1 // item, [1, 0], 2)
    assert torch.get_num_threads() == before
