"""An old number is never printed as a new one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.config.compose import compose_run
from evalkit.errors import UserError
from evalkit.run.prepare import prepare
from evalkit.run.session import Session
from tests.plugins import METHOD, evalkit, install

SMALL = ["protocol=nvs", "protocol.resolution=32", "protocol.metrics=[psnr]", "limit=2", "controls=false"]


def typed(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def psnr_of(output: str, baseline: str) -> float:
    """The last decimal number in a method's line of the table: that of the one metric that runs are asked for."""
    (line,) = re.findall(rf"^\s+{baseline}\s.*\d/\d.*$", output, flags=re.MULTILINE)
    return float(re.findall(r"-?\d+\.\d+", line)[-1])


@pytest.fixture
def renders(tmp_path: Path) -> Path:
    typed("run", *SMALL, "baseline=warp", "save_renders=true", f"out={tmp_path}/made")
    folder = tmp_path / "renders"
    shutil.copytree(next((tmp_path / "made").rglob("renders")), folder)
    return folder


def test_replaced_renders_are_scored_again(renders: Path, tmp_path: Path) -> None:
    command = ["score", str(renders), *SMALL, f"out={tmp_path}/out"]
    first = psnr_of(typed(*command), "saved")
    for file in renders.glob("*.safetensors"):
        save_file({"renders": torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))}, file)
    assert psnr_of(typed(*command), "saved") < first - 5


def test_a_render_that_arrives_later_is_scored(renders: Path, tmp_path: Path) -> None:
    late = min(renders.glob("*.safetensors"))
    late.rename(tmp_path / "late")
    command = ["score", str(renders), *SMALL, "allow_missing=true", f"out={tmp_path}/out"]
    assert "1/2" in typed(*command)
    (tmp_path / "late").rename(late)
    output = typed(*command)
    assert "2/2" in output and "no render" not in output


def test_another_card_beside_the_renders_is_another_run(renders: Path, tmp_path: Path) -> None:
    command = ["score", str(renders), *SMALL, f"out={tmp_path}/out"]
    assert "target poses: given" in typed(*command)
    card = json.loads((renders / "renders.json").read_text())
    (renders / "renders.json").write_text(json.dumps({**card, "target_pose": "joint"}))
    assert "target poses: joint" in typed(*command)
    assert len(list((tmp_path / "out").rglob("summary.json"))) == 2


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    method = METHOD.format(name="grey").replace(
        "self.level = float", "from grey_help import scaled\n        self.level = scaled * float"
    )
    install(folder, "grey", {"grey.py": method, "grey_help.py": "scaled = 1.0\n"}, {"baselines": {"grey": "grey:Grey"}})
    return folder


def run_grey(plugins: Path, tmp_path: Path, *more: str) -> float:
    result = evalkit("run", *SMALL, "baseline=grey", f"out={tmp_path}/out", *more, plugins=plugins)
    assert result.returncode == 0, result.stderr
    return psnr_of(result.stdout, "grey")


def test_weights_code_and_helpers_of_an_outside_method_count_by_content(plugins: Path, tmp_path: Path) -> None:
    weights = tmp_path / "a.txt"
    weights.write_text("0.5")
    first = run_grey(plugins, tmp_path, f"baseline.weights={weights}")
    weights.write_text("0.0")
    black = run_grey(plugins, tmp_path, f"baseline.weights={weights}")
    assert black != first, "another content of the file"
    source = (plugins / "grey.py").read_text()
    (plugins / "grey.py").write_text(
        source.replace("torch.full_like(scene, self.level)", "torch.full_like(scene, 0.5)")
    )
    assert run_grey(plugins, tmp_path, f"baseline.weights={weights}") == first, "another render()"
    (plugins / "grey.py").write_text(source)
    weights.write_text("0.5")
    (plugins / "grey_help.py").write_text("scaled = 0.0\n")
    assert run_grey(plugins, tmp_path, f"baseline.weights={weights}") == black, "another helper module"


METRIC = "def mae(pred, target):\n    return {factor} * (pred - target).abs().flatten(1).mean(1)\n"


def test_the_code_of_an_outside_metric_counts(tmp_path: Path) -> None:
    folder, command = (
        tmp_path / "plugins",
        [*SMALL, "baseline=static", "protocol.metrics=[mymae]", f"out={tmp_path}/out"],
    )
    numbers = []
    for factor in (1.0, 2.0):
        install(folder, "mine", {"mine.py": METRIC.format(factor=factor)}, {"metrics": {"mymae": "mine:mae"}})
        result = evalkit("run", *command, plugins=folder)
        assert result.returncode == 0, result.stderr
        numbers.append(psnr_of(result.stdout, "static"))
    assert numbers[1] == pytest.approx(2 * numbers[0], rel=0.02)


def test_code_of_components_that_are_not_in_use_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ["protocol.context=5", "protocol.target=5"]  # those that the shipped RayZer takes

    def digest(baseline: str) -> str:
        return prepare(
            compose_run([*SMALL, *counts, f"baseline={baseline}", f"out={tmp_path}"]), Session()
        ).manifest.digest

    def modules(baseline: str) -> set[str]:
        config = compose_run(
            [*counts, "protocol=nvs", "protocol.resolution=32", f"baseline={baseline}", f"out={tmp_path}"]
        )
        return set(prepare(config, Session()).manifest.inputs["code"])

    assert not any(
        name.startswith(("baselines.rayzer", "baselines.xfactor", "protocols.tps")) for name in modules("warp")
    )
    assert {"baselines.rayzer.network", "protocols.nvs.protocol", "evalkit.run.local"} <= modules("rayzer")
    before = {name: digest(name) for name in ("warp", "rayzer")}
    from evalkit.run import identity

    real = identity.content_digest
    monkeypatch.setattr(identity, "content_digest", lambda path: "changed" if "rayzer" in path.parts else real(path))
    assert digest("warp") == before["warp"]
    assert digest("rayzer") != before["rayzer"]


def test_an_edited_manifest_is_refused_and_shown_runs_leave_it_out(tmp_path: Path) -> None:
    command = ["run", *SMALL, "baseline=static,warp", f"out={tmp_path}"]
    typed(*command)
    manifest = next(path for path in tmp_path.rglob("manifest.json") if "static" in path.parts)
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(UserError, match=r"manifest\.json: changed after it was written"):
        typed(*command)
    shown = typed("show", str(tmp_path))
    assert "warp" in shown and f"{manifest.parent} is left out: manifest.json: changed" in shown.replace("\n", "")


def test_each_line_says_where_its_rows_come_from(tmp_path: Path) -> None:
    command = ["run", *SMALL, "baseline=static", "batch=1", f"out={tmp_path}"]
    assert "· computed" in typed(*command)
    assert "· reused" in typed(*command)
    journal = next(tmp_path.rglob("rows/*.jsonl"))
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])
    assert "· resumed 1 of 2" in typed(*command)


@pytest.mark.parametrize("damage", ["flipped bits in the table", "cut summary", "garbage among the times"])
def test_a_damaged_run_is_mended_from_its_rows(damage: str, tmp_path: Path) -> None:
    command = ["run", *SMALL, "baseline=static", f"out={tmp_path}"]
    before = psnr_of(typed(*command), "static")
    folder = next(tmp_path.rglob("summary.json")).parent
    if damage == "flipped bits in the table":
        content = bytearray((folder / "rows.parquet").read_bytes())
        content[len(content) // 2] ^= 255
        (folder / "rows.parquet").write_bytes(content)
    elif damage == "cut summary":
        (folder / "summary.json").write_bytes((folder / "summary.json").read_bytes()[:-50])
    else:
        next((folder / "times").glob("*")).write_text("garbage\n")
        (folder / "summary.json").unlink()
    assert psnr_of(typed(*command), "static") == before


def test_a_row_changed_on_disk_is_computed_again(tmp_path: Path) -> None:
    command = ["run", *SMALL, "baseline=static", f"out={tmp_path}"]
    before = psnr_of(typed(*command), "static")
    journal = next(tmp_path.rglob("rows/*.jsonl"))
    journal.write_text(re.sub(r'psnr\\": \d', r'psnr\\": 9', journal.read_text()))
    (journal.parents[1] / "summary.json").unlink()
    assert psnr_of(typed(*command), "static") == before
