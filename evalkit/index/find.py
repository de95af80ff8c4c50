"""Locate lists and check their digests before they are used."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from evalkit.cache import cache_folder
from evalkit.errors import UserError, did_you_mean
from evalkit.index.catalogue import CATALOGUE, PublishedList
from evalkit.index.entries import Index
from evalkit.index.readers import detect_format, read

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LoadedIndex:
    """An index with the file it was read from.

    Attributes:
        sha256: digest of the file.
        published: the entry of the catalogue with this digest, if there is one.
    """

    index: Index
    path: Path
    sha256: str
    published: PublishedList | None


def folders() -> list[Path]:
    """Folders that are searched for lists: those of ``EVALKIT_INDEX``, then ``index`` in the cache."""
    from_user = [Path(part).expanduser() for part in os.environ.get("EVALKIT_INDEX", "").split(os.pathsep) if part]
    return [*from_user, cache_folder() / "index"]


def load(source: str) -> LoadedIndex:
    """Read an index by its name in the catalogue, or from a path.

    Raises UserError where it is unknown, absent or damaged, or where the file is not the one of that name.
    """
    if source in CATALOGUE:
        return load_published(CATALOGUE[source])
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"no index '{source}' and no such file{did_you_mean(source, CATALOGUE)}")
    return _load_path(path)


def load_published(published: PublishedList) -> LoadedIndex:
    """Read a list of the catalogue from the first folder that has it."""
    path = locate(published)
    if path is None:
        raise UserError(
            f"index '{published.name}' ({published.repository.licence}) is not here; type: curl -fL --create-dirs "
            f"-o '{folders()[-1] / published.file}' {published.url} "
            f"(or EVALKIT_INDEX=DIR, the folder above {published.file})"
        )
    content = _content(path)
    return LoadedIndex(_checked(published, path, content), path, published.sha256, published)


def locate(published: PublishedList) -> Path | None:
    """Path of a list: <owner>__<repository>/<file> in one of the `folders`, or the file that INDEX.json there names."""
    for folder in folders():
        if (folder / published.file).is_file():
            return folder / published.file
        file = _registered(folder / "INDEX.json", published)
        if file is not None and (folder / file).is_file():
            return folder / file
    return None


def _load_path(path: Path) -> LoadedIndex:
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    matches = [published for published in CATALOGUE.values() if published.sha256 == sha256]
    if len(matches) > 1:
        names = " or ".join(published.name for published in matches)
        raise UserError(f"{path}: holds several lists; type {names} (EVALKIT_INDEX={path.parent.parent})")
    if matches:
        return LoadedIndex(_checked(matches[0], path, content), path, sha256, matches[0])
    for published in CATALOGUE.values():
        if path.resolve().as_posix().endswith(f"/{published.file}"):
            _checked(published, path, content)
    index = read(content, detect_format(content, str(path)), str(path))
    return LoadedIndex(index, path, sha256, None)


def _checked(published: PublishedList, path: Path, content: bytes) -> Index:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != published.sha256:
        raise UserError(
            f"{path}: SHA-256 {sha256}, expected {published.sha256} for '{published.name}': "
            f"another version or damaged; download {published.url}"
        )
    return read(content, published.format, published.name)


def _registered(register: Path, published: PublishedList) -> str | None:
    """File that an INDEX.json names for a list, found by repository and path in the repository."""
    if not register.is_file():
        return None
    try:
        lines = json.loads(_content(register))
        wanted = (published.repository.name, published.path)
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
