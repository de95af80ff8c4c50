"""What is typed after `evalkit train` becomes one training, and wins over every file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from evalkit.config.options import Options
from evalkit.errors import UserError
from evalkit.registry import Group, folder_of, implementation, load
from evalkit.training.options import ClipSampling, GeneralOptions, Recipe
from evalkit.training.settings import compose_training

BASELINES = ("rayzer", "rust", "xfactor")
ABLATIONS = [
    (baseline, file.stem)
    for baseline in BASELINES
    for file in sorted((folder_of(Group.BASELINE, baseline) / "ablations").glob("*.yaml"))
]


def differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


@pytest.mark.parametrize("baseline", BASELINES)
def test_mini_is_what_the_shipped_weights_were_trained_by(baseline: str) -> None:
    record = yaml.safe_load((folder_of(Group.BASELINE, baseline) / "mini.yaml").read_text())
    assert compose_training([f"baseline={baseline}"]).identity() == record


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_papers_sizes_are_there(baseline: str) -> None:
    config = compose_training([f"baseline={baseline}", "trainer=paper"])
    assert config.pan_dataset is None
    with torch.device("meta"):
        trainee = implementation(load(Group.BASELINE, baseline)).trainee(config.model)
    millions = sum(parameter.numel() for parameter in trainee.parameters()) / 1e6
    assert millions == pytest.approx({"xfactor": 305, "rayzer": 182, "rust": 75}[baseline], rel=0.1)


@pytest.mark.parametrize("trainer", ["mini", "paper"])
@pytest.mark.parametrize(("baseline", "ablation"), ABLATIONS)
def test_an_ablation_changes_what_its_file_names(baseline: str, ablation: str, trainer: str) -> None:
    plain = compose_training([f"baseline={baseline}", f"trainer={trainer}"])
    ablated = compose_training([f"baseline={baseline}", f"trainer={trainer}", f"ablation={ablation}"])
    named = yaml.safe_load((folder_of(Group.BASELINE, baseline) / "ablations" / f"{ablation}.yaml").read_text())
    for part in ("model", "recipe"):
        before, after = (config.identity()[part] for config in (plain, ablated))
        changed = {key for key in named.get(part, {}) if after[key] != before[key]}
        assert differences(before, after) == changed
    assert differences(plain.identity(), ablated.identity()) == set(named)


def test_there_are_all_ablations() -> None:
    assert [sum(owner == baseline for owner, _ in ABLATIONS) for baseline in BASELINES] == [7, 2, 6]


@pytest.mark.parametrize("baseline", BASELINES)
def test_what_is_typed_holds_for_every_model(baseline: str) -> None:
    typed = ["trainer.recipe.steps=7", "trainer.recipe.clips.shortest=5"]
    recipe, plain = (compose_training([f"baseline={baseline}", *more]).recipe for more in (typed, []))
    assert (recipe.steps, recipe.clips.shortest) == (7, 5)
    assert recipe.clips.longest == plain.clips.longest


def test_what_is_typed_wins_over_recipe_ablation_and_pans() -> None:
    config = compose_training(
        ["baseline=rayzer", "ablation=rayzer_no_curriculum", "trainer.recipe.clips.curriculum=0.3", "dataset.count=9",
         "trainer.model.width=64", "dataset.seed=3"]
    )  # fmt: skip
    assert config.recipe.clips.curriculum == 0.3 and config.identity()["model"]["width"] == 64
    identity = config.identity()
    assert identity["pan_dataset"] == {**identity["dataset"], "motion": "pan"}
    assert identity["dataset"]["count"] == 9 and identity["dataset"]["seed"] == 3


def test_weights_to_start_from_count_by_their_content(tmp_path: Path) -> None:
    file = tmp_path / "first.safetensors"
    identities = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        identities.append(compose_training([f"start={file}"]).identity())
    assert differences(*identities) == {"start_sha256"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["baseline=warp"], "baseline=warp cannot be trained: expected one of rayzer, rust, xfactor"),
        (["baseline=xfacto"], "did you mean 'xfactor'"),
        (["baseline=rust", "ablation=xfactor_se3"], "one of baseline=xfactor, got baseline=rust"),
        (["ablation=xfactor_se4"], "did you mean 'xfactor_se3'"),
        (["trainer=papr"], "did you mean 'paper'"),
        (["trainer.recipe.stepz=3"], "unknown key 'trainer.recipe.stepz' .did you mean 'trainer.recipe.steps'"),
        (["trainer.recipe.clips.shortes=3"], "did you mean 'trainer.recipe.clips.shortest'"),
        (["trainer.recipe.pan_stage=[0.4,0.2]"], "the second at least the first"),
        (["trainer.recipe.steps=few"], "trainer.recipe.steps: .*, got 'few'"),
        (["trainer.model.widht=3"], "unknown key 'trainer.model.widht' .did you mean 'trainer.model.width'"),
        (["trainer.models.xfactor.width=3"], "did you mean 'trainer.model.KEY'"),
        (["dataset.wrold=orbits"], "did you mean 'dataset.world'"),
        (["sead=3"], "did you mean 'seed'"),
        (["device=cuda:1"], "device: .*'auto', 'cpu' or 'cuda'"),
        (["start=nowhere"], "no such weights: nowhere"),
        (["baseline=xfactor,rust"], "expected one value"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[-1],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        compose_training(overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("override", ["trainer.recipe.stepz=3", "trainer.model.widht=3", "ablation=xfactor_se4"])
def test_mistakes_cost_no_torch(override: str) -> None:
    code = (
        "import sys\nfrom evalkit.cli.main import main\n"
        f"sys.argv = ['evalkit', 'train', {override!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 2\n"
        "assert 'torch' not in sys.modules"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stderr
    assert told.startswith("evalkit: unknown") and told.count("\n") == 1


@pytest.mark.parametrize("model", ["Recipe", "ClipSampling", "GeneralOptions", *BASELINES])
def test_every_setting_is_described(model: str) -> None:
    kinds: dict[str, type[Options]] = {kind.__name__: kind for kind in (Recipe, ClipSampling, GeneralOptions)}
    kind = kinds[model] if model in kinds else load(Group.BASELINE, model).Model
    assert not [name for name, field in kind.model_fields.items() if not field.description]
