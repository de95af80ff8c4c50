"""A run is a folder: manifest, frozen index, append-only rows, arrays, and what they add up to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import Tensor

from evalkit.card import Card
from evalkit.errors import UserError
from evalkit.files import file_name, write_atomically
from evalkit.protocol import RENDERS_CARD, Sample, Value

Row = dict[str, Value]


def index_bytes(samples: Sequence[Sample]) -> bytes:
    """The frozen plan, one JSON line a sample; its SHA-256 is the index digest."""
    return "".join(json.dumps(asdict(sample), sort_keys=True) + "\n" for sample in samples).encode()


@dataclass(frozen=True)
class RunFolder:
    """Reads and writes one run. Any number of processes may hold different shards of it at the same time."""

    path: Path
    writer: str

    @property
    def _journal(self) -> Path:
        return self.path / "rows" / f"{self.writer}.jsonl"

    def create(self, manifest: dict[str, Any], config_yaml: str, index: bytes) -> None:
        """Write what identifies the run, unless it is there already."""
        (self.path / "rows").mkdir(parents=True, exist_ok=True)
        self._write("index.jsonl", index)
        self._write("config.yaml", config_yaml.encode())
        if not (self.path / "manifest.json").exists():
            self._write("manifest.json", _json(manifest))

    def claim(self) -> FileLock:
        """Take the shard's lock and cut off a row that a crash left half written."""
        lock = FileLock(self.path / "rows" / f".{self.writer}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UserError(
                f"{self.path}: another process is running shard {self.writer}; expected one process a shard"
            ) from error
        if self._journal.exists():
            content = self._journal.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.truncate(self._journal, whole)
        return lock

    def append(self, rows: Sequence[Row]) -> None:
        """Append rows in one write and wait until they are on disk."""
        if not rows:
            return
        lines = "".join(json.dumps(_finite(row), allow_nan=False) + "\n" for row in rows)
        with self._journal.open("ab", buffering=0) as file:
            file.write(lines.encode())
            os.fsync(file.fileno())

    def append_times(self, seconds: Mapping[str, float]) -> None:
        """Note how long the method took, apart from the rows, which are the same whoever computes them."""
        path = self.path / "times" / f"{self.writer}.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"sample": key, "seconds": value}) + "\n" for key, value in seconds.items())

    def times(self) -> dict[str, float]:
        """Seconds that the method took for each sample, the last time it was asked."""
        lines = [
            line for path in sorted((self.path / "times").glob("*.jsonl")) for line in path.read_text().splitlines()
        ]
        return {each["sample"]: each["seconds"] for each in map(json.loads, lines)}

    def save_arrays(self, sample_id: str, arrays: dict[str, Tensor]) -> None:
        """Keep a sample's arrays; done before its row is written, so that a row implies its arrays."""
        if arrays:
            self._write(f"arrays/{file_name(sample_id)}.safetensors", _tensors(arrays))

    def arrays(self, sample_id: str) -> dict[str, Tensor]:
        """The arrays kept of a sample."""
        return load_file(self.path / "arrays" / f"{file_name(sample_id)}.safetensors")

    def save_render(self, sample_id: str, render: Tensor) -> None:
        """Keep a render [T, 3, H, W] exactly."""
        self._write(f"renders/{file_name(sample_id)}.safetensors", _tensors({"renders": render}))

    def has_render(self, sample_id: str) -> bool:
        """Whether a sample's render is on disk."""
        return (self.path / "renders" / f"{file_name(sample_id)}.safetensors").exists()

    def save_renders_card(self, card: Card, target_pose: str) -> None:
        """Say beside the renders what made them, for whoever scores them later."""
        said = {"baseline": card.name, "target_pose": target_pose, "score_region": card.score_region}
        self._write(f"renders/{RENDERS_CARD}", _json(said))

    def save_picture(self, sample_id: str, png: bytes) -> None:
        """Keep a picture of a sample."""
        self._write(f"pictures/{file_name(sample_id)}.png", png)

    def rows(self) -> dict[str, Row]:
        """All whole rows of all shards, by sample id. Rows that several processes wrote must agree."""
        found: dict[str, Row] = {}
        for journal in sorted((self.path / "rows").glob("*.jsonl")):
            for row in _read_rows(journal):
                sample_id = str(row["sample"])
                if repr(found.setdefault(sample_id, row)) != repr(row):
                    raise UserError(f"{journal}: sample {sample_id} has two different rows; delete one file")
        return found

    def finish(self, rows: Iterable[Row], summary: dict[str, Any]) -> dict[str, Any]:
        """Write rows.parquet, sorted by sample id, and summary.json; return the latter as it can be read again."""
        self._write("rows.parquet", table(rows).to_parquet(index=False))
        readable: dict[str, Any] = _finite(summary)
        self._write("summary.json", _json(readable))
        return readable

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self.path / name, content, self.writer)


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a table sorted by sample id; columns in the order in which the sorted rows first name them."""
    ordered = sorted(rows, key=lambda row: str(row["sample"]))
    columns = list(dict.fromkeys(key for row in ordered for key in row))
    return pd.DataFrame(ordered, columns=columns)


def _read_rows(journal: Path) -> Iterable[Row]:
    for number, line in enumerate(journal.read_text(encoding="utf-8").splitlines(keepends=True), start=1):
        if not line.endswith("\n"):
            return  # a row that another process is writing, or that a crash cut off
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{journal}:{number}: not a row; delete the file to compute its rows again") from error
        yield {key: math.nan if value is None else value for key, value in row.items()}


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null stands for a number that does not exist."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n").encode()


def _tensors(tensors: dict[str, Tensor]) -> bytes:
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
