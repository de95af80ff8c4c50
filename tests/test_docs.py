"""Every command in the documentation runs, and every link in it leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from evalkit import registry
from evalkit.cli.main import app
from evalkit.config.compose import compose_run
from evalkit.pixels import Preprocess, Profile
from evalkit.run.session import Session
from tests.plugins import install

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


FEW_STEPS = (
    "trainer.recipe.steps=2", "trainer.recipe.save_every=2", "trainer.recipe.log_every=2",
    "trainer.recipe.compile=false", "dataset.count=2", "dataset.length=35",
)  # fmt: skip


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("evalkit ")]


def quickened(command: str) -> str:
    """The same command on fewer, smaller samples, or in fewer steps; what it parses and does stays what it is."""
    if command.startswith("evalkit train"):
        return f"{command} {' '.join(FEW_STEPS)}"
    if not command.startswith(("evalkit run", "evalkit score")):
        return command
    command = re.sub(r"limit=\d+", "limit=2", command)
    size = "" if "baseline=xfactor" in command else " protocol.resolution=64"  # that of the small weights is theirs
    return command + ("" if "limit=" in command else " limit=2") + size


def words(command: str) -> list[str]:
    """As a shell would split it, with its globs expanded."""

    def expanded(word: str) -> list[str]:
        return sorted(map(str, Path().glob(word))) if "*" in word else [word]

    return [match for word in shlex.split(command)[1:] for match in expanded(word)]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as a reader would have it: two clips of photographs, and the example method installed."""
    folder = tmp_path_factory.mktemp("reader")
    config = compose_run(["protocol=nvs", "baseline=static"])
    dataset = Session().dataset(config.dataset, "cpu")
    for name, sequence in zip(("left", "right"), dataset.sequences(), strict=False):
        (folder / "photos" / name).mkdir(parents=True)
        frames = dataset.frames(sequence.name, range(0, 48, 4), Preprocess(96, Profile.PIXELSPLAT))
        for number, image in zip(frames.numbers, frames.images, strict=True):
            pixels = (image.permute(1, 2, 0) * 255).byte().cpu().numpy()
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number:03d}.png")
    for name, group, attribute in (("blend", "baselines", "Blend"), ("flicker", "protocols", "Flicker")):
        source = (ROOT / f"docs/examples/{name}/{name}.py").read_text(encoding="utf-8")
        install(folder, name, {f"{name}.py": source}, {group: {name: f"{name}:{attribute}"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.chdir(folder)
        registry.forget()
        yield folder
    registry.forget()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_run(page: Path, workplace: Path) -> None:
    for command in commands(page):
        result = CliRunner().invoke(app, words(quickened(command)))
        # 1 is the answer of `evalkit tps` where the oracle cannot read a clip, as at this small size.
        allowed = (0, 1) if command.startswith("evalkit tps") else (0,)
        assert result.exit_code in allowed, f"{command}\n{result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit), f"{command}: {result.exception}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_example_method_is_as_short_as_promised() -> None:
    assert len((ROOT / "docs/examples/blend/blend.py").read_text().splitlines()) <= 60
