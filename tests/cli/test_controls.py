"""Which controls run beside what: those of every protocol, and a protocol's own."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.config.compose import CONTROLS, controls_of, expand_runs, with_controls

OWN = ("no_motion", "dolly")
OF_TPS = ("static_blurred", "mean_context", "half_motion", "fixed_motion", "blend_target")


def baselines(overrides: list[str], protocol: str) -> list[str]:
    """The baselines that a combination of overrides gives one protocol, in order."""
    return [
        single[-1].removeprefix("baseline=") for single in expand_runs(overrides) if f"protocol={protocol}" in single
    ]


def test_a_protocol_brings_its_own_controls_and_no_other_gets_them() -> None:
    _, beside = with_controls(["protocol=nvs,pose,pose@vggt"])
    assert baselines(beside, "nvs") == [*CONTROLS, "static_blurred", "mean_context", "fade_context"]
    assert baselines(beside, "pose") == baselines(beside, "pose@vggt") == [*CONTROLS, *OWN]


def test_a_control_of_the_protocol_needs_no_other_beside_it() -> None:
    assert with_controls(["protocol=pose", "baseline=no_motion,warp"])[1] == []
    assert with_controls(["protocol=nvs", "baseline=no_motion"])[1] == ["protocol=nvs", "baseline=controls"]
    assert with_controls(["protocol=pose", "baseline=saved", "controls=false"])[1] == []


def test_the_default_protocol_brings_its_own_controls() -> None:
    assert controls_of([]) == controls_of(["protocol=tps"]) == (*CONTROLS, *OF_TPS)


def test_an_unknown_protocol_is_left_to_whoever_reports_it() -> None:
    assert controls_of(["protocol=psoe"]) == CONTROLS


def test_what_was_asked_for_is_not_run_again_as_a_control(tmp_path: Path) -> None:
    small = ["protocol=nvs", "protocol.resolution=48", "protocol.metrics=[psnr]", "limit=1", f"out={tmp_path}"]
    result = CliRunner().invoke(app, ["run", *small, "baseline=dolly,warp"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.count("/warp/") == result.output.count("/dolly/") == result.output.count("/static/") == 1
