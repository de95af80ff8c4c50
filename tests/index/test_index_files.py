"""Files that are not what their name says are refused in one line; samples have no other frames than listed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.data.dataset import SequenceInfo
from evalkit.errors import UserError
from evalkit.index import catalogue, find, verification
from evalkit.index.catalogue import CATALOGUE, PublishedList
from evalkit.index.entries import Index, IndexEntry
from evalkit.index.find import load, locate
from evalkit.index.readers import Format, read
from evalkit.index.samples import MISSING, samples_of

ENTRY = {"context": [0, 2], "target": [1]}
TINY = b'{"a": {"context": [0, 4], "target": [2]}, "b": null}'


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedList:
    """A catalogue of one small list, whose folder is there and empty."""
    published = replace(
        CATALOGUE["dtu-noposplat"], name="tiny", sha256=hashlib.sha256(TINY).hexdigest(), bytes=len(TINY),
        keys=2, usable=1, context=2, target=1,
    )  # fmt: skip
    for module in (catalogue, find, verification):
        monkeypatch.setattr(module, "CATALOGUE", {"tiny": published})
    monkeypatch.setenv("EVALKIT_INDEX", f"{tmp_path / 'elsewhere'}:{tmp_path / 'lists'}")
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    return published


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"<!DOCTYPE html><html>404", "web page"),
        (TINY[:30], "truncated"),
        (b"", "truncated"),
        (b"\x80\x02}q", "not text"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number too long"),
        (b"[1, 2]", "expected"),
        (b"{}", "no scene has frames"),
        (b'{"a": null}', "no scene has frames"),
        (b'{"a": null, "a": null}', "twice"),
        (b'{"": {"context": [1], "target": [2]}}', "not the name of a scene"),
        (b'{"a\\nb": {"context": [1], "target": [2]}}', "not the name of a scene"),
        (b'{"a": {"context": [1]}}', "expected context, target"),
        (b'{"a": {"context": [1], "target": [2], "tragte": [3]}}', "expected context, target"),
        (b'{"a": {"context": [], "target": [2]}}', "an empty list"),
        (b'{"a": {"context": {}, "target": [2]}}', "expected a list of frame numbers"),
        (b'{"a": {"context": [1.0], "target": [2]}}', "holds 1.0"),
        (b'{"a": {"context": [true], "target": [2]}}', "holds true"),
        (b'{"a": {"context": ["1"], "target": [2]}}', "holds '1'"),
        (b'{"a": {"context": [-1], "target": [2]}}', "holds -1"),
        (b'{"a": {"context": [NaN], "target": [2]}}', "holds NaN"),
        (b'{"a": {"context": [99999999], "target": [2]}}', "holds 99999999"),
        (b'{"a": {"context": [1], "target": [2, 2]}}', "a frame twice"),
        (b'{"a": {"context": [1], "target": [2], "overlap": 1e999}}', "overlap"),
        (b'{"a": {"context": [1], "target": [2], "overlap": true}}', "overlap"),
        (b'{"a": {"context": [1], "target": [2], "overlap": [0.5]}}', "overlap"),
        (b'{"a": [{"context": [1], "target": [2]}], "b": null}', "expected a list of entries"),
    ],
)
def test_a_damaged_list_is_refused_in_one_line(content: bytes, answer: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=answer) as error:
        load(str(put(tmp_path / "list.json", content)))
    assert "\n" not in str(error.value)


def test_what_is_no_file_is_no_list(tmp_path: Path) -> None:
    for path in (str(tmp_path), "/dev/zero"):
        with pytest.raises(UserError, match="not a file"):
            load(path)
    with (tmp_path / "big.json").open("wb") as file:
        file.truncate(find.MAX_BYTES + 1)
    with pytest.raises(UserError, match="larger than 64 MiB"):
        load(str(tmp_path / "big.json"))


def test_a_list_of_ones_own_is_read_with_its_skipped_scenes(tmp_path: Path) -> None:
    loaded = load(str(put(tmp_path / "mine.json", TINY)))
    assert loaded.index.entries == (IndexEntry("a", (0, 4), (2,)),)
    assert (loaded.index.skipped, loaded.published) == (("b",), None)


def test_several_entries_a_scene_are_told_apart(tmp_path: Path) -> None:
    content = json.dumps({"a": [ENTRY, ENTRY], "b": [ENTRY], "c": []}).encode()
    index = load(str(put(tmp_path / "mine.json", content))).index
    assert [entry.id for entry in index.entries] == ["a#0", "a#1", "b"]
    assert index.skipped == ("c",)


@pytest.mark.parametrize(
    ("form", "content", "answer"),
    [
        (Format.NUMBERED, b'{"scan1": {"context": [1], "target": [2]}}', "<scene>_<number>"),
        (Format.KMEANS_16, b'{"a": 1}', "a list of scenes"),
        (Format.KMEANS_16, b'[{"scene_name": "a"}]', "fold_8_kmeans_16_input"),
        (Format.ERAYZER_SCENES, b"a\nb\na\n", "twice"),
    ],
)
def test_other_formats_are_as_strict(form: Format, content: bytes, answer: str) -> None:
    with pytest.raises(UserError, match=answer):
        read(content, form, "list")


def test_a_name_that_is_nowhere_says_what_to_type(tiny: PublishedList) -> None:
    with pytest.raises(UserError, match=rf"curl .*{tiny.repository.commit}.*EVALKIT_INDEX=DIR"):
        load("tiny")
    assert [check.status for check in verification.verify()] == ["absent"]
    with pytest.raises(UserError, match="did you mean 'tiny'"):
        load("tyni")


@pytest.mark.parametrize("folder", ["lists", "cache/index"])
def test_lists_are_found_below_the_named_folders_and_the_cache(
    tiny: PublishedList, folder: str, tmp_path: Path
) -> None:
    path = put(tmp_path / folder / "cvg__NoPoSplat/evaluation_index_dtu.json", TINY)
    assert load("tiny").path == path
    assert [check.status for check in verification.verify(["tiny"])] == ["ok"]


def test_a_register_beside_the_lists_may_place_them_elsewhere(tiny: PublishedList, tmp_path: Path) -> None:
    line = {"file": "deep/down.json", "repository": tiny.repository.name, "path": tiny.path}
    put(tmp_path / "lists/INDEX.json", json.dumps([line]).encode())
    path = put(tmp_path / "lists/deep/down.json", TINY)
    assert locate(tiny) == path
    put(tmp_path / "lists/INDEX.json", b'[{"file": 1}]')
    path.unlink()
    with pytest.raises(UserError, match=r"INDEX\.json"):
        load("tiny")


def test_another_file_under_a_known_name_is_refused_with_both_digests(tiny: PublishedList, tmp_path: Path) -> None:
    other = TINY.replace(b"4", b"5")
    path = put(tmp_path / "lists/cvg__NoPoSplat/evaluation_index_dtu.json", other)
    for source in ("tiny", str(path)):
        with pytest.raises(UserError) as error:
            load(source)
        assert tiny.sha256 in str(error.value) and hashlib.sha256(other).hexdigest() in str(error.value)
    assert [check.status for check in verification.verify()] == ["wrong"]


def test_a_right_digest_with_wrong_counts_would_be_noticed(tiny: PublishedList) -> None:
    index = read(TINY, Format.FRAMES, "tiny")
    assert verification.count_problem(tiny, index) == ""
    assert "expected 3" in verification.count_problem(replace(tiny, keys=3), index)
    assert "2/1" in verification.count_problem(replace(tiny, target=2), index)


A_LIST = Index("list", (IndexEntry("a", (0, 9), (4,)), IndexEntry("b", (0, 5), (2, 5))), skipped=("c",))


def sequence(name: str, length: int, problem: str | None = None) -> SequenceInfo:
    return SequenceInfo(name, f"place of {name}", ((0, 2), (2, length)), problem)


def test_samples_take_the_frames_of_the_list_and_no_others() -> None:
    first, second = samples_of(A_LIST, [sequence("b", 6), sequence("a", 10), sequence("d", 50)])
    assert (first.id, first.scenes, first.problem) == ("a", ("place of a",), "")
    assert (second.clips[0].sequence, second.clips[0].context, second.clips[0].target) == ("b", (0, 5), (2, 5))


def test_a_scene_that_the_data_lack_is_planned_with_a_problem() -> None:
    first, second = samples_of(A_LIST, [sequence("a", 10)])
    assert (first.problem, second.problem, second.clips) == ("", MISSING, ())
    assert first.listed and second.listed


def test_frames_beyond_the_sequence_are_a_problem() -> None:
    first, second = samples_of(A_LIST, [sequence("a", 9), sequence("b", 6, "no images")])
    assert first.problem == "frame 9 of a sequence of 9 frames"
    assert second.problem == "no images"


def test_every_eighth_frame_is_a_target_once_the_length_is_known() -> None:
    index = Index("k-means", (IndexEntry("a", (1, 8, 20), ()),), target_every=8)
    assert samples_of(index, [sequence("a", 26)])[0].clips[0].target == (0, 16, 24)
