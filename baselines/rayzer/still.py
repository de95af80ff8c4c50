"""A camera stage's first lesson: where in a still frame its crops lie, as if the camera had turned there.

From frames a few degrees apart, at rays that a new renderer cannot move pictures by, a small model's cameras learn
nothing. Crops of one frame are large motions, each on its own, and known; no true camera is asked for.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize


def drawn_offsets(clips: int, views: int, margin: int, rng: np.random.Generator) -> Tensor:
    """Pixels (x, y) [B, V, 2] by which the middles of crops lie off that of the frame, at most ``margin``."""
    return torch.from_numpy(rng.uniform(-margin, margin, (clips, views, 2)).astype(np.float32))


def crops(frames: Tensor, offset: Tensor, margin: int) -> Tensor:
    """Crops [B, V, 3, S, S] of frames [B, 3, S, S], ``margin`` smaller at each side, stretched to their size.

    ``offset`` [B, V, 2]: see `drawn_offsets`. Between pixels they are bilinear.
    """
    size, views = frames.shape[-1], offset.shape[1]
    middles = (torch.arange(size, device=frames.device) + 0.5) * (2 / size) - 1
    column, row = (middles * (1 - 2 * margin / size) + offset[..., axis, None] * (2 / size) for axis in (0, 1))
    grid = torch.stack(torch.broadcast_tensors(column[:, :, None], row[..., None]), dim=-1)  # [B, V, S, S, 2]
    repeated = frames[:, None].expand(-1, views, -1, -1, -1).flatten(0, 1)
    taken = grid_sample(repeated, grid.flatten(0, 1), padding_mode="border", align_corners=False)
    unfolded: Tensor = taken.unflatten(0, (-1, views))
    return unfolded


def turned(offset: Tensor, focal: Tensor) -> Tensor:
    """Rotations c2w [B, V, 3, 3] without roll that look ``offset`` [B, V, 2] off the axis of lenses ``focal`` [B, V].

    >>> ahead = turned(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[4.0]]))[0, 0, :, 2]
    >>> [round(number, 4) for number in ahead.tolist()]
    [0.6, 0.0, 0.8]
    """
    ahead = normalize(torch.cat([offset / focal[..., None], torch.ones_like(focal)[..., None]], dim=-1), dim=-1)
    down = ahead.new_tensor([0.0, 1.0, 0.0]).expand_as(ahead)
    right = normalize(torch.linalg.cross(down, ahead, dim=-1), dim=-1)
    return torch.stack([right, torch.linalg.cross(ahead, right, dim=-1), ahead], dim=-1)
