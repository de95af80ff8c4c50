"""`evalkit transfer`: the motion of one clip in the scene of another, as an animation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from typer.testing import CliRunner

from evalkit.cli.main import app
from evalkit.errors import UserError

CLIPS = ["--motion", "rooms-test-0000", "--scene", "rooms-test-0001", "--frames", "6", "--resolution", "64"]


def gif_frames(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with Image.open(file) as image:
        return np.stack([np.asarray(frame.convert("RGB"), dtype=np.float32) for frame in ImageSequence.Iterator(image)])


def panels(file: Path) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return np.split(gif_frames(file)[:, 16:], 3, axis=2)


def test_three_panels_there_and_back(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["transfer", str(tmp_path / "warp.gif"), *CLIPS, "baseline=warp"])
    assert result.exit_code == 0, result.output
    motion, rendered, scene = panels(tmp_path / "warp.gif")
    assert len(motion) == 10, "six poses, and back without the ends"
    assert np.abs(np.diff(scene, axis=0)).mean() < 3, "the scene's reference stands still, up to the palette"
    assert np.abs(np.diff(rendered, axis=0)).mean() > 5
    to_scene, to_motion = (np.abs(rendered - other).mean() for other in (scene, motion))
    assert to_scene < to_motion, "it shows the scene, not the clip that moves"


def test_a_cheat_shows_the_clip_that_gave_the_motion(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["transfer", str(tmp_path / "cheat.gif"), *CLIPS, "baseline=copy_target"])
    assert result.exit_code == 0, result.output
    motion, rendered, _ = panels(tmp_path / "cheat.gif")
    np.testing.assert_allclose(rendered, motion, atol=25)
    assert np.abs(rendered - motion).mean() < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.png", *CLIPS, "baseline=warp"], "expected a name that ends in .gif"),
        (["out.gif", *CLIPS, "baseline=warp,static"], "no commas here"),
        (["out.gif", *CLIPS, "protocol.resolution=32"], "uses no protocol"),
        (["out.gif", *CLIPS, "--preprocess", "pixelsplt", "baseline=warp"], "did you mean 'pixelsplat'?"),
        (["out.gif", "--motion", "nowhere", *CLIPS[2:], "baseline=warp"], "nowhere: no such file or folder"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["transfer", *arguments])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
