from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from evalkit.metrics.pose import (
    AucMethod,
    accuracy,
    chance_accuracy,
    chance_floor,
    joint_error,
    pair_indices,
    pose_auc,
    relative_pose_errors,
)


def motions(*shape: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    count = int(np.prod(shape))
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, rng=rng).as_matrix()
    poses[:, :3, 3] = spread * rng.standard_normal((count, 3))
    return torch.from_numpy(poses.reshape(*shape, 4, 4))


def dolly(steps: list[float]) -> torch.Tensor:
    """Cameras that look forward and move along z, w2c [1, V, 4, 4]."""
    w2c = torch.eye(4, dtype=torch.float64).repeat(1, len(steps), 1, 1)
    w2c[0, :, 2, 3] = -torch.tensor(steps, dtype=torch.float64)
    return w2c


def test_errors_equal_those_of_scipy_pair_by_pair() -> None:
    pred, true = motions(2, 5, seed=1), motions(2, 5, seed=2)
    rotation_deg, translation_deg = relative_pose_errors(pred, true, signed=True)
    for pair, (i, j) in enumerate(zip(*pair_indices(5), strict=True)):
        a, b = (poses[1, i].numpy() @ np.linalg.inv(poses[1, j].numpy()) for poses in (pred, true))
        magnitude = (Rotation.from_matrix(a[:3, :3]) * Rotation.from_matrix(b[:3, :3]).inv()).magnitude()
        cosine = a[:3, 3] @ b[:3, 3] / np.linalg.norm(a[:3, 3]) / np.linalg.norm(b[:3, 3])
        assert rotation_deg[1, pair].item() == pytest.approx(np.degrees(magnitude), abs=1e-8)
        assert translation_deg[1, pair].item() == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_errors_do_not_depend_on_either_world_frame(seed: int, signed: bool, move_pred: bool) -> None:
    pred, true = motions(1, 4, seed=seed), motions(1, 4, seed=seed + 1)
    frame = motions(1, 1, seed=seed + 2, spread=10)
    moved = (pred @ frame, true) if move_pred else (pred, true @ frame)
    expected = relative_pose_errors(pred, true, signed)
    for errors_deg, value in zip(relative_pose_errors(*moved, signed), expected, strict=True):
        torch.testing.assert_close(errors_deg, value, rtol=0, atol=1e-6)


def test_errors_do_not_depend_on_the_scale_of_the_scene() -> None:
    pred, true = motions(1, 5, seed=3), motions(1, 5, seed=4)
    larger = pred.clone()
    larger[..., :3, 3] *= 37
    for errors_deg, expected in zip(relative_pose_errors(larger, true), relative_pose_errors(pred, true), strict=True):
        torch.testing.assert_close(errors_deg, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("steps", [[0, -1, -2, -3, -4], [4, 3, 2, 1, 0]], ids=["backwards", "time reversed"])
def test_reversed_dolly_fools_folded_translation_error(steps: list[float]) -> None:
    true, pred = dolly([0, 1, 2, 3, 4]), dolly(steps)
    for signed, expected in ((False, 1.0), (True, 0.0)):
        rotation_deg, translation_deg = relative_pose_errors(pred, true, signed)
        assert accuracy(rotation_deg, 10).item() == 1
        assert accuracy(translation_deg, 10).item() == expected
        for method in AucMethod:
            assert pose_auc(joint_error(rotation_deg, translation_deg), 20, method).item() == expected


def test_wrong_speeds_on_the_right_line_score_full_marks() -> None:
    rotation_deg, translation_deg = relative_pose_errors(dolly([0, 0.1, 5, 6, 50]), dolly([0, 1, 2, 3, 4]), signed=True)
    assert joint_error(rotation_deg, translation_deg).max() < 1e-6


@pytest.mark.parametrize("signed", [False, True])
def test_a_camera_that_stands_still_scores_90_degrees_in_every_world_frame(signed: bool) -> None:
    still = motions(1, 1, seed=5).expand(1, 4, 4, 4)
    turning = motions(1, 4, seed=6)
    turning[..., :3, 3] = 0
    for pred in (
        still,
        still.float(),
        still @ motions(1, 1, seed=7, spread=10),
        turning @ motions(1, 1, seed=8, spread=10),
    ):
        for a, b in ((pred, motions(1, 4, seed=9)), (motions(1, 4, seed=9), pred), (pred, pred)):
            assert (relative_pose_errors(a, b, signed)[1] == 90).all()


def test_a_failed_oracle_gives_nan_and_only_for_its_clip() -> None:
    pred, true = motions(2, 3, seed=1), motions(2, 3, seed=2)
    pred[0] = torch.nan
    for errors in relative_pose_errors(pred, true):
        assert errors[0].isnan().all() and not errors[1].isnan().any()
        assert accuracy(errors, 10).isnan().tolist() == [True, False]
        for method in AucMethod:
            assert pose_auc(errors, 10, method).isnan().tolist() == [True, False]


def test_one_view_has_no_relative_pose() -> None:
    with pytest.raises(ValueError, match="at least 2 views, got 1"):
        relative_pose_errors(motions(1, 1, seed=0), motions(1, 1, seed=0))
    with pytest.raises(ValueError, match=r"\[B, V, 4, 4\]"):
        relative_pose_errors(motions(3, seed=0), motions(3, seed=0))


angles = st.lists(st.floats(0, 200) | st.integers(0, 62).map(lambda k: k / 2), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(angles, st.integers(1, 30))
def test_histogram_aucs_equal_the_histograms_they_are_named_after(values: list[float], threshold: int) -> None:
    errors = torch.tensor(values, dtype=torch.float64)
    thirty_one = torch.histc(errors, bins=31, min=0, max=30).cumsum(0) / len(values)
    bins = torch.histc(errors, bins=threshold + 1, min=0, max=threshold).cumsum(0) / len(values)
    degrees = np.histogram(errors.numpy(), bins=np.arange(threshold + 1))[0].cumsum() / len(values)
    assert pose_auc(errors, threshold, "xfactor").item() == pytest.approx(
        thirty_one[:threshold].mean().item(), abs=1e-12
    )
    assert pose_auc(errors, threshold, "posediffusion").item() == pytest.approx(bins.mean().item(), abs=1e-12)
    assert pose_auc(errors, threshold, "vggt").item() == pytest.approx(degrees.mean(), abs=1e-12)


@pytest.mark.parametrize("method", ["xfactor", "posediffusion"])
def test_every_bin_edge_falls_where_torch_histc_puts_it(method: str) -> None:
    for threshold in range(1, 31):
        bins, top = (31, 30) if method == "xfactor" else (threshold + 1, threshold)
        edges = torch.linspace(0, top, bins + 1, dtype=torch.float64)
        errors = torch.cat([edges, torch.nextafter(edges, edges + 1), torch.nextafter(edges, edges - 1).clamp_min(0)])
        counts = [
            torch.histc(error, bins=bins, min=0, max=top).cumsum(0)[: bins if method != "xfactor" else threshold]
            for error in errors
        ]
        expected = torch.stack(counts).mean(-1)
        torch.testing.assert_close(pose_auc(errors[:, None], threshold, method), expected, rtol=0, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(angles, st.floats(0.5, 60))
def test_superglue_and_exact_equal_their_integrals(values: list[float], threshold: float) -> None:
    errors = np.sort(values)
    below = errors[errors < threshold]
    recall = np.concatenate([[0], np.arange(1, len(below) + 1) / len(errors)])
    x, y = np.concatenate([[0], below, [threshold]]), np.append(recall, recall[-1])
    areas = {
        m: pose_auc(torch.tensor(values, dtype=torch.float64), threshold, m).item() for m in ("superglue", "exact")
    }
    assert areas["superglue"] == pytest.approx(np.trapezoid(y, x) / threshold, abs=1e-9)
    assert areas["exact"] == pytest.approx((np.diff(x) * recall).sum() / threshold, abs=1e-9)


def test_auc_works_on_any_leading_shape() -> None:
    errors = 40 * torch.rand(3, 4, 10, generator=torch.Generator().manual_seed(0))
    for method in AucMethod:
        together = pose_auc(errors, 20, method)
        assert together.shape == (3, 4)
        assert together[2, 1].item() == pose_auc(errors[2, 1], 20, method).item()


def test_wrong_auc_requests_say_what_is_wrong() -> None:
    errors = torch.tensor([1.0])
    with pytest.raises(ValueError, match="did you mean 'superglue'"):
        pose_auc(errors, 10, "superglu")
    for threshold in (31, 5.5):
        with pytest.raises(ValueError, match="xfactor"):
            pose_auc(errors, threshold, "xfactor")
    with pytest.raises(ValueError, match="positive"):
        pose_auc(errors, 0, "exact")
    with pytest.raises(ValueError, match="no errors"):
        pose_auc(errors[:0], 10, "exact")
    with pytest.raises(ValueError, match="no errors"):
        accuracy(errors[:0], 10)


def test_accuracy_is_strictly_below_the_threshold() -> None:
    assert accuracy(torch.tensor([9.999, 10.0, 10.001]), 10).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("signed", [False, True])
def test_chance_floor_is_what_random_directions_score(signed: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    count = 400_000
    true, pred = torch.eye(4).double().repeat(count, 2, 1, 1), torch.eye(4).double().repeat(count, 2, 1, 1)
    true[:, 1, 0, 3] = 1
    pred[:, 1, :3, 3] = torch.randn(count, 3, generator=rng, dtype=torch.float64)
    errors = joint_error(*relative_pose_errors(pred, true, signed)).flatten()
    for threshold in (10, 20, 30):
        assert accuracy(errors, threshold).item() == pytest.approx(chance_accuracy(threshold, signed), abs=2e-3)
        assert pose_auc(errors, threshold, "exact").item() == pytest.approx(chance_floor(threshold, signed), abs=1e-3)
