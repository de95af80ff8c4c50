"""The process that runs pycolmap: reads clips from standard input, writes cameras to standard output.

It must import neither Pillow (whose zlib conflicts with pycolmap's) nor torch (which takes seconds). A clip is a line
of JSON with its shape and type, and then its bytes; an answer is a line of JSON. The process ends when its input ends,
also in the middle of a clip, so that it does not outlive its parent.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

import numpy as np

from evalkit.oracles.sfm.reconstruction import reconstruct
from evalkit.oracles.sfm.rotations import Array
from evalkit.oracles.sfm.settings import ColmapSettings, Failure
from evalkit.oracles.sfm.two_view import colmap


def main() -> None:
    """Answer clips [V, 3, H, W] uint8."""
    settings = ColmapSettings(**json.loads(sys.argv[1]))
    serve(lambda frames: reconstruct(frames, settings))


def serve(solve: Callable[[Array], Array]) -> None:
    """Answer clips with the cameras [V, 4, 4] that ``solve`` returns, or with the reason of its failure."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the C++ code prints must not come between the answers
    try:
        logging = colmap().logging
    except ImportError as error:
        reply(output, {"reason": f"pycolmap cannot be imported ({error})"})
        return
    logging.minloglevel = logging.FATAL.value
    clips: SimpleQueue[Array] = SimpleQueue()
    Thread(target=read, args=(sys.stdin.buffer, clips), daemon=True).start()
    reply(output, {})
    while True:
        clip = clips.get()
        try:
            reply(output, {"w2c": solve(clip).tolist()})
        except Failure as failure:
            reply(output, {"reason": str(failure)})
        except Exception as error:  # an error of the solver is the failure of one clip
            reply(output, {"reason": f"{type(error).__name__}: {' '.join(str(error).split())}"})


def read(stream: BinaryIO, clips: SimpleQueue[Array]) -> None:
    """Put clips into the queue; end the process when the input ends."""
    while True:
        header = stream.readline()
        if not header:
            os._exit(0)
        clip = json.loads(header)
        size = math.prod(clip["shape"]) * np.dtype(clip["type"]).itemsize
        content = stream.read(size)
        if len(content) < size:
            os._exit(0)
        clips.put(np.frombuffer(content, clip["type"]).reshape(clip["shape"]))


def reply(output: BinaryIO, answer: dict[str, object]) -> None:
    """Write one line. End the process where the parent has ended."""
    try:
        output.write(json.dumps(answer, allow_nan=False).encode() + b"\n")
        output.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
