"""Rasterising 3D Gaussians: EWA splatting as in gsplat 1.5, dense for small images, by gsplat for larger ones."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.nn.gaussians import Gaussians
from evalkit.errors import UserError

NEAR = 0.01  # smallest depth that is rendered, in the unit of the cameras
DILATION = 0.3  # added to the variance of every footprint, in pixels squared
LEAST_ALPHA, MOST_ALPHA = 1 / 255, 0.999
MARGIN = 0.3  # in half fields of view: how far outside the image the slope of a projection is clamped
DENSE = 64  # largest side, in pixels, at which every Gaussian is compared with every pixel


def rasterise(gaussians: Gaussians, w2c: Tensor, intrinsics: Tensor, size: int) -> Tensor:
    """Images [B, T, 3, size, size] of Gaussians [B, G] on a black background.

    Colours are not clamped. Gradients reach Gaussians, poses and intrinsics.

    Args:
        gaussians: G Gaussians for each of B scenes.
        w2c: world-to-camera matrices [B, T, 4, 4].
        intrinsics: [B, T, 3, 3], in pixels.
        size: side of the images, in pixels. Above `DENSE`, gsplat renders.

    Raises:
        UserError: gsplat is needed, and there is no GPU or no gsplat.
    """
    means, covariances = _in_cameras(gaussians, w2c, intrinsics)
    constant = intrinsics.detach()  # their gradient passes through means and covariances
    if size > DENSE:
        return _by_gsplat(gaussians, means, covariances, constant, size)
    images = [
        _dense(means[:, v], covariances[:, v], gaussians.opacities, gaussians.colours, constant[:, v], size)
        for v in range(w2c.shape[1])
    ]
    return torch.stack(images, dim=1)


def _in_cameras(gaussians: Gaussians, w2c: Tensor, intrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Means [B, T, G, 3] and covariances [B, T, G, 3, 3] in the axes of each camera.

    x and y are multiplied by the focal length over its own value, which is 1 and carries its gradient: gsplat has no
    gradient for intrinsics.
    """
    focal = intrinsics[..., [0, 1], [0, 1]]
    stretch = torch.cat([focal / focal.detach(), torch.ones_like(focal[..., :1])], dim=-1)[..., None, :]  # [B, T, 1, 3]
    rotation, translation = w2c[..., None, :3, :3], w2c[..., None, :3, 3]  # [B, T, 1, ...]
    means = ((rotation @ gaussians.means[:, None, :, :, None])[..., 0] + translation) * stretch
    stretched_rotation = stretch[..., None] * rotation
    return means, stretched_rotation @ gaussians.covariances()[:, None] @ stretched_rotation.mT


def _dense(
    means: Tensor, covariances: Tensor, opacities: Tensor, colours: Tensor, intrinsics: Tensor, size: int
) -> Tensor:
    """One image a scene [B, 3, size, size] of Gaussians [B, G, ...] in the axes of its camera."""
    order = means[..., 2].argsort(dim=-1)
    means, covariances, opacities, colours = (_sorted(x, order) for x in (means, covariances, opacities, colours))
    depth = means[..., 2].clamp(min=NEAR)
    focal, centre = intrinsics[:, None, [0, 1], [0, 1]], intrinsics[:, None, :2, 2]
    slope = means[..., :2] / depth[..., None]
    footprint = _footprint(slope, depth, covariances, focal, centre, size)  # [B, G, 2, 2]
    offset = _pixel_centres(size, means) - (focal * slope + centre)[:, :, None]  # [B, G, P, 2]
    distance = ((offset @ torch.linalg.inv(footprint)) * offset).sum(-1)
    alpha = (opacities[..., None] * torch.exp(-0.5 * distance)).clamp(max=MOST_ALPHA)
    in_front = means[..., 2] > NEAR
    alpha = torch.where((alpha >= LEAST_ALPHA) & in_front[..., None], alpha, 0.0)
    transmittance = torch.cumprod(1 - alpha, dim=1)  # behind each Gaussian
    weights = alpha * torch.cat([torch.ones_like(transmittance[:, :1]), transmittance[:, :-1]], dim=1)
    image: Tensor = (colours.mT @ weights).unflatten(-1, (size, size))
    return image


def _sorted(values: Tensor, order: Tensor) -> Tensor:
    """Values [B, G, ...] in this order [B, G]."""
    return values.gather(1, order.view(*order.shape, *[1] * (values.ndim - 2)).expand_as(values))


def _pixel_centres(size: int, like: Tensor) -> Tensor:
    """Centres (x, y) [P, 2] of the pixels, row by row."""
    ticks = torch.arange(size, device=like.device, dtype=like.dtype) + 0.5
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=-1).flatten(0, 1)


def _footprint(slope: Tensor, depth: Tensor, covariances: Tensor, focal: Tensor, centre: Tensor, size: int) -> Tensor:
    """Covariances [B, G, 2, 2] in the image, in pixels squared, of the projection linearised at each mean."""
    edge = MARGIN * 0.5 * size / focal
    slope = torch.maximum(torch.minimum(slope, (size - centre) / focal + edge), -centre / focal - edge)
    across = torch.diag_embed(focal / depth[..., None])
    along = -(focal * slope / depth[..., None])[..., None]
    jacobian = torch.cat([across, along], dim=-1)  # [B, G, 2, 3]
    return jacobian @ covariances @ jacobian.mT + DILATION * torch.eye(2, device=depth.device, dtype=depth.dtype)


def _by_gsplat(gaussians: Gaussians, means: Tensor, covariances: Tensor, intrinsics: Tensor, size: int) -> Tensor:
    if means.device.type != "cuda":
        raise UserError(f"Gaussians at {size} pixels need a GPU: expected at most {DENSE} pixels without one")
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise UserError(f"Gaussians at {size} pixels need gsplat; type `pip install gsplat==1.5.3`") from error
    batch, views = means.shape[:2]
    colours = gaussians.colours[:, None].expand(-1, views, -1, -1)
    rendered, _, _ = rasterization(
        means=means,
        quats=None,
        scales=None,
        covars=covariances,
        opacities=gaussians.opacities[:, None].expand(-1, views, -1),
        colors=colours[:, :, None],
        viewmats=torch.eye(4, device=means.device).expand(batch, views, 1, 4, 4),
        Ks=intrinsics[:, :, None],
        width=size,
        height=size,
        packed=False,
        near_plane=NEAR,
    )
    images: Tensor = rendered[:, :, 0].movedim(-1, -3)
    return images
