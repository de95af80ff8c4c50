"""`evalkit train`: prepare frames, train, write weights, all with progress.

Torch is imported after the settings were found valid, so that a mistake is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

import typer

from evalkit.cli.progress import Progress, Task
from evalkit.console import console
from evalkit.training.settings import TrainingConfig, compose_training

if TYPE_CHECKING:
    from evalkit.config.options import ComponentOptions
    from evalkit.training.frame_store import FrameStore
    from evalkit.training.session import TrainingSession

QUALITY = {"psnr": "PSNR {:.1f} dB", "rotation_error_deg": "rotation error {:.1f}°"}  # shown beside the loss


def train(overrides: Sequence[str]) -> None:
    """Train one model to the end of its recipe, from the last checkpoint of an earlier process if there is one."""
    config = compose_training(overrides)
    import torch

    torch.set_flush_denormal(True)  # tiny numbers of an untrained network slow a CPU down a hundred times
    try:
        _train(config)
    except KeyboardInterrupt:
        typer.echo("evalkit: stopped; the same command continues from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    finally:
        torch.set_flush_denormal(False)


def _train(config: TrainingConfig) -> None:
    from evalkit.training.session import TrainingSession

    session = TrainingSession(config)
    with Progress(disabled=not session.is_main) as progress:
        frames = _load_frames(session, config.dataset, "preparing frames", progress)
        pans = None
        if config.pan_dataset is not None:
            pans = _load_frames(session, config.pan_dataset, "preparing frames of pans", progress)
        loop = session.loop(frames, pans)
        batch, done = config.recipe.batch, loop.state.done
        task = progress.task(f"training {config.baseline}", config.recipe.steps, "steps", done, ("clips", batch))
        loop.run(_step_callback(task))
    if session.is_main:
        console().print(f"{session.write_weights(loop)}", soft_wrap=True, highlight=False)


def _load_frames(
    session: TrainingSession, options: ComponentOptions, description: str, progress: Progress
) -> FrameStore:
    task: list[Task] = []  # starts when the number of sequences is known

    def callback(done: int, total: int) -> None:
        if not task:
            task.append(progress.task(description, total, "sequences"))
        task[0].advance_to(done)

    return session.load_frames(options, callback)


def _step_callback(task: Task) -> Callable[[int, Mapping[str, float]], None]:
    def callback(done: int, numbers: Mapping[str, float]) -> None:
        measured = {name: value for name, value in numbers.items() if not isnan(value)}
        quality = [text.format(measured[name]) for name, text in QUALITY.items() if name in measured]
        task.advance_to(done, ", ".join([f"loss {numbers['loss']:.4f}", *quality]))

    return callback
