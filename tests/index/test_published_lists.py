"""The published lists hold what papers evaluate on (counts measured on the released files)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from evalkit.index.catalogue import CATALOGUE
from evalkit.index.difference import compare
from evalkit.index.entries import Index
from evalkit.index.find import load
from evalkit.index.slices import Bucket, Rule, bucket_of
from evalkit.index.statistics import describe
from evalkit.index.verification import Status, verify


@pytest.fixture(autouse=True)
def real_files(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_INDEX", str(shared / "index"))


@cache
def index(name: str) -> Index:
    return load(name).index


def bucket_counts(name: str, rule: Rule) -> list[int]:
    """Number of entries in each bucket, in the order of `Bucket`."""
    buckets = [bucket_of(entry.overlap, rule) for entry in index(name).entries]
    return [buckets.count(bucket) for bucket in Bucket]


def test_every_file_has_the_digest_and_the_counts_of_the_catalogue() -> None:
    assert {check.published.name: check.problem for check in verify() if check.status is not Status.OK} == {}


def test_the_catalogue_agrees_with_the_register_beside_the_files(shared: Path) -> None:
    for published in CATALOGUE.values():
        assert load(published.name).path.stat().st_size == published.bytes


# name: keys, usable, span min/mean/max, duplicate targets (scenes), of them the first and last context frame.
COUNTS = {
    "re10k-pixelsplat": (7194, 6474, (45, 66.1, 136), 583, 575),
    "re10k-noposplat": (7194, 5601, (50, 92.2, 276), 447, 434),
    "acid-pixelsplat": (1848, 1595, (45, 74.3, 136), 135, 132),
    "acid-noposplat": (1848, 1341, (50, 152.4, 951), 76, 76),
    "scannetpp-noposplat": (50, 50, (6, 10.5, 29), 26, 24),
    "dl3dv-spfsplatv2": (140, 140, (15, 27.6, 46), 33, 31),
    "dl3dv-rayzer-even": (140, 140, (64, 80.1, 96), 0, 0),
    "dl3dv-rayzer-even2": (140, 140, (64, 78.8, 96), 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_spans_and_duplicates(name: str) -> None:
    counts = describe(index(name))
    assert counts.span is not None
    span = (counts.span.min, round(counts.span.mean, 1), counts.span.max)
    assert (counts.keys, counts.usable, span, counts.duplicates.targets, counts.duplicates.scenes) == COUNTS[name]
    assert counts.skipped == counts.keys - counts.usable


def test_noposplat_gives_227_targets_away_with_the_reference_frame() -> None:
    duplicates = describe(index("re10k-noposplat")).duplicates
    assert (duplicates.first, duplicates.last) == (227, 220)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("re10k-noposplat", 15.2),
        ("acid-noposplat", 11.7),
        ("re10k-pixelsplat", 19.0),
        ("acid-pixelsplat", 17.5),
        ("scannetpp-noposplat", 90.7),
        ("dl3dv-spfsplatv2", 47.9),
    ],
)
def test_share_of_targets_within_five_frames_of_the_context(name: str, share: float) -> None:
    counts = describe(index(name))
    assert 100 * counts.near / counts.targets == pytest.approx(share, abs=0.06)


def test_rayzers_random_list_is_a_second_even_draw() -> None:
    even, other = describe(index("dl3dv-rayzer-even")), describe(index("dl3dv-rayzer-even2"))
    assert even.patterns == other.patterns == {"ccTccTccTccTccTccTccTcTc": 140}
    assert even.nearest is not None and other.nearest is not None
    assert (round(even.nearest.mean, 2), even.nearest.max) == (1.97, 11)
    assert round(other.nearest.mean, 2) == 2.04  # a true random split is 2.78 away
    assert len(compare(index("dl3dv-rayzer-even"), index("dl3dv-rayzer-even2")).same_start) == 0


def test_pixelsplat_and_noposplat_are_different_tests_on_the_same_scenes() -> None:
    difference = compare(index("re10k-pixelsplat"), index("re10k-noposplat"))
    assert (len(difference.common), len(difference.same_frames), len(difference.same_context)) == (5594, 0, 8)
    assert difference.skipped_by_a == difference.only_b and difference.skipped_by_b == difference.only_a
    assert not difference.equal


@pytest.mark.parametrize(
    ("name", "shipped", "below"), [("re10k-noposplat", (1403, 2568, 1630), 3), ("acid-noposplat", (249, 644, 448), 4)]
)
def test_shipped_buckets_call_the_smallest_overlaps_medium(
    name: str, shipped: tuple[int, int, int], below: int
) -> None:
    assert bucket_counts(name, Rule.SHIPPED) == [*shipped, 0, 0]
    assert bucket_counts(name, Rule.STATED) == [shipped[0], shipped[1] - below, shipped[2], below, 0]


def test_lists_without_overlap_are_small_and_scannetpp_is_medium_in_shipped_code() -> None:
    assert bucket_counts("dl3dv-spfsplatv2", Rule.SHIPPED) == [140, 0, 0, 0, 0]
    assert bucket_counts("dl3dv-spfsplatv2", Rule.STATED) == [0, 0, 0, 0, 140]
    assert bucket_counts("scannetpp-noposplat", Rule.SHIPPED) == [0, 50, 0, 0, 0]
    assert bucket_counts("scannetpp-noposplat", Rule.STATED) == [0, 0, 0, 50, 0]


def test_video_lists_give_both_context_frames_away_in_every_scene() -> None:
    plain, video = index("re10k-pixelsplat"), index("re10k-pixelsplat-video")
    assert len(compare(plain, video).same_context) == len(plain.entries) == len(video.entries)
    assert describe(video).duplicates.targets == 2 * 6474


def test_erayzers_frames_are_a_linspace_over_the_first_97() -> None:
    entries = index("dl3dv-erayzer-10v").entries
    assert len(entries) == 140
    assert {(entry.context, entry.target) for entry in entries} == {((0, 21, 42, 64, 96), (10, 32, 53, 74, 85))}
    assert {entry.scene for entry in entries} == {entry.scene for entry in index("dl3dv-rayzer-even").entries}


def test_extrapolation_lists_say_so() -> None:
    counts = describe(index("re10k-mvsplat360-extra"))
    assert (counts.skipped, counts.outside) == (770, counts.targets)


def test_several_entries_of_one_scene_keep_their_scene() -> None:
    entries = index("dtu-mvsplat-nctx2").entries
    assert (len(entries), len({entry.scene for entry in entries})) == (64, 16)
    assert entries[0].id == "scan1_train#00" and entries[0].context == (33, 31)


def test_a_file_is_recognised_by_its_digest_wherever_it_lies(shared: Path, tmp_path: Path) -> None:
    copy = tmp_path / "mine.json"
    copy.write_bytes((shared / "index/cvg__NoPoSplat/evaluation_index_dtu.json").read_bytes())
    loaded = load(str(copy))
    assert loaded.published is CATALOGUE["dtu-noposplat"] and loaded.index.name == "dtu-noposplat"
