"""Which other clips a clip is compared with: real clips of the other rows, of other scenes.

A row of a transfer is a pair: its clip is clip A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.seeds import generator
from evalkit.stats.interval import Floats
from evalkit.stats.jackknife import OwnAndOthers

MOST = 256  # other clips of a pair; of more, so many are drawn
NEAREST = 0.25  # share of the others whose motion is most like that of A
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class OtherClips:
    """The other clips of N pairs.

    Args:
        index: [N, M], the pair whose clip A is the other; 0 where there is none.
        absent: [N, M], where there is none.
        scenes: of each pair, that of A and that of B.
    """

    index: Ints
    absent: NDArray[np.bool_]
    scenes: Sequence[tuple[str, ...]]

    @staticmethod
    def of(sample_ids: Sequence[str], scenes: Sequence[tuple[str, ...]], most: int = MOST) -> OtherClips:
        """Take all clips A of other scenes, or ``most`` of them, drawn by the sample id."""
        _, scene_a = np.unique([names[0] for names in scenes], return_inverse=True)
        chosen = [
            _drawn(np.flatnonzero(scene_a != scene_a[i]), sample_id, most) for i, sample_id in enumerate(sample_ids)
        ]
        index = np.full((len(chosen), max(map(len, chosen), default=0)), -1, dtype=np.int64)
        for row, others in zip(index, chosen, strict=True):
            row[: len(others)] = others
        return OtherClips(np.maximum(index, 0), index < 0, scenes)

    def compared(self, own: Floats, others: Floats) -> OwnAndOthers:
        """Values of each pair [N] and of it with its others [N, M], ready to be averaged without any scene."""
        names = sorted({names[0] for names in self.scenes})
        position = {name: i for i, name in enumerate(names)}
        scene_a = np.array([position[row[0]] for row in self.scenes], dtype=np.int64)
        return OwnAndOthers(own, np.where(self.absent, np.nan, others), scene_a[self.index], self.scenes, names)

    def nearest(self, distance: Floats) -> NDArray[np.bool_]:
        """Mark the quarter of the others of each pair with the least distance [N, M]; NaN is farthest."""
        distance = np.where(self.absent, np.nan, distance)
        wanted = np.ceil(NEAREST * (~np.isnan(distance)).sum(axis=1, keepdims=True))
        rank = distance.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        nearest: NDArray[np.bool_] = rank < wanted
        return nearest


def _drawn(candidates: Ints, sample_id: str, most: int) -> Ints:
    if len(candidates) <= most:
        return candidates
    return np.sort(generator("tps", "others", sample_id).choice(candidates, most, replace=False))
