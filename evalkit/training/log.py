"""The log of a training: a CSV file and TensorBoard's events."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

FILE = "log.csv"
WORK = "tflop"  # of the numbers of a step, its operations on one device, in 10^12


class Log:
    """Means over every ``every`` steps.

    A training that is resumed first drops the rows of steps that it will do again. ``peak``: the device's peak in
    10^12 operations a second, where that is known.
    """

    def __init__(self, folder: Path, every: int, done: int, peak: float | None) -> None:
        self.file, self.every, self.peak = folder / FILE, every, peak
        self.recent: list[Mapping[str, float]] = []
        self.since = time.perf_counter()
        self._drop_after(done)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=done)

    def add(self, done: int, numbers: Mapping[str, float], clips: int) -> None:
        """Add the numbers of one step; every ``every`` steps, write a row."""
        self.recent.append(numbers)
        if done % self.every:
            return
        row = {name: float(np.mean([step[name] for step in self.recent])) for name in numbers}
        now = time.perf_counter()
        steps_per_second = len(self.recent) / (now - self.since)
        row["clips_per_second"] = clips * steps_per_second
        row["tflop_per_second"] = row.pop(WORK) * steps_per_second
        if self.peak is not None:
            row["share_of_peak"] = row["tflop_per_second"] / self.peak
        self.recent, self.since = [], now
        self._write(done, row)

    def _write(self, done: int, row: Mapping[str, float]) -> None:
        new = not self.file.exists()
        with self.file.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", *row])
            writer.writerow([done, *(f"{value:.6g}" for value in row.values())])
        for name, value in row.items():
            self.board.add_scalar(name, value, done)

    def _drop_after(self, done: int) -> None:
        if not self.file.exists():
            return
        with self.file.open(newline="") as file:
            rows = list(csv.reader(file))
        with self.file.open("w", newline="") as file:
            csv.writer(file).writerows([row for row in rows if not row[0].isdecimal() or int(row[0]) <= done])
