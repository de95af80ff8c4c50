"""Oracles against the truth and each other, and TPS against the exact transfer error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.data.degrade import GRADES, degraded
from evalkit.errors import UserError
from evalkit.geometry.se3 import motion_exp
from evalkit.oracles.calibration.compare import CalibrationClip, compare, summary
from evalkit.oracles.calibration.hook import calibrated_protocols, calibration_of
from evalkit.oracles.calibration.trust import points, trust
from evalkit.oracles.oracle import ClipLocation, Estimate, Identity
from evalkit.views import Cameras
from protocols.tps.calibration import TpsCalibration
from protocols.tps.options import TpsOptions

CALIBRATION = TpsCalibration()
ACCURACIES = CALIBRATION.accuracies(TpsOptions())


class Knowing:
    """An oracle that knows the clips it will be shown, and gives up where frames are too dark."""

    def __init__(self, clips: list[CalibrationClip], turn: float = 0.0) -> None:
        self.answers = {round(float(clip.images.mean()), 6): clip.w2c for clip in clips}
        twist = torch.zeros(6)
        twist[3] = turn
        self.motion = motion_exp(twist).double()

    def identity(self) -> Identity:
        return {"name": "knowing"}

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        known = [self.answers.get(round(float(clip.mean()), 6)) for clip in images]
        w2c = [torch.full((5, 4, 4), torch.nan).double() if each is None else self.turned(each) for each in known]
        return Estimate(torch.stack(w2c), tuple("" if each is not None else "never seen" for each in known))

    def turned(self, w2c: Tensor) -> Tensor:
        """Every second camera turned a little."""
        turned = w2c.double().clone()
        turned[1::2] = self.motion @ turned[1::2]
        return turned


@pytest.fixture
def clips() -> list[CalibrationClip]:
    random = torch.Generator().manual_seed(0)
    return [
        CalibrationClip(
            f"c{i}",
            f"s{i}",
            torch.rand(5, 3, 16, 16, generator=random),
            motion_exp(torch.randn(5, 6, generator=random)),
        )
        for i in range(6)
    ]


def test_an_oracle_that_knows_scores_1_and_one_that_gives_up_scores_0(clips: list[CalibrationClip]) -> None:
    answered: list[int] = []
    rows = compare(
        {"a": Knowing(clips), "b": Knowing(clips[:3])}, clips, ["clean", "noise 0.1"], ACCURACIES, answered.append
    )
    table = summary(rows, ACCURACIES.titles).set_index(["of", "against", "grade"])
    assert sum(answered) == 2 * 2 * 6
    assert table.loc[("a", "truth", "clean"), "auc_exact_signed@20"] == pytest.approx(1.0, abs=1e-6)
    assert table.loc[("b", "truth", "clean"), "auc_exact_signed@20"] == pytest.approx(0.5, abs=1e-6)
    assert table.loc[("b", "a", "clean"), "failed"] == 0.5
    assert table.loc[("a", "truth", "noise 0.1"), "failed"] == 1.0


def test_a_known_error_is_measured(clips: list[CalibrationClip]) -> None:
    """Half of the pairs hold one turned camera and one that is not: six of ten, 5 degrees off."""
    rows = compare({"turned": Knowing(clips, np.radians(5))}, clips, ["clean"], ACCURACIES, lambda count: None)
    assert rows["rra@10"].min() == 1.0
    assert rows["auc_exact_signed@20"].max() <= 1 - 0.6 * 5 / 20 + 1e-6


def test_degradations_are_what_they_say(clips: list[CalibrationClip]) -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    noise = degraded(grey, "noise 0.05", "x") - grey
    assert noise.std() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(degraded(grey, "noise 0.05", "x"), degraded(grey, "noise 0.05", "x"))
    assert not torch.equal(degraded(grey, "noise 0.05", "x"), degraded(grey, "noise 0.05", "y"))
    point = torch.zeros(1, 3, 33, 33)
    point[..., 16, 16] = 1
    spread = degraded(point, "blur 1.5", "x")[0, 0]
    place = torch.arange(33.0) - 16
    assert float((spread.sum(0) * place**2).sum()) == pytest.approx(1.5**2, rel=0.03)
    errors = [
        (degraded(clips[0].images, f"jpeg {quality}", "x") - clips[0].images).abs().mean() for quality in (90, 20)
    ]
    assert 0 < errors[0] < errors[1]
    assert {degraded(clips[0].images, grade, "x").shape for grade in GRADES} == {clips[0].images.shape}
    with pytest.raises(UserError, match=r"blur 1\.5"):
        degraded(grey, "smear 3", "x")


def test_trust_is_spearmans_rank_correlation_and_sees_the_cheat() -> None:
    random = np.random.default_rng(0)
    exact = {"good": 30.0, "middling": 20.0, "bad": 15.0, "cheat": 12.0}
    rows = pd.DataFrame([
        {
            "status": "ok", "oracle_on_real": "ok", "oracle_on_render": "ok", "sample": f"p{i}", "baseline": name,
            "exact_psnr": psnr + random.normal(), "auc_exact_signed@20": 1.0 if name == "cheat" else psnr / 40,
            "identity": 0.0 if name == "cheat" else 1.0,
        }
        for i in range(8) for name, psnr in exact.items()
    ])  # fmt: skip
    selected = points(rows, CALIBRATION.trust)
    of_b = selected[selected["right_scene"]]
    assert trust(selected).of_samples == pytest.approx(spearmanr(selected["accuracy"], selected["truth"]).statistic)
    assert trust(selected).of_methods == pytest.approx(-0.2)
    assert trust(of_b).of_methods == pytest.approx(1.0)
    assert trust(of_b).within == pytest.approx(1.0)
    with pytest.raises(UserError, match="dataset=procedural"):
        points(rows.drop(columns="exact_psnr"), CALIBRATION.trust)


def test_protocols_offer_their_calibration_and_others_are_refused_by_name() -> None:
    assert calibrated_protocols() == ["tps"]
    assert isinstance(calibration_of("tps"), TpsCalibration)
    with pytest.raises(UserError, match="protocol 'nvs' cannot calibrate oracles; these can: tps"):
        calibration_of("nvs")


def test_the_command_prints_a_table_and_leaves_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    command = ["oracle", "compare", "colmap", "limit=2", "protocol.resolution=128", f"out={tmp_path}"]
    result = CliRunner().invoke(app, [*command, "--grades", "clean,blur 3"])
    assert result.exit_code == 0, result.output
    assert "blur 3" in result.output and "truth" in result.output
    folder = next((tmp_path / "oracles").rglob("comparison.png")).parent
    assert len(pd.read_parquet(folder / "rows.parquet")) == 4


def test_trust_reads_finished_runs_and_leaves_a_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    small = ["protocol.resolution=32", "dataset.world=orbits", "limit=2", "oracle=alignment", "controls=false"]
    methods = "baseline=warp,static,copy_context"
    result = CliRunner().invoke(app, ["run", "protocol=tps", *small, methods, f"out={tmp_path}/runs"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["oracle", "trust", f"{tmp_path}/runs"])
    assert result.exit_code == 0, result.output
    assert "alignment, all renders: rank correlation of TPS with exact transfer PSNR" in result.output
    assert (tmp_path / "runs" / "trust-alignment.png").is_file()
