"""`evalkit index` as typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evalkit.cli.index import index_app
from evalkit.index.catalogue import CATALOGUE

DOCS = Path(__file__).resolve().parents[2] / "docs" / "indices.md"


def typed(*arguments: str) -> Any:
    return CliRunner().invoke(index_app, list(arguments), catch_exceptions=False)


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without published lists, and two lists of one's own."""
    monkeypatch.setenv("EVALKIT_INDEX", str(tmp_path))
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    mine = {"a": {"context": [0, 4], "target": [2, 4], "overlap": 0.04}, "b": {"context": [1, 9], "target": [5, 6]}}
    (tmp_path / "mine.json").write_text(json.dumps(mine))
    (tmp_path / "yours.json").write_text(json.dumps({**mine, "b": None, "c": mine["a"]}))
    return tmp_path


def test_show_prints_and_dumps_the_counts(lists: Path) -> None:
    output = typed("show", str(lists / "mine.json")).output
    assert "2 keys: 2 usable, 0 skipped" in output and "1 in 1 entries (0 the first, 1 the last)" in output
    tree = json.loads(typed("show", str(lists / "mine.json"), "--json").output)
    assert tree["overlap"] == {"shipped": {"medium": 1, "small": 1}, "stated": {"ignore": 1, "unknown": 1}}
    assert tree["patterns"] == {"cTTc": 1, "cTx": 1}
    assert tree["source"] is None and len(tree["sha256"]) == 64


def test_diff_exits_with_0_for_equal_lists_and_1_for_different_ones(lists: Path) -> None:
    mine, yours = str(lists / "mine.json"), str(lists / "yours.json")
    assert typed("diff", mine, mine).exit_code == 0
    result = typed("diff", mine, yours, "--json")
    tree = json.loads(result.output)
    assert result.exit_code == 1
    assert (tree["common"], tree["only_a"], tree["only_b"], tree["skipped_by_b"]) == (["a"], ["b"], ["c"], ["b"])


def test_verify_exits_with_2_where_something_is_wrong(lists: Path) -> None:
    assert typed("verify").exit_code == 0, "what is absent is not wrong"
    assert typed("verify", "dtu-noposplat").exit_code == 2, "unless it was asked for"
    path = lists / CATALOGUE["dtu-noposplat"].file
    path.parent.mkdir()
    path.write_text("{}")
    result = typed("verify")
    assert result.exit_code == 2 and f"dtu-noposplat: {path}: SHA-256" in result.output


def test_real_lists_show_their_numbers(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_INDEX", str(shared / "index"))
    output = typed("show", "acid-noposplat").output
    assert "small [0.05, 0.30] 249, medium (0.30, 0.55] 644, large (0.55, 0.80] 448" in output
    output = typed("diff", "re10k-pixelsplat", "re10k-noposplat").output
    assert "5594" in output and "different" in output
    assert typed("verify").exit_code == 0


def test_the_command_needs_no_torch(lists: Path) -> None:
    code = (
        "import sys\nfrom evalkit.cli.index import index_app\n"
        f"index_app(['show', {str(lists / 'mine.json')!r}], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'pandas', 'hydra'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_guide_lists_every_list_with_its_counts() -> None:
    guide = DOCS.read_text(encoding="utf-8")
    for published in CATALOGUE.values():
        assert (
            f"| `{published.name}` | {published.keys} / {published.usable} | {published.views.replace('*', 'n')} |"
            in guide
        )
