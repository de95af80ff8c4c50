"""Planning needs no tensor; variants hold only what differs; settings and columns explain themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from evalkit.config.options import Options
from evalkit.protocol import Better, Column
from protocols.fid.plan import columns_of as fid_columns
from protocols.interpolation.plan import columns_of as interpolation_columns
from protocols.leak.plan import JOINT_MINUS_ALONE, LeakPlan
from protocols.object.columns import columns_of as object_columns
from protocols.pose.columns import ROTATION_AMPLITUDE
from protocols.pose.columns import columns_of as pose_columns
from protocols.probe.columns import Source
from protocols.probe.columns import columns_of as probe_columns
from protocols.tps.columns import AMPLITUDE, OTHERS, OTHERS_ERROR
from protocols.tps.columns import columns_of as tps_columns
from protocols.tps.options import Feature

PLANS = {
    "augmentation": "AugmentationPlan",
    "fid": "FidPlan",
    "interpolation": "InterpolationPlan",
    "leak": "LeakPlan",
    "nvs": "NvsPlan",
    "object": "ObjectPlan",
    "pose": "PosePlan",
    "probe": "ProbePlan",
    "tps": "TpsPlan",
}
HEAVY = {"torch", "torchvision", "pandas", "scipy"}
COLUMNS = [
    *fid_columns(Feature.HISTOGRAM),
    *LeakPlan.columns,
    *interpolation_columns(("psnr", "lpips_vgg")),
    *object_columns(("psnr", "lpips_vgg")),
    *(column for version in ("2", "xfactor", "rayzer") for column in probe_columns(version)),
    *(column for version in ("2", "noposplat", "vggt", "erayzer") for column in pose_columns(version)),
    *(column for version in ("3", "xfactor") for column in tps_columns(version, Feature.HISTOGRAM)),
]


def options_of(name: str) -> type[Options]:
    model: type[Options] = getattr(import_module(f"protocols.{name}.plan"), PLANS[name]).Options
    return model


PLAN = """
import sys
from evalkit.card import Need
from evalkit.data.dataset import SequenceInfo
from protocols.{name}.plan import {plan} as Plan

class Sequences:
    provides = frozenset(Need)

    def sequences(self):
        return [SequenceInfo(name, name, ((0, 97),)) for name in ("a", "b", "c", "d", "e")]

class Oracle:
    def identity(self):
        return {{"name": "none"}}

plan = Plan(Plan.Options(), Sequences(), Oracle(), 0)
print(len({{sample.scenes[0] for sample in plan.samples()}}), len(plan.columns) > 0, sorted({heavy} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", PLANS)
def test_planning_imports_no_torch_and_no_pandas(name: str) -> None:
    code = PLAN.format(name=name, plan=PLANS[name], heavy=HEAVY)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "5 True []"


@pytest.mark.parametrize("name", PLANS)
def test_the_computing_half_is_a_subclass_of_the_planning_half(name: str) -> None:
    plan = getattr(import_module(f"protocols.{name}.plan"), PLANS[name])
    module, _, attribute = plan.implementation.partition(":")
    assert issubclass(getattr(import_module(module), attribute), plan)


@pytest.mark.parametrize("name", PLANS)
def test_every_setting_has_a_default_and_a_line_that_explains_it(name: str) -> None:
    model = options_of(name)
    assert model().name == name  # type: ignore[attr-defined]
    for key, field in model.model_fields.items():
        line = field.description or ""
        assert not field.is_required() and (key == "name" or (line.endswith(".") and "\n" not in line)), key


@pytest.mark.parametrize("name", PLANS)
def test_a_variant_holds_only_what_differs_from_the_defaults(name: str) -> None:
    model = options_of(name)
    defaults = model().model_dump(mode="json")
    folder = Path(__file__).resolve().parents[2] / "protocols" / name
    for file in folder.glob("*.yaml"):
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert file.stem == f"{name}@{values['version']}"
        assert all(defaults[key] != value for key, value in values.items()), file.name
        model.model_validate_json(json.dumps(values))


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.key)
def test_a_column_says_what_it_is_a_number_of_and_which_direction_is_better(column: Column) -> None:
    assert column.quantity
    described = ("frames", JOINT_MINUS_ALONE.key, OTHERS_ERROR, AMPLITUDE, ROTATION_AMPLITUDE)
    is_description = column.key in described or column.variant in ("seeds", OTHERS)
    assert (column.better is Better.NONE) == (is_description or column.key.startswith(f"{Source.NOISE}."))
    assert column.key.partition("|")[2] in ("", column.variant)
