"""The folder of one run: manifest, frozen index, append-only rows, arrays, and what they add up to.

Read and written without torch and pandas, but for arrays, renders and rows.parquet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from evalkit.card import Card, TargetPose
from evalkit.digests import content_digest
from evalkit.errors import UserError
from evalkit.files import file_name, write_atomically
from evalkit.renders import RENDERS_CARD, RendersCard
from evalkit.run.records import DamagedRecord, Manifest, Row, RunSummary, read_record, read_row, row_line

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


@dataclass(frozen=True)
class RunFolder:
    """Reads and writes one run. Any number of processes may hold different shards of it at the same time."""

    path: Path
    writer: str

    def create(self, manifest: Manifest, config_yaml: str, index: bytes) -> None:
        """Write what identifies the run. Raises UserError where the folder has another manifest than expected."""
        self.check_manifest(manifest)
        (self.path / "rows").mkdir(parents=True, exist_ok=True)
        self._write("index.jsonl", index)
        self._write("config.yaml", config_yaml.encode())
        if not self._manifest_file.exists():
            self._write("manifest.json", manifest.to_json())

    def check_manifest(self, expected: Manifest) -> None:
        """Raise UserError, one line, where there is a manifest that is damaged or says something else."""
        if not self._manifest_file.exists():
            return
        try:
            written = read_record(Manifest, self._manifest_file.read_bytes())
            if (written.digest, written.inputs) != (expected.digest, expected.inputs):
                raise DamagedRecord("it does not describe this run")
        except DamagedRecord as error:
            raise UserError(
                f"{self._manifest_file}: {error}; its rows cannot be trusted: move {self.path} away to compute anew"
            ) from error

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
        with self._journal.open("ab", buffering=0) as file:
            file.write("".join(map(row_line, rows)).encode())
            os.fsync(file.fileno())

    def append_times(self, seconds: Mapping[str, float]) -> None:
        """Note how long the method took, apart from the rows, which are the same whoever computes them."""
        path = self.path / "times" / f"{self.writer}.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"sample": key, "seconds": value}) + "\n" for key, value in seconds.items())

    def times(self) -> tuple[dict[str, float], list[str]]:
        """Return the seconds that the method took for each sample, the last time it was asked; and unreadable lines."""
        seconds: dict[str, float] = {}
        damaged: list[str] = []
        for path in sorted((self.path / "times").glob("*.jsonl")):
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                try:
                    entry = json.loads(line)
                    seconds[str(entry["sample"])] = float(entry["seconds"])
                except (ValueError, KeyError, TypeError):
                    damaged.append(f"{path.name}:{number}")
        return seconds, damaged

    def save_arrays(self, sample_id: str, arrays: Mapping[str, Tensor]) -> None:
        """Keep a sample's arrays; done before its row is written, so that a row implies its arrays."""
        if arrays:
            self._write(f"arrays/{file_name(sample_id)}.safetensors", _tensors(arrays))

    def arrays(self, sample_id: str) -> dict[str, Tensor]:
        """Return the arrays kept of a sample. Raises UserError where they cannot be read."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self.path / "arrays" / f"{file_name(sample_id)}.safetensors"
        try:
            return load_file(file)
        except (OSError, SafetensorError) as error:
            raise UserError(f"{file}: cannot be read ({error}); move {self.path} away to compute anew") from error

    def save_render(self, sample_id: str, render: Tensor) -> None:
        """Keep a render [T, 3, H, W] exactly."""
        self._write(f"renders/{file_name(sample_id)}.safetensors", _tensors({"renders": render}))

    def has_render(self, sample_id: str) -> bool:
        """Whether a sample's render is on disk."""
        return (self.path / "renders" / f"{file_name(sample_id)}.safetensors").exists()

    def save_renders_card(self, card: Card, target_pose: TargetPose) -> None:
        """Say beside the renders what made them, for whoever scores them later."""
        said = RendersCard(baseline=card.name, target_pose=target_pose, score_region=card.score_region)
        self._write(f"renders/{RENDERS_CARD}", (said.model_dump_json(indent=2) + "\n").encode())

    def save_picture(self, sample_id: str, png: bytes) -> None:
        """Keep a picture of a sample."""
        self._write(f"pictures/{file_name(sample_id)}.png", png)

    def rows(self) -> dict[str, Row]:
        """Return all whole rows of all shards, by sample id; a damaged row counts as missing and is computed again.

        Raises UserError where two processes wrote different rows for one sample.
        """
        rows: dict[str, Row] = {}
        for journal in sorted((self.path / "rows").glob("*.jsonl")):
            for row in _read_rows(journal):
                sample_id = str(row["sample"])
                if repr(rows.setdefault(sample_id, row)) != repr(row):
                    raise UserError(f"{journal}: sample {sample_id} has two different rows; delete one file")
        return rows

    def finished(self, digest: str) -> RunSummary | None:
        """Return the summary of this run, if there is one that is whole and fits the rows."""
        try:
            summary = read_summary(self.path)
        except DamagedRecord:
            return None  # it is made again from the rows
        return summary if summary.digest == digest else None

    def write_table(self, rows: Iterable[Row]) -> str:
        """Write rows.parquet, sorted by sample id; returns its SHA-256."""
        self._write("rows.parquet", table(rows).to_parquet(index=False))
        return content_digest(self.path / "rows.parquet")

    def write_summary(self, summary: RunSummary) -> None:
        """Write summary.json."""
        self._write("summary.json", summary.to_json())

    @property
    def _journal(self) -> Path:
        return self.path / "rows" / f"{self.writer}.jsonl"

    @property
    def _manifest_file(self) -> Path:
        return self.path / "manifest.json"

    def _write(self, name: str, content: bytes) -> None:
        write_atomically(self.path / name, content, self.writer)


def read_summary(folder: Path) -> RunSummary:
    """Read the summary of a finished run and check it against its rows and its manifest.

    Raises DamagedRecord, saying what is wrong, where any of the three is missing, changed, or of another run.
    """
    summary = read_record(RunSummary, _content(folder / "summary.json"))
    try:
        manifest = read_record(Manifest, _content(folder / "manifest.json"))
    except DamagedRecord as error:
        raise DamagedRecord(f"manifest.json: {error}") from error
    if manifest.digest != summary.digest:
        raise DamagedRecord("summary.json and manifest.json belong to different runs")
    if not (folder / "rows.parquet").is_file() or content_digest(folder / "rows.parquet") != summary.rows_sha256:
        raise DamagedRecord("rows.parquet is missing or was changed after it was written")
    return summary


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table sorted by sample id; columns in the order in which the sorted rows first name them."""
    import pandas as pd

    ordered = sorted(rows, key=lambda row: str(row["sample"]))
    columns = list(dict.fromkeys(key for row in ordered for key in row))
    return pd.DataFrame(ordered, columns=columns)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DamagedRecord(f"{file.name} cannot be read ({error.strerror})") from error


def _read_rows(journal: Path) -> Iterable[Row]:
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if not line.endswith("\n"):
            return  # a row that another process is writing, or that a crash cut off
        try:
            yield read_row(line)
        except DamagedRecord:
            continue


def _tensors(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
