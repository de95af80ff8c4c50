"""Answers by content: the real half of every pair is estimated once and serves every method."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.oracles.frames import TRANSIENT, quantised
from evalkit.oracles.oracle import ClipLocation, Estimate, Oracle
from evalkit.views import Cameras


class CachedOracle:
    """Asks ``oracle`` only about clips that it has not been asked about before; the same answer, sooner.

    One JSON file a clip under ``folder``, named by the SHA-256 of the clip's 8-bit pixels and the oracle's identity.
    Failures are kept too, except those that a timeout or a crash caused.
    """

    def __init__(self, oracle: Oracle, folder: Path) -> None:
        self._oracle, self._folder = oracle, folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot keep oracle answers in '{folder}' ({error.strerror}): name another folder"
            raise UserError(why) from None

    def identity(self) -> dict[str, str | int | float | bool]:
        """That of the oracle inside: caching changes no answer."""
        return self._oracle.identity()

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """As the oracle inside; clips that occur twice in ``images`` [B, V, 3, H, W] are asked about once."""
        clips = quantised(images)
        identity = json.dumps(self.identity(), sort_keys=True)
        where = [""] * len(clips) if places is None else [f" {place.digest()}" for place in places]
        keys = [clip_key(clip, identity + there) for clip, there in zip(clips, where, strict=True)]
        known = {key: self._read(key, images.shape[1]) for key in dict.fromkeys(keys)}
        missing = [key for key, answer in known.items() if answer is None]
        if missing:
            first = [keys.index(key) for key in missing]
            there = None if places is None else [places[i] for i in first]
            found = self._oracle.estimate(images[first], None if cameras is None else cameras[first], there)
            for key, w2c, reason in zip(missing, found.w2c, found.reasons, strict=True):
                known[key] = (w2c, reason)
                self._write(key, w2c, reason)
        answers = [known[key] for key in keys]
        w2c = torch.stack([answer[0] for answer in answers if answer is not None])
        return Estimate(w2c, tuple(answer[1] for answer in answers if answer is not None))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def _read(self, key: str, views: int) -> tuple[Tensor, str] | None:
        """An answer, or None where there is none that can be read: it is then made again."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            reason, rows, seal = entry["reason"], entry["w2c"], entry["sha256"]
            if seal != sealed(rows, reason):
                return None
            if reason:
                return torch.full((views, 4, 4), torch.nan, dtype=torch.float64), reason
            return torch.tensor(rows, dtype=torch.float64).reshape(views, 4, 4), ""
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):
            return None

    def _write(self, key: str, w2c: Tensor, reason: str) -> None:
        if reason.startswith(TRANSIENT):
            return
        rows = [] if reason else w2c.tolist()
        entry = {"reason": reason, "w2c": rows, "sha256": sealed(rows, reason)}
        write_atomically(self._path(key), json.dumps(entry).encode(), writer=str(os.getpid()))


def clip_key(clip: Tensor, identity: str) -> str:
    """SHA-256 of a clip [V, 3, H, W] uint8 and of the oracle that answers."""
    head = json.dumps([identity, list(clip.shape)]).encode()
    return hashlib.sha256(head + b"\0" + clip.numpy().tobytes()).hexdigest()


def sealed(rows: Any, reason: str) -> str:
    """Checksum of an entry: JSON that still parses may yet have lost a digit."""
    return hashlib.sha256(json.dumps([rows, reason]).encode()).hexdigest()
