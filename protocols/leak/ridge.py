"""Ridge regression with kernels, each row predicted by what was learnt from the other scenes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

PENALTIES = tuple(10.0**power for power in range(-3, 3))  # for kernels whose mean diagonal is 1
INTERCEPT = 10.0  # added to a kernel: a constant that is hardly penalised
TINY = 1e-6  # numbers that vary less than this share of the one that varies most are constant


class Ridge:
    """Ridge regression on a kernel [n, n] by every penalty of `PENALTIES`.

    With A = inv(kernel + penalty I), the rows b of a scene miss what the other scenes predict by inv(A_bb) (A y)_b: no
    scene needs a fit of its own.

    Args:
        kernel: [n, n], symmetric, positive semidefinite.
        groups: the rows of each scene.
    """

    def __init__(self, kernel: Tensor, groups: Sequence[Tensor]) -> None:
        self.groups = groups
        eigenvalues, vectors = torch.linalg.eigh(kernel + INTERCEPT)
        weights = 1 / (eigenvalues.clamp_min(0) + torch.tensor(PENALTIES, dtype=kernel.dtype)[:, None])
        self.inverse = vectors * weights[:, None] @ vectors.T
        self.blocks = [torch.linalg.inv(self.inverse[:, rows][:, :, rows]) for rows in groups]

    def predictions(self, values: Tensor) -> Tensor:
        """Predict values [n, d] of each scene from the other scenes, by each penalty: [penalties, n, d]."""
        pulled, predicted = self.inverse @ values, values.repeat(len(PENALTIES), 1, 1)
        for rows, block in zip(self.groups, self.blocks, strict=True):
            predicted[:, rows] -= block @ pulled[:, rows]
        return predicted


def best_on_others(candidates: Tensor, values: Tensor, groups: Sequence[Tensor]) -> Tensor:
    """For the rows of each scene, the predictions that are best on all other scenes.

    Args:
        candidates: [K, n, d], predictions from other scenes.
        values: [n, d], what they predict.
        groups: the rows of each scene.
    """
    errors = (candidates - values).square().sum(-1)
    by_scene = torch.stack([errors[:, rows].sum(1) for rows in groups], dim=1)
    chosen = (by_scene.sum(1, keepdim=True) - by_scene).argmin(0)
    best = torch.empty_like(values)
    for rows, candidate in zip(groups, chosen.tolist(), strict=True):
        best[rows] = candidates[candidate, rows]
    return best


def predicted(ridges: Sequence[Ridge], values: Tensor, groups: Sequence[Tensor]) -> Tensor:
    """Predict values [n, d] by the kernel and penalty that are best on the other scenes, or by zero."""
    candidates = [torch.zeros_like(values)[None], *(ridge.predictions(values) for ridge in ridges)]
    return best_on_others(torch.cat(candidates), values, groups)


def mean_of_others(values: Tensor, groups: Sequence[Tensor]) -> Tensor:
    """For the rows of each scene, the mean of values [n, d] over the rows of all other scenes."""
    total, means = values.sum(0), torch.empty_like(values)
    for rows in groups:
        means[rows] = (total - values[rows].sum(0)) / (len(values) - len(rows))
    return means


def linear(inputs: Tensor) -> Tensor:
    """Inner products [n, n] of standardised inputs [n, d], with a mean of 1 on the diagonal; 0 where nothing varies."""
    inputs = standardised(inputs)
    return on_scale(inputs @ inputs.T)


def gaussian(inputs: Tensor) -> Tensor:
    """exp(-d^2 / median d^2) of the distances d between standardised inputs [n, d]; 0 where nothing varies."""
    square = torch.cdist(standardised(inputs), standardised(inputs)).square()
    apart = square[square > 0]
    return torch.exp(-square / apart.median()) if len(apart) else torch.zeros_like(square)


def on_scale(kernel: Tensor) -> Tensor:
    """The kernel with a mean of 1 on its diagonal."""
    scale = kernel.diagonal().mean()
    return kernel / scale if scale > 0 else kernel


def standardised(inputs: Tensor) -> Tensor:
    """Shift and scale inputs [n, d] to mean 0 and deviation 1; what does not vary becomes 0."""
    centred = inputs - inputs.mean(0)
    deviation = centred.square().mean(0).sqrt()
    varies = deviation > TINY * deviation.amax()
    return centred / torch.where(varies, deviation, 1.0) * varies
