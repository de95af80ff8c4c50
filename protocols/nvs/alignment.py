"""Two published ways to fit target poses to the target image before it is scored.

They are not equivalent. NoPoSplat moves on SE(3) and renders once more at the end. SPFSplat, SPFSplatV2 and NAS3R fit
all 16 numbers of the matrix, which leaves SE(3), and score what was rendered before the last step. Both use the
target's pixels, so neither score is comparable with one of given poses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from evalkit.errors import Unsupported
from evalkit.geometry.se3 import motion_exp
from evalkit.method import PoseCode
from evalkit.metrics.lpips import lpips
from evalkit.views import Cameras
from protocols.nvs.options import AlignOptions

Render = Callable[[PoseCode], Tensor]  # poses [B, T] -> images [B, T, 3, H, W]


def align_se3(render: Render, start: PoseCode, target: Tensor, options: AlignOptions) -> tuple[Tensor, Tensor]:
    """Fit rigid motions of cameras to the target images.

    w2c <- exp(step) w2c, where Adam takes each step from a zero twist, so that only its moments last.

    Args:
        render: renders poses [B, T], differentiable in their cameras.
        start: poses [B, T] with cameras, from which the fit starts.
        target: images [B, T, 3, H, W]; narrower ones are compared with the left columns of the renders.
        options: steps, learning rate and loss.

    Returns:
        Images of the fitted cameras, rendered after the last step, and w2c [B, T, 4, 4].

    Raises:
        Unsupported: the poses are latent, or the render is not differentiable.

    Source: NoPoSplat, model_wrapper.py.
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
    """Fit all 16 numbers of each c2w matrix to the target images; arguments and errors as `align_se3`.

    Returns:
        Images and w2c [B, T, 4, 4], both from before the last step.

    Source: SPFSplat, SPFSplatV2, NAS3R, model_wrapper.py.
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


def _cameras(start: PoseCode) -> Cameras:
    if start.cameras is None:
        raise Unsupported("target poses can be aligned only where they are cameras, and this method's are latent")
    return start.cameras


def _moved(start: PoseCode, w2c: Tensor) -> PoseCode:
    return replace(start, cameras=replace(_cameras(start), w2c=w2c))


def _loss(images: Tensor, target: Tensor, options: AlignOptions) -> Tensor:
    """Summed over samples: Adam then moves each pose independently of the rest of the batch."""
    if not images.requires_grad:
        raise Unsupported("target poses can be aligned only where the render is differentiable in its cameras")
    images = images[..., : target.shape[-1]]
    loss = (images - target).square().mean((1, 2, 3, 4)).sum()
    if options.lpips:
        distances = lpips(images.flatten(0, 1), target.flatten(0, 1), "vgg")
        loss = loss + options.lpips * distances.view(images.shape[:2]).mean(1).sum()
    return loss
