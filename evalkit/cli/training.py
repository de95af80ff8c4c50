"""`evalkit train`: frames first, then steps, both with a progress bar; weights at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import typer
import yaml
from lightning_fabric import Fabric
from rich.progress import Progress

from evalkit.cache import cache_folder
from evalkit.cli.console import console, progress_bar
from evalkit.config.options import ComponentOptions
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.registry import Group, implementation, load
from evalkit.run.manifest import digest_of
from evalkit.training.frame_store import FrameStore
from evalkit.training.loop import TrainingLoop
from evalkit.training.settings import TrainingConfig, compose_training
from evalkit.training.trainee import Trainee
from evalkit.weights.model_file import load_exactly, read_model, write_model

WEIGHTS = "weights.safetensors"
QUALITY = {"psnr": " dB", "rotation_deg": "° off"}  # what is worth watching beside the loss, where a trainee tells it


def train(overrides: Sequence[str]) -> None:
    """Train one model to the end of its recipe, from where an earlier process was stopped if there was one."""
    config = compose_training(overrides)
    torch.set_flush_denormal(True)  # tiny numbers of a young network cost a CPU a hundred times an ordinary one
    try:
        _train(config)
    except KeyboardInterrupt:
        typer.echo("evalkit: stopped; the same command goes on from the last checkpoint", err=True)
        raise typer.Exit(130) from None
    finally:
        torch.set_flush_denormal(False)


def _train(config: TrainingConfig) -> None:
    fabric = _fabric(config)
    fabric.launch()
    folder = Path(config.place.out, config.baseline, config.dataset.name, digest_of(config.identity())[:12])
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.identity(), sort_keys=False)
    write_atomically(folder / "config.yaml", text.encode(), str(fabric.global_rank))
    trainee = _trainee(config)
    with progress_bar(disabled=not fabric.is_global_zero) as progress:
        cameras = trainee.needs_cameras
        pool = _pool(config, config.dataset, fabric, progress, cameras)
        prelude = None if config.prelude is None else _pool(config, config.prelude, fabric, progress, cameras)
        training = TrainingLoop(fabric, trainee, config.recipe, pool, config.place.seed, folder, prelude)
        _run(training, config, progress)
    if fabric.is_global_zero:
        about = {"trained_on": _trained_on(config), "licence": "Apache-2.0", "config": config.identity()}
        write_model(folder / WEIGHTS, training.best().network, config.baseline, config.model, about)
        console().print(f"{folder / WEIGHTS}", soft_wrap=True, highlight=False)


def _fabric(config: TrainingConfig) -> Fabric:
    place = config.place
    if place.device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={place.device}: expected auto, cpu or cuda; devices=2 takes two of them")
    if place.device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda is not available here: expected cpu or auto")
    return Fabric(
        accelerator=place.device,
        devices=place.devices,
        strategy=place.strategy.value,
        precision=config.recipe.precision,
    )


def _trainee(config: TrainingConfig) -> Trainee:
    """The network with its first weights: those of a file, or what the seed alone determines."""
    with torch.random.fork_rng([]):
        torch.manual_seed(config.place.seed)
        trainee: Trainee = implementation(load(Group.BASELINE, config.baseline)).trainee(config.model)
    if config.place.start is not None:
        read = read_model(Path(config.place.start), config.baseline)
        load_exactly(trainee.network, read.weights, config.place.start)
    return trainee


def _pool(
    config: TrainingConfig, source: ComponentOptions, fabric: Fabric, progress: Progress, cameras: bool
) -> FrameStore:
    """All frames, rendered or read by one process and kept in the cache for the others and the next time."""
    dataset = implementation(load(Group.DATASET, source.name))(source, str(fabric.device))
    resolution = config.model.resolution  # type: ignore[attr-defined]  # every model has one
    key = {"data": dataset.digest(), "resolution": resolution, "stride": config.recipe.clips.stride}
    folder = cache_folder() / "frames" / digest_of(key)[:12]
    task = progress.add_task("frames", total=None)

    def tell(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    with fabric.rank_zero_first():
        return FrameStore.of(dataset, resolution, config.recipe.clips.stride, folder, str(fabric.device), tell, cameras)


def _run(training: TrainingLoop, config: TrainingConfig, progress: Progress) -> None:
    training.resume()
    task = progress.add_task(config.baseline, total=config.recipe.steps, completed=training.state.done)
    since, before = time.perf_counter(), training.state.done

    def tell(done: int, numbers: Mapping[str, float]) -> None:
        rate = (done - before) * config.recipe.batch / (time.perf_counter() - since)
        quality = [f"{numbers[name]:.1f}{unit}" for name, unit in QUALITY.items() if name in numbers]
        shown = " · ".join([config.baseline, f"loss {numbers['loss']:.4f}", *quality, f"{rate:.0f} clips/s"])
        progress.update(task, completed=done, description=shown)

    training.run(tell)


def _trained_on(config: TrainingConfig) -> str:
    """The dataset with its settings, and how much was drawn from it."""
    options = config.dataset.model_dump(mode="json", exclude={"name", "profile"})
    settings = " ".join(f"{key}={value}" for key, value in options.items())
    return f"{config.dataset.name} {settings}, {config.recipe.steps * config.recipe.batch} clips"
