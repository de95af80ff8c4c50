"""FID and KID of two sets of frames that belong to samples, and the influence of each sample on them.

Resampling the distance itself gives wrong intervals: in a set drawn with replacement a third are repetitions, and FID
grows as frames get fewer. In a simulation of equal distributions with 150 frames in 256 dimensions, such draws were a
third too high, and their spread was four times that of new samples. An interval should be that of the mean of
``influence`` instead, the first-order change of the distance with the weight of a sample (Hampel 1974; the
infinitesimal jackknife of Jaeckel 1972), in which no feature is compared with itself. How often such intervals hold the
expected distance at that N: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from evalkit.metrics.distribution import Gaussian, frechet_distance, frechet_from_features, kernel_distance, mmd2

_BLOCK = 256  # samples at once


class Samples(Protocol):
    """Of each sample, its features in the first set [R, D] and in the second [Q, D]; a list, or read from files."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True)
class Distance:
    """A distance of two sets, and the influence of each sample on it.

    Args:
        value: the distance.
        influence: float64 [S], 0 on average. With weights w of mean 1 of the samples, the distance is
            ``value + (w * influence).mean()`` to first order.
    """

    value: float
    influence: Tensor


def frechet(samples: Samples) -> Distance:
    """Return the FID of all first sets against all second sets, see `frechet_distance`; at least 2 features in each.

    With at least as many features as dimensions, only means and covariances are kept and samples are read twice, so
    that memory does not depend on their number. With fewer, the features themselves are kept, which are smaller.
    """
    fewest = min(len(part) for part in samples[0]) * len(samples)
    value, influence = _of_moments(samples) if fewest >= samples[0][0].shape[1] else _of_features(samples)
    return Distance(float(value), influence - influence.mean())


def kernel(samples: Samples, subsets: int, subset_size: int) -> Distance:
    """Return the KID of all first sets against all second sets, by the subset rule of `kernel_distance`.

    Where a subset is the whole set, all subsets are equal and one is computed. The influence is always that of `mmd2`
    over all pairs: the random choice of subsets is not part of it.
    """
    a, b = (torch.cat(parts) for parts in zip(*_blocks(samples), strict=True))
    flat = a.flatten(0, 1), b.flatten(0, 1)
    is_everything = len(flat[0]) == len(flat[1]) <= subset_size
    value = mmd2(*flat) if is_everything else kernel_distance(*flat, subsets, subset_size)
    within = _mean_kernel(a, flat[0], others=True) + _mean_kernel(b, flat[1], others=True)
    influence = 2 * (within - _mean_kernel(a, flat[1]) - _mean_kernel(b, flat[0]))
    return Distance(float(value), influence - influence.mean())


def _of_moments(samples: Samples) -> tuple[Tensor, Tensor]:
    a, b = (Gaussian.empty(part.shape[1]) for part in samples[0])
    for x, y in _blocks(samples):
        a, b = a.merge(Gaussian.of(x.flatten(0, 1))), b.merge(Gaussian.of(y.flatten(0, 1)))
    value = frechet_distance(a.mean, a.cov, b.mean, b.cov)
    to_b, to_a = _transport(a.cov, b.cov), _transport(b.cov, a.cov)
    influences = []
    for features in _blocks(samples):
        x, y = features[0] - a.mean, features[1] - b.mean
        of_x = _influence(x, a.mean - b.mean, ((x @ to_b) * x).sum(-1), a.count)
        influences.append(of_x + _influence(y, b.mean - a.mean, ((y @ to_a) * y).sum(-1), b.count))
    return value, torch.cat(influences)


def _of_features(samples: Samples) -> tuple[Tensor, Tensor]:
    """Return the same as `_of_moments`, from singular vectors of the products of deviations, [N, M]."""
    a, b = (torch.cat(parts) for parts in zip(*_blocks(samples), strict=True))
    value = frechet_from_features(a.flatten(0, 1), b.flatten(0, 1))
    mean_a, mean_b = a.mean((0, 1)), b.mean((0, 1))
    x, y = a - mean_a, b - mean_b
    n, m = (part.shape[0] * part.shape[1] for part in (x, y))
    left, values, right = torch.linalg.svd(x.flatten(0, 1) @ y.flatten(0, 1).mT, full_matrices=False)
    transported_x = (left.square() * values).sum(1).view(x.shape[:2]) * ((n - 1) / (m - 1)) ** 0.5
    transported_y = (right.mT.square() * values).sum(1).view(y.shape[:2]) * ((m - 1) / (n - 1)) ** 0.5
    influence = _influence(x, mean_a - mean_b, transported_x, n) + _influence(y, mean_b - mean_a, transported_y, m)
    return value, influence


def _influence(deviations: Tensor, shift: Tensor, transported: Tensor, count: int) -> Tensor:
    """Return the influence [S] of the samples of one set, up to a constant.

    2 x . shift + N / (N - 1) (x . x - x . T x), with the map T that takes this set's covariance to the other's: the
    derivative of tr (C D)^1/2 by C is T / 2.

    Args:
        deviations: x, features minus their mean [S, R, D].
        shift: mean of this set minus mean of the other [D].
        transported: x . T x [S, R].
        count: N, number of features.
    """
    spread = (deviations.square().sum(-1) - transported) * (count / (count - 1))
    return (2 * deviations @ shift + spread).mean(1)


def _transport(cov_from: Tensor, cov_to: Tensor) -> Tensor:
    """Return the symmetric T with T cov_from T = cov_to, the optimal transport between Gaussians (Gelbrich 1990)."""
    root = _power(cov_to, 0.5)
    return root @ _power(root @ cov_from @ root, -0.5) @ root


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a power of a symmetric positive matrix; eigenvalues below rounding error are left out."""
    values, vectors = torch.linalg.eigh(matrix)
    noise = values.abs().max() * len(values) * torch.finfo(values.dtype).eps
    power: Tensor = (vectors * torch.where(values > noise, values.clamp_min(noise) ** exponent, 0.0)) @ vectors.mT
    return power


def _mean_kernel(samples: Tensor, features: Tensor, others: bool = False) -> Tensor:
    """Return the mean of KID's kernel between the features of a sample and a set of features, [S].

    Args:
        samples: features of the samples [S, R, D].
        features: the set [M, D].
        others: ``samples`` are part of the set, and pairs of a feature with itself are left out.
    """
    dimension, means = features.shape[1], []
    for part in torch.split(samples, _BLOCK):
        total = (part @ features.mT / dimension + 1).pow(3).sum(-1)
        if others:
            own = (part.square().sum(-1) / dimension + 1).pow(3)
            means.append(((total - own) / (len(features) - 1)).mean(1))
        else:
            means.append((total / len(features)).mean(1))
    return torch.cat(means)


def _blocks(samples: Samples) -> Iterator[tuple[Tensor, Tensor]]:
    """Read the features of both sets in float64, [S, R, D] and [S, Q, D], in blocks of samples."""
    for start in range(0, len(samples), _BLOCK):
        some = [samples[i] for i in range(start, min(start + _BLOCK, len(samples)))]
        a, b = (torch.stack(parts).double() for parts in zip(*some, strict=True))
        yield a, b
