"""Target poses fitted to the target image before it is scored: both published ways.

They are not equivalent. NoPoSplat moves on SE(3) and renders once more at the end. SPFSplat, SPFSplatV2, NAS3R fit all
16 numbers of the matrix, which leaves SE(3), and score what was rendered before the last step. Either way the target's
pixels are used, so that neither score belongs beside one of poses that were given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from evalkit.config.options import Options
from evalkit.errors import Unsupported
from evalkit.geometry.se3 import motion_exp
from evalkit.method import PoseCode
from evalkit.metrics.lpips import lpips
from evalkit.views import Cameras

Render = Callable[[PoseCode], Tensor]  # poses [B, T] -> images [B, T, 3, H, W]


class AlignOptions(Options):
    """Published: Adam at 5e-3 for 100 steps on the squared error plus 0.05 LPIPS (vgg)."""

    steps: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    lpips: Annotated[float, Field(ge=0)]


def align_se3(render: Render, start: PoseCode, target: Tensor, options: AlignOptions) -> tuple[Tensor, Tensor]:
    """Fit rigid motions of the cameras to ``target`` [B, T, 3, H, W]; returns images and w2c [B, T, 4, 4].

    NoPoSplat, model_wrapper.py: w2c <- exp(step) w2c with Adam's step from a zero twist each time, so that only Adam's
    moments are carried on; rendered once more at the end.
    """
    cameras = _cameras(start)
    w2c = cameras.w2c
    twist = torch.zeros(*w2c.shape[:2], 6, dtype=w2c.dtype, device=w2c.device, requires_grad=True)
    adam = torch.optim.Adam([twist], lr=options.learning_rate)
    for _ in range(options.steps):
        with torch.enable_grad():
            images = render(_moved(start, motion_exp(twist) @ w2c))
            _loss(images, target, options).backward()
        adam.step()
        w2c = motion_exp(twist.detach()) @ w2c
        twist.data.zero_()
        adam.zero_grad()
    return render(_moved(start, w2c)), w2c


def align_free(render: Render, start: PoseCode, target: Tensor, options: AlignOptions) -> tuple[Tensor, Tensor]:
    """Fit all 16 numbers of each c2w matrix to ``target``; returns images and w2c, both from before the last step.

    SPFSplat, SPFSplatV2, NAS3R, model_wrapper.py.
    """
    c2w = torch.linalg.inv(_cameras(start).w2c).requires_grad_()
    adam = torch.optim.Adam([c2w], lr=options.learning_rate)
    for _ in range(options.steps):
        with torch.enable_grad():
            w2c = torch.linalg.inv(c2w)
            images = render(_moved(start, w2c))
            _loss(images, target, options).backward()
        adam.step()
        adam.zero_grad()
    return images.detach(), w2c.detach()


def rotation_residual(w2c: Tensor) -> Tensor:
    """How far the upper left of w2c [..., 4, 4] is from a rotation: Frobenius norm of R'R - I, [...]."""
    rotation = w2c[..., :3, :3].double()
    excess = rotation.mT @ rotation - torch.eye(3, dtype=torch.float64, device=w2c.device)
    return excess.square().sum((-2, -1)).sqrt()


def _cameras(start: PoseCode) -> Cameras:
    if start.cameras is None:
        raise Unsupported("target poses can be aligned only where they are cameras, and this method's are latent")
    return start.cameras


def _moved(start: PoseCode, w2c: Tensor) -> PoseCode:
    return replace(start, cameras=replace(_cameras(start), w2c=w2c))


def _loss(images: Tensor, target: Tensor, options: AlignOptions) -> Tensor:
    """Summed over samples: with Adam each pose then goes its own way, whatever is in the batch."""
    if not images.requires_grad:
        raise Unsupported("target poses can be aligned only where the render is differentiable in its cameras")
    loss = (images - target).square().mean((1, 2, 3, 4)).sum()
    if options.lpips:
        distances = lpips(images.flatten(0, 1), target.flatten(0, 1), "vgg")
        loss = loss + options.lpips * distances.view(images.shape[:2]).mean(1).sum()
    return loss
