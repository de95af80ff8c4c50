"""The released inference scripts drop the last batch of every process."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, DistributedSampler

from evalkit.errors import UserError
from evalkit.index.released import evaluated_by_released_code


def missing(n: int, world_size: int, batch: int) -> list[int]:
    return sorted(set(range(n)) - set(evaluated_by_released_code(n, world_size, batch)))


def test_rayzers_readme_command_scores_128_of_140_scenes() -> None:
    assert missing(140, 8, 4) == [30, 32, 35, 40, 45, 55, 60, 75, 78, 111, 113, 119]


def test_lvsms_scores_6464_of_6474_scenes() -> None:
    assert missing(6474, 8, 4) == [376, 1251, 1654, 3045, 4177, 4244, 5452, 5558, 5890, 6140]


@pytest.mark.parametrize(("world_size", "batch", "count"), [(1, 4, 140), (1, 8, 136), (8, 1, 140), (8, 4, 128)])
def test_other_machines_score_other_subsets(world_size: int, batch: int, count: int) -> None:
    assert len(evaluated_by_released_code(140, world_size, batch)) == count


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 12), st.integers(1, 9))
def test_it_is_what_torch_does(n: int, world_size: int, batch: int) -> None:
    data: Any = torch.arange(n)
    scored: set[int] = set()
    for rank in range(world_size):
        sampler: Any = DistributedSampler(data, world_size, rank)
        for block in DataLoader(data, batch, sampler=sampler, drop_last=True):
            scored.update(block.tolist())
    assert evaluated_by_released_code(n, world_size, batch) == sorted(scored)
    assert len(scored) <= batch * world_size * (math.ceil(n / world_size) // batch)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1"):
        evaluated_by_released_code(0, 8, 4)
