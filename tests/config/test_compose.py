"""What is typed becomes typed settings: defaults, variants, settings of one method of several, mistakes."""

from __future__ import annotations

import json

import pytest

from evalkit.config.compose import compose_run, compose_runs
from evalkit.config.describe import settings_of
from evalkit.config.run import config_of
from evalkit.config.validation import options_of
from evalkit.errors import UserError
from evalkit.registry import Group, choices, names

GROUPS = (Group.PROTOCOL, Group.DATASET, Group.ORACLE, Group.BASELINE)


def test_a_setting_can_be_given_to_one_method_of_several() -> None:
    typed = ["baseline=xfactor,rayzer,warp", "baseline.xfactor.weights=a", "baseline.rayzer.weights=b"]
    weights = [getattr(config.baseline, "weights", None) for config in compose_runs(typed)]
    assert weights == ["a", "b", None]


def test_a_setting_of_one_method_is_stronger_than_that_of_all_where_it_comes_later() -> None:
    typed = ["baseline=xfactor,rayzer", "baseline.weights=both", "baseline.rayzer.weights=own"]
    assert [config.baseline.model_dump()["weights"] for config in compose_runs(typed)] == ["both", "own"]


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["baseline=warp", "baseline.xfactor.weights=a"], "baseline=xfactor is not among the methods of this command"),
        (["baseline=xfactor", "baseline.xfactor.wieghts=a"], "did you mean 'baseline.weights'"),
        (["baseline=warp", "baseline.weights=a"], "unknown key 'baseline.weights'"),
        (["protocol=tps@xfcator"], "did you mean 'tps@xfactor'"),
        (["protocol=leak", "protocol.tolerance.latnet=1"], "unknown key 'protocol.tolerance.latnet'"),
        (["protocol.pairs.more=1"], "unknown key 'protocol.pairs.more'"),
        (["protocol.name=nvs"], "unknown key 'protocol.name'"),
        (["shard.index=3"], "unknown key 'shard.index'"),
        (["limit=1.5"], "limit: "),
        (["+limit=1"], "expected a plain key=value"),
        (["seed=range(1,3)"], "list the values"),
        (["${oc.env:HOME}=1"], "cannot read"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_names_the_key_as_typed(typed: list[str], answer: str) -> None:
    with pytest.raises(UserError) as error:
        compose_runs(typed)
    assert answer in str(error.value) and "\n" not in str(error.value)


def test_variants_differ_from_their_component_and_may_be_changed() -> None:
    plain, paper = compose_run(["protocol=tps"]), compose_run(["protocol=tps@xfactor"])
    assert paper.protocol.name == "tps" and paper.protocol.model_dump()["version"] == "xfactor"
    assert plain.protocol.model_dump()["version"] != "xfactor"
    assert compose_run(["protocol=tps@xfactor", "protocol.pairs=7"]).protocol.model_dump()["pairs"] == 7


def test_text_may_look_like_a_number() -> None:
    assert compose_run(["dataset=folder", "dataset.root=2024"]).dataset.model_dump()["root"] == "2024"
    assert compose_run(["dataset=folder", "dataset.root=null"]).dataset.model_dump()["root"] is None
    assert compose_run(["dataset=folder", "dataset.root='my photos'"]).dataset.model_dump()["root"] == "my photos"


def test_settings_survive_their_way_through_json() -> None:
    config = compose_run(["protocol=probe@rayzer", "protocol.training.steps=7", "shard=1/3", "limit=4"])
    assert config_of(json.loads(json.dumps(config.tree()))) == config


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_has_a_default_and_a_meaning(group: Group) -> None:
    for name in names(group):
        options = options_of(group, name)
        assert options().name == name, "each component's options know its name, and need nothing else"
        for setting in settings_of(options):
            assert setting.default != "(required)" and setting.meaning, (name, setting.key)


def test_every_choice_composes() -> None:
    for group in GROUPS:
        for choice in choices(group):
            assert getattr(compose_run([f"{group}={choice}"]), group.value).name == choice.partition("@")[0]
