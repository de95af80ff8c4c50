"""What directions of translation cannot tell: lengths, spans, baselines."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from evalkit.geometry.se3 import motion_exp
from evalkit.metrics.motion import baselines, long_baselines, magnitude_agreement, rotation_span_deg
from evalkit.metrics.pose_scores import pose_scores


def dolly(positions: list[float]) -> Tensor:
    """A camera that looks along z and moves along it, [1, V, 4, 4]."""
    w2c = torch.eye(4, dtype=torch.float64).repeat(1, len(positions), 1, 1)
    w2c[0, :, 2, 3] = -torch.tensor(positions, dtype=torch.float64)
    return w2c


STEADY = dolly([0, 1, 2, 3, 4])


def test_wrong_speeds_along_the_right_line_fool_directions_but_not_lengths() -> None:
    wrong = dolly([0, 0.1, 0.2, 0.3, 4])
    scores = pose_scores(wrong, STEADY, min_baseline=0.1)
    row = scores.row()
    assert row["auc_xfactor_folded@20"] == row["auc_exact_signed@20"] == 1.0
    assert row["magnitude"] < 0.6


def test_a_reversed_dolly_gets_no_scale() -> None:
    """XFactor's scale may be negative, and calls the mirrored trajectory perfect."""
    assert magnitude_agreement(dolly([0, -1, -2, -3, -4]), STEADY).max() == 0
    assert pose_scores(dolly([0, -1, -2, -3, -4]), STEADY, 0.0).row()["auc_xfactor_folded@20"] == 1.0


def test_a_static_camera_has_no_length_at_all() -> None:
    assert magnitude_agreement(dolly([0] * 5), STEADY).max() == 0
    assert magnitude_agreement(dolly([0] * 5), dolly([0] * 5)).min() == 1


@given(st.integers(0, 2**20), st.floats(0.01, 100))
def test_neither_world_frame_nor_scale_matters(seed: int, scale: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    w2c = motion_exp(torch.randn(1, 5, 6, generator=rng, dtype=torch.float64))
    elsewhere = w2c @ motion_exp(torch.randn(6, generator=rng, dtype=torch.float64))
    elsewhere[..., :3, 3] *= scale
    assert torch.allclose(magnitude_agreement(elsewhere, w2c), torch.ones(1, 10, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(rotation_span_deg(elsewhere), rotation_span_deg(w2c), atol=1e-6)
    assert torch.allclose(baselines(elsewhere), scale * baselines(w2c), rtol=1e-6)


def test_short_baselines_do_not_count_where_directions_do() -> None:
    """A tremor of the camera has a random direction; it costs the plain mean and not the filtered one."""
    shaken = dolly([0, 1, 2, 3, 4])
    shaken[0, 1] = shaken[0, 0]
    shaken[0, 1, 0, 3] += 0.01
    true = shaken.clone()
    true[0, 1, 0, 3] -= 0.02
    assert long_baselines(true, 0.1).tolist() == [[False] + [True] * 9]
    assert pose_scores(shaken, true, 0.0).row()["rta_signed@5"] == 0.9
    assert pose_scores(shaken, true, 0.1).row()["rta_signed@5"] == 1.0


def test_rotation_span_is_the_widest_pair() -> None:
    turns = torch.tensor([0.0, 10.0, -15.0]).deg2rad().double()
    twist = torch.zeros(1, 3, 6, dtype=torch.float64)
    twist[0, :, 4] = turns
    assert torch.allclose(rotation_span_deg(motion_exp(twist)), torch.tensor([25.0], dtype=torch.float64))


def test_an_oracle_that_failed_leaves_no_number() -> None:
    row = pose_scores(torch.full_like(STEADY, torch.nan), STEADY, 0.1).row()
    assert all(value != value for value in row.values())
