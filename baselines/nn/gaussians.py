"""3D Gaussians and what a camera sees of them (Kerbl et al., SIGGRAPH 2023; EWA splatting as gsplat 1.5 does it)."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evalkit.errors import UserError

NEAR = 0.01  # nothing nearer is seen
DILATION = 0.3  # pixels squared, added to the variance of every footprint
LEAST_ALPHA, MOST_ALPHA = 1 / 255, 0.999
MARGIN = 0.3  # of the half field of view, beyond which the slope of the projection stays as it is
DENSE = 64  # pixels a side, up to which every Gaussian is compared with every pixel


class Gaussians(NamedTuple):
    """Means [..., G, 3], quaternions wxyz [..., G, 4] of any length, scales [..., G, 3], opacities [..., G], colours
    [..., G, 3]; lengths as the cameras have them."""

    means: Tensor
    quaternions: Tensor
    scales: Tensor
    opacities: Tensor
    colours: Tensor

    def packed(self) -> Tensor:
        """All numbers of each in one row: [..., G, 14]."""
        return torch.cat([*self[:3], self.opacities[..., None], self.colours], dim=-1)

    @classmethod
    def unpacked(cls, numbers: Tensor) -> Self:
        """The inverse of `packed`."""
        means, quaternions, scales, opacities, colours = numbers.split([3, 4, 3, 1, 3], dim=-1)
        return cls(means, quaternions, scales, opacities[..., 0], colours)

    def covariances(self) -> Tensor:
        """[..., G, 3, 3]."""
        half = rotations(self.quaternions) * self.scales[..., None, :]
        return half @ half.mT


def rotations(quaternions: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of quaternions wxyz [..., 4] of any length but zero.

    >>> rotations(torch.tensor([2.0, 0, 0, 0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    w, x, y, z = normalize(quaternions, dim=-1).unbind(-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def splat(gaussians: Gaussians, w2c: Tensor, intrinsics: Tensor, size: int) -> Tensor:
    """Images [B, T, 3, size, size] of scenes [B, G] from cameras [B, T, 4, 4], [B, T, 3, 3], before black.

    Colours are not clamped. Gradients reach Gaussians, poses and lenses. Up to `DENSE` pixels a side every Gaussian
    meets every pixel; larger images are gsplat's. Raises UserError where these have no GPU.
    """
    means, covariances = _as_seen(gaussians, w2c, intrinsics)
    lens = intrinsics.detach()
    if size > DENSE:
        return _by_gsplat(gaussians, means, covariances, lens, size)
    views = [
        _dense(means[:, v], covariances[:, v], gaussians.opacities, gaussians.colours, lens[:, v], size)
        for v in range(w2c.shape[1])
    ]
    return torch.stack(views, dim=1)


def _as_seen(gaussians: Gaussians, w2c: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Means [B, T, G, 3] and covariances [B, T, G, 3, 3] before each camera.

    x and y are stretched by the focal length over itself, which is 1, and brings its gradient: gsplat has none for
    lenses.
    """
    focal = intrinsics[..., [0, 1], [0, 1]]
    stretch = torch.cat([focal / focal.detach(), torch.ones_like(focal[..., :1])], dim=-1)[..., None, :]  # [B, T, 1, 3]
    rotation, offset = w2c[..., None, :3, :3], w2c[..., None, :3, 3]  # [B, T, 1, ...]
    means = ((rotation @ gaussians.means[:, None, :, :, None])[..., 0] + offset) * stretch
    turned = stretch[..., None] * rotation
    return means, turned @ gaussians.covariances()[:, None] @ turned.mT


def _dense(means: Tensor, covariances: Tensor, opacities: Tensor, colours: Tensor, lens: Tensor, size: int) -> Tensor:
    """One image a scene [B, 3, size, size] of what lies before its camera [B, G, ...]."""
    order = means[..., 2].argsort(dim=-1)
    means, covariances, colours = (
        x.gather(1, order.view(*order.shape, *[1] * (x.ndim - 2)).expand_as(x)) for x in (means, covariances, colours)
    )
    opacities = opacities.gather(1, order)
    seen = means[..., 2] > NEAR
    depth = means[..., 2].clamp(min=NEAR)
    focal, centre = lens[:, None, [0, 1], [0, 1]], lens[:, None, :2, 2]
    slope = means[..., :2] / depth[..., None]
    middles = focal * slope + centre
    footprint = _footprint(slope, depth, covariances, focal, centre, size)  # [B, G, 2, 2]
    ticks = torch.arange(size, device=means.device, dtype=means.dtype) + 0.5
    pixels = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1).flatten(0, 1)  # [P, 2]
    off = pixels - middles[:, :, None]  # [B, G, P, 2]
    distance = ((off @ torch.linalg.inv(footprint)) * off).sum(-1)
    alpha = (opacities[..., None] * torch.exp(-0.5 * distance)).clamp(max=MOST_ALPHA)
    alpha = torch.where((alpha >= LEAST_ALPHA) & seen[..., None], alpha, 0.0)
    passed = torch.cumprod(1 - alpha, dim=1)
    weights = alpha * torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)
    image: Tensor = (colours.mT @ weights).unflatten(-1, (size, size))
    return image


def _footprint(slope: Tensor, depth: Tensor, covariances: Tensor, focal: Tensor, centre: Tensor, size: int) -> Tensor:
    """Covariances [B, G, 2, 2] in the image, in pixels squared, of the projection made linear at each mean."""
    edge = MARGIN * 0.5 * size / focal
    slope = torch.maximum(torch.minimum(slope, (size - centre) / focal + edge), -centre / focal - edge)
    across = torch.diag_embed(focal / depth[..., None])
    along = -(focal * slope / depth[..., None])[..., None]
    jacobian = torch.cat([across, along], dim=-1)  # [B, G, 2, 3]
    return jacobian @ covariances @ jacobian.mT + DILATION * torch.eye(2, device=depth.device, dtype=depth.dtype)


def _by_gsplat(gaussians: Gaussians, means: Tensor, covariances: Tensor, lens: Tensor, size: int) -> Tensor:
    if means.device.type != "cuda":
        raise UserError(f"Gaussians at {size} pixels need a GPU: expected at most {DENSE} pixels without one")
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise UserError(f"Gaussians at {size} pixels need gsplat; type `pip install gsplat==1.5.3`") from error
    batch, views = means.shape[:2]
    colours = gaussians.colours[:, None].expand(-1, views, -1, -1)
    images, _, _ = rasterization(
        means=means,
        quats=None,
        scales=None,
        covars=covariances,
        opacities=gaussians.opacities[:, None].expand(-1, views, -1),
        colors=colours[:, :, None],
        viewmats=torch.eye(4, device=means.device).expand(batch, views, 1, 4, 4),
        Ks=lens[:, :, None],
        width=size,
        height=size,
        packed=False,
        near_plane=NEAR,
    )
    seen: Tensor = images[:, :, 0].movedim(-1, -3)
    return seen
