"""Worker processes that answer one clip at a time, and are replaced where a clip crashes or hangs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, LifoQueue
from threading import Event, Timer
from typing import Any, NotRequired, TypedDict

from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.oracles.frames import TRANSIENT

START_SECONDS = 60.0  # importing pycolmap takes one or two
STOP_SECONDS = 2.0
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


class Answer(TypedDict):
    """Cameras [V, 4, 4] or the reason why there are none."""

    w2c: NotRequired[list[list[list[float]]]]
    reason: NotRequired[str]


class WorkerGone(Exception):
    """The process ended without an answer; the message says how."""


class WorkerLate(WorkerGone):
    """The process was killed because it took too long."""


class Worker:
    """One process; it ends by itself when this process closes its standard input or is killed."""

    def __init__(self, settings: str, oracle: str, module: str) -> None:
        path = [str(Path(__file__).resolve().parents[3]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        )
        try:
            greeting = self._exchange(b"", START_SECONDS)
        except WorkerGone as gone:
            raise UserError(f"oracle={oracle}: its worker {gone}; try: python -c 'import pycolmap'") from None
        if "reason" in greeting:
            raise UserError(f"oracle={oracle}: {greeting['reason']}; try: pip install --force-reinstall pycolmap")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, clip: NDArray[Any], timeout_s: float) -> Answer:
        """Send a clip and wait. Raises WorkerGone."""
        header = json.dumps({"shape": clip.shape, "type": clip.dtype.str}).encode() + b"\n"
        return self._exchange(header + clip.tobytes(), timeout_s)

    def stop(self) -> None:
        """End the process, by force where it does not end by itself, and wait for it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _exchange(self, message: bytes, timeout_s: float) -> Answer:
        assert self._process.stdin is not None and self._process.stdout is not None
        late = Event()
        timer = Timer(timeout_s, self._end, [late])
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(message)
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if line.endswith(b"\n"):
            answer: Answer = json.loads(line)
            return answer
        self.stop()
        if late.is_set():
            raise WorkerLate(f"took longer than {timeout_s:g} s")
        raise WorkerGone(ending(self._process.returncode))

    def _end(self, late: Event) -> None:
        late.set()
        self._process.kill()


class WorkerPool:
    """Up to ``workers`` processes, started when first needed, each with at most one clip at a time.

    The processes run ``module`` with ``settings`` as their argument; ``oracle`` is a name for error messages.
    """

    def __init__(
        self,
        settings: str,
        workers: int,
        oracle: str = "colmap",
        module: str = "evalkit.oracles.sfm.colmap_worker",
    ) -> None:
        self._settings, self._workers = settings, workers
        self._oracle, self._module = oracle, module
        self._slots: LifoQueue[Worker | None] = LifoQueue()
        for _ in range(workers):
            self._slots.put(None)
        weakref.finalize(self, stop_all, self._slots)

    def ask(self, clips: Sequence[NDArray[Any]], timeout_s: float) -> list[Answer]:
        """Answer clips (arrays as the worker's ``solve`` takes them), in order, each within ``timeout_s``."""
        with ThreadPoolExecutor(self._workers) as threads:
            return list(threads.map(lambda clip: self._answer(clip, timeout_s), clips))

    def close(self) -> None:
        """End all workers; not to be called while clips are being answered."""
        started = len(self._slots.queue)
        stop_all(self._slots)
        for _ in range(started):
            self._slots.put(None)

    def _answer(self, clip: NDArray[Any], timeout_s: float) -> Answer:
        worker = self._slots.get()
        try:
            # A worker may have been killed from outside: only a second crash is blamed on the clip.
            for last_try in (False, True):
                if worker is None or not worker.alive():
                    worker = self._replace(worker)
                try:
                    return worker.ask(clip, timeout_s)
                except WorkerGone as gone:
                    worker = None
                    if last_try or isinstance(gone, WorkerLate):
                        return {"reason": f"{TRANSIENT}colmap {gone}"}
            raise AssertionError("unreachable")
        finally:
            self._slots.put(worker)

    def _replace(self, worker: Worker | None) -> Worker:
        if worker is not None:
            worker.stop()
        return Worker(self._settings, self._oracle, self._module)


def stop_all(slots: LifoQueue[Any]) -> None:
    """Empty the queue and end the workers in it."""
    while True:
        try:
            worker = slots.get_nowait()
        except Empty:
            return
        if worker is not None:
            worker.stop()


def ending(returncode: int) -> str:
    """Describe how a process ended."""
    return f"was killed by signal {-returncode}" if returncode < 0 else f"ended with exit code {returncode}"
