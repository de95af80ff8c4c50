"""The course of a training, for people (a CSV file) and for TensorBoard."""

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
    """Means over every ``every`` steps; a training that goes on first drops what it is going to do again.

    ``peak``: what the device does at best, in 10^12 operations a second, where that is known.
    """

    def __init__(self, folder: Path, every: int, done: int, peak: float | None) -> None:
        self.file, self.every, self.peak = folder / FILE, every, peak
        self.recent: list[Mapping[str, float]] = []
        self.since = time.perf_counter()
        self._drop_after(done)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=done)

    def add(self, done: int, numbers: Mapping[str, float], clips: int) -> None:
        """Take in one step; write a row when it is time."""
        self.recent.append(numbers)
        if done % self.every:
            return
        row = {name: float(np.mean([each[name] for each in self.recent])) for name in numbers}
        now = time.perf_counter()
        rate = len(self.recent) / (now - self.since)
        row["clips_per_second"] = clips * rate
        row["tflop_per_second"] = row.pop(WORK) * rate
        if self.peak is not None:
            row["share_of_peak"] = row["tflop_per_second"] / self.peak
        self.recent, self.since = [], now
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
