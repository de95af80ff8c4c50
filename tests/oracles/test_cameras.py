"""The `cameras` oracle tells what it is told."""

from __future__ import annotations

import pytest
import torch

from evalkit.errors import UserError
from evalkit.oracles.cameras import CamerasOptions, CamerasOracle
from evalkit.oracles.oracle import Oracle
from evalkit.views import Cameras

ORACLE = CamerasOracle(CamerasOptions(), "cpu")


def test_the_datasets_cameras_come_back_in_float64() -> None:
    w2c = torch.rand(2, 3, 4, 4)
    estimate = ORACLE.estimate(torch.zeros(2, 3, 3, 8, 8), Cameras(w2c, None))
    assert isinstance(ORACLE, Oracle)
    assert torch.equal(estimate.w2c, w2c.double())
    assert estimate.success == (True, True)


def test_renders_have_no_cameras() -> None:
    with pytest.raises(UserError, match="oracle=colmap"):
        ORACLE.estimate(torch.zeros(1, 2, 3, 8, 8), None)


def test_one_frame_has_no_relative_pose() -> None:
    with pytest.raises(ValueError, match="V >= 2"):
        ORACLE.estimate(torch.zeros(1, 1, 3, 8, 8), Cameras(torch.rand(1, 1, 4, 4), None))
