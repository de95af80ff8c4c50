"""How much of a target's pixels can be read from its pose beyond what the context tells.

What the context tells of a target is the fade between its neighbours in time, corrected by a regression on them, on the
time and, where they are known, on the true cameras. What is then left of the target, at 1, 2, 4 and 8 pixels a side, is
read from its pose by regressions that were learnt from other scenes. A camera says next to nothing about the colours of
a scene that the regressions never saw; a thumbnail, in whatever numbers it is written, says all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from evalkit.method import PoseCode
from evalkit.protocol import Arrays
from evalkit.seeds import generator
from evalkit.stats.interval import Interval
from evalkit.stats.pooled import Numbers, jackknife
from evalkit.views import map_tensors
from protocols.leak.claims import KEPT_OF_POSE, LEAST_SCENES, READABLE, SIDES
from protocols.leak.ridge import (
    Ridge,
    best_on_others,
    gaussian,
    linear,
    mean_of_others,
    on_scale,
    predicted,
    standardised,
)
from protocols.shared.projection import projected

POSE, PIXELS, CAMERA, TIME = "pose", "pixels", "camera", "time"  # arrays kept of a clip: of context, then of targets
FINEST = max(SIDES)
CONTEXT_SIDE = 4  # of the fade that regressions see
MOST_CLIPS = 128  # of more, so many are drawn
SHRUNK = (0.5, 1.0)  # a target that is read as a whole counts by either of these factors
FADE_LEFT_OUT = (0.25, 0.5, 0.75, 1.0)  # shares of the fade that give way to a plain mean, where the fade says little


def pose_numbers(code: PoseCode) -> Tensor:
    """All numbers of poses [B, V] but features, [B, V, D]: latents, cameras, and fields of the method's own."""
    parts: list[Tensor] = []

    def collect(values: Tensor) -> Tensor:
        parts.append(values.reshape(*values.shape[:2], -1).float())
        return values

    map_tensors(code, collect, kept=(*code.per_clip, "features"))
    return torch.cat(parts, dim=-1).nan_to_num()


def kept_arrays(poses: Tensor, images: Tensor, w2c: Tensor | None, numbers: Sequence[int]) -> dict[str, Tensor]:
    """What is kept of a clip: poses [V, D], images [V, 3, H, W] and cameras [V, 4, 4], averaged or narrowed.

    Frames whose side is no multiple of `FINEST` are averaged over windows that overlap.
    """
    arrays = {
        POSE: projected(poses, KEPT_OF_POSE),
        PIXELS: adaptive_avg_pool2d(images.float(), FINEST).cpu(),
        TIME: torch.tensor(numbers, dtype=torch.float32),
    }
    return arrays if w2c is None else arrays | {CAMERA: w2c[:, :3].flatten(1).float().cpu()}


@dataclass(frozen=True)
class Targets:
    """All targets of all clips, a row each: n rows, of which ``groups`` lists those of each scene.

    Args:
        pixels, faded, step: [n, 3, S, S], the targets, the fade between their neighbours in time, and the difference of
            these neighbours.
        place: [n, 1], of a target between its neighbours, 0 to 1.
        pose, pose_change: [n, D], and less the fade of the neighbours' poses.
        camera: [n, 24], true camera, and less the fade of the neighbours' cameras; None where it is not known.
        scenes: of each row.
        groups: the rows of each scene.
    """

    pixels: Tensor
    faded: Tensor
    step: Tensor
    place: Tensor
    pose: Tensor
    pose_change: Tensor
    camera: Tensor | None
    scenes: Sequence[str]
    groups: Sequence[Tensor]

    @staticmethod
    def of(clips: Sequence[Mapping[str, Tensor]], contexts: Sequence[int], scenes: Sequence[str]) -> Targets:
        """Stack kept arrays of clips, each with so many context views and of one scene."""
        parts = [_rows_of(clip, count) for clip, count in zip(clips, contexts, strict=True)]
        stacked = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        of_rows = [scene for scene, part in zip(scenes, parts, strict=True) for _ in part["place"]]
        groups = [torch.tensor([i for i, name in enumerate(of_rows) if name == scene]) for scene in sorted({*scenes})]
        camera = stacked.pop("camera", None)
        return Targets(**stacked, camera=camera, scenes=of_rows, groups=groups)

    @cached_property
    def told(self) -> list[Ridge]:
        """Regressions on what is told without the pose: neighbours in time, time, and true cameras."""
        faded, step = (adaptive_avg_pool2d(values, CONTEXT_SIDE).flatten(1) for values in (self.faded, self.step))
        times = torch.cat([self.place, self.place * (1 - self.place)], dim=1)
        context = linear(faded) + linear(step) + linear(times)
        if self.camera is None:
            return [Ridge(context, self.groups)]
        camera = linear(self.camera)
        both = context + camera
        return [Ridge(both, self.groups), Ridge(both + on_scale(context * camera), self.groups)]

    def untold(self, values: Tensor) -> Tensor:
        """What is left of values [n, d] without what is told."""
        return values - predicted(self.told, values, self.groups)

    @cached_property
    def readouts(self) -> list[Ridge]:
        """Regressions on what is left of the poses."""
        change = self.untold(standardised(self.pose_change))
        kernels = [linear(change), linear(self.untold(standardised(self.pose))), gaussian(change)]
        return [Ridge(kernel, self.groups) for kernel in kernels]

    @cached_property
    def whole_readouts(self) -> list[Ridge]:
        """Regressions on poses as they are: they need not learn how a thumbnail goes with the context."""
        ranks = torch.from_numpy(rankdata(self.pose.numpy(), axis=0))
        return [Ridge(kernel, self.groups) for kernel in (linear(self.pose), gaussian(self.pose), linear(ranks))]

    def untold_pixels(self, values: Tensor, faded: Tensor) -> Tensor:
        """What is left of pixels less their fade, both [n, d], without a share of the fade and what is told."""
        towards_mean = mean_of_others(faded, self.groups) - faded
        shrunk = torch.stack([share * towards_mean for share in (0.0, *FADE_LEFT_OUT)])
        return self.untold(values - best_on_others(shrunk, values, self.groups))

    def errors(self, side: int) -> tuple[Tensor, Tensor]:
        """Squared errors [n] of targets at ``side`` pixels: from what is told, and with what is read from poses."""
        pixels, faded = (adaptive_avg_pool2d(values, side).flatten(1) for values in (self.pixels, self.faded))
        left = self.untold_pixels(pixels - faded, faded)
        candidates = [torch.zeros_like(left)[None], *(ridge.predictions(left) for ridge in self.readouts)]
        for ridge in self.whole_readouts:
            whole = best_on_others(ridge.predictions(pixels), pixels, self.groups)
            read = self.untold_pixels(whole - faded, faded)
            candidates.append(torch.stack([factor * read for factor in SHRUNK]))
        read = best_on_others(torch.cat(candidates), left, self.groups)
        return left.square().sum(1), (left - read).square().sum(1)


def readable(targets: Targets) -> dict[str, Interval]:
    """The share of what the context leaves open in targets that is read from their poses, by side: R^2.

    R^2 = 1 - (squared error with the pose) / (squared error without), over all targets, each by what was learnt from
    other scenes. The interval is a jackknife over scenes, of errors as they are.
    """
    errors = torch.stack([torch.stack(targets.errors(side)) for side in SIDES]).numpy()  # [sides, 2, n]

    def explained(kept: Numbers) -> list[float]:
        sums = errors[..., kept].sum(-1)
        return [1 - float(with_pose / without) if without > 0 else 0.0 for without, with_pose in sums]

    intervals = jackknife(explained, [(scene,) for scene in targets.scenes])
    return {column.key: interval for column, interval in zip(READABLE, intervals, strict=True)}


def readable_of(scored: pd.DataFrame, arrays: Arrays) -> dict[str, Interval]:
    """`readable` of a run, from the arrays of its samples; nothing with fewer than `LEAST_SCENES` scenes.

    Of more than `MOST_CLIPS` clips, so many are drawn by the sample id.
    """
    scene_of = {sample: scenes[0] for sample, scenes in zip(scored["sample"], scored["scenes"], strict=True)}
    shuffled = sorted(scene_of, key=lambda sample: (generator("leak", "readable", sample).random(), sample))
    drawn = sorted(shuffled[:MOST_CLIPS])
    scenes = [scene_of[sample] for sample in drawn]
    if len({*scenes}) < LEAST_SCENES:
        return {}
    contexts = dict(zip(scored["sample"], scored["n_context"], strict=True))
    clips = [arrays(sample) for sample in drawn]
    return readable(Targets.of(clips, [contexts[sample] for sample in drawn], scenes))


@dataclass(frozen=True)
class Neighbours:
    """The two context views between which each target [T] lies in time, and the place between them, 0 to 1."""

    earlier: Tensor
    later: Tensor
    place: Tensor

    @staticmethod
    def of(context: Tensor, target: Tensor) -> Neighbours:
        """From times [C], ascending, and [T]."""
        later = torch.searchsorted(context, target).clamp(0, len(context) - 1)
        earlier = (later - 1).clamp_min(0)
        gap = context[later] - context[earlier]
        place = torch.where(gap > 0, (target - context[earlier]) / torch.where(gap > 0, gap, 1.0), 0.0)
        return Neighbours(earlier, later, place.clamp(0, 1))

    def fade(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The fade between the neighbours' values [C, ...], and their difference, both [T, ...]."""
        step = values[self.later] - values[self.earlier]
        return values[self.earlier] + self.place.view(-1, *[1] * (values.ndim - 1)).to(values) * step, step


def _rows_of(clip: Mapping[str, Tensor], contexts: int) -> dict[str, Tensor]:
    """The rows of the targets of one clip, by field of `Targets`, in float64."""
    time, pixels, pose = (clip[name].double() for name in (TIME, PIXELS, POSE))
    neighbours = Neighbours.of(time[:contexts], time[contexts:])
    faded, step = neighbours.fade(pixels[:contexts])
    rows = {"pixels": pixels[contexts:], "faded": faded, "step": step, "place": neighbours.place[:, None]}
    rows |= {"pose": pose[contexts:], "pose_change": pose[contexts:] - neighbours.fade(pose[:contexts])[0]}
    if CAMERA in clip:
        camera = clip[CAMERA].double()
        rows["camera"] = torch.cat(
            [camera[contexts:], camera[contexts:] - neighbours.fade(camera[:contexts])[0]], dim=1
        )
    return rows
