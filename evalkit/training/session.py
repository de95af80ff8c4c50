"""One training from its settings to a file of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric

from evalkit.cache import cache_folder
from evalkit.config.options import ComponentOptions
from evalkit.digests import digest_of
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.registry import Group, implementation, load
from evalkit.training.frame_store import FrameStore
from evalkit.training.loop import TrainingLoop
from evalkit.training.settings import TrainingConfig
from evalkit.training.trainee import Trainable, Trainee
from evalkit.weights.model_file import load_exactly, read_model, write_model

WEIGHTS = "weights.safetensors"


class TrainingSession:
    """A training; call `load_frames`, `loop`, `TrainingLoop.run` and `write_weights` in this order.

    Raises UserError where the device is missing or the weights to start from do not fit.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.fabric = _fabric(config)
        self.fabric.launch()
        identity = config.identity()
        self.folder = Path(config.general.out, config.baseline, config.dataset.name, digest_of(identity)[:12])
        text = yaml.safe_dump(identity, sort_keys=False)
        write_atomically(self.folder / "config.yaml", text.encode(), str(self.fabric.global_rank))
        self.trainee = _trainee(config)

    @property
    def is_main(self) -> bool:
        """Whether this is the one process, of those of all devices, that prints and writes."""
        return bool(self.fabric.is_global_zero)

    def load_frames(self, options: ComponentOptions, callback: Callable[[int, int], None]) -> FrameStore:
        """Render or read all frames of a dataset; the first process does so, the others find them in the cache.

        ``callback(sequences done, sequences)`` is called as it goes.
        """
        dataset = implementation(load(Group.DATASET, options.name))(options, str(self.fabric.device))
        resolution, stride = self.config.model.resolution, self.config.recipe.clips.stride
        key = {"data": dataset.digest(), "resolution": resolution, "stride": stride}
        folder = cache_folder() / "frames" / digest_of(key)[:12]
        device, cameras = str(self.fabric.device), self.trainee.needs_cameras
        with self.fabric.rank_zero_first():
            return FrameStore.of(dataset, resolution, stride, folder, device, callback, cameras)

    def loop(self, frames: FrameStore, pans: FrameStore | None) -> TrainingLoop:
        """The training loop, at the checkpoint of an earlier process if there is one."""
        config = self.config
        loop = TrainingLoop(self.fabric, self.trainee, config.recipe, frames, config.general.seed, self.folder, pans)
        loop.resume()
        return loop

    def write_weights(self, loop: TrainingLoop) -> Path:
        """Write the trained network with its settings; returns the file."""
        config, file = self.config, self.folder / WEIGHTS
        about = {"trained_on": trained_on(config), "licence": "Apache-2.0", "config": config.identity()}
        write_model(file, loop.trained().network, config.baseline, config.model, about)
        return file


def trained_on(config: TrainingConfig) -> str:
    """What a card says about the training data: the dataset with its settings, and the number of clips."""
    options = config.dataset.model_dump(mode="json", exclude={"name"})
    settings = " ".join(f"{key}={value}" for key, value in options.items())
    return f"{config.dataset.name} {settings}, {config.recipe.steps * config.recipe.batch} clips"


def _fabric(config: TrainingConfig) -> Fabric:
    general = config.general
    if general.device == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda is not available here: expected cpu or auto")
    return Fabric(
        accelerator=general.device,
        devices=general.devices,
        strategy=general.strategy.value,
        precision=config.recipe.precision,
    )


def _trainee(config: TrainingConfig) -> Trainee:
    """The network with its first weights: those of the file ``start``, or those that the seed determines."""
    trainable: Trainable = implementation(load(Group.BASELINE, config.baseline))
    with torch.random.fork_rng([]):
        torch.manual_seed(config.general.seed)
        trainee = trainable.trainee(config.model)
    if config.general.start is not None:
        start = read_model(Path(config.general.start), config.baseline)
        load_exactly(trainee.network, start.weights, config.general.start)
    return trainee
