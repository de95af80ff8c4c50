"""The frame of the audit: parts made of cells, measured side by side, kept, and checked against bounds.

A part is a file in `tests/audit/parts` with one `Part`, named ``PART``. Its cells are independent pieces of work of
seconds to minutes. Each cell's rows are kept under `audits/NAME/DIGEST OF THE CODE/` as soon as it is measured, so that
an interrupted audit goes on where it stopped, and a part whose code did not change is not measured again.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.digests import content_digest, digest_of

ROOT = Path(__file__).resolve().parents[2]
Cell = Mapping[str, Any]  # the settings of a cell, as JSON
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Part:
    """One check.

    Args:
        name: as typed after `python -m tests.audit`; also the name of its table.
        title: one line above the table.
        code: files and folders that the numbers depend on, relative to the repository; the part's own file is added.
        cells: the settings of all cells.
        measure: a function at the top of its module: the settings of a cell -> rows of the table.
        broken: the whole table -> one line for each bound that does not hold.
        view: the table -> what is printed; the CSV holds everything.
        workers: processes at once.
    """

    name: str
    title: str
    code: tuple[str, ...]
    cells: Callable[[], Sequence[Cell]]
    measure: Callable[[Cell], Rows]
    broken: Callable[[pd.DataFrame], Sequence[str]]
    view: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table
    workers: int = 2

    def digest(self) -> str:
        """Return the digest of the code."""
        own = sys.modules[self.measure.__module__].__file__
        files = [*(ROOT / path for path in self.code), *([Path(own)] if own else [])]
        return digest_of([_source_digest(file) for file in files])[:16]


def parts() -> dict[str, Part]:
    """All parts by name."""
    package = importlib.import_module("tests.audit.parts")
    modules = [
        importlib.import_module(f"tests.audit.parts.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    found = [module.PART for module in modules if hasattr(module, "PART")]
    return {part.name: part for part in found}


def run_part(part: Part, folder: Path, tell: Callable[[str], None]) -> list[str]:
    """Measure what is missing, write the table as CSV and text, print it; return what is broken."""
    started = time.monotonic()
    kept = folder / part.name / part.digest()
    cells = list(part.cells())
    missing = [cell for cell in cells if _read(kept, cell) is None]
    tell(f"{part.name}: {part.title} ({len(cells)} cells, {len(missing)} to measure)")
    for number, cell in enumerate(_measured(part, missing, kept), 1):
        tell(f"  {number}/{len(missing)} {' '.join(f'{key}={value}' for key, value in cell.items())}")
    table = pd.DataFrame([row for cell in cells for row in _read(kept, cell) or ()])
    broken = list(part.broken(table))
    text = "\n".join([part.title, part.view(table).to_string(index=False), *(f"BROKEN: {line}" for line in broken)])
    table.to_csv(folder / f"{part.name}.csv", index=False)
    (folder / f"{part.name}.txt").write_text(text + "\n", encoding="utf-8")
    tell(f"{text}\n{part.name}: {time.monotonic() - started:.0f} s, {len(broken)} broken\n")
    return broken


def _measured(part: Part, missing: Sequence[Cell], kept: Path) -> Iterator[Cell]:
    """Measure cells and keep each one's rows; yields a cell as soon as its rows are on disk."""
    if part.workers == 1 or len(missing) <= 1:
        for cell in missing:
            _write(kept, cell, part.measure(cell))
            yield cell
        return
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process a core, a thread a process
    with ProcessPoolExecutor(part.workers, mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(part.measure, cell): cell for cell in missing}
        for future in as_completed(pending):
            _write(kept, pending[future], future.result())
            yield pending[future]


def _file(kept: Path, cell: Cell) -> Path:
    return kept / f"{digest_of(dict(cell))[:24]}.json"


def _read(kept: Path, cell: Cell) -> Rows | None:
    try:
        rows: Rows = json.loads(_file(kept, cell).read_bytes())
    except (OSError, ValueError):
        return None
    return rows


def _write(kept: Path, cell: Cell, rows: Rows) -> None:
    """Write rows whole or not at all."""
    kept.mkdir(parents=True, exist_ok=True)
    draft = _file(kept, cell).with_suffix(".draft")
    draft.write_text(json.dumps([dict(row) for row in rows]), encoding="utf-8")
    draft.replace(_file(kept, cell))


def _source_digest(path: Path) -> str:
    """Digest of a file, or of the Python files of a folder (compiled files beside them do not count)."""
    return (
        content_digest(path)
        if path.is_file()
        else digest_of([content_digest(file) for file in sorted(path.rglob("*.py"))])
    )
