"""A training is a function of its settings: whatever stops it, the same weights come out."""

from __future__ import annotations

import csv
import os
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
from evalkit.training.settings import compose_training

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
    sizes = [f"trainer.models.{baseline}.{key}={value}" for key, value in SIZES[baseline].items()]
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
    assert (
        method.card.trained_on == "procedural world=orbits split=train count=3 length=33 motion=path seed=0, 48 clips"
    )
    with (weights.parent / "log.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4", "8", "12"]
    result = CliRunner().invoke(
        app,
        ["run", "protocol=nvs", f"baseline={baseline}", f"baseline.weights={weights}",
         f"protocol.resolution={SIZES[baseline]['resolution']}",
         "controls=false", "dataset.world=orbits", "limit=2", f"out={tmp_path}/runs",
         *(["protocol.context=5", "protocol.target=5"] if baseline == "rayzer" else [])],
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


def test_a_prelude_ends_and_is_a_part_of_what_a_training_is(tmp_path: Path) -> None:
    short = [*tiny("xfactor", tmp_path), "trainer.recipe.steps=3", "trainer.recipe.log_every=1"]
    kinds = [
        trained([*short, f"trainer.recipe.prelude={prelude}", f"out={tmp_path}/{i}"], tmp_path / str(i))
        for i, prelude in enumerate(("[0,0]", "[0.3,0.3]", "[1,1]"))
    ]
    losses = [[row["loss"] for row in csv.DictReader((each.parent / "log.csv").open())] for each in kinds]
    assert losses[0][0] != losses[1][0] == losses[2][0], "the first step is a pan's"
    assert losses[1][1] != losses[2][1], "the second is not"
    config = compose_training([*tiny("xfactor", tmp_path), "dataset.seed=3"])
    assert config.prelude is not None
    assert config.identity()["prelude"] == {**config.identity()["dataset"], "motion": "pan"}
    with pytest.raises(UserError, match="the second at least the first"):
        compose_training([*tiny("xfactor", tmp_path), "trainer.recipe.prelude=[0.4,0.2]"])


def test_a_second_stage_starts_from_the_first(tmp_path: Path) -> None:
    first = trained(tiny("xfactor", tmp_path / "a"), tmp_path / "a")
    second = [*tiny("xfactor", tmp_path / "b"), "ablation=xfactor_multi_view", f"start={first}"]
    weights = trained([*second, "trainer.recipe.learning_rate=1e-12", "trainer.recipe.steps=1"], tmp_path / "b")
    for name, value in load_file(weights).items():
        torch.testing.assert_close(value, load_file(first)[name])


@pytest.mark.parametrize("baseline", SIZES)
def test_the_papers_sizes_are_there(baseline: str) -> None:
    config = compose_training([f"baseline={baseline}", "trainer=paper"])
    with torch.device("meta"):
        trainee = implementation(load(Group.BASELINE, baseline)).trainee(config.model)
    millions = sum(each.numel() for each in trainee.parameters()) / 1e6
    assert millions == pytest.approx({"xfactor": 305, "rayzer": 182, "rust": 75}[baseline], rel=0.1)


def test_what_is_typed_holds_for_every_model() -> None:
    typed = ["trainer.recipe.steps=7", "trainer.recipe.clips.shortest=5"]
    for baseline in SIZES:
        recipe = compose_training([f"baseline={baseline}", *typed]).recipe
        assert (recipe.steps, recipe.clips.shortest) == (7, 5)
        assert recipe.clips.longest == compose_training([f"baseline={baseline}"]).recipe.clips.longest


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["baseline=warp"], "baseline=warp: this trainer has no such model"),
        (["baseline=rust", "ablation=xfactor_se3"], "one of baseline=xfactor, got baseline=rust"),
        (["trainer.recipe.stepz=3"], "did you mean 'trainer.recipe.steps'"),
        (["ablation=xfactor_se4"], "did you mean 'xfactor_se3'"),
    ],
)
def test_mistakes_are_told_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compose_training(overrides)


def test_sequences_too_short_for_the_windows_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", *tiny("xfactor", tmp_path), "dataset.length=1"])
    assert isinstance(result.exception, UserError)
    assert "hold no window" in str(result.exception)
