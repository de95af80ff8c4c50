"""Distances between the distributions of two sets of features: Frechet distance (FID), kernel distance (KID).

Features are [N, D], one row per image, on any device; everything is computed in float64 on that device. The numbers
depend on the network that computed the features and on how images were resized for it: `evalkit.metrics.inception`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_BLOCK = 2048  # rows of a kernel matrix at a time


@dataclass(frozen=True)
class Gaussian:
    """Mean and scatter of features, in float64. Memory does not depend on the number of features.

    `merge` joins batches or shards in any order; results differ by rounding only (Chan et al. 1979).

    Args:
        count: number of features.
        mean: [D].
        scatter: sum of outer products of deviations from the mean [D, D].
    """

    count: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, dimension: int, device: torch.device | str = "cpu") -> Gaussian:
        """Return the Gaussian of no features, the start of a stream."""
        zero = torch.zeros(dimension, dimension, dtype=torch.float64, device=device)
        return cls(0, zero[0].clone(), zero)

    @classmethod
    def of(cls, features: Tensor) -> Gaussian:
        """Return the Gaussian of features [N, D], N >= 1. Raises ValueError for other shapes and for NaN.

        >>> Gaussian.of(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).cov.tolist()
        [[2.0, 0.0], [0.0, 0.0]]
        """
        features = _checked(features)
        mean = features.mean(0)
        deviation = features - mean
        return cls(len(features), mean, deviation.mT @ deviation)

    def merge(self, other: Gaussian) -> Gaussian:
        """Return the Gaussian of both sets together."""
        count = max(self.count + other.count, 1)
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        between = torch.outer(shift, shift) * (self.count * other.count / count)
        return Gaussian(self.count + other.count, mean, self.scatter + other.scatter + between)

    @property
    def cov(self) -> Tensor:
        """Sample covariance [D, D], divided by count - 1. Raises ValueError for fewer than 2 features."""
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 features, got {self.count}")
        return self.scatter / (self.count - 1)


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Return the Frechet distance of two Gaussians, float64 scalar (Heusel et al. 2017).

    |mean_a - mean_b|^2 + tr(cov_a + cov_b - 2 (cov_a cov_b)^1/2). The matrix root is not computed: its trace is the sum
    of the square roots of the eigenvalues of F' cov_b F with F F' = cov_a. That matrix is symmetric, so that singular
    covariances are no special case. Equal to clean-fid to 1e-3.

    Args:
        mean_a, mean_b: [D].
        cov_a, cov_b: [D, D].

    Raises:
        ValueError: for shapes that do not fit.

    >>> one, eye = torch.ones(4), torch.eye(4)
    >>> frechet_distance(0 * one, eye, 3 * one, 4 * eye).item()  # 4 * 3^2 + 4 * (1 - 2)^2
    40.0
    """
    mean_a, cov_a, mean_b, cov_b = (tensor.double() for tensor in (mean_a, cov_a, mean_b, cov_b))
    size = len(mean_a)
    if mean_b.shape != (size,) or cov_a.shape != (size, size) or cov_b.shape != (size, size):
        shapes = ", ".join(str(list(tensor.shape)) for tensor in (mean_a, cov_a, mean_b, cov_b))
        raise ValueError(f"expected means [D] and covariances [D, D], got {shapes}")
    factor = _factor(cov_a)
    trace = _root(torch.linalg.eigvalsh(factor.mT @ cov_b @ factor)).sum()
    return _distance(mean_a, cov_a.trace(), mean_b, cov_b.trace(), trace)


def frechet_from_features(features_a: Tensor, features_b: Tensor) -> Tensor:
    """Return the Frechet distance of two sets of features [N, D] and [M, D], float64 scalar; N, M >= 2.

    Where one set has fewer features than dimensions, no covariance is computed: with deviations X and Y, the trace of
    the root of X'X Y'Y is the sum of the singular values of X Y', which is only [N, M].

    The distance of two samples of one distribution is not 0: it falls as 1/N. Compare with the distance of two sets of
    real images at the same N, or use `kernel_distance`.
    """
    a, b = _checked_pair(features_a, features_b)
    if min(len(a), len(b)) < 2:
        raise ValueError(f"a covariance needs at least 2 features, got {len(a)} and {len(b)}")
    if min(len(a), len(b)) >= a.shape[1]:
        x, y = Gaussian.of(a), Gaussian.of(b)
        return frechet_distance(x.mean, x.cov, y.mean, y.cov)
    mean_a, mean_b = a.mean(0), b.mean(0)
    x, y = ((f - mean) / (len(f) - 1) ** 0.5 for f, mean in ((a, mean_a), (b, mean_b)))
    trace = torch.linalg.svdvals(x @ y.mT).sum()
    return _distance(mean_a, x.square().sum(), mean_b, y.square().sum(), trace)


def kernel_distance(
    features_a: Tensor, features_b: Tensor, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Tensor:
    """Return the KID of features [N, D] and [M, D]: the mean of `mmd2` over random subsets, float64 scalar.

    A subset has min(N, M, subset_size) rows of each set, drawn without replacement: rule and defaults of clean-fid.
    Unbiased: 0 on average for equal distributions whatever N, and therefore often negative.
    """
    size = min(len(features_a), len(features_b), subset_size)
    indices_a, indices_b = draw_subsets((len(features_a), len(features_b)), subsets, size, seed)
    return mean_mmd2(features_a, features_b, indices_a, indices_b)


def draw_subsets(counts: tuple[int, int], subsets: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw the rows of both sets for all subsets, two tensors [subsets, size]; the same on every device."""
    rng = np.random.default_rng(seed)
    drawn = [[rng.choice(count, size, replace=False) for count in counts] for _ in range(subsets)]
    a, b = (torch.from_numpy(np.stack(rows)) for rows in zip(*drawn, strict=True))
    return a, b


def mean_mmd2(features_a: Tensor, features_b: Tensor, indices_a: Tensor, indices_b: Tensor) -> Tensor:
    """Return the mean of `mmd2` over S subsets, float64 scalar.

    Args:
        features_a, features_b: [N, D] and [M, D].
        indices_a, indices_b: rows of the subsets, [S, m] and [S, n].
    """
    a, b = _checked_pair(features_a, features_b)
    pairs = zip(indices_a.to(a.device), indices_b.to(b.device), strict=True)
    return torch.stack([mmd2(a[rows_a], b[rows_b]) for rows_a, rows_b in pairs]).mean()


def mmd2(features_a: Tensor, features_b: Tensor) -> Tensor:
    """Return the unbiased squared maximum mean discrepancy of features [N, D] and [M, D], float64 scalar.

    Kernel (x.y / D + 1)^3. Pairs of a feature with itself are left out, so that the value can be negative. Raises
    ValueError for fewer than 2 features.

    Source: Gretton et al. 2012, eq. 3; Binkowski et al. 2018 (kernel).

    >>> a = torch.tensor([[0.0], [1.0]])
    >>> mmd2(a, a).item()  # 1 + 1 - 2 (1 + 1 + 1 + 8) / 4
    -3.5
    """
    a, b = _checked_pair(features_a, features_b)
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"MMD needs at least 2 features, got {n} and {m}")
    within_a, within_b = (_kernel_sum(x, x) - _cubic(x.square().sum(1), x.shape[1]).sum() for x in (a, b))
    return within_a / (n * (n - 1)) + within_b / (m * (m - 1)) - 2 * _kernel_sum(a, b) / (n * m)


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([_cubic(rows @ y.mT, x.shape[1]).sum() for rows in torch.split(x, _BLOCK)]).sum()


def _cubic(products: Tensor, dimension: int) -> Tensor:
    return (products / dimension + 1) ** 3


def _factor(cov: Tensor) -> Tensor:
    """Return F with F F' = cov: Cholesky factor, or from eigenvectors where cov is singular (ten times slower)."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(cov)
    if failed:
        values, vectors = torch.linalg.eigh(cov)
        factor = vectors * _root(values)
    return factor


def _root(eigenvalues: Tensor) -> Tensor:
    """Return square roots of eigenvalues [D]; those below rounding error count as 0.

    The root of 1e-16 would be 1e-8, and D of them would be added.
    """
    noise = eigenvalues.abs().max() * len(eigenvalues) * torch.finfo(eigenvalues.dtype).eps
    return torch.where(eigenvalues > noise, eigenvalues, 0.0).sqrt()


def _distance(mean_a: Tensor, trace_a: Tensor, mean_b: Tensor, trace_b: Tensor, trace: Tensor) -> Tensor:
    """Return the Frechet distance from its parts; not below 0, where rounding would put that of equal sets."""
    return ((mean_a - mean_b).square().sum() + trace_a + trace_b - 2 * trace).clamp_min(0)


def _checked_pair(features_a: Tensor, features_b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = _checked(features_a), _checked(features_b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"features must have one dimension, got {a.shape[1]} and {b.shape[1]}")
    return a, b


def _checked(features: Tensor) -> Tensor:
    if features.ndim != 2 or len(features) == 0:
        raise ValueError(f"features must be [N, D] with N >= 1, got {list(features.shape)}")
    features = features.double()
    if not features.sum().isfinite():
        raise ValueError("features hold NaN or infinity")
    return features
