"""Trains the weights: ``python -m evalkit.oracles.procedural.training --minutes 60 --seed 0 --out FILE``.

Every pixel of a ray-cast clip knows where its surface point lies in the other frames. So points are followed from
frame to frame, and the network learns to find them (cross-entropy over the coarse cells), to place them (distance
in pixels of the mean of a fine window) and to say how well it can (likelihood of that distance).

The weights of the package are those of ``--minutes 50 --seed 0 --until 1400``; `training_log.csv` is their log.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evalkit.oracles.procedural.augmentation import spoiled
from evalkit.oracles.procedural.matching import coarse_logits, sampled, window
from evalkit.oracles.procedural.network import COARSE, SIDE, FeatureNet, write_weights
from evalkit.oracles.procedural.training_clips import FRAMES, PoolClip, TrainingClips
from evalkit.seeds import generator

CLIPS, PAIRS, POINTS = 1200, 4, 320  # worlds; pairs of frames a step; points a pair
FEWEST = 80  # points that both frames have to see
MARGIN = 4.0  # pixels from the border
SAME_DEPTH = 0.02
WINDOW_SHIFT_PX = 3.0  # how far windows lie beside the truth
FAR_PX = 8.0  # what counts as the error of a point that cannot be followed
LOG_SPREAD = (-2.5, 2.5)
WEIGHTS = {"coarse": 0.3, "fine": 0.5, "spread": 0.5}
LEARNING_RATE, WARM_UP_STEPS, COOL_DOWN, DECAY = 2e-3, 50, 0.3, 1e-2  # cool down: last share of the steps
LARGEST_GRADIENT = 5.0
STEPS_A_MINUTE = 36  # of one core of a 2.8 GHz Xeon; minutes are counted in steps, so that time changes no weight
SAVE_EVERY, LOG_EVERY = 100, 20


@dataclass(frozen=True)
class Pairs:
    """N directed pairs of frames: images [2 N, 3, H, W], the second N being the partners of the first.

    points [2 N, K, 2] in pixels of each frame, where they lie in its partner [2 N, K, 2], and whether they are
    seen there [2 N, K]; ``lost`` [2 N, K] have no place anywhere (they lie in the empty background).
    """

    images: Tensor
    points: Tensor
    places: Tensor
    seen: Tensor
    lost: Tensor

    @property
    def partner(self) -> Tensor:
        """The index [2 N] of each frame's partner."""
        return torch.arange(len(self.images)).roll(len(self.images) // 2)


def followed(clip: PoolClip, i: int, j: int, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where pixels [K, 2] (whole numbers) of frame ``i`` lie in frame ``j``, [K, 2]; who is seen; who is lost."""
    depth = clip.depth[i, points[:, 1], points[:, 0]].double()
    rays = torch.cat([points + 0.5, torch.ones(len(points), 1)], dim=1).double() @ clip.intrinsics[i].inverse().mT
    lost = depth.isinf()
    motion = clip.w2c[j] @ clip.w2c[i].inverse()
    there = (rays * depth.masked_fill(lost, 1.0)[:, None]) @ motion[:3, :3].mT + motion[:3, 3]
    places = (there @ clip.intrinsics[j].mT)[:, :2] / there[:, 2:].clamp(min=1e-3)
    pixel = places.long().clamp(0, SIDE - 1)
    agrees = (clip.depth[j, pixel[:, 1], pixel[:, 0]] - there[:, 2]).abs() < SAME_DEPTH * there[:, 2]
    inside = ((places > MARGIN) & (places < SIDE - MARGIN)).all(1)
    return places.float(), ~lost & (there[:, 2] > 0) & inside & agrees, lost


def drawn(pool: TrainingClips, clips: int, rng: np.random.Generator) -> Pairs:
    """Draw ``PAIRS`` pairs of frames that see enough of the same, mirrored and spoiled at random."""
    parts = [_pair(pool, clips, rng) for _ in range(PAIRS)]
    columns = [torch.cat([torch.stack([part[k][side] for part in parts]) for side in (0, 1)]) for k in range(5)]
    return Pairs(*columns)


def _pair(pool: TrainingClips, clips: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
    while True:
        clip = pool[int(rng.integers(clips))]
        i, j = (int(v) for v in rng.choice(FRAMES, 2, replace=False))
        points = torch.from_numpy(rng.integers(int(MARGIN), SIDE - int(MARGIN), (2, POINTS, 2)))
        parts = [followed(clip, a, b, p) for (a, b), p in zip(((i, j), (j, i)), points, strict=True)]
        places, seen, lost = (torch.stack(each) for each in zip(*parts, strict=True))
        if int(seen.sum(1).min()) >= FEWEST:
            break
    images, points = spoiled(clip.images[[i, j]], rng), points + 0.5
    if rng.uniform() < 0.5:
        mirror, side = torch.tensor([-1.0, 1.0]), torch.tensor([float(SIDE), 0.0])
        images, points, places = images.flip(-1), points * mirror + side, places * mirror + side
    return images[:, torch.from_numpy(rng.permutation(3))], points, places, seen, lost


def losses(network: FeatureNet, pairs: Pairs, rng: np.random.Generator) -> dict[str, Tensor]:
    """The three losses, and two numbers to watch: share of coarse hits and median fine error in pixels."""
    features = network(pairs.images)
    other = features.take(pairs.partner)
    scale = network.log_scales.exp()
    coarse = coarse_logits(features, other, pairs.points, scale[0])
    found = (coarse.log_softmax(-1) * coarse_target(pairs.places)).sum(-1)
    shift = torch.from_numpy(rng.uniform(-WINDOW_SHIFT_PX, WINDOW_SHIFT_PX, pairs.places.shape).astype(np.float32))
    placed = window(features, other, pairs.points, pairs.places + shift, scale[1])
    error = (placed.expected() - pairs.places).square().sum(-1).add(1e-4).sqrt()
    log_spread = sampled(features.log_spread, pairs.points)[..., 0].clamp(*LOG_SPREAD)
    off = torch.where(pairs.lost, FAR_PX, error)
    likelihood = log_spread + off * torch.exp(-log_spread)
    seen = pairs.seen.float()
    rated = (pairs.seen | pairs.lost).float()
    hit = (coarse.argmax(-1) == coarse_target(pairs.places).argmax(-1)).float()
    return {
        "coarse": -(found * seen).sum() / seen.sum(),
        "fine": (error * seen).sum() / seen.sum(),
        "spread": (likelihood * rated).sum() / rated.sum(),
        "hits": (hit * seen).sum() / seen.sum(),
        "median_px": error[pairs.seen].median(),
    }


def coarse_target(places: Tensor) -> Tensor:
    """Bilinear shares [N, K, 1024] of the coarse cells about places [N, K, 2]."""
    cells = SIDE // COARSE
    distance = (places[..., None] / COARSE - 0.5 - torch.arange(cells)).abs()  # [N, K, 2, cells]
    share = (1 - distance).clamp(min=0)
    share = share / share.sum(-1, keepdim=True).clamp(min=1e-6)
    return (share[:, :, 1, :, None] * share[:, :, 0, None, :]).flatten(-2)


class Training:
    """A network on its way: ``steps`` steps, each a function of ``seed`` and its number alone."""

    def __init__(self, pool: TrainingClips, clips: int, steps: int, seed: int) -> None:
        self.pool, self.clips, self.steps, self.seed = pool, clips, steps, seed
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.network = FeatureNet().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), LEARNING_RATE, weight_decay=DECAY)
        self.done = 0

    def step(self) -> dict[str, float]:
        """Take one step; return the losses before it."""
        rng = generator("procedural oracle", self.seed, self.done)
        values = losses(self.network, drawn(self.pool, self.clips, rng), rng)
        self.optimizer.zero_grad()
        torch.autograd.backward(torch.stack([weight * values[name] for name, weight in WEIGHTS.items()]).sum())
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = LEARNING_RATE * pace(self.done, self.steps)
        self.optimizer.step()
        self.done += 1
        return {name: float(value.detach()) for name, value in values.items()}

    def save(self, out: Path) -> None:
        """Write the weights to ``out`` and all that a later process needs to go on beside it."""
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "done": self.done}
        torch.save(state, out.with_suffix(".state"))
        write_weights(self.network, out)

    def resume(self, out: Path) -> None:
        """Go on where the process that wrote to ``out`` ended, if there was one."""
        if out.with_suffix(".state").exists():
            state = torch.load(out.with_suffix(".state"), weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.done = state["done"]


def pace(step: int, steps: int) -> float:
    """Share of the full learning rate: up, level, and down to nothing."""
    return min((step + 1) / WARM_UP_STEPS, 1.0, max((steps - step) / (COOL_DOWN * steps), 0.0))


def train(training: Training, out: Path, until: int) -> None:
    """Train up to step ``until``, saving on the way; append the mean losses to a CSV file beside ``out``."""
    training.resume(out)
    recent: list[dict[str, float]] = []
    while training.done < until:
        recent.append(training.step())
        if training.done % LOG_EVERY == 0:
            append(out.with_suffix(".csv"), training.done, recent)
            recent = []
        if training.done % SAVE_EVERY == 0 or training.done == until:
            training.save(out)


def append(log: Path, step: int, recent: list[dict[str, float]]) -> None:
    """Add a row with the means of ``recent``."""
    new = not log.exists()
    with log.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", *recent[0]])
        writer.writerow([step, *(f"{np.mean([row[name] for row in recent]):.4f}" for name in recent[0])])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train the weights of the `procedural` oracle.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--until", type=int, help="stop after this many steps, cooled down or not")
    parser.add_argument("--pool", type=Path, default=Path("oracle_pool"), help="folder of rendered clips, 3 GB")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    training = Training(TrainingClips(asked.pool), CLIPS, round(asked.minutes * STEPS_A_MINUTE), asked.seed)
    train(training, asked.out, min(asked.until or training.steps, training.steps))


if __name__ == "__main__":
    main()
