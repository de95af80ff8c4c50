"""From Python as from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit import evaluate
from evalkit.errors import UserError


def test_evaluate_returns_what_the_command_line_prints(tmp_path: Path) -> None:
    choices = {"protocol": "nvs", "baseline": "warp,static", "limit": 2, "out": str(tmp_path)}
    summaries = evaluate("protocol.resolution=32", "protocol.metrics=[psnr]", **choices)
    assert [summary.baseline for summary in summaries] == ["warp", "static"]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["nvs@3"]
    warp, static = (summary.metrics["psnr"].mean for summary in summaries)
    assert warp is not None and static is not None and warp > static


def test_a_mistake_is_a_user_error() -> None:
    with pytest.raises(UserError, match="did you mean 'tps'"):
        evaluate(protocol="tsp")
