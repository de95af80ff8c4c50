"""A training is a function of its settings: whatever stops it, the same weights come out."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.errors import UserError
from evalkit.registry import Group, implementation, load

TINY = [
    "trainer.recipe.steps=12", "trainer.recipe.batch=4", "trainer.recipe.save_every=4", "trainer.recipe.log_every=4",
    "trainer.recipe.compile=false", "dataset.count=3", "dataset.length=33", "device=cpu",
]  # fmt: skip
SIZES = {
    "xfactor": {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "encoder_layers": 1, "render_layers": 1},
    "rayzer": {"resolution": 16, "patch": 4, "width": 16, "heads": 2, "scene_tokens": 4},
    "rust": {"resolution": 32, "channels": 4, "width": 16, "heads": 2, "rays_per_target": 16},
}


def tiny(baseline: str, out: Path) -> list[str]:
    sizes = [f"trainer.model.{key}={value}" for key, value in SIZES[baseline].items()]
    return [f"baseline={baseline}", f"out={out}", *TINY, *sizes]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    os.environ["EVALKIT_CACHE"] = str(folder)
    return folder


def trained(overrides: list[str], out: Path) -> Path:
    result = CliRunner().invoke(app, ["train", *overrides])
    assert result.exit_code == 0, result.output
    return next(out.rglob("weights.safetensors"))


def command(overrides: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "evalkit", "train", *overrides], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.parametrize("baseline", SIZES)
def test_train_save_load_render(baseline: str, tmp_path: Path) -> None:
    weights = trained(tiny(baseline, tmp_path), tmp_path)
    method_class = implementation(load(Group.BASELINE, baseline))
    method = method_class(method_class.Options(name=baseline, weights=str(weights)), "cpu")
    settings = "world=orbits split=train count=3 length=33 motion=path version=1 seed=0"
    assert method.card.trained_on == f"procedural {settings}, 48 clips"
    with (weights.parent / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4", "8", "12"]
    result = CliRunner().invoke(
        app,
        ["run", "protocol=nvs", f"baseline={baseline}", f"baseline.weights={weights}",
         f"protocol.resolution={SIZES[baseline]['resolution']}",
         "controls=false", "dataset.world=orbits", "limit=2", f"out={tmp_path}/runs",
         *(["protocol.context=5", "protocol.target=5"] if baseline != "xfactor" else [])],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "2/2" in result.output


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = trained(tiny("xfactor", tmp_path / "whole"), tmp_path / "whole")
    parts = tiny("xfactor", tmp_path / "parts")
    process = command(parts)
    while not list((tmp_path / "parts").rglob("checkpoint.ckpt")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "parts").rglob("weights.safetensors"))
    again = trained(parts, tmp_path / "parts")
    assert again.read_bytes() == whole.read_bytes()
    assert (again.parent / "log.csv").read_text().count("\n") == 4


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one = trained([*tiny("xfactor", tmp_path / "a"), "trainer.recipe.steps=1"], tmp_path / "a")
    two = trained([*tiny("xfactor", tmp_path / "b"), "trainer.recipe.steps=1", "seed=1"], tmp_path / "b")
    left, right = load_file(one), load_file(two)
    assert not torch.equal(left["encoder.embed.weight"], right["encoder.embed.weight"])


def test_pans_come_first_and_end(tmp_path: Path) -> None:
    short = [*tiny("xfactor", tmp_path), "trainer.recipe.steps=3", "trainer.recipe.log_every=1"]
    weights = [
        trained([*short, f"trainer.recipe.pan_stage={stage}", f"out={tmp_path}/{i}"], tmp_path / str(i))
        for i, stage in enumerate(("[0,0]", "[0.3,0.3]", "[1,1]"))
    ]
    losses = [[row["loss"] for row in csv.DictReader((file.parent / "log.csv").open())] for file in weights]
    assert losses[0][0] != losses[1][0] == losses[2][0], "the first step is a pan's"
    assert losses[1][1] != losses[2][1], "the second is not"


def test_plain_lines_say_what_is_done_where_the_output_is_a_file(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *tiny("rust", tmp_path)])
    lines = result.output.splitlines()
    assert lines[0] == "preparing frames: 0 of 3 sequences"
    assert re.fullmatch(r"preparing frames: 3 of 3 sequences, \d+(\.\d)?/s", lines[1])
    assert lines[2] == "preparing frames of pans: 0 of 3 sequences"
    assert lines[4] == "training rust: 0 of 12 steps"
    assert re.fullmatch(r"training rust: 12 of 12 steps, loss 0\.\d{4}, PSNR \d+\.\d dB, [\d.]+ clips/s", lines[-2])
    assert lines[-1].endswith("weights.safetensors")


def test_a_second_stage_starts_from_the_first(tmp_path: Path) -> None:
    first = trained(tiny("xfactor", tmp_path / "a"), tmp_path / "a")
    second = [*tiny("xfactor", tmp_path / "b"), "ablation=xfactor_multi_view", f"start={first}"]
    weights = trained([*second, "trainer.recipe.learning_rate=1e-12", "trainer.recipe.steps=1"], tmp_path / "b")
    for name, value in load_file(weights).items():
        torch.testing.assert_close(value, load_file(first)[name])


def test_sequences_too_short_for_the_windows_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *tiny("xfactor", tmp_path), "dataset.length=1"])
    assert isinstance(result.exception, UserError)
    assert "hold no window" in str(result.exception)
