"""The half of the `alignment` oracle that computes: cameras of single frames in a known world.

From the cameras that it starts at, a frame is aligned with ray-cast views of the world by the Gauss-Newton method over
the six numbers of a camera, from coarse to fine (Baker and Matthews, Lucas-Kanade 20 years on, IJCV 2004).

Shapes: N views, P points per view, S pixels a side. Poses and points are float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from evalkit.data.degrade import blurred
from evalkit.errors import UserError
from evalkit.geometry.rays import camera_rays
from evalkit.oracles.alignment import AlignmentOracle
from evalkit.oracles.frames import clips_to_uint8
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.threads import map_on_threads
from evalkit.views import Cameras

COARSE_BLURS_PX = (1.5, 0.75)  # of frames and views at half their size, one after the other
FINAL_BLUR_PX = 1.0  # at their full size
EXTRA_BLURS_PX = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # tried for the world, until it is as soft as the frame
STEPS = 8  # Gauss-Newton steps at each blur and after each ray-casting
RENDERINGS = 3  # times that the world is ray-cast again from where the frame was found
DAMPING = 1e-3  # Levenberg-Marquardt, relative
OUTLIER = 0.5  # scale of the robust weights, in standard deviations of the image
MIN_VISIBLE = 0.4  # share of the points of a view that must lie inside the frame
MIN_DEPTH = 1e-3


@dataclass(frozen=True)
class WorldViews:
    """N ray-cast views of the world.

    ``colours`` [N, 3, S, S]; ``points`` [N, P, 3] in the camera axes of each view; ``hit`` [N, P]: where a ray meets
    something; ``intrinsics`` [3, 3], shared; ``w2c`` [N, 4, 4].
    """

    colours: Tensor
    points: Tensor
    hit: Tensor
    intrinsics: Tensor
    w2c: Tensor

    def take(self, index: Tensor) -> WorldViews:
        """Return the views at ``index`` [M]."""
        return WorldViews(self.colours[index], self.points[index], self.hit[index], self.intrinsics, self.w2c[index])


class AlignmentEstimator(AlignmentOracle):
    """Aligns each clip on one thread, so that the number of threads changes no bit."""

    def estimate(
        self, images: Tensor, cameras: Cameras | None, locations: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], square, in the axes of their worlds.

        Pixels are rounded to 8 bits first. ``cameras`` are not used. Raises UserError without ``locations``.
        """
        clips = clips_to_uint8(images)
        if locations is None:
            raise UserError("oracle=alignment looks for frames in a known world: expected dataset=procedural")
        answers = map_on_threads(self._estimate_clip, zip(clips, locations, strict=True))
        return Estimate(
            torch.stack([w2c for w2c, _ in answers])
            if answers
            else torch.zeros(0, clips.shape[1], 4, 4, dtype=torch.float64),
            tuple(reason for _, reason in answers),
        )

    def _estimate_clip(self, clip_and_location: tuple[Tensor, ClipLocation]) -> tuple[Tensor, str]:
        """Estimate the cameras [V, 4, 4] of a clip [V, 3, H, W] uint8, and the reason where there are none."""
        clip, location = clip_and_location
        w2c, correlation = located(shrunk(clip.double() / 255, self.options.side), location)
        worst = float(correlation.min())
        if worst < self.options.correlation:
            return torch.full_like(w2c, torch.nan), f"a frame is nowhere in the scene (correlation {worst:.2f})"
        return w2c, ""


def located(frames: Tensor, location: ClipLocation) -> tuple[Tensor, Tensor]:
    """Find frames [V, 3, S, S] in their world: cameras w2c [V, 4, 4] and correlations with the world there [V]."""
    w2c, side = best_start(frames, location), frames.shape[-1]
    blurred_frames = blurred(frames, FINAL_BLUR_PX)
    for _ in range(RENDERINGS):
        views = world_views(location, w2c, side)
        colours = equally_soft(blurred_frames, views)
        motion = aligned(blurred_frames, colours, views, no_motion(len(frames)))
        w2c, correlation = motion @ w2c, correlation_of(blurred_frames, colours, views, motion)
    return w2c, correlation


def best_start(frames: Tensor, location: ClipLocation) -> Tensor:
    """Align frames [V, 3, S, S] at half their size from every start; return the best camera of each, [V, 4, 4]."""
    half, count, starts = frames.shape[-1] // 2, len(frames), len(location.start_w2c)
    start_views = world_views(location, location.start_w2c.double(), half)
    start_of = torch.arange(starts).repeat(count)  # of each pair of a frame and a start
    small, views = shrunk(frames, half).repeat_interleave(starts, 0), start_views.take(start_of)
    motion = no_motion(len(start_of))
    for blur in COARSE_BLURS_PX:
        blurred_frames, colours = blurred(small, blur), blurred(views.colours, blur).flatten(2)
        motion = aligned(blurred_frames, colours, views, motion)
    best = correlation_of(blurred_frames, colours, views, motion).view(count, starts).argmax(1)
    return (motion @ start_views.w2c[start_of]).view(count, starts, 4, 4)[torch.arange(count), best]


def world_views(location: ClipLocation, w2c: Tensor, side: int) -> WorldViews:
    """Ray-cast the world from cameras [N, 4, 4]."""
    frames = location.world.view(location.sequence, w2c, side)
    assert frames.depth is not None and frames.cameras is not None and frames.cameras.intrinsics is not None
    intrinsics = frames.cameras.intrinsics[0].double().cpu()
    depth = frames.depth.double().cpu().flatten(1)
    hit = depth.isfinite()
    points = camera_rays(intrinsics, side, side).flatten(0, 1) * depth.masked_fill(~hit, 1.0)[..., None]
    return WorldViews(frames.images.double().cpu(), points, hit, intrinsics, w2c)


def no_motion(count: int) -> Tensor:
    """Identity motions [N, 4, 4]."""
    return torch.eye(4, dtype=torch.float64).expand(count, 4, 4)


def equally_soft(blurred_frames: Tensor, views: WorldViews) -> Tensor:
    """Colours [N, 3, P] of views, each blurred so that it correlates best with its blurred frame [N, 3, S, S].

    A sharp view would match the colours of a soft frame too far away, and the camera would be wrong.
    """
    count = len(blurred_frames)
    candidates = [blurred(views.colours, math.hypot(FINAL_BLUR_PX, extra)).flatten(2) for extra in EXTRA_BLURS_PX]
    correlations = [correlation_of(blurred_frames, colours, views, no_motion(count)) for colours in candidates]
    return torch.stack(candidates)[torch.stack(correlations).argmax(0), torch.arange(count)]


def aligned(frames: Tensor, colours: Tensor, views: WorldViews, motion: Tensor) -> Tensor:
    """Find motions [N, 4, 4], from the axes of the views to those of the frames, under which their colours agree.

    Args:
        frames: [N, 3, S, S], blurred.
        colours: [N, 3, P] of the points of ``views``, equally blurred.
        motion: where to start.
    """
    gradients = torch.stack(torch.gradient(frames, dim=(-1, -2)), dim=2)  # [N, 3, 2, S, S]
    maps = torch.cat([frames, gradients.flatten(1, 2)], dim=1)
    for _ in range(STEPS):
        motion = gauss_newton_step(maps, colours, views, motion)
    return motion


def gauss_newton_step(maps: Tensor, colours: Tensor, views: WorldViews, motion: Tensor) -> Tensor:
    """Improve motions [N, 4, 4] by one robust, damped step; ``maps`` [N, 9, S, S] are colours and their gradients."""
    points, pixels, inside = projected(views, motion, maps.shape[-1])
    values = sampled(maps, pixels)
    sampled_colours, gradients = values[:, :3], values[:, 3:].unflatten(1, (3, 2))
    weight = inside[:, None].to(colours).expand_as(sampled_colours)
    gain, offset, spread = brightness_fit(colours, sampled_colours, weight)
    error = sampled_colours - gain * colours - offset
    weight = weight / (1 + (error / (OUTLIER * spread)).square())
    jacobian = torch.einsum("ncdp,npde->ncpe", gradients, pixel_derivatives(points, views.intrinsics))
    normal = torch.einsum("ncpe,ncp,ncpf->nef", jacobian, weight, jacobian)
    normal = normal + torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) * DAMPING + 1e-9)
    right = torch.einsum("ncpe,ncp,ncp->ne", jacobian, weight, error)
    return rigid_motion(-torch.linalg.solve(normal, right)) @ motion


def projected(views: WorldViews, motion: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The points in the axes of the frames [N, P, 3], their pixels [N, P, 2], and which lie inside [N, P]."""
    points = views.points @ motion[:, :3, :3].mT + motion[:, None, :3, 3]
    depth = points[..., 2:].clamp(min=MIN_DEPTH)
    pixels = (points @ views.intrinsics.mT)[..., :2] / depth
    inside = views.hit & ((pixels > 0.5) & (pixels < side - 0.5)).all(-1) & (points[..., 2] > MIN_DEPTH)
    return points, pixels, inside


def sampled(maps: Tensor, pixels: Tensor) -> Tensor:
    """Values [N, C, P] of maps [N, C, S, S] at pixels [N, P, 2]."""
    grid = (pixels * (2 / maps.shape[-1]) - 1)[:, None]
    return grid_sample(maps, grid, padding_mode="border", align_corners=False)[:, :, 0]


def pixel_derivatives(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Derivatives [N, P, 2, 6] of pixels by a shift and a rotation of the points [N, P, 3]."""
    x, y, z = points.unbind(-1)
    z = z.clamp(min=MIN_DEPTH)
    zero = torch.zeros_like(z)
    focal = intrinsics[0, 0]
    of_u, of_v = torch.stack([1 / z, zero, -x / z**2], -1), torch.stack([zero, 1 / z, -y / z**2], -1)
    by_point = focal * torch.stack([of_u, of_v], -2)
    by_rotation = torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).unflatten(-1, (3, 3))  # -[point]x
    return torch.cat([by_point, by_point @ by_rotation], dim=-1)


def rigid_motion(twist: Tensor) -> Tensor:
    """Rigid motions [N, 4, 4] of twists [N, 6] (shift, rotation vector)."""
    generator = twist.new_zeros(len(twist), 4, 4)
    generator[:, 0, 1], generator[:, 0, 2], generator[:, 1, 2] = -twist[:, 5], twist[:, 4], -twist[:, 3]
    generator[:, 1, 0], generator[:, 2, 0], generator[:, 2, 1] = twist[:, 5], -twist[:, 4], twist[:, 3]
    generator[:, :3, 3] = twist[:, :3]
    motion: Tensor = torch.linalg.matrix_exp(generator)
    return motion


def brightness_fit(colours: Tensor, frame_colours: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fit ``gain * colours + offset`` to ``frame_colours``, all [N, 3, P]; soft frames have less contrast.

    Returns gain (at least 0) and offset [N, 3, 1], and the standard deviation [N, 3, 1] of ``frame_colours``.
    """
    total = weight.sum(-1, keepdim=True).clamp(min=1e-9)
    mean = (weight * colours).sum(-1, keepdim=True) / total
    frame_mean = (weight * frame_colours).sum(-1, keepdim=True) / total
    a, b = colours - mean, frame_colours - frame_mean
    variance = (weight * a * a).sum(-1, keepdim=True).clamp(min=1e-9)
    gain = ((weight * a * b).sum(-1, keepdim=True) / variance).clamp(min=0)
    spread = ((weight * b * b).sum(-1, keepdim=True) / total).sqrt().clamp(min=1e-3)
    return gain, frame_mean - gain * mean, spread


def correlation_of(frames: Tensor, colours: Tensor, views: WorldViews, motion: Tensor) -> Tensor:
    """Correlation [N] of frames with the views moved there; -1 where too little of a view lies in the frame."""
    _, pixels, inside = projected(views, motion, frames.shape[-1])
    frame_colours = sampled(frames, pixels)
    weight = inside[:, None].to(frame_colours)
    total = weight.sum(-1, keepdim=True).clamp(min=1)
    a = colours - (weight * colours).sum(-1, keepdim=True) / total
    b = frame_colours - (weight * frame_colours).sum(-1, keepdim=True) / total
    ab, aa, bb = ((weight * product).sum((1, 2)) for product in (a * b, a * a, b * b))
    correlation = ab / (aa * bb).sqrt().clamp(min=1e-9)
    return correlation.masked_fill(inside.double().mean(-1) < MIN_VISIBLE, -1.0)


def shrunk(frames: Tensor, side: int) -> Tensor:
    """Frames [V, 3, H, H] at ``side`` pixels at most."""
    if frames.shape[-1] <= side:
        return frames
    return interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
