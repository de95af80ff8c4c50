"""What the `procedural` oracle sees in soft frames, compared with known cameras, and what it refuses to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from evalkit.errors import UserError
from evalkit.metrics.pose import pose_auc, relative_pose_errors
from evalkit.oracles.procedural import refinement, train_network, training_pairs
from evalkit.oracles.procedural.estimator import ProceduralEstimator
from evalkit.oracles.procedural.flat_start import flat_start, verified_observations
from evalkit.oracles.procedural.oracle import WEIGHTS, ProceduralOracle, ProceduralOracleOptions
from evalkit.oracles.procedural.pure_rotation import rotation_error
from evalkit.oracles.procedural.refinement import blurred
from evalkit.oracles.procedural.train_network import NetworkTraining, losses
from evalkit.oracles.procedural.training_clips import TrainingClips
from evalkit.oracles.procedural.training_pairs import draw_pairs
from evalkit.oracles.procedural.worker import refine
from evalkit.oracles.sfm.bundle import Bundle, project
from evalkit.oracles.sfm.rotations import rotation_exp
from evalkit.oracles.sfm.settings import FocalSettings
from evalkit.oracles.sfm.two_view import Graph

Clip = tuple[Tensor, Tensor]
Turn = Callable[[Tensor, float], Tensor]
MakeOptions = Callable[..., ProceduralOracleOptions]


@pytest.fixture(scope="module")
def options() -> MakeOptions:
    """``options(workers=1)``: the defaults with changes."""
    return lambda **changes: ProceduralOracleOptions.model_validate({"workers": 2, **changes})


@pytest.fixture(scope="module")
def oracle(options: MakeOptions) -> Iterator[ProceduralEstimator]:
    oracle = ProceduralEstimator(options(), "cpu")
    yield oracle
    oracle.close()


def auc(oracle: ProceduralEstimator, images: Tensor, w2c: Tensor) -> Tensor:
    """Signed, exact AUC@20 [B]; every clip has to succeed."""
    estimate = oracle.estimate(images, None)
    assert estimate.reasons == ("",) * len(images)
    rotation, translation = relative_pose_errors(estimate.w2c, w2c, signed=True)
    return pose_auc(torch.maximum(rotation, translation), 20, "exact")


def test_rooms_of_worlds_never_trained_on_are_read_sharp_and_soft(
    oracle: ProceduralEstimator, rooms: list[Clip]
) -> None:
    images, w2c = (torch.stack(part) for part in zip(*rooms[:3], strict=True))
    assert auc(oracle, images, w2c).mean() >= 0.85
    assert auc(oracle, blurred(images, 1.5), w2c).mean() >= 0.80  # 0.70 was asked for


def test_a_real_desk_is_read_through_a_blur(oracle: ProceduralEstimator, capture: Callable[..., Clip]) -> None:
    images, w2c = capture("mydesk", 182, 214, 5)
    assert auc(oracle, blurred(images, 1.5)[None], w2c[None]).item() >= 0.70


def test_answers_are_the_same_bits_whatever_the_batch_the_threads_and_the_float_noise(
    options: MakeOptions, small: Tensor
) -> None:
    both = ProceduralEstimator(options(refuse_unstable=False), "cpu")  # three small frames settle little
    together = both.estimate(small[:, ::2], None)
    both.close()
    alone = ProceduralEstimator(options(workers=1, refuse_unstable=False), "cpu")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        noise = 1e-6 * torch.randn(small[1:, ::2].shape, generator=torch.Generator().manual_seed(0))
        second = alone.estimate(small[1:, ::2] + noise, None)
        assert torch.get_num_threads() == 3 - min(threads, 2)
    finally:
        torch.set_num_threads(threads)
        alone.close()
    assert together.success == (True, True)
    assert torch.equal(together.w2c[1:], second.w2c)
    assert torch.equal(together.w2c[:, 0], torch.eye(4, dtype=torch.float64).expand(2, 4, 4))


def test_clips_that_tell_nothing_are_refused_with_a_reason(
    oracle: ProceduralEstimator, rooms: list[Clip], turned: Turn
) -> None:
    image = rooms[0][0][2]
    still = image.expand(4, -1, -1, -1)
    pan = torch.stack([turned(image, degrees) for degrees in (-4, -2, 0, 2)])
    cut = torch.cat([rooms[2][0][:2], rooms[3][0][:2]])
    estimate = oracle.estimate(torch.stack([still, torch.full_like(still, 0.5), pan, cut]), None)
    assert estimate.reasons[:2] == ("the frames do not move (less than 1.0 pixels)", "no two frames match")
    assert estimate.reasons[2].startswith("the camera only turns")
    assert estimate.reasons[3] == "only 2 of 4 frames show the same"
    assert estimate.w2c.isnan().all()


def test_a_clip_whose_halves_disagree_is_refused_and_was_wrong(
    oracle: ProceduralEstimator, options: MakeOptions, capture: Callable[..., Clip]
) -> None:
    images, w2c = capture("mydesk", 301, 308, 8)
    (reason,) = oracle.estimate(images[None], None).reasons
    assert "half of the frames give cameras that differ by" in reason
    credulous = ProceduralEstimator(options(workers=1, refuse_unstable=False), "cpu")
    estimate = credulous.estimate(images[None], None)
    credulous.close()
    assert relative_pose_errors(estimate.w2c, w2c[None], signed=True)[1].median() > 20


def test_what_it_cannot_take_is_said_in_one_line(oracle: ProceduralEstimator) -> None:
    with pytest.raises(UserError, match="takes 2 to 8 frames, not 9: oracle=colmap takes more"):
        oracle.estimate(torch.zeros(1, 9, 3, 64, 64), None)
    with pytest.raises(UserError, match="square frames, not 64x96"):
        oracle.estimate(torch.zeros(1, 5, 3, 64, 96), None)
    with pytest.raises(ValueError, match="an oracle takes"):
        oracle.estimate(torch.zeros(1, 1, 3, 64, 64), None)
    assert oracle.estimate(torch.zeros(0, 5, 3, 64, 64), None).w2c.shape == (0, 5, 4, 4)


def test_identity_names_the_weights_and_what_changes_answers(oracle: ProceduralEstimator, options: MakeOptions) -> None:
    identity = oracle.identity()
    assert identity == ProceduralOracle(options(workers=1, timeout_s=1.0), "cpu").identity()
    assert identity != ProceduralOracle(options(points=500), "cpu").identity()
    assert len(str(identity["weights"])) == 64
    assert WEIGHTS.stat().st_size < 2 << 20


def test_a_patch_moved_sheared_and_brightened_is_placed_to_a_fiftieth_of_a_pixel() -> None:
    def pattern(x: Tensor, y: Tensor) -> Tensor:
        return 0.5 + 0.2 * torch.sin(x / 4.1 + y / 7.3) + 0.2 * torch.cos(y / 5.2 - x / 9.7)

    grid = torch.arange(128) + 0.5
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    middle, shift = torch.tensor([64.0, 60.0]), torch.tensor([3.37, -1.81])
    map_back = torch.linalg.inv(torch.tensor([[1.06, 0.04], [-0.03, 0.97]]))
    back = (torch.stack([x, y], dim=-1) - middle - shift) @ map_back.T + middle
    moved = 0.7 * pattern(*back.unbind(-1)) + 0.1
    start = (middle + shift + torch.tensor([0.8, -0.7]))[None, None]
    places, difference = refinement.refined(pattern(x, y)[None], moved[None], middle[None, None], start)
    torch.testing.assert_close(places[0, 0], middle + shift, atol=0.02, rtol=0)
    assert difference.item() < 1e-3


def observed(w2c: np.ndarray, noise_px: float) -> tuple[list[np.ndarray], Graph, FocalSettings]:
    """Keypoints of 200 points seen by all of cameras [V, 4, 4], and pairs in which all of them agree."""
    rng = np.random.default_rng(0)
    points = rng.uniform([-2, -2, 3], [2, 2, 7], (200, 3))
    offsets = project(Bundle(w2c[None], points[None], np.array([280.0])))[0][0]
    offsets += noise_px * rng.normal(size=offsets.shape)
    both = np.stack([np.arange(200)] * 2, axis=1)
    graph: Graph = {pair: (both, SimpleNamespace(inlier_matches=both)) for pair in combinations(range(len(w2c)), 2)}
    return [*(offsets + 128).swapaxes(0, 1)], graph, FocalSettings(1.2, 0.5, 0.5, 3.0)


def test_clips_are_solved_without_a_first_pair() -> None:
    w2c = np.tile(np.eye(4), (5, 1, 1))
    w2c[:, :3, :3] = rotation_exp(np.linspace(-0.12, 0.12, 5)[:, None] * [0.4, 1, 0.2])
    w2c[:, :3, 3] = np.random.default_rng(1).normal(size=(5, 3)) * 0.25
    keypoints, graph, focal = observed(w2c, noise_px=0.3)
    data = verified_observations(keypoints, graph, 256)
    state = refine(flat_start(data, 256, focal), data, 256, focal)
    rotation, translation = relative_pose_errors(
        torch.from_numpy(state.w2c[:1]), torch.from_numpy(w2c)[None], signed=True
    )
    assert rotation.max() < 0.5
    assert translation.median() < 3


def test_a_turn_explains_a_pan_but_no_dolly() -> None:
    turned, moved = np.tile(np.eye(4), (2, 2, 1, 1))
    turned[1, :3, :3] = moved[1, :3, :3] = rotation_exp(np.array([0.05, 0.15, 0.1]))
    moved[1, :3, 3] = [0.0, 0.0, 0.3]
    focals = np.geomspace(0.5, 3, 24) * 256
    errors = [rotation_error(a - 128, b - 128, focals) for (a, b), _, _ in (observed(w, 0.1) for w in (turned, moved))]
    assert errors[0] < 0.5 < 2 < errors[1]


def test_training_is_a_function_of_its_seed_and_lowers_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_pairs, "PAIRS", 1)
    monkeypatch.setattr(train_network, "WARM_UP_STEPS", 1)
    clips = TrainingClips(tmp_path)
    first, second, other = (NetworkTraining(clips, 1, 100, seed) for seed in (0, 0, 1))
    fixed = draw_pairs(clips, 1, np.random.default_rng(0))
    before = losses(first.network, fixed, np.random.default_rng(0))["coarse"]
    assert first.step() == second.step()
    assert all(torch.equal(a, b) for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True))
    assert not torch.equal(first.network.coarse.weight, other.network.coarse.weight)
    for _ in range(2):
        first.step()
    assert losses(first.network, fixed, np.random.default_rng(0))["coarse"] < before
