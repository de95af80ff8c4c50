"""Published and independently computed numbers of pose metrics, to the printed digits."""

from __future__ import annotations

import math

import pytest
import torch

from evalkit.metrics.pose import accuracy, chance_accuracy, chance_floor, pose_auc

TEN_ERRORS = (0.5, 1.2, 2.5, 4, 6.5, 9, 12, 18, 26, 40)

TABLE = {
    "exact": (23.60, 36.30, 53.15, 63.43),
    "vggt": (26.00, 38.00, 54.00, 64.00),
    "posediffusion": (26.67, 39.09, 55.24, 64.84),
    "xfactor": (26.00, 38.00, 54.00, 64.00),
    "superglue": (27.60, 40.80, 57.65, 67.77),
}


@pytest.mark.parametrize("method", TABLE)
def test_the_same_ten_errors_score_differently_by_definition(method: str) -> None:
    errors = torch.tensor(TEN_ERRORS, dtype=torch.float64)
    areas = [round(100 * pose_auc(errors, threshold, method).item(), 2) for threshold in (5, 10, 20, 30)]
    assert areas == list(TABLE[method])


@pytest.mark.parametrize(
    ("errors", "threshold", "expected"),
    [
        ([9.99], 10, {"exact": 0.1, "vggt": 10.0, "posediffusion": 9.09, "xfactor": 0.0, "superglue": 50.05}),
        ([5.0] * 5, 5, {"exact": 0.0, "vggt": 20.0, "posediffusion": 16.67, "xfactor": 0.0, "superglue": 0.0}),
        ([5.0] * 5, 10, {"exact": 50.0, "superglue": 55.0}),
        ([30.0], 30, {"vggt": 3.33, "xfactor": 0.0}),
    ],
)
def test_edge_cases_of_each_definition(errors: list[float], threshold: int, expected: dict[str, float]) -> None:
    for method, value in expected.items():
        assert round(100 * pose_auc(torch.tensor(errors), threshold, method).item(), 2) == value


def test_joint_error_is_stricter_than_the_minimum_of_accuracies() -> None:
    rotation = torch.tensor([1.0, 1, 1, 25, 25, 25])
    joint = torch.maximum(rotation, rotation.flip(0))
    assert round(100 * pose_auc(joint, 30, "exact").item(), 1) == 16.7
    assert round(100 * pose_auc(rotation, 30, "exact").item(), 1) == 56.7


def test_chance_floor() -> None:
    assert [round(100 * chance_floor(threshold), 1) for threshold in (10, 20, 30)] == [0.5, 2.0, 4.5]
    assert [round(100 * chance_accuracy(threshold), 1) for threshold in (10, 20, 30)] == [1.5, 6.0, 13.4]


def test_three_aucs_and_an_accuracy_go_by_one_name() -> None:
    """One set of errors, log-normal around 1.2 degrees as on RealEstate10K, is .64, .72, .71 and .88 "at 5".

    NAS3R's and SPFSplat's trapezoids, VGGT's histogram, PoseDiffusion's, and E-RayZer's RPA, at 5, 10 and 20.
    """
    rank = (torch.arange(5601, dtype=torch.float64) + 0.5) / 5601
    errors = 1.2 * torch.exp(1.19 * math.sqrt(2) * torch.erfinv(2 * rank - 1))
    published = {
        "superglue": (0.640, 0.786, 0.883),
        "vggt": (0.723, 0.831, 0.907),
        "posediffusion": (0.709, 0.827, 0.906),
    }
    for method, values in published.items():
        assert [float(pose_auc(errors, t, method)) for t in (5, 10, 20)] == pytest.approx(values, abs=2e-3)
    assert [float(accuracy(errors, t)) for t in (5, 10, 20)] == pytest.approx((0.880, 0.961, 0.991), abs=5e-3)
