"""What a stranger types, and what they get."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.errors import UserError
from evalkit.oracles.networks.packages import INSTALL

SMALL = ["protocol=nvs", "protocol.resolution=64", "limit=4"]


def evalkit(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("protocol=tsp", "unknown protocol 'tsp' (did you mean 'tps'?)"),
        ("dataset=proceduarl", "did you mean 'procedural'?"),
        ("protcol=tps", "did you mean 'protocol'?"),
        ("protocol.smapling=even", "did you mean 'protocol.sampling'?"),
        ("protocol.sampling=evn", "protocol.sampling: Input should be 'even' or 'random'"),
        ("limit=many", "limit:"),
        ("limit=0", "limit:"),
        ("shard=4/4", "shard=0/4"),
        ("device=cuda:77", "device=cuda:77 is not available"),
        ("baseline=warp,wrap", "did you mean 'warp'?"),
        ("dataset=folder", "dataset.root=DIR"),
        ("protocol.profile=dl3dv", "unknown key 'protocol.profile'"),
        ("protocol.span=[3,4]", "room for 9"),
        ("protocol.sampling=[even", "cannot read"),
        ("protocol.target_pose=joint", "static offers given"),
    ],
)
def test_a_mistake_is_answered_in_one_line(typed: str, answer: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        evalkit("run", "protocol=nvs", "baseline=static", f"out={tmp_path}", typed)
    assert answer in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing may be left behind"


def test_a_mistake_exits_with_2_and_no_traceback() -> None:
    command = [sys.executable, "-m", "evalkit", "run", "protocol=tsp"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "evalkit: unknown protocol 'tsp' (did you mean 'tps'?)\n"


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evalkit", "run", "protocol=nvs", "baseline=warp", f"out={tmp_path}"]

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs, and all that they start, ignore it

    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as process:
        while process.poll() is None and not list(tmp_path.rglob("*.lock")):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=300)
    assert process.returncode == 130
    assert message.endswith("\nevalkit: stopped; the same command goes on where it was\n")


def test_commas_run_the_product_and_sources_and_settings_do_not_share_a_table(tmp_path: Path) -> None:
    output = evalkit("run", *SMALL, "baseline=static,copy_target", "protocol.sampling=even,random", f"out={tmp_path}")
    assert len(list(tmp_path.rglob("summary.json"))) == 4
    for source in ("given", "joint"):
        for sampling in ("even", "random"):
            assert output.count(f"target poses: {source} · sampling={sampling}") == 1


def test_controls_run_by_default_and_show_prints_the_same_table(tmp_path: Path) -> None:
    output = evalkit("run", *SMALL, f"out={tmp_path}")
    shown = evalkit("show", str(tmp_path))
    for name in ("copy_context", "copy_target", "static", "shuffled_poses", "warp"):
        assert name in output and name in shown
    assert "4/4" in shown
    assert evalkit("show", str(tmp_path), "--markdown").count("| `warp` |") == 1
    rows = {
        path.parts[-3]: pd.read_parquet(path).set_index("sample")["psnr"] for path in tmp_path.rglob("rows.parquet")
    }
    paired = evalkit("show", str(tmp_path), "--against", "warp")
    numbers = next(line for line in paired.splitlines() if "PSNR" in line).split()
    assert f"{(rows['static'] - rows['warp']).mean():+.2f}" in paired and numbers[-2:] == [
        "4",
        "4",
    ]  # samples and scenes
    assert "4 scenes: no p below 0.05 is possible" in paired
    assert "copy_target is not compared with warp: target_pose is joint, not given" in paired
    with pytest.raises(UserError, match="no finished run of baseline=wrap"):
        evalkit("show", str(tmp_path), "--against", "wrap")
    evalkit("show", str(tmp_path), "--rows", str(tmp_path / "rows.csv"))
    written = pd.read_csv(tmp_path / "rows.csv")
    assert len(written) == sum(map(len, rows.values())) and written["table"].str.startswith("nvs@").all()
    warp = written[written["baseline"] == "warp"].set_index("sample")["psnr"]
    pd.testing.assert_series_equal(warp, rows["warp"], rtol=1e-5)


def test_saved_renders_score_to_the_same_rows(tmp_path: Path) -> None:
    evalkit("run", *SMALL, "baseline=warp", "save_renders=true", f"out={tmp_path}/made")
    renders = next((tmp_path / "made").rglob("renders"))
    evalkit("score", str(renders), *SMALL, f"out={tmp_path}/scored")
    made, scored = (next((tmp_path / name).rglob("rows.parquet")) for name in ("made", "scored"))
    pd.testing.assert_frame_equal(pd.read_parquet(made), pd.read_parquet(scored), check_exact=True)


def test_a_missing_render_is_an_error_unless_it_may_lower_the_coverage(tmp_path: Path) -> None:
    evalkit("run", *SMALL, "baseline=warp", "save_renders=true", f"out={tmp_path}/made")
    renders = next((tmp_path / "made").rglob("renders"))
    min(renders.glob("*.safetensors")).unlink()
    command = ["score", str(renders), *SMALL, "controls=false", f"out={tmp_path}/scored"]
    with pytest.raises(UserError, match=r"1 of 4 samples have no render .* allow_missing=true"):
        evalkit(*command)
    output = evalkit(*command, "allow_missing=true")
    assert "3/4" in output and "1 failed: no render" in output


def test_renders_of_unknown_poses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "renders").mkdir()
    with pytest.raises(UserError, match=r"baseline\.target_pose="):
        evalkit("score", str(tmp_path / "renders"), *SMALL, f"out={tmp_path}/out")


def test_two_clips_with_known_cameras_compare_as_json(shared: Path, tmp_path: Path) -> None:
    clip = str(shared / "scenes" / "banana")
    document = json.loads(evalkit("tps", clip, clip, "oracle=cameras", "--json"))
    assert document["scores"]["rra@5"] == 1.0
    assert len(document["errors_deg"]["rotation_error_deg"]) == 15 * 14 // 2
    assert {key.split("_")[1] for key in document["scores"] if key.startswith("auc")} == {
        "xfactor", "vggt", "posediffusion", "superglue", "exact",
    }  # fmt: skip


def test_doctor_names_every_package_and_the_cache() -> None:
    output = evalkit("doctor")
    assert all(word in output for word in ("torch", "pycolmap", "av", "devices", "cache"))


def test_doctor_prints_pip_lines_that_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_is_installed(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("evalkit.cli.doctor.version", nothing_is_installed)
    lines = evalkit("doctor").splitlines()
    assert f"for oracle=vggt type: {INSTALL['vggt']} && evalkit weights pull vggt-1b" in lines
    assert any(INSTALL["depth_anything_3"] in line for line in lines)
    assert any("pip install 'evalkit[video]'" in line for line in lines), "brackets are not markup"


def test_a_metric_without_weights_is_a_dash_and_strict_makes_it_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    command = ["run", *SMALL, "baseline=static", f"out={tmp_path}/out"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "evalkit weights pull vgg16 lpips-vgg" in result.output
    static = next(line for line in result.output.splitlines() if line.strip().startswith("static"))
    assert " - " in static and "4/4" in static, "every other number is there"
    strict = CliRunner().invoke(app, [*command, "strict=true"])
    assert strict.exit_code == 3
    assert "4/4" in strict.output
    nothing_missing = [*command, "strict=true", "protocol.metrics=[psnr,ssim]"]
    assert CliRunner().invoke(app, nothing_missing).exit_code == 0


def test_runs_with_and_without_a_network_are_different_runs(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that arrive later give their number: the run that lacked them is not taken for finished."""
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    command = ["run", *SMALL, "baseline=copy_context", "protocol.metrics=[lpips_squeeze]", f"out={tmp_path}/out"]
    assert "lpips-squeeze" in evalkit(*command)
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(shared / "weights" / "lpips"))
    assert "weights not here" not in evalkit(*command)
    first, second = (
        json.loads(path.read_text())["metrics"].get("lpips_squeeze")
        for path in sorted((tmp_path / "out").rglob("summary.json"), key=lambda path: path.stat().st_mtime)
    )
    assert first is None and second["mean"] > 0


def test_controls_run_beside_a_method_unless_told_otherwise(tmp_path: Path) -> None:
    evalkit("run", *SMALL, "baseline=warp", "save_renders=true", f"out={tmp_path}/made")
    renders = str(next((tmp_path / "made").rglob("renders")))
    output = evalkit("score", renders, *SMALL, f"out={tmp_path}/a")
    assert all(name in output for name in ("saved", "copy_context", "static", "shuffled_poses", "copy_target", "warp"))
    output = evalkit("score", renders, *SMALL, "controls=false", f"out={tmp_path}/b")
    assert "copy_context" not in output
