"""What is true of any list: differences are symmetric, duplicates are counted, every entry has one bucket."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.index.difference import compare
from evalkit.index.entries import Index, IndexEntry
from evalkit.index.slices import (
    Bucket,
    Rule,
    bucket_of,
    duplicate_targets,
)
from evalkit.index.statistics import describe, nearest_context, rank_pattern

frames = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True).map(tuple)
overlaps = st.none() | st.sampled_from(["small", "medium", "large", "<.05"]) | st.floats(-1, 1)
contents = st.none() | st.tuples(frames, frames, overlaps)


def an_index(scenes: dict[str, tuple[tuple[int, ...], tuple[int, ...], float | str | None] | None]) -> Index:
    entries = tuple(IndexEntry(scene, *content) for scene, content in scenes.items() if content is not None)
    return Index("synthetic", entries, tuple(scene for scene, content in scenes.items() if content is None))


indices = st.dictionaries(st.sampled_from("abcdefgh"), contents).map(an_index)


@given(indices, indices)
def test_a_difference_is_symmetric(a: Index, b: Index) -> None:
    there, back = compare(a, b), compare(b, a)
    mirrored = replace(
        back, a=back.b, b=back.a, only_a=back.only_b, only_b=back.only_a,
        skipped_by_a=back.skipped_by_b, skipped_by_b=back.skipped_by_a,
    )  # fmt: skip
    assert there == mirrored
    assert {*there.common, *there.only_a} == {entry.id for entry in a.entries}


@given(indices, st.randoms(use_true_random=False))
def test_a_list_equals_itself_in_any_order_of_scenes(index: Index, random: object) -> None:
    shuffled = list(index.entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    difference = compare(index, replace(index, entries=tuple(shuffled)))
    assert difference.equal
    assert difference.same_entry == difference.same_frames == difference.same_start == difference.common


@given(indices)
def test_one_more_frame_makes_lists_different(index: Index) -> None:
    if index.entries:
        first = replace(index.entries[0], target=(*index.entries[0].target, 99))
        difference = compare(index, replace(index, entries=(first, *index.entries[1:])))
        assert not difference.equal and difference.same_context == (first.id,)


@given(indices)
def test_duplicates_are_exactly_the_targets_that_are_context(index: Index) -> None:
    for entry in index.entries:
        marks = duplicate_targets(entry)
        duplicates = {number for number, mark in zip(entry.target, marks, strict=True) if mark}
        assert duplicates == set(entry.target) & set(entry.context)
    counted = describe(index).duplicates
    assert counted.targets == sum(sum(duplicate_targets(entry)) for entry in index.entries)
    assert counted.scenes == sum(any(duplicate_targets(entry)) for entry in index.entries)


@given(indices, st.sampled_from(Rule))
def test_every_entry_has_one_bucket(index: Index, rule: Rule) -> None:
    overlap = describe(index).overlap
    if overlap is None:
        assert all(entry.overlap is None for entry in index.entries)
    else:
        counts = {bucket: sum(bucket_of(entry.overlap, rule) is bucket for entry in index.entries) for bucket in Bucket}
        assert overlap[rule] == {bucket: count for bucket, count in counts.items() if count}
        assert sum(overlap[rule].values()) == len(index.entries)


@pytest.mark.parametrize(
    ("overlap", "shipped", "stated"),
    [
        (0.05, "small", "small"),
        (0.30, "small", "small"),
        (0.55, "medium", "medium"),
        (0.80, "large", "large"),
        (0.81, "ignore", "ignore"),
        (0.049, "medium", "ignore"),
        (-1.0, "medium", "ignore"),
        ("large", "large", "large"),
        ("medium", "small", "medium"),
        ("<.05", "small", "unknown"),
        (None, "small", "unknown"),
    ],
)
def test_buckets_of_the_released_code_and_of_the_papers(overlap: float | str | None, shipped: str, stated: str) -> None:
    assert (bucket_of(overlap, Rule.SHIPPED), bucket_of(overlap, Rule.STATED)) == (shipped, stated)


@given(frames, frames)
def test_nearest_context_by_trying_all(context: tuple[int, ...], target: tuple[int, ...]) -> None:
    entry = IndexEntry("s", context, target)
    assert nearest_context(entry) == [min(abs(t - c) for c in context) for t in target]


def test_patterns_read_as_in_papers() -> None:
    assert rank_pattern(IndexEntry("s", (0, 21, 42, 64, 96), (10, 32, 53, 74, 85))) == "cTcTcTcTTc"
    assert rank_pattern(IndexEntry("s", (58, 133), tuple(range(58, 134)))) == "x74Tx"
