"""The `alignment` oracle: each frame is looked for in a world that is known, by direct image alignment.

What a method renders at 32 or 64 pixels is too soft for points to be matched between frames. Where the scene itself is
known, no two renders need to match: each is compared with what the world looks like (analysis by synthesis). From the
cameras that it is told to start at, a frame is brought into agreement with ray-cast views by Gauss and Newton's method
over the six numbers of a camera, from coarse to fine (Baker and Matthews, Lucas-Kanade 20 years on, IJCV 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from evalkit.config.options import ComponentOptions
from evalkit.data.degrade import blurred
from evalkit.errors import UserError
from evalkit.geometry.rays import camera_rays
from evalkit.oracles.frames import quantised
from evalkit.oracles.oracle import ClipLocation, Estimate
from evalkit.views import Cameras

REVISION = 1  # to be raised with any change here that changes an answer
BLURS_PX = (1.5, 0.75)  # of both pictures at half their size, one after the other
FINAL_BLUR_PX = 1.0  # at their full size
SOFTNESS_PX = (
    0.0,
    0.5,
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
)  # by which the world is blurred more than the frame: as soft as that is
STEPS = 8  # at each blur, and between two looks
LOOKS = 3  # times that the world is ray-cast anew from where the frame was found
DAMPING = 1e-3  # Levenberg-Marquardt, relative
OUTLIER = 0.5  # scale of the robust weights, in deviations of the picture
LEAST_VISIBLE = 0.4  # of the points of a view that must lie inside the frame


class AlignmentOptions(ComponentOptions):
    """Settings of the alignment; `config/oracle/alignment.yaml` says what each is for."""

    name: Literal["alignment"]
    side: Annotated[int, Field(ge=16)]
    correlation: Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Seen:
    """N views of the world: brightness and colour [N, 3, P], their points [N, P, 3] in camera axes, which of them are
    there [N, P], and one lens [3, 3]."""

    colours: Tensor
    points: Tensor
    there: Tensor
    intrinsics: Tensor
    w2c: Tensor


class AlignmentOracle:
    """Finds frames of known worlds, however soft, each on its own; needs to be told which world, and where to start."""

    Options = AlignmentOptions

    def __init__(self, options: AlignmentOptions, device: str) -> None:
        self.options = options

    def identity(self) -> dict[str, str | int | float | bool]:
        """Name, revision and every option."""
        return {"revision": REVISION, "precision": "float64", **self.options.model_dump()}

    def estimate(
        self, images: Tensor, cameras: Cameras | None, places: Sequence[ClipLocation] | None = None
    ) -> Estimate:
        """Estimate w2c of ``images`` [B, V, 3, H, W], square, in the axes of their worlds.

        Pixels are rounded to 8 bits first. ``cameras`` are not looked at. Raises UserError without ``places``.
        """
        clips = quantised(images)
        if places is None:
            raise UserError(
                "oracle=alignment looks for frames in a known world: expected protocol=tps dataset=procedural"
            )
        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                found = list(pool.map(self._clip, clips, places))
        finally:
            torch.set_num_threads(threads)
        w2c = [each for each, _ in found]
        return Estimate(
            torch.stack(w2c) if w2c else torch.zeros(0, clips.shape[1], 4, 4, dtype=torch.float64),
            tuple(reason for _, reason in found),
        )

    def _clip(self, clip: Tensor, place: ClipLocation) -> tuple[Tensor, str]:
        """Cameras [V, 4, 4] of one clip [V, 3, H, W] uint8, and why there are none."""
        frames = shrunk(clip.double() / 255, self.options.side)
        w2c, correlation = located(frames, place)
        worst = float(correlation.min())
        if worst < self.options.correlation:
            return torch.full_like(w2c, torch.nan), f"a frame is nowhere in the scene (correlation {worst:.2f})"
        return w2c, ""


def located(frames: Tensor, place: ClipLocation) -> tuple[Tensor, Tensor]:
    """Cameras w2c [V, 4, 4] of frames [V, 3, S, S], float64, and how well they agree with the world there [V].

    Every start is tried at half the size, and the one that agrees best goes on.
    """
    side, views, many = frames.shape[-1], len(frames), len(place.around)
    starts = seen_from(place, place.around.double(), side // 2)
    each = torch.arange(many).repeat(views)
    small, there, motion = shrunk(frames, side // 2).repeat_interleave(many, 0), take(starts, each), standing(len(each))
    for blur in BLURS_PX:
        picture, wanted = blurred(small, blur), blurred(there.colours, blur).flatten(2)
        motion = aligned(picture, wanted, there, motion)
    best = agreement_of(picture, wanted, there, motion).view(views, many).argmax(1)
    w2c = (motion @ starts.w2c[each]).view(views, many, 4, 4)[torch.arange(views), best]
    picture = blurred(frames, FINAL_BLUR_PX)
    for _ in range(LOOKS):
        here = seen_from(place, w2c, side)
        wanted = as_soft(picture, here)
        motion = aligned(picture, wanted, here, standing(views))
        w2c, agreement = motion @ w2c, agreement_of(picture, wanted, here, motion)
    return w2c, agreement


def seen_from(place: ClipLocation, w2c: Tensor, side: int) -> Seen:
    """Views of the world from cameras [N, 4, 4]."""
    frames = place.world.view(place.sequence, w2c, side)
    assert frames.depth is not None and frames.cameras is not None and frames.cameras.intrinsics is not None
    lens = frames.cameras.intrinsics[0].double().cpu()
    depth = frames.depth.double().cpu().flatten(1)
    there = depth.isfinite()
    points = camera_rays(lens, side, side).flatten(0, 1) * depth.masked_fill(~there, 1.0)[..., None]
    return Seen(frames.images.double().cpu(), points, there, lens, w2c)


def take(seen: Seen, index: Tensor) -> Seen:
    """Some of the views."""
    return Seen(seen.colours[index], seen.points[index], seen.there[index], seen.intrinsics, seen.w2c[index])


def standing(count: int) -> Tensor:
    """Motions [N, 4, 4] that leave everything where it is."""
    return torch.eye(4, dtype=torch.float64).expand(count, 4, 4)


def as_soft(picture: Tensor, seen: Seen) -> Tensor:
    """Colours [N, 3, P] of views, each blurred so that it agrees best with its frame [N, 3, S, S], blurred already.

    A sharp view seeks a soft frame's colours farther off, and finds the camera there.
    """
    tried = [blurred(seen.colours, math.hypot(FINAL_BLUR_PX, soft)).flatten(2) for soft in SOFTNESS_PX]
    agreement = torch.stack([agreement_of(picture, each, seen, standing(len(picture))) for each in tried])
    return torch.stack(tried)[agreement.argmax(0), torch.arange(len(picture))]


def aligned(picture: Tensor, wanted: Tensor, seen: Seen, motion: Tensor) -> Tensor:
    """Motions [N, 4, 4] that bring the points of views, of colours ``wanted`` [N, 3, P], to where frames [N, 3, S, S]
    have these colours, from the axes of the view to those of the frame."""
    slopes = torch.stack(torch.gradient(picture, dim=(-1, -2)), dim=2)  # [N, 3, 2, S, S]
    maps = torch.cat([picture, slopes.flatten(1, 2)], dim=1)
    for _ in range(STEPS):
        motion = improved(maps, wanted, seen, motion)
    return motion


def projected(seen: Seen, motion: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The points in the axes of the frames [N, P, 3], their pixels [N, P, 2], and which lie inside [N, P]."""
    points = seen.points @ motion[:, :3, :3].mT + motion[:, None, :3, 3]
    depth = points[..., 2:].clamp(min=1e-3)
    pixels = (points @ seen.intrinsics.mT)[..., :2] / depth
    inside = seen.there & ((pixels > 0.5) & (pixels < side - 0.5)).all(-1) & (points[..., 2] > 1e-3)
    return points, pixels, inside


def sampled(maps: Tensor, pixels: Tensor) -> Tensor:
    """Values [N, C, P] of maps [N, C, S, S] at pixels [N, P, 2]."""
    grid = (pixels * (2 / maps.shape[-1]) - 1)[:, None]
    return grid_sample(maps, grid, padding_mode="border", align_corners=False)[:, :, 0]


def improved(maps: Tensor, wanted: Tensor, seen: Seen, motion: Tensor) -> Tensor:
    """One robust, damped step of Gauss and Newton's method."""
    points, pixels, inside = projected(seen, motion, maps.shape[-1])
    values = sampled(maps, pixels)
    found, slopes = values[:, :3], values[:, 3:].unflatten(1, (3, 2))
    weight = inside[:, None].to(wanted).expand_as(found)
    gain, offset, spread = fitted(wanted, found, weight)
    error = found - gain * wanted - offset
    weight = weight / (1 + (error / (OUTLIER * spread)).square())
    jacobian = torch.einsum("ncdp,npde->ncpe", slopes, pixel_slopes(points, seen.intrinsics))
    normal = torch.einsum("ncpe,ncp,ncpf->nef", jacobian, weight, jacobian)
    normal = normal + torch.diag_embed(normal.diagonal(dim1=-2, dim2=-1) * DAMPING + 1e-9)
    against = torch.einsum("ncpe,ncp,ncp->ne", jacobian, weight, error)
    return moved(-torch.linalg.solve(normal, against)) @ motion


def pixel_slopes(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Derivatives [N, P, 2, 6] of pixels by a shift and a turn of the points [N, P, 3]."""
    x, y, z = points.unbind(-1)
    z = z.clamp(min=1e-3)
    zero = torch.zeros_like(z)
    focal = intrinsics[0, 0]
    by_point = focal * torch.stack(
        [torch.stack([1 / z, zero, -x / z**2], -1), torch.stack([zero, 1 / z, -y / z**2], -1)], -2
    )
    turning = torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).unflatten(-1, (3, 3))  # -[point]x
    return torch.cat([by_point, by_point @ turning], dim=-1)


def moved(twist: Tensor) -> Tensor:
    """Rigid motions [N, 4, 4] of twists [N, 6] (shift, turn)."""
    generator = twist.new_zeros(len(twist), 4, 4)
    generator[:, 0, 1], generator[:, 0, 2], generator[:, 1, 2] = -twist[:, 5], twist[:, 4], -twist[:, 3]
    generator[:, 1, 0], generator[:, 2, 0], generator[:, 2, 1] = twist[:, 5], -twist[:, 4], twist[:, 3]
    generator[:, :3, 3] = twist[:, :3]
    motion: Tensor = torch.linalg.matrix_exp(generator)
    return motion


def fitted(wanted: Tensor, found: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gain and offset [N, 3, 1] that take ``wanted`` to ``found``, and the deviation of it; gains are 0 at least.

    Soft pictures have less contrast.
    """
    total = weight.sum(-1, keepdim=True).clamp(min=1e-9)
    mean_wanted = (weight * wanted).sum(-1, keepdim=True) / total
    mean_found = (weight * found).sum(-1, keepdim=True) / total
    a, b = wanted - mean_wanted, found - mean_found
    gain = ((weight * a * b).sum(-1, keepdim=True) / (weight * a * a).sum(-1, keepdim=True).clamp(min=1e-9)).clamp(
        min=0
    )
    spread = ((weight * b * b).sum(-1, keepdim=True) / total).sqrt().clamp(min=1e-3)
    return gain, mean_found - gain * mean_wanted, spread


def agreement_of(picture: Tensor, wanted: Tensor, seen: Seen, motion: Tensor) -> Tensor:
    """Correlation [N] of frames with the views, brought there; -1 where too little of a view lies in the frame."""
    _, pixels, inside = projected(seen, motion, picture.shape[-1])
    found = sampled(picture, pixels)
    weight = inside[:, None].to(found)
    total = weight.sum(-1, keepdim=True).clamp(min=1)
    a = wanted - (weight * wanted).sum(-1, keepdim=True) / total
    b = found - (weight * found).sum(-1, keepdim=True) / total
    both, one, other = ((weight * x).sum((1, 2)) for x in (a * b, a * a, b * b))
    correlation = both / (one * other).sqrt().clamp(min=1e-9)
    return correlation.masked_fill(inside.double().mean(-1) < LEAST_VISIBLE, -1.0)


def shrunk(frames: Tensor, side: int) -> Tensor:
    """Frames [V, 3, H, H] at ``side`` pixels at most."""
    if frames.shape[-1] <= side:
        return frames
    return interpolate(frames, size=(side, side), mode="bilinear", antialias=True)
