"""The first stage of a small RayZer: cameras learn the positions of crops of one frame, read as camera rotations.

A small model's cameras learn nothing from frames a few degrees apart while its renderer is untrained. Crops of one
frame differ by large and known rotations. No true camera is needed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize


def draw_offsets(clips: int, views: int, margin: int, rng: np.random.Generator) -> Tensor:
    """Draw offsets (x, y) [B, V, 2] of the centres of crops from the frame's centre, in pixels, at most ``margin``."""
    return torch.from_numpy(rng.uniform(-margin, margin, (clips, views, 2)).astype(np.float32))


def crops(frames: Tensor, offset: Tensor, margin: int) -> Tensor:
    """Cut crops [B, V, 3, S, S] out of frames [B, 3, S, S] and resize them to S pixels, bilinearly.

    Args:
        frames: square images.
        offset: offsets [B, V, 2] of the crops' centres, in pixels, see `draw_offsets`.
        margin: pixels by which a crop is smaller than a frame at each side.
    """
    size, views = frames.shape[-1], offset.shape[1]
    centres = (torch.arange(size, device=frames.device) + 0.5) * (2 / size) - 1
    column, row = (centres * (1 - 2 * margin / size) + offset[..., axis, None] * (2 / size) for axis in (0, 1))
    grid = torch.stack(torch.broadcast_tensors(column[:, :, None], row[..., None]), dim=-1)  # [B, V, S, S, 2]
    repeated = frames[:, None].expand(-1, views, -1, -1, -1).flatten(0, 1)
    sampled = grid_sample(repeated, grid.flatten(0, 1), padding_mode="border", align_corners=False)
    unfolded: Tensor = sampled.unflatten(0, (-1, views))
    return unfolded


def rotations_to(offset: Tensor, focal: Tensor) -> Tensor:
    """Rotations c2w [B, V, 3, 3] without roll that turn the optical axis to ``offset``.

    Args:
        offset: positions [B, V, 2] in pixels from the image's centre.
        focal: focal lengths [B, V] in pixels.

    >>> axis = rotations_to(torch.tensor([[[3.0, 0.0]]]), torch.tensor([[4.0]]))[0, 0, :, 2]
    >>> [round(number, 4) for number in axis.tolist()]
    [0.6, 0.0, 0.8]
    """
    forward = normalize(torch.cat([offset / focal[..., None], torch.ones_like(focal)[..., None]], dim=-1), dim=-1)
    down = forward.new_tensor([0.0, 1.0, 0.0]).expand_as(forward)
    right = normalize(torch.linalg.cross(down, forward, dim=-1), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right, dim=-1), forward], dim=-1)
