"""Answers of an oracle, kept by content: the real half of every pair is estimated once and serves every method."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evalkit.cache import cache_folder
from evalkit.errors import UserError
from evalkit.files import write_atomically
from evalkit.oracles.frames import TRANSIENT, clips_to_uint8
from evalkit.oracles.oracle import ClipLocation, Estimate, Identity, Oracle, has_scale, reads_pixels
from evalkit.views import Cameras

Answer = tuple[Tensor, str]  # w2c [V, 4, 4], and why there are no cameras, if so


class CachedOracle:
    """Asks ``oracle`` only about clips that it has not answered before, and gives the same answers.

    One JSON file per clip under ``folder``, named by the SHA-256 of the clip's 8-bit pixels and the oracle's identity.
    Failures are kept too, except those that a timeout or a crash caused.
    """

    reads_pixels = True

    def __init__(self, oracle: Oracle, folder: Path) -> None:
        self._oracle, self._folder, self.has_scale = oracle, folder, has_scale(oracle)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot keep oracle answers in '{folder}' ({error.strerror}): name another folder"
            raise UserError(why) from None

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that the user should read: those of the oracle inside."""
        return tuple(getattr(self._oracle, "notes", ()))

    def identity(self) -> Identity:
        """Identity of the oracle inside: caching changes no answer."""
        return self._oracle.identity()

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate as the oracle inside does; it sees a clip that occurs twice in ``images`` [B, V, 3, H, W] once."""
        clips = clips_to_uint8(images)
        identity = json.dumps(self.identity(), sort_keys=True)
        places = [""] * len(clips) if locations is None else [f" {location.digest()}" for location in locations]
        keys = [clip_key(clip, identity + place) for clip, place in zip(clips, places, strict=True)]
        answers = {key: self._read(key, images.shape[1]) for key in dict.fromkeys(keys)}
        missing = [key for key, answer in answers.items() if answer is None]
        if missing:
            first = [keys.index(key) for key in missing]
            estimate = self._oracle.estimate(
                images[first],
                None if cameras is None else cameras[first],
                None if locations is None else [locations[i] for i in first],
            )
            for key, w2c, reason in zip(missing, estimate.w2c, estimate.reasons, strict=True):
                answers[key] = (w2c, reason)
                self._write(key, w2c, reason)
        in_order = [answer for key in keys if (answer := answers[key]) is not None]
        return Estimate(torch.stack([w2c for w2c, _ in in_order]), tuple(reason for _, reason in in_order))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def _read(self, key: str, views: int) -> Answer | None:
        """Read an answer; None where there is none that can be read: it is then computed again."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            reason, rows, checksum = entry["reason"], entry["w2c"], entry["sha256"]
            if checksum != checksum_of(rows, reason):
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
        entry = {"reason": reason, "w2c": rows, "sha256": checksum_of(rows, reason)}
        write_atomically(self._path(key), json.dumps(entry).encode(), writer=str(os.getpid()))


def cached(oracle: Oracle) -> Oracle:
    """Return an oracle that keeps its answers in the cache folder; ``oracle`` itself where it reads no pixels."""
    return CachedOracle(oracle, cache_folder() / "oracles") if reads_pixels(oracle) else oracle


def clip_key(clip: Tensor, identity: str) -> str:
    """SHA-256 of a clip [V, 3, H, W] uint8 and of the oracle that answers."""
    head = json.dumps([identity, list(clip.shape)]).encode()
    return hashlib.sha256(head + b"\0" + clip.numpy().tobytes()).hexdigest()


def checksum_of(rows: Any, reason: str) -> str:
    """Checksum of an answer: JSON that can still be parsed may have lost a digit."""
    return hashlib.sha256(json.dumps([rows, reason]).encode()).hexdigest()
