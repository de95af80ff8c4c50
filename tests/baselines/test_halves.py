"""Each baseline in two halves: what it declares needs no torch, what computes declares the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.card import Card
from evalkit.method import Method
from evalkit.registry import Group, implementation, load, names

CONTROLS = (
    "blend_target", "copy_context", "copy_target", "dolly", "fixed_motion", "half_motion", "mean_context", "no_motion",
    "shuffled_poses", "static", "static_blurred", "warp",
)  # fmt: skip
TRAINED = ("rayzer", "rust", "xfactor")
OURS = (*CONTROLS, *TRAINED)


def card_of(name: str) -> Card:
    baseline = load(Group.BASELINE, name)
    card = baseline.card_of(baseline.Options()) if hasattr(baseline, "card_of") else baseline.card
    assert isinstance(card, Card)
    return card


def test_these_are_all_but_saved_renders() -> None:
    assert {*OURS, "saved"} <= set(names(Group.BASELINE))


def test_cards_settings_and_missing_inputs_need_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom evalkit.registry import Group, load\n"
        f"for name in {OURS}:\n"
        "    baseline = load(Group.BASELINE, name)\n"
        "    card = baseline.card_of(baseline.Options()) if hasattr(baseline, 'card_of') else baseline.card\n"
        "    assert card.name == baseline.Options().name == name\n"
        "saved = load(Group.BASELINE, 'saved')\n"
        "from evalkit.card import TargetPose\n"
        "options = saved.Options(dir=sys.argv[1], target_pose=TargetPose.GIVEN)\n"
        "assert saved.card_of(options).name == 'saved' and saved.missing(options, ['a'])[0] == ['a']\n"
        "heavy = {'torch', 'pandas', 'torchvision', 'lightning_fabric'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.mark.parametrize("name", OURS)
def test_the_class_that_computes_has_the_same_card(name: str) -> None:
    baseline = load(Group.BASELINE, name)
    heavy = implementation(baseline)
    assert issubclass(heavy, baseline) and implementation(heavy) is heavy
    method = heavy(baseline.Options(), "cpu")
    assert isinstance(method, Method) and method.card == card_of(name)


@pytest.mark.parametrize("name", [*OURS, "saved"])
def test_every_setting_has_a_default_and_a_description(name: str) -> None:
    options = load(Group.BASELINE, name).Options
    assert options().name == name
    described = {key for key, field in options.model_fields.items() if field.description}
    assert described >= set(options.model_fields) - {"name"}


@pytest.mark.parametrize("name", TRAINED)
def test_weights_decide_the_card(name: str) -> None:
    card = card_of(name)
    assert len(card.weights) == 64 and card.resolution == 32 and card.trained_on.startswith("procedural world=orbits")
