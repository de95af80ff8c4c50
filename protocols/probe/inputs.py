"""What probes look at: pose codes of any width, and two things that pose codes have to beat."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from evalkit.seeds import generator


def narrowed(codes: Tensor, width: int) -> Tensor:
    """Codes [..., D] as they are up to ``width`` numbers, else a fixed random projection to ``width``, float32.

    The projection is feature hashing (Weinberger et al., ICML 2009): every number is added to one of ``width`` sums
    with one of two signs, drawn once for each D. Inner products are kept up to an error of order 1/sqrt(width).
    """
    codes = codes.detach().float().cpu()
    if codes.shape[-1] <= width:
        return codes
    random = generator("probe", "narrowed", codes.shape[-1], width)
    bins = torch.from_numpy(random.integers(width, size=codes.shape[-1]))
    signs = torch.from_numpy(random.integers(2, size=codes.shape[-1]) * 2 - 1).float()
    return codes.new_zeros(*codes.shape[:-1], width).index_add_(-1, bins, codes * signs)


def thumbnails(images: Tensor, reference: int, side: int) -> Tensor:
    """Raw pixels [V, 3 side side]: frames [V, 3, H, W] averaged to ``side`` squared, less those of the reference."""
    small = adaptive_avg_pool2d(images.detach().float().cpu(), side).flatten(1)
    return small - small[reference]


def noise(sample_id: str, views: int, width: int) -> Tensor:
    """Numbers [V, width] that know nothing of the camera: independent and normal, drawn by the sample's id."""
    return torch.from_numpy(generator("probe", "noise", sample_id).standard_normal((views, width))).float()


def standardised(inputs: Tensor, seen: Tensor) -> Tensor:
    """Inputs [N, V, D] with mean 0 and deviation 1 over the views marked in ``seen`` [N, V], the training views.

    What does not vary there says nothing there: it becomes 0 everywhere.
    """
    known = inputs[seen]
    mean, deviation = known.mean(0), known.std(0, correction=0)
    varies = deviation > 1e-6 * deviation.max()
    return (inputs - mean) / torch.where(varies, deviation, 1.0) * varies
