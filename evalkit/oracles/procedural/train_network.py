"""Trains the network: ``python -m evalkit.oracles.procedural.train_network --minutes 60 --seed 0 --out FILE``.

In a ray-cast clip it is known for every pixel where its surface point lies in the other frames. The network learns to
find points (cross-entropy over the coarse cells), to place them (distance in pixels of the mean of a fine window), and
to predict its error (likelihood of that distance).

The weights of the package are those of ``--minutes 50 --seed 0 --until 1400``; `training_log.csv` is their log.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evalkit.oracles.procedural.matching import coarse_logits, sampled, window
from evalkit.oracles.procedural.network import COARSE, SIDE, FeatureNet, write_weights
from evalkit.oracles.procedural.training_clips import TrainingClips
from evalkit.oracles.procedural.training_pairs import TrainingPairs, draw_pairs
from evalkit.seeds import generator

CLIPS = 1200
WINDOW_SHIFT_PX = 3.0  # largest distance of a window's centre from the true position
FAR_PX = 8.0  # error of a point that cannot be followed
LOG_SPREAD = (-2.5, 2.5)
LOSS_WEIGHTS = {"coarse": 0.3, "fine": 0.5, "spread": 0.5}
LEARNING_RATE, WARM_UP_STEPS, COOL_DOWN, WEIGHT_DECAY = 2e-3, 50, 0.3, 1e-2  # cool down: last share of the steps
MAX_GRADIENT = 5.0
STEPS_PER_MINUTE = 36  # of one core of a 2.8 GHz Xeon; minutes are counted in steps, so that time changes no weight
SAVE_EVERY, LOG_EVERY = 100, 20  # steps


def losses(network: FeatureNet, pairs: TrainingPairs, rng: np.random.Generator) -> dict[str, Tensor]:
    """The three losses, and two numbers to watch: share of coarse hits and median fine error in pixels."""
    features = network(pairs.images)
    partner = features.take(pairs.partner)
    scale = network.log_scales.exp()
    coarse, target = coarse_logits(features, partner, pairs.points, scale[0]), coarse_target(pairs.partner_points)
    likelihood = (coarse.log_softmax(-1) * target).sum(-1)
    shape = pairs.partner_points.shape
    shift = torch.from_numpy(rng.uniform(-WINDOW_SHIFT_PX, WINDOW_SHIFT_PX, shape).astype(np.float32))
    placed = window(features, partner, pairs.points, pairs.partner_points + shift, scale[1])
    error_px = (placed.expected() - pairs.partner_points).square().sum(-1).add(1e-4).sqrt()
    log_spread = sampled(features.log_spread, pairs.points)[..., 0].clamp(*LOG_SPREAD)
    spread_loss = log_spread + torch.where(pairs.background, FAR_PX, error_px) * torch.exp(-log_spread)
    visible = pairs.visible.float()
    known = (pairs.visible | pairs.background).float()
    hit = (coarse.argmax(-1) == target.argmax(-1)).float()
    return {
        "coarse": -(likelihood * visible).sum() / visible.sum(),
        "fine": (error_px * visible).sum() / visible.sum(),
        "spread": (spread_loss * known).sum() / known.sum(),
        "hits": (hit * visible).sum() / visible.sum(),
        "median_px": error_px[pairs.visible].median(),
    }


def coarse_target(pixels: Tensor) -> Tensor:
    """Bilinear shares [N, K, 1024] of the coarse cells around pixels [N, K, 2]."""
    cells = SIDE // COARSE
    distance = (pixels[..., None] / COARSE - 0.5 - torch.arange(cells)).abs()  # [N, K, 2, cells]
    share = (1 - distance).clamp(min=0)
    share = share / share.sum(-1, keepdim=True).clamp(min=1e-6)
    return (share[:, :, 1, :, None] * share[:, :, 0, None, :]).flatten(-2)


class NetworkTraining:
    """A network in training for ``steps`` steps; each step depends only on ``seed``, its number and the weights."""

    def __init__(self, clips: TrainingClips, clip_count: int, steps: int, seed: int) -> None:
        self.clips, self.clip_count, self.steps, self.seed = clips, clip_count, steps, seed
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.network = FeatureNet().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.done = 0

    def step(self) -> dict[str, float]:
        """Take one step; return the losses before it."""
        rng = generator("procedural oracle", self.seed, self.done)
        values = losses(self.network, draw_pairs(self.clips, self.clip_count, rng), rng)
        self.optimizer.zero_grad()
        torch.autograd.backward(torch.stack([weight * values[name] for name, weight in LOSS_WEIGHTS.items()]).sum())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate_share(self.done, self.steps)
        self.optimizer.step()
        self.done += 1
        return {name: float(value.detach()) for name, value in values.items()}

    def save(self, out: Path) -> None:
        """Write the weights to ``out``, and beside it the state that `resume` reads."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
        torch.save(state, out.with_suffix(".state"))
        write_weights(self.network, out)

    def resume(self, out: Path) -> None:
        """Continue from the state beside ``out``, if there is one."""
        if out.with_suffix(".state").exists():
            state = torch.load(out.with_suffix(".state"), weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done = state["done"]


def learning_rate_share(step: int, steps: int) -> float:
    """Share of the full learning rate: linear warm-up, constant, linear cool-down to 0."""
    return min((step + 1) / WARM_UP_STEPS, 1.0, max((steps - step) / (COOL_DOWN * steps), 0.0))


def train(training: NetworkTraining, out: Path, until: int) -> None:
    """Train up to step ``until``, saving regularly; append the mean losses to a CSV file beside ``out``."""
    training.resume(out)
    recent: list[dict[str, float]] = []
    while training.done < until:
        recent.append(training.step())
        if training.done % LOG_EVERY == 0:
            append_log(out.with_suffix(".csv"), training.done, recent)
            recent = []
        if training.done % SAVE_EVERY == 0 or training.done == until:
            training.save(out)


def append_log(log: Path, step: int, recent: list[dict[str, float]]) -> None:
    """Append a row with the means of ``recent``."""
    is_new = not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", *recent[0]])
        writer.writerow([step, *(f"{np.mean([row[name] for row in recent]):.4f}" for name in recent[0])])


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train the network of the `procedural` oracle.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--until", type=int, help="stop after this many steps, before or after the cool-down")
    parser.add_argument("--pool", type=Path, default=Path("oracle_pool"), help="folder of rendered clips, 3 GB")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    steps = round(arguments.minutes * STEPS_PER_MINUTE)
    training = NetworkTraining(TrainingClips(arguments.pool), CLIPS, steps, arguments.seed)
    train(training, arguments.out, min(arguments.until or training.steps, training.steps))


if __name__ == "__main__":
    main()
