"""Paired scene identity: whose frames a render looks like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evalkit.data.procedural.dataset import ProceduralDataset
from evalkit.data.procedural.options import ProceduralOptions
from evalkit.metrics.identity import histogram_features, shows_own_scene
from evalkit.pixels import Preprocess, Profile


def test_features_are_histograms_of_unit_mass() -> None:
    histograms = histogram_features(torch.rand(3, 3, 32, 32))
    assert histograms.shape == (3, 512 + 24)
    assert torch.allclose(histograms[:, :512].square().sum(1), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(histograms[:, 512:].square().sum(1), torch.ones(3, dtype=torch.float64))


def test_colours_agree_with_numpy() -> None:
    """At colours that lie on the grid, sharing between bins is none, and the histogram is numpy's."""
    levels = torch.randint(0, 8, (1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    ours = histogram_features(levels / 7)[0, :512].square()
    sample = levels[0].flatten(1).T.numpy()
    theirs, _ = np.histogramdd(sample, bins=[np.arange(9) - 0.5] * 3)
    assert torch.allclose(ours, torch.from_numpy(theirs.ravel() / 256), atol=1e-6)


def test_a_plain_image_has_no_edges_and_no_nan() -> None:
    assert histogram_features(torch.full((1, 3, 16, 16), 0.5)).isfinite().all()


def test_an_exact_copy_of_the_others_frame_is_caught_even_where_both_scenes_look_alike() -> None:
    own, other = torch.rand(5, 8), torch.rand(4, 8)
    assert not shows_own_scene(other, own, torch.cat([other, own + 1e-3])).any()
    assert shows_own_scene(own, own, other).all()


@pytest.mark.parametrize("world", ["rooms", "orbits"])
def test_real_frames_of_procedural_worlds_are_told_apart(world: str) -> None:
    options = ProceduralOptions.model_validate(
        {
            "name": "procedural",
            "world": world,
            "split": "val",
            "count": 8,
            "length": 33,
            "motion": "path",
            "seed": 0,
        }
    )
    data = ProceduralDataset(options, "cpu")
    preprocess = Preprocess(64, Profile.PIXELSPLAT)
    scenes = [data.frames(sequence.name, (0, 6, 12, 18, 24, 30), preprocess).images for sequence in data.sequences()]
    histograms = [histogram_features(images) for images in scenes]
    hits = [
        shows_own_scene(b[1::2], b[::2], a).double().mean()
        for i, b in enumerate(histograms)
        for a in histograms[:i] + histograms[i + 1 :]
    ]
    assert torch.stack(hits).mean() > 0.97
