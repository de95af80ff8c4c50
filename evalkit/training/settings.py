"""From what the user typed after `evalkit train` to one validated training. No torch is imported here.

A method owns its settings of training: ``recipes/<trainer>.yaml`` and ``ablations/<ablation>.yaml`` lie in the folder
of the module that its entry point names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field

from evalkit.config.grammar import check_keys, parse_override, set_key
from evalkit.config.options import ComponentOptions, Options
from evalkit.config.schema import parse
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, folder_of, load, names
from evalkit.training.options import GeneralOptions, ModelOptions, Recipe

CHOICES = {"baseline": "xfactor", "dataset": "procedural", "trainer": "mini", "ablation": "none"}
NO_ABLATION = CHOICES["ablation"]
Tree = dict[str, Any]
File = TypeVar("File", bound=Options)


class AblationFile(Options):
    """A file of ``ablations/``: what differs from the recipe file."""

    recipe: Tree = Field(default_factory=Tree)
    model: Tree = Field(default_factory=Tree)


class RecipeFile(AblationFile):
    """A file of ``recipes/``: settings of `Recipe`, of the method's model, and of datasets by their name.

    ``pan_dataset`` holds what makes the cameras of a dataset only turn, for the stage ``recipe.pan_stage``.
    """

    dataset: dict[str, Tree] = Field(default_factory=dict)
    pan_dataset: dict[str, Tree] = Field(default_factory=dict)


class TrainerKeys(Options):
    """What may be typed after ``trainer.``; the method decides what follows ``model``."""

    recipe: Recipe
    model: Tree


class TrainKeys(GeneralOptions):
    """What may be typed after `evalkit train`; the dataset decides what follows ``dataset``."""

    baseline: str
    ablation: str
    dataset: Tree
    trainer: TrainerKeys


@dataclass(frozen=True)
class TrainingConfig:
    """One training: a method's network in some settings, by which recipe, from which frames, and where.

    ``pan_dataset``: the frames of the pan stage, None where there is no such stage.
    """

    baseline: str
    model: ModelOptions
    recipe: Recipe
    dataset: ComponentOptions
    pan_dataset: ComponentOptions | None
    general: GeneralOptions

    def identity(self) -> Tree:
        """Everything that the weights depend on, as plain values."""
        tree: Tree = {"baseline": self.baseline, "seed": self.general.seed, "start": self.general.start}
        if self.general.start is not None:
            tree["start_sha256"] = hashlib.sha256(Path(self.general.start).read_bytes()).hexdigest()
        parts = {"model": self.model, "recipe": self.recipe, "dataset": self.dataset, "pan_dataset": self.pan_dataset}
        return tree | {name: part.model_dump(mode="json") for name, part in parts.items() if part is not None}


def compose_training(overrides: Sequence[str]) -> TrainingConfig:
    """Compose and validate one training.

    Values come from the models' defaults, the recipe file, the ablation, and what was typed; the later ones win.

    Raises:
        UserError: one line, for bad syntax, an unknown choice or key, or a value that does not fit.
    """
    choices, typed = _read(overrides)
    baseline, dataset = choices["baseline"], choices["dataset"]
    recipe_file = _recipe_file(baseline, choices["trainer"])
    ablation = _ablation_file(baseline, choices["ablation"])
    trainer, frames = _mapping(typed, "trainer"), recipe_file.dataset.get(dataset, {})
    typed_recipe, typed_frames = _mapping(trainer, "recipe", "trainer."), _mapping(typed, "dataset")
    recipe = parse(Recipe, merged(recipe_file.recipe, ablation.recipe, typed_recipe), "trainer.recipe.")
    general = parse(GeneralOptions, {key: typed[key] for key in GeneralOptions.model_fields if key in typed})
    if general.start is not None and not Path(general.start).is_file():
        raise UserError(f"start: no file '{general.start}', expected weights that `evalkit train` wrote")
    pans = recipe_file.pan_dataset.get(dataset) if recipe.pan_stage[1] > 0 else None
    return TrainingConfig(
        baseline,
        _model(baseline, merged(recipe_file.model, ablation.model), _mapping(trainer, "model", "trainer.")),
        recipe,
        _dataset(dataset, frames, typed_frames),
        None if pans is None else _dataset(dataset, merged(frames, pans), typed_frames),
        general,
    )


def merged(*trees: Mapping[str, Any]) -> Tree:
    """All nested mappings in one; later values win.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 4}})
    {'a': 1, 'b': {'c': 2, 'd': 4}}
    """
    return reduce(_merged_two, trees, {})


def _merged_two(base: Tree, changes: Mapping[str, Any]) -> Tree:
    both = {
        key: merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in changes.items()
    }
    return {**base, **both}


def _read(overrides: Sequence[str]) -> tuple[dict[str, str], Tree]:
    """Choices (``dataset=procedural``) and all other values as typed, nested; their keys are checked."""
    choices, typed = dict(CHOICES), Tree()
    for override in map(parse_override, overrides):
        if override.key in CHOICES:
            choices[override.key] = str(override.value)
        else:
            set_key(typed, override.key, override.value)
    check_keys(TrainKeys, typed, "")
    for key in ("baseline", "ablation"):
        if key in typed:
            raise UserError(
                f"{key} has no settings here: expected {key}=NAME; those of the network are trainer.model.KEY"
            )
    for group in (Group.BASELINE, Group.DATASET):
        if choices[group] not in names(group):
            raise UserError(f"unknown {group} '{choices[group]}'{did_you_mean(choices[group], names(group))}")
    return choices, typed


def _mapping(tree: Tree, key: str, prefix: str = "") -> Tree:
    """The values typed under a key, such as those of ``dataset.KEY=VALUE``."""
    value = tree.get(key, {})
    if not isinstance(value, dict):
        raise UserError(f"{prefix}{key}: expected {prefix}{key}.KEY=VALUE, got {value!r}")
    return value


def _recipe_file(baseline: str, trainer: str) -> RecipeFile:
    own = _files(baseline, "recipes")
    if not own:
        able = [name for name in names(Group.BASELINE) if _files(name, "recipes")]
        raise UserError(f"baseline={baseline} cannot be trained: expected one of {', '.join(able)}")
    if trainer not in own:
        raise UserError(f"unknown trainer '{trainer}' of {baseline}{did_you_mean(trainer, own)}")
    return _load(RecipeFile, own[trainer])


def _ablation_file(baseline: str, ablation: str) -> AblationFile:
    own = _files(baseline, "ablations")
    if ablation in own:
        return _load(AblationFile, own[ablation])
    if ablation == NO_ABLATION:
        return AblationFile()
    others = {file: name for name in names(Group.BASELINE) for file in _files(name, "ablations")}
    if ablation in others:
        raise UserError(f"ablation={ablation} is one of baseline={others[ablation]}, got baseline={baseline}")
    raise UserError(f"unknown ablation '{ablation}'{did_you_mean(ablation, [*others, NO_ABLATION])}")


def _files(baseline: str, folder: str) -> dict[str, Path]:
    """The YAML files of a folder beside a method, by their names without suffix."""
    return {file.stem: file for file in sorted((folder_of(Group.BASELINE, baseline) / folder).glob("*.yaml"))}


def _load(kind: type[File], file: Path) -> File:
    return parse(kind, yaml.safe_load(file.read_text(encoding="utf-8")) or {}, f"{file}: ")


def _model(baseline: str, values: Tree, typed: Tree) -> ModelOptions:
    kind: type[ModelOptions] = load(Group.BASELINE, baseline).Model
    check_keys(kind, typed, "trainer.model.")
    return parse(kind, merged(values, typed), "trainer.model.")


def _dataset(name: str, values: Tree, typed: Tree) -> ComponentOptions:
    kind: type[ComponentOptions] = load(Group.DATASET, name).Options
    check_keys(kind, typed, "dataset.")
    return parse(kind, {**merged(values, typed), "name": name}, "dataset.")
