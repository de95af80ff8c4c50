"""What the heads are trained and scored on: inputs and true poses of all clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from evalkit.geometry.se3 import camera_centres
from evalkit.protocol import Arrays
from evalkit.training.pose_loss import RelativePoses
from protocols.probe.columns import Source
from protocols.probe.inputs import noise
from protocols.shared.summaries import scored_rows

TRUTH = "w2c"  # the array of true cameras of a sample
TRUTH_KNOWN = "ok"  # in the row's field "truth"; else it says why there are no true cameras
_OF_ARRAYS = (Source.LATENT, Source.FEATURES, Source.PIXELS)


class ClipParts(NamedTuple):
    """Indices of the clips of each part."""

    train: Tensor
    validation: Tensor
    test: Tensor


class ProbeData(NamedTuple):
    """All clips of a run: inputs [N, V, D] by source, true poses [N, V], and the clips of each part.

    ``own_cameras``: poses [N, V] of the method's own cameras, if it has any.
    """

    inputs: Mapping[Source, Tensor]
    true: RelativePoses
    parts: ClipParts
    own_cameras: RelativePoses | None = None

    @property
    def is_training_view(self) -> Tensor:
        """The views [N, V] that heads are trained on."""
        counts = self.true.counts
        return counts & torch.zeros_like(counts).index_fill_(0, self.parts.train, True)


def gather(parts: Sequence[pd.DataFrame], arrays: Arrays) -> ProbeData:
    """Collect the arrays of the clips of each part and draw the controls' inputs; shorter clips are padded.

    Args:
        parts: rows of the training, the validation and the test clips.
        arrays: arrays of a sample by its id.
    """
    rows = pd.concat(parts)
    ids = [str(sample) for sample in rows["sample"]]
    kept = [arrays(sample) for sample in ids]
    w2c = [clip[TRUTH].double() for clip in kept]
    counts = pad_sequence([torch.ones(len(clip), dtype=torch.bool) for clip in w2c], batch_first=True)
    counts[torch.arange(len(ids)), torch.tensor(rows["reference"].tolist())] = False
    inputs = {
        source: pad_sequence([clip[source] for clip in kept], batch_first=True)
        for source in _OF_ARRAYS
        if source in kept[0]
    }
    width = inputs[Source.LATENT].shape[-1]
    drawn = [noise(sample, len(clip), width) for sample, clip in zip(ids, w2c, strict=True)]
    inputs[Source.NOISE] = pad_sequence(drawn, batch_first=True)
    inputs[Source.CONSTANT] = torch.zeros(*counts.shape, 1)
    ranks = [torch.arange(len(clip)).float() - number for clip, number in zip(w2c, rows["reference"], strict=True)]
    inputs[Source.TIME] = pad_sequence(ranks, batch_first=True)[..., None]
    inputs[Source.TIME_AND_SIDE] = inputs[Source.TIME] * torch.stack([_side(clip) for clip in w2c])[:, None, None]
    true = RelativePoses.of(pad_sequence(w2c, batch_first=True), counts)
    return ProbeData(inputs, true, _clip_parts(parts), _own_cameras(kept, counts))


def _side(w2c: Tensor) -> Tensor:
    """1 or -1: whether the last camera of [V, 4, 4] is right or left of the first, in the reference's axes."""
    x = camera_centres(w2c)[:, 0]
    return torch.where(x[-1] >= x[0], 1.0, -1.0)


def rows_of_scenes(rows: pd.DataFrame, scenes: frozenset[str]) -> pd.DataFrame:
    """The rows whose first scene is one of ``scenes``."""
    return rows[[scenes_of_row[0] in scenes for scenes_of_row in rows["scenes"]]]


def readable_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the samples that could be scored and whose true cameras are known."""
    scored = scored_rows(rows)
    return scored[scored["truth"] == TRUTH_KNOWN] if len(scored) else scored


def _clip_parts(parts: Sequence[pd.DataFrame]) -> ClipParts:
    ends = np.cumsum([len(part) for part in parts]).tolist()
    return ClipParts(*(torch.arange(end - len(part), end) for part, end in zip(parts, ends, strict=True)))


def _own_cameras(kept: Sequence[Mapping[str, Tensor]], counts: Tensor) -> RelativePoses | None:
    """Poses of the method's cameras; their unit comes from these cameras alone, as that of the true ones does."""
    if Source.CAMERAS not in kept[0]:
        return None
    flat = pad_sequence([clip[Source.CAMERAS] for clip in kept], batch_first=True)
    return RelativePoses.of(flat.view(*flat.shape[:-1], 3, 4), counts)
