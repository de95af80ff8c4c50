"""The one training loop, on Lightning Fabric: CPU, one GPU or many by settings alone."""

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
from evalkit.training.recipe import Recipe
from evalkit.training.throughput import operations, peak
from evalkit.training.trainee import LOSS, Trainee

CHECKPOINT = "checkpoint.ckpt"
Tell = Callable[[int, Mapping[str, float]], None]


@dataclass
class State:
    """All that a process needs to go on where another one stopped, to the same weights: randomness is a function of
    the step's number, so that the position in the data is the number of steps done."""

    trainee: nn.Module
    optimizer: torch.optim.Optimizer
    mean: nn.Module | None
    done: int = 0

    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        held: dict[str, Any] = {"trainee": self.trainee, "optimizer": self.optimizer, "done": self.done}
        return held if self.mean is None else {**held, "mean": self.mean}


class TrainingLoop:
    """A trainee on its way through a recipe."""

    def __init__(
        self,
        fabric: Fabric,
        trainee: Trainee,
        recipe: Recipe,
        pool: FrameStore,
        seed: int,
        folder: Path,
        prelude: FrameStore | None = None,
    ) -> None:
        self.fabric, self.recipe, self.seed, self.folder = fabric, recipe, seed, folder
        self.pool, self.prelude = pool, prelude
        if recipe.batch % fabric.world_size:
            raise UserError(f"trainer.recipe.batch={recipe.batch} cannot be shared by {fabric.world_size} devices")
        self.plain = trainee
        mean = averaged(trainee, recipe.ema)
        if recipe.compile:
            for block in trainee.repeated():
                block.compile(dynamic=True)
        module = fabric.setup_module(trainee)
        optimizer = fabric.setup_optimizers(AdamW(groups(trainee, recipe), recipe.learning_rate, recipe.betas))
        assert isinstance(optimizer, torch.optim.Optimizer)  # of one, one comes back
        self.state = State(module, optimizer, mean)
        self.skipped = 0
        self.operations: dict[int, float] = {}  # of a step, by the number of views

    def resume(self) -> None:
        """Go on where a process that was stopped has saved, if one has."""
        file = self.folder / CHECKPOINT
        if file.exists():
            parts = self.state.parts()
            self.fabric.load(file, parts, weights_only=True)
            self.state.done = parts["done"]

    def save(self) -> None:
        """Write the checkpoint; it is whole or the one before."""
        temporary = self.folder / f".{CHECKPOINT}.tmp"
        self.fabric.save(temporary, self.state.parts())
        if self.fabric.is_global_zero:
            temporary.replace(self.folder / CHECKPOINT)
        self.fabric.barrier()

    def run(self, tell: Tell) -> None:
        """Train to the end, from the first weights or those that `resume` found; ``tell(done, numbers)`` each step."""
        most = peak(self.fabric.device)
        log = Log(self.folder, self.recipe.log_every, self.state.done, most) if self.fabric.is_global_zero else None
        while self.state.done < self.recipe.steps:
            numbers = self.step()
            if log is not None:
                log.add(self.state.done, numbers, self.recipe.batch)
            tell(self.state.done, numbers)
            if self.state.done % self.recipe.save_every == 0 or self.state.done == self.recipe.steps:
                self.save()

    def best(self) -> Trainee:
        """The trainee whose weights are worth keeping: the running mean where there is one."""
        mean = self.state.mean
        return mean.module if isinstance(mean, AveragedModel) else self.plain  # type: ignore[return-value]

    def step(self) -> dict[str, float]:
        """One step; returns its numbers."""
        done, recipe = self.state.done, self.recipe
        rng = generator("training", self.seed, done, self.fabric.global_rank)
        progress = done / recipe.steps
        views = self.plain.views(generator("training views", self.seed, done))
        share = recipe.batch // self.fabric.world_size
        clips = self._pool(progress).draw(share, views, recipe.clips.window(progress, views), recipe.clips, rng)
        for group in self.state.optimizer.param_groups:
            group["lr"] = recipe.rate(done)
        if views not in self.operations:
            apart = generator("training operations", views)
            self.operations[views] = operations(lambda: self.state.trainee(clips, apart, progress))
        losses: dict[str, Tensor] = self.state.trainee(clips, rng, progress)
        self.fabric.backward(losses[LOSS])
        norm = self._norm()
        if recipe.skip_norm is None or done < recipe.skip_after or norm <= recipe.skip_norm:
            self.state.optimizer.step()
        else:
            self.skipped += 1
        self.state.optimizer.zero_grad()
        if isinstance(self.state.mean, AveragedModel):
            self.state.mean.update_parameters(self.plain)
        self.state.done += 1
        numbers = {name: float(value.detach()) for name, value in losses.items()}
        own = {"gradient": norm, "rate": recipe.rate(done), "skipped": float(self.skipped)}
        return {**numbers, **own, WORK: self.operations[views]}

    def _pool(self, progress: float) -> FrameStore:
        """Where the clips of this step come from."""
        if self.prelude is None:
            return self.pool
        opening = generator("training prelude", self.seed, self.state.done).random() < self.recipe.opening(progress)
        return self.prelude if opening else self.pool

    def _norm(self) -> float:
        """Length of the gradient, made to fit the recipe."""
        parameters = [each for each in self.state.trainee.parameters() if each.grad is not None]
        if self.recipe.nan_gradients == "zero":
            for each in parameters:
                assert each.grad is not None
                torch.nan_to_num_(each.grad, nan=0.0, posinf=0.0, neginf=0.0)
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
    """The running mean of the weights, where one is asked for."""
    if decay is None:
        return None
    return AveragedModel(trainee, multi_avg_fn=get_ema_multi_avg_fn(decay))


def groups(trainee: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters with and without weight decay: norms, biases and learnt tokens have none."""
    named = [(name, each) for name, each in trainee.named_parameters() if each.requires_grad]
    free = [each for name, each in named if each.ndim < 2 or name.endswith("tokens")]
    decayed = [each for name, each in named if not (each.ndim < 2 or name.endswith("tokens"))]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
