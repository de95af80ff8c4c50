"""Where lists are found, and that they are the ones meant: nothing is used before its digest is checked."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from evalkit.cache import cache_folder
from evalkit.errors import UserError, did_you_mean
from evalkit.index.catalogue import CATALOGUE, Listed
from evalkit.index.entries import Index
from evalkit.index.readers import form_of, read

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Found:
    """An index, the file it was read from, its SHA-256, and its line in the catalogue, if it has one."""

    index: Index
    path: Path
    sha256: str
    listed: Listed | None


def folders() -> list[Path]:
    """Where lists are looked for: the folders of ``EVALKIT_INDEX``, then ``index`` in the cache."""
    named = [Path(part).expanduser() for part in os.environ.get("EVALKIT_INDEX", "").split(os.pathsep) if part]
    return [*named, cache_folder() / "index"]


def load(source: str) -> Found:
    """Read an index by its name in the catalogue, or from a path.

    Raises UserError where it is unknown, absent, damaged, or another file than its name says.
    """
    if source in CATALOGUE:
        return load_listed(CATALOGUE[source])
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"no index '{source}' and no such file{did_you_mean(source, CATALOGUE)}")
    return _load_path(path)


def load_listed(listed: Listed) -> Found:
    """Read a list of the catalogue from the first folder that has it."""
    path = locate(listed)
    if path is None:
        raise UserError(
            f"index '{listed.name}' ({listed.repository.licence}) is not here; type: curl -fL --create-dirs "
            f"-o '{folders()[-1] / listed.file}' {listed.url} (or EVALKIT_INDEX=DIR, the folder above {listed.file})"
        )
    content = _content(path)
    return Found(_checked(listed, path, content), path, listed.sha256, listed)


def locate(listed: Listed) -> Path | None:
    """Where a list lies: as <owner>__<repository>/<file>, or where an INDEX.json beside it says."""
    for folder in folders():
        if (folder / listed.file).is_file():
            return folder / listed.file
        file = _registered(folder / "INDEX.json", listed)
        if file is not None and (folder / file).is_file():
            return folder / file
    return None


def _load_path(path: Path) -> Found:
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    known = [listed for listed in CATALOGUE.values() if listed.sha256 == sha256]
    if len(known) > 1:
        names = " or ".join(listed.name for listed in known)
        raise UserError(f"{path}: holds several lists; type {names} (EVALKIT_INDEX={path.parent.parent})")
    if known:
        return Found(_checked(known[0], path, content), path, sha256, known[0])
    for listed in CATALOGUE.values():
        if path.resolve().as_posix().endswith(f"/{listed.file}"):
            _checked(listed, path, content)
    return Found(read(content, form_of(content, str(path)), str(path)), path, sha256, None)


def _checked(listed: Listed, path: Path, content: bytes) -> Index:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != listed.sha256:
        raise UserError(
            f"{path}: SHA-256 {sha256}, expected {listed.sha256} for '{listed.name}': another version or damaged; "
            f"download {listed.url}"
        )
    return read(content, listed.form, listed.name)


def _registered(register: Path, listed: Listed) -> str | None:
    """The file that an INDEX.json names for a list, by its repository and path there."""
    if not register.is_file():
        return None
    try:
        lines = json.loads(_content(register))
        wanted = (listed.repository.name, listed.path)
        return next((str(line["file"]) for line in lines if (line["repository"], line["path"]) == wanted), None)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{register}: cannot be read; expected a list of objects with file, repository and path"
        ) from error


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path}: not a file; expected an evaluation list")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB; expected an evaluation list")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected an evaluation list") from error
