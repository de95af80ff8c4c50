"""Downloads that resume. A file gets its name only when it is complete and its digest is right."""

from __future__ import annotations

import http.client
import ipaddress
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from filelock import FileLock

from evalkit.errors import UserError
from evalkit.weights.catalogue import Weights
from evalkit.weights.store import flaw

_BLOCK = 2**20
_TIMEOUT_S = 60
Progress = Callable[[int], None]


def pull(weights: Weights, folder: Path, progress: Progress, allow_loopback: bool = False) -> Path:
    """Download into ``folder`` unless the file is there already, and return its path.

    Bytes are written to ``<file>.part``, which the next call continues, and which is renamed once its SHA-256 is right.

    Args:
        weights: what to download.
        folder: where to; it is created.
        progress: called with the number of bytes so far.
        allow_loopback: allow http from this machine too, not only https.

    Raises:
        UserError: for an address that is not https, a connection that fails or ends early, wrong content, and a folder
            that cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {folder} ({error.strerror}); set EVALKIT_CACHE to another folder") from error
    path = folder / weights.file
    with FileLock(folder / f"{weights.file}.lock"):
        if path.is_file() and flaw(path, weights.sha256) is None:
            progress(weights.bytes)
            return path
        part = folder / f"{weights.file}.part"
        _complete(weights, part, progress, allow_loopback)
        problem = flaw(part, weights.sha256)
        if problem:
            part.unlink()
            raise UserError(f"weights '{weights.name}': the file sent by {weights.url} {problem}; nothing was kept")
        part.replace(path)
    return path


def _complete(weights: Weights, part: Path, progress: Progress, allow_loopback: bool) -> None:
    """Append to the partial file until it has all bytes."""
    received = part.stat().st_size if part.is_file() else 0
    if received > weights.bytes:
        part.unlink()
        received = 0
    progress(received)
    if received == weights.bytes:
        return
    try:
        _append(weights, part, received, progress, allow_loopback)
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
        raise UserError(
            f"weights '{weights.name}': cannot download {weights.url} ({reason}); type the same command again, or put "
            f"the file into {part.parent} as {weights.file}"
        ) from error


def _append(weights: Weights, part: Path, start: int, progress: Progress, allow_loopback: bool) -> None:
    _refuse_insecure(weights.url, allow_loopback)
    request = urllib.request.Request(weights.url, headers={"User-Agent": "evalkit"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    opener = urllib.request.build_opener(_SecureRedirects(allow_loopback))
    with opener.open(request, timeout=_TIMEOUT_S) as response:
        continued = response.status == 206 and _first_byte(response.headers.get("Content-Range", "")) == start
        if response.status == 206 and not continued:
            raise HTTPError(weights.url, 206, "the server sent another range than requested", response.headers, None)
        with part.open("ab" if continued else "wb") as file:  # a server that ignores Range sends the whole file
            received = _copy(response, file, start if continued else 0, progress)
    if received < weights.bytes and not _is_web_page(response.headers.get("Content-Type", "")):
        raise OSError(f"the connection ended at {received:,} of {weights.bytes:,} bytes")


def _copy(response: IO[bytes], file: IO[bytes], received: int, progress: Progress) -> int:
    while block := response.read(_BLOCK):
        file.write(block)
        received += len(block)
        progress(received)
    return received


def _first_byte(content_range: str) -> int | None:
    match = re.match(r"bytes (\d+)-", content_range)
    return int(match[1]) if match else None


def _is_web_page(content_type: str) -> bool:
    return content_type.lower().startswith("text/html")


def _refuse_insecure(url: str, allow_loopback: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (allow_loopback and parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise UserError(f"weights are downloaded by https only, not from {url}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to an address that `_refuse_insecure` accepts."""

    def __init__(self, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _refuse_insecure(newurl, self._allow_loopback)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
