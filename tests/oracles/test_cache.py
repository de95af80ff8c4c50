"""The cache changes how often an oracle is asked, never what it says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evalkit.errors import UserError
from evalkit.oracles.cache import CachedOracle, cached
from evalkit.oracles.cameras import CamerasOptions, CamerasOracle
from evalkit.oracles.frames import TRANSIENT
from evalkit.oracles.oracle import ClipLocation, Estimate, Identity, Oracle
from evalkit.views import Cameras


class Counting:
    """Answers with numbers that depend on the pixels, and counts the clips it sees; dark clips fail."""

    def __init__(self, revision: int = 1, dark: str = "too dark") -> None:
        self.revision, self.dark, self.asked = revision, dark, 0

    def identity(self) -> Identity:
        return {"name": "counting", "revision": self.revision}

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        self.asked += len(images)
        reasons = tuple(self.dark if clip.max() == 0 else "" for clip in images)
        w2c = torch.stack([torch.sin(clip.double().mean() * torch.arange(16 * clip.shape[0])) / 3 for clip in images])
        w2c = w2c.reshape(len(images), -1, 4, 4)
        failed = torch.tensor([bool(reason) for reason in reasons])
        return Estimate(w2c.masked_fill(failed[:, None, None, None], torch.nan), reasons)


def clips(*levels: float) -> Tensor:
    return torch.stack([torch.full((3, 3, 4, 4), level) for level in levels])


def same(a: Estimate, b: Estimate) -> bool:
    return (
        torch.equal(a.w2c.nan_to_num(7), b.w2c.nan_to_num(7)) and a.reasons == b.reasons and a.w2c.dtype == b.w2c.dtype
    )


def test_every_clip_is_asked_about_once_and_answers_keep_every_bit(tmp_path: Path) -> None:
    inner = Counting()
    cached = CachedOracle(inner, tmp_path / "answers")
    images = clips(0.2, 0.4, 0.2, 0.0)
    assert isinstance(cached, Oracle)
    first = cached.estimate(images, None)
    assert inner.asked == 3
    assert same(first, Counting().estimate(images, None))
    again = CachedOracle(inner, tmp_path / "answers").estimate(clips(0.0, 0.4, 0.6), None)
    assert inner.asked == 4
    assert same(again, Counting().estimate(clips(0.0, 0.4, 0.6), None))


def test_noise_below_one_level_is_the_same_clip_and_another_shape_is_not(tmp_path: Path) -> None:
    inner = Counting()
    cached = CachedOracle(inner, tmp_path)
    cached.estimate(clips(0.2), None)
    cached.estimate(clips(0.2 + 1e-6), None)
    assert inner.asked == 1
    cached.estimate(clips(0.2).reshape(1, 3, 3, 2, 8), None)
    assert inner.asked == 2


def test_another_revision_is_another_oracle(tmp_path: Path) -> None:
    CachedOracle(Counting(), tmp_path).estimate(clips(0.2), None)
    newer = Counting(revision=2)
    CachedOracle(newer, tmp_path).estimate(clips(0.2), None)
    assert newer.asked == 1


def test_failures_of_the_clip_are_kept_and_failures_of_the_machine_are_not(tmp_path: Path) -> None:
    steady, unlucky = Counting(), Counting(revision=2, dark=f"{TRANSIENT}took too long")
    for inner in (steady, unlucky):
        for _ in range(2):
            reasons = CachedOracle(inner, tmp_path).estimate(clips(0.0), None).reasons
            assert reasons == (inner.dark,)
    assert (steady.asked, unlucky.asked) == (1, 2)


@pytest.mark.parametrize("damage", ["truncate", "digit", "garbage", "empty", "binary"])
def test_damaged_entries_are_made_again(tmp_path: Path, damage: str) -> None:
    inner = Counting()
    cached = CachedOracle(inner, tmp_path)
    truth = cached.estimate(clips(0.2), None)
    (entry,) = tmp_path.glob("*/*.json")
    text = entry.read_text()
    digit = text.index("0.", 60) + 4
    entry.write_bytes(
        {
            "truncate": text[:-20].encode(),
            "digit": (text[:digit] + str(9 - int(text[digit])) + text[digit + 1 :]).encode(),
            "garbage": b"[1, 2]",
            "empty": b"",
            "binary": bytes(range(256)),
        }[damage]
    )
    assert same(cached.estimate(clips(0.2), None), truth)
    assert inner.asked == 2
    assert same(cached.estimate(clips(0.2), None), truth)
    assert inner.asked == 2
    assert entry.parent.name == entry.name[:2]
    assert [file.name for file in entry.parent.iterdir()] == [entry.name]


def test_known_cameras_of_the_missing_clips_are_passed_on(tmp_path: Path) -> None:
    class Looking(Counting):
        def estimate(
            self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
        ) -> Estimate:
            assert cameras is not None
            return Estimate(cameras.w2c, ("",) * len(images))

    w2c = torch.rand(3, 3, 4, 4, dtype=torch.float64)
    cached = CachedOracle(Looking(), tmp_path)
    cached.estimate(clips(0.4), Cameras(w2c[1:2], None))
    assert torch.equal(cached.estimate(clips(0.2, 0.4, 0.6), Cameras(w2c, None)).w2c, w2c)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_made_is_the_users_business(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="name another folder"):
        CachedOracle(Counting(), tmp_path / "answers")


def test_notes_are_those_of_the_oracle_inside_and_answers_without_pixels_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    inner = Counting()
    assert CachedOracle(inner, tmp_path).notes == ()
    inner.notes = ("no commercial use",)  # type: ignore[attr-defined]
    wrapped = cached(inner)
    assert isinstance(wrapped, CachedOracle) and wrapped.notes == ("no commercial use",)
    cameras = CamerasOracle(CamerasOptions(), "cpu")
    assert cached(cameras) is cameras
