"""Saved renders: which samples are there, what their card says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from baselines.saved.baseline import SavedBaseline, SavedOptions
from baselines.saved.method import Saved
from evalkit.card import TargetPose
from evalkit.errors import SampleError, UserError
from evalkit.method import PoseCode


def options(folder: Path, target_pose: TargetPose | None = None) -> SavedOptions:
    return SavedOptions(dir=str(folder), target_pose=target_pose)


def rendered(folder: Path, sample: str = "a") -> torch.Tensor:
    method = Saved(options(folder, TargetPose.GIVEN), "cpu")
    return method.render(((sample,), 4), PoseCode(latent=torch.zeros(1, 2, 0)))


@pytest.fixture
def renders(tmp_path: Path) -> torch.Tensor:
    images = torch.rand(2, 3, 4, 4)
    save_file({"renders": images}, tmp_path / "a.safetensors")
    return images


def test_renders_are_read_as_they_were_saved(tmp_path: Path, renders: torch.Tensor) -> None:
    assert torch.equal(rendered(tmp_path)[0], renders)
    (tmp_path / "b").mkdir()
    for i, image in enumerate(renders):
        pixels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(tmp_path / "b" / f"{i}.png")
    torch.testing.assert_close(rendered(tmp_path, "b")[0], renders, atol=0.5 / 255 + 1e-6, rtol=0)


def test_samples_without_a_render_are_named(tmp_path: Path, renders: torch.Tensor) -> None:
    (tmp_path / "kitchen%2Fleft").mkdir()
    without, phrase = SavedBaseline.missing(options(tmp_path), ["a", "kitchen/left", "b"])
    assert without == ["b"] and phrase == f"have no render in {tmp_path}"


def test_the_card_is_that_of_the_method_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "renders.json"
    file.write_text('{"baseline": "mine", "target_pose": "joint", "score_region": "right_half"}')
    card = SavedBaseline.card_of(options(tmp_path))
    assert (card.name, card.target_poses, card.score_region) == ("mine", (TargetPose.JOINT,), "right_half")
    card = SavedBaseline.card_of(options(tmp_path, TargetPose.GIVEN))
    assert (card.name, card.target_poses, card.score_region) == ("mine", (TargetPose.GIVEN,), "right_half")
    file.unlink()
    assert SavedBaseline.card_of(options(tmp_path, TargetPose.GIVEN)).name == "saved"
    with pytest.raises(UserError, match=r"which target poses .* baseline\.target_pose="):
        SavedBaseline.card_of(options(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"baseline": "mine", "target',
        '{"target_pose": "sideways"}',
        '{"target_pose": 3}',
        '{"baseline": null, "target_pose": "joint"}',
        '{"target_pose": "joint", "score_region": "left"}',
        '{"target_poses": "joint"}',
    ],
)
def test_a_damaged_card_is_one_line_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "renders.json").write_text(content)
    with pytest.raises(UserError) as error:
        SavedBaseline.card_of(options(tmp_path))
    assert str(error.value).startswith(str(tmp_path / "renders.json")) and "\n" not in str(error.value)


def test_a_folder_must_be_named_and_exist(tmp_path: Path) -> None:
    for wrong, message in ((SavedOptions(), r"needs baseline\.dir="), (options(tmp_path / "none"), "no folder")):
        for call in (
            SavedBaseline.card_of,
            lambda given: SavedBaseline.missing(given, ["a"]),
            lambda given: Saved(given, "cpu"),
        ):
            with pytest.raises(UserError, match=message):
                call(wrong)


def test_what_cannot_be_scored_is_a_failure_of_that_sample(tmp_path: Path, renders: torch.Tensor) -> None:
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-8])
    save_file({"renders": 2 * torch.ones(2, 3, 4, 4)}, tmp_path / "bright.safetensors")
    save_file({"renders": torch.zeros(1, 3, 4, 4)}, tmp_path / "few.safetensors")
    for name, sizes in (("sizes", (4, 5)), ("text", ())):
        (tmp_path / name).mkdir()
        for size in sizes:
            Image.new("RGB", (size, size)).save(tmp_path / name / f"{size}.png")
    (tmp_path / "text" / "0.png").write_text("not a picture")
    for sample, message in (
        ("cut", "not a safetensors file"),
        ("bright", r"float32 in \[0, 1\]"),
        ("few", r"expected \[2, 3, 4, 4\]"),
        ("sizes", "different sizes"),
        ("text", "text/0.png: not a readable picture"),
        ("none", "no render none.safetensors"),
    ):
        with pytest.raises(SampleError, match=message):
            rendered(tmp_path, sample)
