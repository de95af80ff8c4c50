"""Benchmarks print their ratios as they end, whatever pytest captures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def ratios(benchmark: Any, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    lines = [f"  {name} {value}" for name, value in benchmark.extra_info.items()]
    if lines:
        with capsys.disabled():
            request.config.get_terminal_writer().line("\n".join(["", request.node.name, *lines]), flush=True)
