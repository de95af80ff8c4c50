"""What a run writes and what is read back: typed records with a schema version, sealed by a checksum."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.digests import digest_of
from evalkit.protocol import Better, Value

INTERVALS = "3"  # how intervals are made; a summary that says otherwise gets new ones from its rows when it is shown
SCHEMA = 1  # of all records here; a record of another schema is never reused
Row = dict[str, Value]


class DamagedRecord(Exception):
    """A record cannot be trusted: cut, changed after it was written, or of another schema. The message says why."""


class Record(BaseModel):
    """The base of all records: closed and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sealed(Record):
    """A record in a file of its own, with the SHA-256 of everything else in it."""

    schema_version: Literal[1] = 1
    sha256: str = ""

    def sealed(self) -> Self:
        """Return the record with its checksum."""
        return self.model_copy(update={"sha256": self._checksum()})

    def to_json(self) -> bytes:
        """Return what is written; NaN and infinity become null."""
        return (json.dumps(_finite(self.model_dump(mode="json")), indent=2, allow_nan=False) + "\n").encode()

    def _checksum(self) -> str:
        return digest_of(_finite(self.model_dump(mode="json", exclude={"sha256"})))


class Manifest(Sealed):
    """What the numbers of a run depend on (``inputs``, of which ``digest`` is the SHA-256), and all settings."""

    digest: str
    inputs: dict[str, Any]
    config: dict[str, Any]


class IntervalRecord(Record):
    """A number with its 95 % interval, over ``n`` rows of ``scenes`` scenes; None where it does not exist."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    scenes: int
    bounded: bool | None = None  # whether it is an interval of values in [0, 1]; None: decided by the values


class ColumnRecord(Record):
    """How a number is printed and what it is; see `evalkit.protocol.Column`."""

    key: str
    title: str
    scale: float = 1.0
    digits: int = 2
    networks: tuple[str, ...] = ()
    better: Better = Better.NONE
    quantity: str = ""
    definition: str = ""
    variant: str = ""


class Coverage(Record):
    """How many samples were planned, and how many of them could be scored."""

    planned: int
    scored: int


class Conditions(Record):
    """What two runs must share to stand in one table."""

    protocol: str  # name@version
    protocol_settings: dict[str, Any]
    dataset: str
    dataset_settings: dict[str, Any]  # without folders, whose content is in ``data``
    data: str  # digest of the dataset's content
    index: str  # digest of the frozen samples
    oracle: dict[str, Any] | None  # its identity
    seed: int
    resolution: int
    pixels: str  # how stored images become squares
    target_pose: str


class RunSummary(Sealed):
    """The numbers of a finished run, and under which conditions they hold."""

    digest: str  # of the run's inputs, as in its manifest
    conditions: Conditions
    baseline: str
    baseline_settings: dict[str, Any]
    coverage: Coverage
    failures: dict[str, int]
    counts: dict[str, int]
    metrics: dict[str, IntervalRecord]
    slices: dict[str, IntervalRecord]
    columns: tuple[ColumnRecord, ...] = Field(min_length=1)
    missing: dict[str, tuple[str, ...]]  # weights that a column lacks, by its key
    references: dict[str, dict[str, float | None]]
    notes: tuple[str, ...]
    rows_sha256: str  # of rows.parquet
    intervals: str = "1"  # how they were made, see `INTERVALS`
    block: str = ""  # title of the part of a table, below the ranking, where the run stands; empty for the ranking


class RowHeader(BaseModel):
    """What every row begins with; numbers of the protocol follow."""

    model_config = ConfigDict(extra="allow", frozen=True)

    sample: str
    scenes: list[str]
    status: Literal["ok", "failed"]
    reason: str


SealedRecord = TypeVar("SealedRecord", bound=Sealed)


def read_record(kind: type[SealedRecord], content: bytes) -> SealedRecord:
    """Read a sealed record. Raises DamagedRecord where it is not whole, changed, or of another schema."""
    try:
        tree = json.loads(content)
    except ValueError as error:
        raise DamagedRecord(f"not JSON ({error})") from error
    if not isinstance(tree, dict) or tree.get("schema_version") != SCHEMA:
        version = tree.get("schema_version", "none") if isinstance(tree, dict) else "none"
        raise DamagedRecord(f"schema version {version}, expected {SCHEMA}")
    try:
        record = kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedRecord(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if digest_of({key: value for key, value in tree.items() if key != "sha256"}) != tree.get("sha256"):
        raise DamagedRecord("changed after it was written (its checksum does not fit)")
    return record


def row_line(row: Mapping[str, Value]) -> str:
    """Return a row as one line of a journal, with its checksum.

    >>> read_row(row_line({"sample": "a", "scenes": ["a"], "status": "ok", "reason": "", "psnr": 20.5}))["psnr"]
    20.5
    """
    text = json.dumps(_finite(dict(row)), allow_nan=False)
    return json.dumps({"schema_version": SCHEMA, "crc32": zlib.crc32(text.encode()), "row": text}) + "\n"


def read_row(line: str) -> Row:
    """Read a line of a journal. Raises DamagedRecord for anything but what `row_line` wrote."""
    try:
        tree = json.loads(line)
        text = tree["row"]
        if tree["schema_version"] != SCHEMA or zlib.crc32(text.encode()) != tree["crc32"]:
            raise DamagedRecord("a row whose checksum does not fit")
        row = json.loads(text)
        RowHeader.model_validate(row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedRecord("not a row") from error
    return {key: math.nan if value is None else value for key, value in row.items()}


def _finite(value: Any) -> Any:
    """JSON knows no NaN: null stands for a number that does not exist."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
