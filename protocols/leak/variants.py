"""Variants of a clip: one thing is changed, everything else stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from evalkit.views import Views
from protocols.shared.target_poses import Batch


def with_targets(batch: Batch, images: Tensor, depth: Tensor | None) -> Batch:
    """The same clips with other target images [B, T, 3, H, W] and depth; cameras and times stay."""
    rows = torch.arange(len(images), device=images.device)[:, None]
    views = replace(batch.views, images=batch.views.images.index_put((rows, batch.target), images))
    if views.depth is not None and depth is not None:
        views = replace(views, depth=views.depth.index_put((rows, batch.target), depth))
    return batch._replace(views=views)


def in_other_unit(batch: Batch, factor: float) -> Batch:
    """The same clips with translations and depth times ``factor``: the unit of length is divided by it."""
    w2c, depth = batch.views.w2c, batch.views.depth
    if w2c is not None:
        w2c = w2c.clone()
        w2c[..., :3, 3] *= factor
    return batch._replace(views=replace(batch.views, w2c=w2c, depth=None if depth is None else depth * factor))


def reordered(batch: Batch, order: Tensor) -> Batch:
    """The same views in another order [B, V]; the positions of context and targets follow."""
    new_position = order.argsort(dim=1)
    return Batch(batch.views.take(order), new_position.gather(1, batch.context), new_position.gather(1, batch.target))


def restricted(batch: Batch, context: Tensor, target: Tensor) -> Batch:
    """Only the views at ``context`` [B, C] and ``target`` [B, T], in their order."""
    positions, origin = torch.cat([context, target], dim=1).sort(dim=1, stable=True)
    new_position = origin.argsort(dim=1)
    n_context = context.shape[1]
    return Batch(batch.views.take(positions), new_position[:, :n_context], new_position[:, n_context:])


def with_one_target(batch: Batch) -> Batch:
    """Only the context and the middle one of the targets."""
    middle = batch.target.shape[1] // 2
    return restricted(batch, batch.context, batch.target[:, middle : middle + 1])


def joined(batches: Sequence[Batch]) -> Batch:
    """Several variants of a batch as one batch."""
    return Batch(
        Views.cat([batch.views for batch in batches]),
        torch.cat([batch.context for batch in batches]),
        torch.cat([batch.target for batch in batches]),
    )
