"""Whether transferred renders show scene B, and not clip A."""

from __future__ import annotations

from torch import Tensor

from evalkit.metrics.identity import Feature, features, shows_own_scene
from evalkit.protocol import Value
from protocols.shared.transfer import Pair
from protocols.shared.transfer_columns import IDENTITY, IDENTITY_REAL


def identity_row(pair: Pair, renders: Tensor, feature: Feature) -> dict[str, Value]:
    """Share of the renders [T, 3, H, W] that are nearer to B's context frames than to any frame of A.

    ``identity_real``: the same for real frames of B that are not in the context, as a reference for the feature.
    """
    own, other, rendered = (features(images, feature) for images in (pair.context.images, pair.a.images, renders))
    not_in_context = [number not in pair.clip_b.context for number in pair.clip_b.target]
    real = pair.b.images[list(pair.clip_b.target_positions)][not_in_context]
    row: dict[str, Value] = {IDENTITY: float(shows_own_scene(rendered, own, other).double().mean())}
    if len(real):
        row[IDENTITY_REAL] = float(shows_own_scene(features(real, feature), own, other).double().mean())
    return row
