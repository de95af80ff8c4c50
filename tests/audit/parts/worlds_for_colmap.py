"""Whether the camera paths of both versions of the procedural worlds have the parallax that COLMAP needs."""

from __future__ import annotations

from itertools import product

import pandas as pd
import torch

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.metrics.accuracies import auc
from evalkit.metrics.pose import AucMethod
from evalkit.metrics.pose_scores import pose_scores
from evalkit.oracles.sfm.colmap import ColmapOptions
from evalkit.oracles.sfm.estimator import ColmapEstimator
from evalkit.pixels import Preprocess
from protocols.shared.transfer_plan import TransferPlanner
from protocols.tps.options import TpsOptions
from tests.audit.frame import Cell, Part, Rows

CLIPS = 16  # of 5 target frames, those of the first pairs of `tps`
AUC = auc(AucMethod.EXACT, 20, signed=True).key
TOLERANCE = 1.0  # percent by which version 2 may lie below version 1 by chance


def _cells() -> list[Cell]:
    return [{"world": world, "version": version} for world, version in product(("rooms", "orbits"), (1, 2))]


def _measure(cell: Cell) -> Rows:
    """COLMAP's answers for 16 clips of 256 pixels; a clip without an answer scores 0."""
    tps, dataset = TpsOptions(), ProceduralDataset(ProceduralOptions.model_validate(cell), "cpu")
    samples = TransferPlanner(tps, dataset, 0).samples()[:CLIPS]
    preprocess = Preprocess(tps.resolution, tps.preprocess)
    frames = [dataset.frames(clip.sequence, clip.target, preprocess) for clip in (s.clips[0] for s in samples)]
    images = torch.stack([clip.images for clip in frames]).mul(255).round() / 255
    oracle = ColmapEstimator(ColmapOptions(workers=1), "cpu")
    answer = oracle.estimate(images, None)
    oracle.close()
    scores = []
    for w2c, clip, success in zip(answer.w2c, frames, answer.success, strict=True):
        assert clip.cameras is not None
        scores.append(pose_scores(w2c[None], clip.cameras.w2c[None], tps.min_baseline).row()[AUC] if success else 0.0)
    success = 100 * sum(answer.success) / len(samples)
    return [{**cell, "clips": len(samples), "success %": success, "AUC@20 signed %": 100 * sum(scores) / len(scores)}]


def _broken(table: pd.DataFrame) -> list[str]:
    """Version 2 must do as well as version 1."""
    by_version = table.set_index(["version", "world"])
    worse = by_version.loc[1] - by_version.loc[2]
    return [
        f"{world}: {column} of version 2 is {worse.loc[world, column]:.1f} below version 1"
        for world, column in product(worse.index, ("success %", "AUC@20 signed %"))
        if worse.loc[world, column] > TOLERANCE
    ]


PART = Part(
    name="worlds_for_colmap",
    title="What COLMAP reads of both versions of the worlds, 256 pixels",
    code=("evalkit/data/procedural", "evalkit/oracles/sfm", "evalkit/metrics/pose.py", "protocols/shared"),
    cells=_cells,
    measure=_measure,
    broken=_broken,
    view=lambda table: table.round(1),
)
