"""From what the user typed after `evalkit train` to one validated training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from evalkit.config.compose import Root, compose_tree
from evalkit.config.options import ComponentOptions, Options
from evalkit.config.schema import options_of, parse
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, load
from evalkit.training.recipe import Recipe, Strategy

TRAIN = Root("train", (Group.BASELINE.value, Group.DATASET.value, "trainer", "ablation"))


class TrainingPlace(Options):
    """Where a training starts from, where it runs, and where it lies."""

    start: str | None
    seed: int
    device: str
    devices: Annotated[int, Field(ge=1)]
    strategy: Strategy
    out: str


@dataclass(frozen=True)
class TrainingConfig:
    """One training: whose network in which settings, by which recipe, from which frames, and where.

    ``prelude``: the frames that it begins with, if others.
    """

    baseline: str
    model: Options
    recipe: Recipe
    dataset: ComponentOptions
    prelude: ComponentOptions | None
    place: TrainingPlace

    def identity(self) -> dict[str, Any]:
        """All that the weights depend on."""
        parts = {"model": self.model, "recipe": self.recipe, "dataset": self.dataset}
        if self.prelude is not None:
            parts["prelude"] = self.prelude
        return {"baseline": self.baseline, "seed": self.place.seed, "start": self.place.start} | {
            name: part.model_dump(mode="json") for name, part in parts.items()
        }


def compose_training(overrides: Sequence[str]) -> TrainingConfig:
    """Compose and validate one training. Raises UserError, one line, for anything that does not fit.

    The trainer may have settings of its own for a dataset (``data``): which world, which split; and others for what a
    training begins with (``prelude``). They hold unless the user says otherwise.
    """
    tree = compose_tree(overrides, TRAIN)
    own = tree["trainer"]["data"].get(tree["dataset"]["name"], {})
    typed = {text.partition("=")[0] for text in overrides}
    added = [f"dataset.{key}={value}" for key, value in untyped(own, typed, "dataset").items()]
    return _validated(compose_tree([*overrides, *added], TRAIN), typed)


def _validated(tree: dict[str, Any], typed: set[str]) -> TrainingConfig:
    name, trainer, ablation = str(tree["baseline"]["name"]), tree["trainer"], tree["ablation"]
    if name not in trainer["models"]:
        raise UserError(f"baseline={name}: this trainer has no such model{did_you_mean(name, trainer['models'])}")
    if ablation["baseline"] not in (None, name):
        raise UserError(f"this ablation is one of baseline={ablation['baseline']}, got baseline={name}")
    model = merged(trainer["models"][name], ablation["model"])
    own = untyped(trainer["recipes"].get(name, {}), typed, "trainer.recipe")
    recipe = merged(merged(trainer["recipe"], own), ablation["recipe"])
    place = {key: tree[key] for key in TrainingPlace.model_fields}
    dataset, first = tree["dataset"], trainer["prelude"].get(tree["dataset"]["name"])
    kind = options_of(Group.DATASET, dataset["name"])
    return TrainingConfig(
        name,
        parse(load(Group.BASELINE, name).Model, model, f"trainer.models.{name}."),
        parse(Recipe, recipe, "trainer.recipe."),
        parse(kind, dataset, "dataset."),
        None if first is None else parse(kind, {**dataset, **untyped(first, typed, "dataset")}, "trainer.prelude."),
        parse(TrainingPlace, place),
    )


def untyped(settings: Mapping[str, Any], typed: set[str], prefix: str) -> dict[str, Any]:
    """``settings`` without those that the user typed under ``prefix``: what is typed holds.

    >>> untyped({"steps": 9, "clips": {"stride": 1, "shortest": 2}}, {"trainer.recipe.clips.stride"}, "trainer.recipe")
    {'steps': 9, 'clips': {'shortest': 2}}
    """
    return {
        key: untyped(value, typed, f"{prefix}.{key}") if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if f"{prefix}.{key}" not in typed
    }


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``, nested mappings merged alike.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 4}})
    {'a': 1, 'b': {'c': 2, 'd': 4}}
    """
    both = {
        key: merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in changes.items()
    }
    return {**base, **both}
