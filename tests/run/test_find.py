"""One reader of runs: what is whole is shown, what is damaged is named, what is old stands apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.cli.tables import grouped
from evalkit.errors import UserError
from evalkit.run.find import OUTDATED, find_runs

SMALL = ["protocol=nvs", "protocol.resolution=32", "protocol.metrics=[psnr]", "limit=2"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    result = CliRunner().invoke(app, ["run", *SMALL, "baseline=static,warp", f"out={out}"])
    assert result.exit_code == 0, result.output
    return out


def damage(run: Path, kind: str) -> str:
    """Damage a run; returns what its note must say."""
    if kind == "cut summary":
        (run / "summary.json").write_bytes((run / "summary.json").read_bytes()[:100])
        return "not JSON"
    if kind == "empty summary":
        (run / "summary.json").write_bytes(b"")
        return "not JSON"
    if kind == "no summary":
        (run / "summary.json").unlink()
        return "summary.json cannot be read"
    if kind == "no manifest":
        (run / "manifest.json").unlink()
        return "manifest.json cannot be read"
    if kind == "number changed":
        document = json.loads((run / "summary.json").read_text())
        document["metrics"]["psnr"]["mean"] += 10
        (run / "summary.json").write_text(json.dumps(document))
        return "changed after it was written"
    content = bytearray((run / "rows.parquet").read_bytes())
    content[40] ^= 1
    (run / "rows.parquet").write_bytes(content)
    return "rows.parquet is missing or was changed"


@pytest.mark.parametrize(
    "kind", ["cut summary", "empty summary", "no summary", "no manifest", "number changed", "flipped bit in the rows"]
)
def test_one_damaged_run_is_a_note_and_the_others_are_shown(kind: str, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    shutil.copytree(made, out)
    run = next(path.parent for path in out.rglob("summary.json") if "static" in path.parts)
    said = damage(run, kind)
    found = find_runs(out)
    assert [one.summary.baseline for one in found.runs] == ["warp"]
    assert len(found.notes) == 1 and str(run) in found.notes[0] and said in found.notes[0]
    for command in (["show", str(out)], ["show", str(out), "--markdown"], ["show", str(out), "--against", "warp"]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0 and "left out" in result.output, result.output


def test_nothing_but_damage_is_one_line(made: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(UserError, match=r"no finished run under .* schema version none"):
        find_runs(tmp_path)


def test_runs_of_before_schema_versions_stand_apart(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    shutil.copytree(made, out)
    run = next(path.parent for path in out.rglob("summary.json") if "static" in path.parts)
    new = json.loads((run / "summary.json").read_text())
    columns = [
        {key: column[key] for key in ("key", "title", "scale", "digits", "networks")} for column in new["columns"]
    ]
    kept = ("baseline", "coverage", "failures", "counts", "metrics", "slices", "missing", "references", "notes")
    old = {key: new[key] for key in kept} | {"columns": columns, "oracle": None}
    old |= {key: new["conditions"][key] for key in ("protocol", "dataset", "target_pose")}
    (run / "summary.json").write_text(json.dumps(old))
    titles = {title: [one.summary.baseline for one in group] for title, group in grouped(find_runs(out).runs)}
    assert len(titles) == 2
    assert [names for title, names in titles.items() if OUTDATED in title] == [["static"]]


def test_runs_under_other_conditions_do_not_share_a_table(tmp_path: Path) -> None:
    for more in (["dataset.world=rooms"], ["dataset.world=orbits"], ["dataset.world=rooms", "seed=1"]):
        command = ["run", *SMALL, "baseline=static", f"out={tmp_path}", *more]
        assert CliRunner().invoke(app, command).exit_code == 0
    titles = [title for title, group in grouped(find_runs(tmp_path).runs) if len(group) == 1]
    assert len(titles) == len(set(titles)) == 3
    assert sum("world=orbits" in title for title in titles) == 1
    assert sum("world=rooms" in title for title in titles) == 2
    assert sum("seed=1" in title for title in titles) == 1


def test_runs_of_other_lengths_do_not_share_a_table(tmp_path: Path) -> None:
    for limit in (1, 2):
        command = ["run", *SMALL[:-1], f"limit={limit}", "baseline=static", f"out={tmp_path}"]
        assert CliRunner().invoke(app, command).exit_code == 0
    titles = [title for title, _ in grouped(find_runs(tmp_path).runs)]
    assert len(set(titles)) == 2 and all("index=" in title for title in titles)
