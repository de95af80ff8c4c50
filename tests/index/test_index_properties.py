"""What holds for any list: differences mirror, dedup removes the duplicates and nothing else, buckets partition."""

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
    by_overlap,
    dedup,
    duplicate_targets,
    without_duplicate_targets,
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
def test_a_difference_seen_from_the_other_side_is_its_mirror(a: Index, b: Index) -> None:
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
    found = compare(index, replace(index, entries=tuple(shuffled)))
    assert found.equal
    assert found.same_entry == found.same_frames == found.same_start == found.common


@given(indices)
def test_one_more_frame_makes_lists_different(index: Index) -> None:
    if index.entries:
        first = replace(index.entries[0], target=(*index.entries[0].target, 99))
        found = compare(index, replace(index, entries=(first, *index.entries[1:])))
        assert not found.equal and found.same_context == (first.id,)


@given(indices)
def test_dedup_removes_exactly_the_targets_that_are_context(index: Index) -> None:
    for entry in index.entries:
        marks = duplicate_targets(entry)
        kept = without_duplicate_targets(entry)
        assert kept == replace(entry, target=tuple(t for t, mark in zip(entry.target, marks, strict=True) if not mark))
        assert not set(kept.target) & set(entry.context)
        assert set(entry.target) == set(kept.target) | (set(entry.target) & set(entry.context))
    left, before = describe(dedup(index)), describe(index)
    assert left.targets == before.targets - before.duplicates.targets
    assert left.keys == before.keys, "an entry without any other target is skipped, not forgotten"


@given(indices, st.sampled_from(Rule))
def test_buckets_partition_a_list(index: Index, rule: Rule) -> None:
    parts = [by_overlap(index, bucket, rule) for bucket in Bucket]
    entries = [entry for part in parts for entry in part.entries]
    assert sorted(entries, key=lambda entry: entry.id) == sorted(index.entries, key=lambda entry: entry.id)
    assert all(part.skipped == index.skipped for part in parts)


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
def test_each_trap_of_the_shipped_buckets(overlap: float | str | None, shipped: str, stated: str) -> None:
    assert (bucket_of(overlap, Rule.SHIPPED), bucket_of(overlap, Rule.STATED)) == (shipped, stated)


@given(frames, frames)
def test_nearest_context_by_trying_all(context: tuple[int, ...], target: tuple[int, ...]) -> None:
    entry = IndexEntry("s", context, target)
    assert nearest_context(entry) == [min(abs(t - c) for c in context) for t in target]


def test_patterns_read_as_in_papers() -> None:
    assert rank_pattern(IndexEntry("s", (0, 21, 42, 64, 96), (10, 32, 53, 74, 85))) == "cTcTcTcTTc"
    assert rank_pattern(IndexEntry("s", (58, 133), tuple(range(58, 134)))) == "x74Tx"
