"""Components from outside run without YAML, and broken ones break nothing but themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.plugins import METHOD, evalkit, install

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("protocol.resolution=32", "limit=2")

DATASET = '''
"""A dataset from outside: stripes that move."""
import torch
from pydantic import Field
from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import SequenceInfo
from evalkit.views import Frames
from evalkit.card import Need


class Options(ComponentOptions):
    name: str = "stripes"
    count: int = Field(3, description="Sequences.")


class Stripes:
    """Stripes that move by a pixel a frame."""

    Options = Options
    provides = frozenset({Need.FRAME_NUMBERS})

    def __init__(self, options, device):
        self.options = options

    def sequences(self):
        return [SequenceInfo(f"s{i}", f"s{i}", ((0, 40),)) for i in range(self.options.count)]

    def digest(self):
        return "stripes"

    def frames(self, sequence, numbers, preprocess):
        x = torch.arange(preprocess.resolution)
        rows = torch.stack([((x + n) // 4 % 2).float() for n in numbers])
        return Frames(rows[:, None, None].expand(-1, 3, preprocess.resolution, -1).clone(), tuple(numbers))
'''
ORACLE = '''
"""An oracle from outside: every camera stands still."""
import torch
from evalkit.config.options import ComponentOptions
from evalkit.oracles.oracle import Estimate


class Options(ComponentOptions):
    name: str = "sleepy"


class Sleepy:
    """Says that no camera moves."""

    Options = Options

    def __init__(self, options, device):
        pass

    def identity(self):
        return {"name": "sleepy"}

    def estimate(self, images, cameras, places=None):
        w2c = torch.eye(4, dtype=torch.float64).repeat(*images.shape[:2], 1, 1)
        return Estimate(w2c, ("",) * len(images))
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    flicker = (ROOT / "docs/examples/flicker/flicker.py").read_text()
    install(folder, "flicker", {"flicker.py": flicker}, {"protocols": {"flicker": "flicker:Flicker"}})
    install(folder, "stripes", {"stripes.py": DATASET}, {"datasets": {"stripes": "stripes:Stripes"}})
    install(folder, "sleepy", {"sleepy.py": ORACLE}, {"oracles": {"sleepy": "sleepy:Sleepy"}})
    broken = {
        "broken_syntax.py": "def f(:\n", "broken_name.py": "x = 1\n", "broken_code.py": "1 / 0\n",
        "broken_need.py": "import a_package_that_is_not_there\n",
    }  # fmt: skip
    points = {
        "bad_syntax": "broken_syntax:Grey", "bad_name": "broken_name:Grey", "bad_code": "broken_code:Grey",
        "bad_need": "broken_need:Grey", "bad_module": "no_such_module:Grey",
    }  # fmt: skip
    install(folder, "broken", broken, {"baselines": points, "datasets": {"bad_data": "broken_code:Data"}})
    return folder


@pytest.fixture(scope="module")
def clashing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clashing")
    entry_points = {"baselines": {"static": "shadow:Grey"}}
    install(folder, "shadow", {"shadow.py": METHOD.format(name="static")}, entry_points)
    return folder


def test_the_example_protocol_is_as_short_as_promised() -> None:
    assert len((ROOT / "docs/examples/flicker/flicker.py").read_text().splitlines()) <= 80


def test_a_protocol_from_outside_runs_without_yaml(plugins: Path, tmp_path: Path) -> None:
    command = ["run", "protocol=flicker", "baseline=static,copy_target,warp", *QUICK, f"out={tmp_path}"]
    result = evalkit(*command, "protocol.unseen=2.0", plugins=plugins)
    assert result.returncode == 0, result.stderr
    assert "flicker@1" in result.stdout and "2/2" in result.stdout
    wrong = evalkit(*command, "protocol.unsene=2.0", plugins=plugins)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "evalkit: unknown key 'protocol.unsene' (did you mean 'protocol.unseen'?)\n"


def test_a_dataset_and_an_oracle_from_outside_run_without_yaml(plugins: Path, tmp_path: Path) -> None:
    command = ["run", "protocol=tps", "dataset=stripes", "dataset.count=4", "oracle=sleepy", *QUICK, f"out={tmp_path}"]
    result = evalkit(*command, "baseline=static,copy_target", plugins=plugins)
    assert result.returncode == 0, result.stderr
    assert "tps@2 · stripes" in result.stdout and "oracle: sleepy" in result.stdout


def test_every_setting_of_an_outside_component_is_listed(plugins: Path) -> None:
    listed = evalkit("list", "protocols", "flicker", plugins=plugins).stdout
    assert "protocol.unseen" in listed and "Levels of 255 below which a change does not count." in listed
    assert "protocol.sampling" in listed and "1.0" in listed


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bad_syntax", "cannot be imported: SyntaxError"),
        ("bad_name", "cannot be imported: AttributeError"),
        ("bad_code", "cannot be imported: ZeroDivisionError"),
        ("bad_need", "needs the module 'a_package_that_is_not_there'"),
        ("bad_module", "needs the module 'no_such_module'"),
    ],
)
def test_a_broken_component_is_one_line_where_it_is_used(plugins: Path, tmp_path: Path, name: str, said: str) -> None:
    result = evalkit("run", "protocol=nvs", f"baseline={name}", *QUICK, f"out={tmp_path}", plugins=plugins)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and result.stderr.count("\n") == 1


def test_broken_components_end_no_list_and_stop_no_other_run(plugins: Path, tmp_path: Path) -> None:
    listed = evalkit("list", plugins=plugins)
    assert listed.returncode == 0 and "xfactor" in listed.stdout and "cannot be read: SyntaxError" in listed.stdout
    command = ["run", "protocol=nvs", "baseline=static", *QUICK, "protocol.metrics=[psnr]", f"out={tmp_path}"]
    assert evalkit(*command, plugins=plugins).returncode == 0


def test_check_says_what_is_wrong_with_each(plugins: Path) -> None:
    result = evalkit("list", "datasets", "--check", plugins=plugins)
    assert result.returncode == 2 and "1 of 4 components cannot be used" in result.stderr
    assert all(f"dataset {name}: ok" in result.stdout for name in ("stripes", "folder", "procedural"))
    assert "dataset bad_data: dataset 'bad_data' cannot be imported: ZeroDivisionError" in result.stdout


def test_a_name_of_ours_is_refused_to_others(clashing: Path, tmp_path: Path) -> None:
    result = evalkit("run", "protocol=nvs", "baseline=static", *QUICK, f"out={tmp_path}", plugins=clashing)
    assert (result.returncode, result.stdout) == (2, "")
    assert "baseline 'static': this name is used by" in result.stderr and "shadow (shadow:Grey)" in result.stderr
    assert "this name is used by" in evalkit("list", "baselines", plugins=clashing).stdout
    assert evalkit("run", "protocol=nvs", "baseline=warp", *QUICK, f"out={tmp_path}", plugins=clashing).returncode == 0


def test_variants_of_an_outside_component_lie_beside_it(plugins: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    shutil.copytree(plugins, folder)
    (folder / "flicker@strict.yaml").write_text("unseen: 0.0\n")
    assert "flicker@strict" in evalkit("list", "protocols", plugins=folder).stdout
    command = ["run", "protocol=flicker@strict", "baseline=static", *QUICK, "dry_run=true", f"out={tmp_path}/out"]
    assert "unseen: 0.0" in evalkit(*command, plugins=folder).stdout
    (folder / "flicker@strict.yaml").write_text("unsene: 0.0\n")
    result = evalkit(*command, plugins=folder)
    assert result.returncode == 2 and "did you mean 'protocol.unseen'" in result.stderr
