"""The training loop, on Lightning Fabric: settings alone choose the CPU, one GPU or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evalkit.errors import UserError
from evalkit.seeds import generator
from evalkit.training.frame_store import FrameStore
from evalkit.training.log import WORK, Log
from evalkit.training.options import Recipe
from evalkit.training.throughput import operations, peak
from evalkit.training.trainee import LOSS, Trainee

CHECKPOINT = "checkpoint.ckpt"
# Seeds the choice of pans or other frames in the pan stage. Another text draws other clips and gives other weights.
PAN_STAGE_SEED = "training prelude"
StepCallback = Callable[[int, Mapping[str, float]], None]


@dataclass
class State:
    """What a process needs to continue where another one stopped, to the same weights.

    Randomness is a function of the step's number, so that the number of steps done says which clips come next.
    """

    trainee: nn.Module
    optimizer: torch.optim.Optimizer
    mean: nn.Module | None
    done: int = 0

    def parts(self) -> dict[str, Any]:
        """Contents of a checkpoint."""
        parts: dict[str, Any] = {"trainee": self.trainee, "optimizer": self.optimizer, "done": self.done}
        return parts if self.mean is None else {**parts, "mean": self.mean}


class TrainingLoop:
    """Train one trainee by a recipe.

    Args:
        fabric: devices and precision.
        trainee: the network with its objective.
        recipe: steps, learning rate, clips.
        frames: the frames that clips are drawn from.
        seed: seed of all draws.
        folder: where checkpoints and the log are written.
        pans: the frames of the recipe's pan stage, None for no such stage.
    """

    def __init__(
        self,
        fabric: Fabric,
        trainee: Trainee,
        recipe: Recipe,
        frames: FrameStore,
        seed: int,
        folder: Path,
        pans: FrameStore | None = None,
    ) -> None:
        self.fabric, self.recipe, self.seed, self.folder = fabric, recipe, seed, folder
        self.frames, self.pans = frames, pans
        if recipe.batch % fabric.world_size:
            raise UserError(f"trainer.recipe.batch={recipe.batch} cannot be shared by {fabric.world_size} devices")
        self.plain = trainee
        mean = averaged(trainee, recipe.ema)
        if recipe.compile:
            for block in trainee.repeated():
                block.compile(dynamic=True)
        module = fabric.setup_module(trainee)
        optimizer = fabric.setup_optimizers(AdamW(groups(trainee, recipe), recipe.learning_rate, recipe.betas))
        assert isinstance(optimizer, torch.optim.Optimizer)  # one in, one out
        self.state = State(module, optimizer, mean)
        self.skipped = 0
        self.operations: dict[int, float] = {}  # of a step, in 10^12, by its number of views

    def resume(self) -> None:
        """Continue from the checkpoint of an earlier process, if there is one."""
        file = self.folder / CHECKPOINT
        if file.exists():
            parts = self.state.parts()
            self.fabric.load(file, parts, weights_only=True)
            self.state.done = parts["done"]

    def save(self) -> None:
        """Write the checkpoint. A crash while writing leaves the previous one."""
        temporary = self.folder / f".{CHECKPOINT}.tmp"
        self.fabric.save(temporary, self.state.parts())
        if self.fabric.is_global_zero:
            temporary.replace(self.folder / CHECKPOINT)
        self.fabric.barrier()

    def run(self, callback: StepCallback) -> None:
        """Train to the end; ``callback(steps done, numbers)`` is called after every step."""
        device_peak = peak(self.fabric.device)
        main = self.fabric.is_global_zero
        log = Log(self.folder, self.recipe.log_every, self.state.done, device_peak) if main else None
        while self.state.done < self.recipe.steps:
            numbers = self.step()
            if log is not None:
                log.add(self.state.done, numbers, self.recipe.batch)
            callback(self.state.done, numbers)
            if self.state.done % self.recipe.save_every == 0 or self.state.done == self.recipe.steps:
                self.save()

    def trained(self) -> Trainee:
        """The trainee with the weights to keep: their running mean where the recipe has one."""
        mean = self.state.mean
        return mean.module if isinstance(mean, AveragedModel) else self.plain  # type: ignore[return-value]

    def step(self) -> dict[str, float]:
        """Do one step and return its numbers."""
        done, recipe = self.state.done, self.recipe
        rng = generator("training", self.seed, done, self.fabric.global_rank)
        progress = done / recipe.steps
        views = self.plain.views(generator("training views", self.seed, done))
        share = recipe.batch // self.fabric.world_size
        clips = self._frames(progress).draw(share, views, recipe.clips.window(progress, views), recipe.clips, rng)
        learning_rate = recipe.learning_rate_at(done)
        for group in self.state.optimizer.param_groups:
            group["lr"] = learning_rate
        if views not in self.operations:
            own_rng = generator("training operations", views)
            self.operations[views] = operations(lambda: self.state.trainee(clips, own_rng, progress))
        losses: dict[str, Tensor] = self.state.trainee(clips, rng, progress)
        norm = self._update(losses[LOSS])
        self.state.done += 1
        return {
            **{name: float(value.detach()) for name, value in losses.items()},
            "gradient_norm": norm,
            "learning_rate": learning_rate,
            "skipped_steps": float(self.skipped),
            WORK: self.operations[views],
        }

    def _update(self, loss: Tensor) -> float:
        """Change the weights, and their running mean; returns the length of the gradient."""
        recipe = self.recipe
        self.fabric.backward(loss)
        norm = self._norm()
        if recipe.skip_norm is None or self.state.done < recipe.skip_after or norm <= recipe.skip_norm:
            self.state.optimizer.step()
        else:
            self.skipped += 1
        self.state.optimizer.zero_grad()
        if isinstance(self.state.mean, AveragedModel):
            self.state.mean.update_parameters(self.plain)
        return norm

    def _frames(self, progress: float) -> FrameStore:
        """The frames that the clips of this step are drawn from."""
        if self.pans is None:
            return self.frames
        draw = generator(PAN_STAGE_SEED, self.seed, self.state.done).random()
        return self.pans if draw < self.recipe.pan_chance(progress) else self.frames

    def _norm(self) -> float:
        """Clip the gradient as the recipe says; returns its length before that."""
        if self.recipe.nan_gradients == "zero":
            for parameter in self.state.trainee.parameters():
                if parameter.grad is not None:
                    torch.nan_to_num_(parameter.grad, nan=0.0, posinf=0.0, neginf=0.0)
        limit = self.recipe.clip_norm or float("inf")
        norm = self.fabric.clip_gradients(
            self.state.trainee, self.state.optimizer, max_norm=limit, error_if_nonfinite=False
        )
        assert norm is not None
        if not norm.isfinite():
            raise UserError(
                f"the gradient of step {self.state.done} is not finite: try a lower trainer.recipe.learning_rate"
            )
        return float(norm)


def averaged(trainee: Trainee, decay: float | None) -> nn.Module | None:
    """The running mean of the weights; None where ``decay`` is None."""
    if decay is None:
        return None
    return AveragedModel(trainee, multi_avg_fn=get_ema_multi_avg_fn(decay))


def groups(trainee: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters with and without weight decay: norms, biases and learnt tokens have none."""
    decayed: list[nn.Parameter] = []
    not_decayed: list[nn.Parameter] = []
    for name, parameter in trainee.named_parameters():
        if parameter.requires_grad:
            (not_decayed if parameter.ndim < 2 or name.endswith("tokens") else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": not_decayed, "weight_decay": 0.0}]
