"""Skill, bleed and amplitude: what ignores A scores 0, one bit of A has no near skill, a trace of A's pixels shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from evalkit.cli.paired_numbers import compared_by_protocol
from evalkit.geometry.rotations import rotation_exp
from evalkit.geometry.se3 import motion_exp
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.oracle import Estimate
from evalkit.protocol import Summary
from evalkit.run.find import FoundRun
from evalkit.run.session import Session
from evalkit.views import Cameras, Frames
from protocols.shared.bleed import changes_over_views
from protocols.shared.others import MOST, OtherClips
from protocols.shared.trajectories import trajectory_errors
from protocols.tps.pair_row import amplitude_row
from protocols.tps.summary import BLEEDING, against_others
from tests.jobs import TestJob, executed, planned_job

PAIRS, VIEWS = 32, 5
SCENES = [(f"a{i:03d}", f"b{i:03d}") for i in range(PAIRS)]


def random_clips(rng: torch.Generator, count: int = PAIRS) -> Tensor:
    """Clips whose cameras have nothing to do with each other."""
    return motion_exp(torch.randn(count, VIEWS, 6, generator=rng, dtype=torch.float64))


def arcs(side: Tensor, tilt: Tensor, length: float = 1.0) -> Tensor:
    """Cameras that move to one ``side`` (-1 or 1) on lines of different tilt in radians, and turn by a few degrees."""
    steps = torch.linspace(-1, 1, VIEWS, dtype=torch.float64) * length * side[:, None]
    w2c = torch.eye(4, dtype=torch.float64).repeat(len(side), VIEWS, 1, 1)
    w2c[..., :3, :3] = rotation_exp(torch.stack([0 * steps, 0.1 * steps, 0 * steps], dim=-1))
    centre = torch.stack([steps * tilt.cos()[:, None], steps * tilt.sin()[:, None], 0 * steps], dim=-1)
    w2c[..., :3, 3:] = -w2c[..., :3, :3] @ centre[..., None]
    return w2c


def summary_of(
    real: Tensor, render: Tensor, images: tuple[Tensor, Tensor] | None = None, ceiling: float = 0.9
) -> Summary:
    """The summary of tps@3 of given trajectories, and of changes of (targets, renders) [N, T, 3, S, S]."""
    targets, renders = images if images is not None else (torch.zeros(len(real), 2, 3, 4, 4),) * 2
    rows = pd.DataFrame(
        {
            "sample": [f"{a}~{b}" for a, b in SCENES[: len(real)]],
            "scenes": [list(names) for names in SCENES[: len(real)]],
            "rotation_span_deg": 20.0,
            "baseline": np.arange(len(real)) + 1.0,
        }
    )
    kept: dict[str, Mapping[str, Tensor]] = {
        name: {
            "real_w2c": real[i],
            "blurred_w2c": real[i],
            "render_w2c": render[i],
            "target_change": changes_over_views(targets[i]),
            "render_change": changes_over_views(renders[i]),
        }
        for i, name in enumerate(rows["sample"])
    }
    from evalkit.stats.interval import Interval

    known = {"ceiling.auc_exact_signed@20": Interval(ceiling, 0, 1, 1, 1)}
    found = against_others(rows, rows, kept.__getitem__, 0.1, known)
    return Summary(found.metrics, found.slices, {}, found.references, found.notes, found.block)


def test_an_entry_is_the_mean_error_of_the_long_pairs() -> None:
    rng = torch.Generator().manual_seed(0)
    real, render = random_clips(rng, 3), random_clips(rng, 3)
    errors = trajectory_errors(render, real, torch.tensor([[0, 1, 2]] * 3), 0.5)
    for i in range(3):
        for j in range(3):
            scores = pose_scores(render[i : i + 1], real[j : j + 1], 0.5)
            degrees = torch.maximum(scores.rotation, scores.signed)[scores.long].mean()
            assert errors.degrees[i, j] == pytest.approx(float(degrees), abs=1e-5)
            row = scores.row()
            assert errors.auc_signed[i, j] == pytest.approx(row["auc_exact_signed@20"], abs=1e-6)
            assert errors.auc_folded[i, j] == pytest.approx(row["auc_xfactor_folded@20"], abs=1e-6)


def test_what_ignores_a_has_no_skill_and_what_follows_a_has_all_of_it() -> None:
    rng = torch.Generator().manual_seed(1)
    real = random_clips(rng)
    unreadable, fixed = torch.full_like(real, torch.nan), random_clips(rng, 1).expand_as(real)
    still = torch.eye(4, dtype=torch.float64).expand_as(real)
    skills = {
        name: summary_of(real, render).metrics["skill"].mean
        for name, render in {"real": real, "unreadable": unreadable, "fixed": fixed, "still": still}.items()
    }
    assert skills["real"] == pytest.approx(1, abs=1e-6)
    assert skills["unreadable"] == 0, "90 degrees against all"
    assert skills["fixed"] == pytest.approx(0, abs=1e-9), "the same render is as near to A as to any other clip"
    assert abs(skills["still"]) < 0.05


def test_one_bit_of_a_has_skill_but_no_near_skill() -> None:
    rng = torch.Generator().manual_seed(2)
    side = torch.randint(0, 2, (PAIRS,), generator=rng) * 2.0 - 1
    tilt = torch.rand(PAIRS, generator=rng, dtype=torch.float64) - 0.5
    real = arcs(side.double(), tilt)
    one_bit = summary_of(real, arcs(side.double(), torch.zeros_like(tilt))).metrics
    half = summary_of(real, arcs(side.double(), tilt, length=0.5)).metrics
    assert one_bit["skill"].mean > 0.75 and one_bit["near_skill"].mean < 0
    assert half["skill"].mean > 0.9 and half["near_skill"].mean > 0.3
    assert half["others_beaten"].mean > 0.95


def test_clips_that_are_too_alike_get_no_skill() -> None:
    tilt = torch.linspace(0, 0.2, PAIRS, dtype=torch.float64)
    found = summary_of(arcs(torch.ones(PAIRS).double(), tilt), arcs(torch.ones(PAIRS).double(), tilt))
    assert "skill" not in found.metrics and "others_error_deg" in found.metrics and not found.slices
    assert "clips too alike" in found.notes[0]


def test_a_low_ceiling_and_a_lack_of_other_clips_are_said_in_words() -> None:
    real = random_clips(torch.Generator().manual_seed(3))
    assert any("cannot repeat itself" in note for note in summary_of(real, real, ceiling=0.43).notes)
    assert not summary_of(real, real).notes
    assert "no other clips" in summary_of(real[:1], real[:1]).notes[0]


def test_other_clips_are_of_other_scenes_and_drawn_by_the_sample() -> None:
    scenes = [(f"s{i // 2:03d}", "b") for i in range(600)]
    ids = [f"sample {i:03d}" for i in range(600)]
    others = OtherClips.of(ids, scenes)
    assert others.index.shape == (600, MOST) and not others.absent.any()
    assert not (others.index // 2 == np.arange(600)[:, None] // 2).any()
    assert (OtherClips.of(ids, scenes).index == others.index).all()
    few = OtherClips.of(ids[:4], scenes[:4])
    assert few.index.tolist() == [[2, 3], [2, 3], [0, 1], [0, 1]]


@pytest.mark.parametrize(("share", "is_flagged"), [(0.0, False), (0.05, True), (0.2, True)])
def test_a_trace_of_the_targets_in_the_renders_is_flagged(share: float, is_flagged: bool) -> None:
    rng = torch.Generator().manual_seed(4)
    targets, renders = (torch.rand(PAIRS, VIEWS, 3, 32, 32, generator=rng) for _ in range(2))
    real = random_clips(rng)
    found = summary_of(real, real, (targets, torch.lerp(renders, targets, share)))
    assert (found.block == BLEEDING) == is_flagged
    assert found.metrics["bleed"].mean == pytest.approx(share / np.hypot(share, 1 - share), abs=0.005)


def test_tables_without_bleed_are_seldom_flagged() -> None:
    rng, real = torch.Generator().manual_seed(5), random_clips(torch.Generator().manual_seed(6), 12)
    flagged = 0
    for _ in range(40):
        targets, renders = (torch.rand(12, 3, 3, 8, 8, generator=rng) for _ in range(2))
        flagged += summary_of(real, real, (targets, renders)).block == BLEEDING
    assert flagged <= 2


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TestJob]:
    """Controls at 32 pixels, judged by the alignment oracle."""
    out, session = tmp_path_factory.mktemp("small"), Session()
    names = ("warp", "half_motion", "static", "static_blurred", "mean_context")
    world = ["dataset.world=orbits", "dataset.version=1"]
    settings = ["protocol=tps", "oracle=alignment", *world, "protocol.resolution=32", "limit=6"]
    jobs = [planned_job([*settings, f"baseline={name}", f"out={out}"], session) for name in names]
    executed(*jobs)
    return dict(zip(names, jobs, strict=True))


def metrics(job: TestJob) -> dict[str, float]:
    summary = job.job.finished()
    assert summary is not None
    return {key: float("nan") if each.mean is None else each.mean for key, each in summary.metrics.items()}


def test_amplitude_tells_half_the_way_from_the_whole(small: dict[str, TestJob]) -> None:
    assert metrics(small["warp"])["amplitude"] == pytest.approx(1, abs=0.05)
    assert metrics(small["half_motion"])["amplitude"] == pytest.approx(0.5, abs=0.05)
    assert metrics(small["static"])["amplitude"] == 0


def test_one_frame_in_a_wrong_place_hardly_changes_the_amplitude() -> None:
    w2c = random_clips(torch.Generator().manual_seed(8), 1)
    targets = Frames(torch.zeros(VIEWS, 3, 4, 4), tuple(range(VIEWS)), Cameras(w2c[0], None))
    moved = w2c.clone()
    moved[0, -1, :3, 3] += 30
    real, render = Estimate(w2c, ("",)), Estimate(moved, ("",))
    assert amplitude_row(targets, real, real, 0.1)["amplitude"] == pytest.approx(1)
    assert amplitude_row(targets, real, render, 0.1)["amplitude"] == pytest.approx(1)


def test_what_does_not_move_gains_nothing(small: dict[str, TestJob]) -> None:
    gains = pd.DataFrame(
        {
            name: pd.read_parquet(small[name].folder.path / "rows.parquet").set_index("sample")["exact_gain"]
            for name in ("static", "static_blurred", "mean_context")
        }
    )
    assert (gains.max(axis=1).abs() < 1e-6).all(), "the best of the three is what the gain is measured from"
    assert metrics(small["warp"])["exact_gain"] > 2


def test_partial_truth_stands_outside_the_ranking(small: dict[str, TestJob]) -> None:
    blocks = {name: job.job.finished().block for name, job in small.items()}  # type: ignore[union-attr]
    assert {name for name, block in blocks.items() if block} == {"half_motion"}
    assert blocks["half_motion"].startswith("partial truth")


def test_the_difference_of_two_skills_is_that_of_their_summaries(small: dict[str, TestJob], tmp_path: Path) -> None:
    runs = {name: FoundRun(job.folder.path, job.job.finished()) for name, job in small.items()}  # type: ignore[arg-type]
    compared = compared_by_protocol(runs["half_motion"], runs["warp"])
    for key in ("skill", "near_skill", "bleed"):
        expected = metrics(small["half_motion"])[key] - metrics(small["warp"])[key]
        assert compared[key].difference.mean == pytest.approx(expected)
    assert compared["skill"].difference.mean < 0 and compared["skill"].p_value < 0.1
