"""From what the user typed after `evalkit train` to one validated training. No torch is imported here.

A method owns its settings of training: ``recipes/<trainer>.yaml`` and ``ablations/<ablation>.yaml`` lie in the folder
of the module that its entry point names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from evalkit.config.compose import component_settings
from evalkit.config.grammar import Override, merged, parse_override, read_yaml, settings_for
from evalkit.config.options import ComponentOptions, Options
from evalkit.config.validation import options_of, parse
from evalkit.digests import content_digest
from evalkit.errors import UserError, did_you_mean
from evalkit.registry import Group, folder_of, load, names
from evalkit.training.options import GeneralOptions, ModelOptions, Recipe

CHOICES = {"baseline": "xfactor", "dataset": "procedural", "trainer": "mini", "ablation": "none"}
NO_ABLATION = CHOICES["ablation"]
NESTED = ("dataset.", "trainer.recipe.", "trainer.model.")  # what keys with dots begin with
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
            tree["start_sha256"] = content_digest(Path(self.general.start))
        parts = {"model": self.model, "recipe": self.recipe, "dataset": self.dataset, "pan_dataset": self.pan_dataset}
        return tree | {name: part.model_dump(mode="json") for name, part in parts.items() if part is not None}


def compose_training(overrides: Sequence[str]) -> TrainingConfig:
    """Compose and validate one training.

    Values come from the models' defaults, the recipe file, the ablation, and what was typed; the later ones win.

    Raises:
        UserError: one line, for bad syntax, an unknown choice or key, or a value that does not fit.
    """
    parsed = [parse_override(text) for text in overrides]
    choices = CHOICES | {override.key: override.text for override in parsed if override.key in CHOICES}
    general = _general([o for o in parsed if o.key not in CHOICES and not o.key.startswith(NESTED)])
    baseline = choices["baseline"]
    file, ablation = _recipe_file(baseline, choices["trainer"]), _ablation_file(baseline, choices["ablation"])
    typed_recipe = settings_for(Recipe, _typed(parsed, "trainer.recipe."), "trainer.recipe.")
    recipe = parse(Recipe, _all_merged(file.recipe, ablation.recipe, typed_recipe), "trainer.recipe.")
    kind: type[ModelOptions] = load(Group.BASELINE, baseline).Model
    typed_model = settings_for(kind, _typed(parsed, "trainer.model."), "trainer.model.")
    model = parse(kind, _all_merged(file.model, ablation.model, typed_model), "trainer.model.")
    typed_dataset = component_settings(Group.DATASET, choices["dataset"], _typed(parsed, "dataset."))
    name = typed_dataset["name"]
    dataset, pans = file.dataset.get(name, {}), file.pan_dataset.get(name)
    return TrainingConfig(
        baseline,
        model,
        recipe,
        _dataset(dataset, typed_dataset),
        _dataset(dataset, pans, typed_dataset) if pans is not None and recipe.pan_stage[1] > 0 else None,
        general,
    )


def _typed(parsed: Sequence[Override], prefix: str) -> list[Override]:
    """The overrides whose key begins with ``prefix``, without it."""
    return [
        Override(override.key.removeprefix(prefix), override.value, override.text)
        for override in parsed
        if override.key.startswith(prefix)
    ]


def _general(overrides: Sequence[Override]) -> GeneralOptions:
    known = [*CHOICES, *GeneralOptions.model_fields, *(f"{prefix}KEY" for prefix in NESTED)]
    for override in overrides:
        if override.key not in GeneralOptions.model_fields:
            raise UserError(f"unknown key '{override.key}'{did_you_mean(override.key, known)}")
    general = parse(GeneralOptions, settings_for(GeneralOptions, overrides))
    if general.start is not None and not Path(general.start).is_file():
        raise UserError(f"start: no such weights: {general.start}; expected a file that `evalkit train` wrote")
    return general


def _recipe_file(baseline: str, trainer: str) -> RecipeFile:
    own = _files(baseline, "recipes")
    if not own:
        able = sorted({owner for owner, _ in _files_of_all("recipes")})
        raise UserError(f"baseline={baseline} cannot be trained: expected one of {', '.join(able)}")
    if trainer not in own:
        raise UserError(f"unknown trainer '{trainer}' of baseline={baseline}{did_you_mean(trainer, own)}")
    return _load(RecipeFile, own[trainer])


def _ablation_file(baseline: str, ablation: str) -> AblationFile:
    own = _files(baseline, "ablations")
    if ablation in own:
        return _load(AblationFile, own[ablation])
    if ablation == NO_ABLATION:
        return AblationFile()
    owners = {name: owner for owner, name in _files_of_all("ablations")}
    if ablation in owners:
        raise UserError(f"ablation={ablation} is one of baseline={owners[ablation]}, got baseline={baseline}")
    raise UserError(f"unknown ablation '{ablation}'{did_you_mean(ablation, [*owners, NO_ABLATION])}")


def _files(baseline: str, folder: str) -> dict[str, Path]:
    """The YAML files of a folder beside a method, by their names without suffix."""
    return {file.stem: file for file in sorted((folder_of(Group.BASELINE, baseline) / folder).glob("*.yaml"))}


def _files_of_all(folder: str) -> list[tuple[str, str]]:
    """The baseline and the name, without suffix, of each YAML file in folders of this name."""
    files: list[tuple[str, str]] = []
    for baseline in names(Group.BASELINE):
        with suppress(UserError):  # a name that two packages use, a module that is missing
            files += [(baseline, name) for name in _files(baseline, folder)]
    return files


def _load(kind: type[File], file: Path) -> File:
    return parse(kind, read_yaml(file), f"{file}: ")


def _dataset(*trees: Tree) -> ComponentOptions:
    tree = _all_merged(*trees)
    return parse(options_of(Group.DATASET, tree["name"]), tree, "dataset.")


def _all_merged(*trees: Mapping[str, Any]) -> Tree:
    """All nested mappings in one; the later ones win."""
    return reduce(merged, trees, {})
