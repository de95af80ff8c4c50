"""`interpolation@1`: can predicted poses be interpolated as true ones can? (RayZer, Table 5).

Docs: docs/protocols/interpolation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, Need, PoseKind, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.errors import Unsupported, UserError
from evalkit.method import Method
from evalkit.metrics.named import MetricNames, computable, image_scores
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Clip, Column, Loaded, Predictions, Sample, Scored, Summary
from evalkit.stats.bootstrap import Interval
from evalkit.views import take_views
from protocols.interpolation.paths import MODES, Mode, interpolate
from protocols.shared.clips import ClipOptions, ClipPlanner
from protocols.shared.summaries import image_columns, image_intervals, positions_of, scored_rows
from protocols.shared.target_poses import Batch

COPIES = "copies"  # the nearest context view, rendered at its own predicted pose
COPY = "copy_"  # before a metric's name: of the copies


class Latent(StrEnum):
    """What to do with a pose that is no camera, or not only one."""

    REFUSE = "refuse"  # no geometry says what lies between two latents
    LINEAR = "linear"  # on the straight line between them


class InterpolationOptions(ClipOptions):
    """Settings of interpolation: beside the frames, what lies between two poses, and how renders are compared."""

    version: Literal["1", "rayzer"]
    target: Annotated[int, Field(ge=1)] | None
    mode: Mode
    latent: Latent
    metrics: MetricNames


class Interpolation:
    """Held-out frames at poses between those predicted for their neighbours: PSNR, SSIM, LPIPS (RayZer, Table 5)."""

    Options = InterpolationOptions
    name, uses_oracle = "interpolation", False

    def __init__(self, options: InterpolationOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if Need.CAMERAS not in dataset.provides:
            raise UserError(
                "protocol=interpolation takes its coefficients from true cameras, which this dataset does not have"
            )
        self.options, self.version = options, options.version
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess = self.clips.preprocess
        self.metrics = computable(options.metrics)
        self.columns = _columns(options.metrics)

    def samples(self) -> list[Sample]:
        """ClipPlanner, see `ClipPlanner.samples`; a target outside of its context has no two neighbours."""
        return [_with_neighbours(sample) for sample in self.clips.samples()]

    def target_pose(self, card: Card) -> TargetPose:
        """Always interpolated; a latent only where the options say how."""
        if card.pose is not PoseKind.SE3 and self.options.latent is Latent.REFUSE:
            raise Unsupported(
                f"baseline '{card.name}' has latent poses, which have no geodesic: protocol.latent=linear takes "
                "the straight line"
            )
        return TargetPose.INTERPOLATED

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Poses and scene of the context alone, rendered between neighbours, and at the nearer of the two."""
        seen, context, _ = Batch.of(batch, method)
        views = seen.take(context)
        poses = method.encode_poses(views, torch.arange(context.shape[1], device=context.device).expand_as(context))
        scene = method.encode_scene(views, poses)
        left, fraction = self._places(batch, context.device)
        nearest = torch.where(fraction <= 0.5, left, left + 1)
        return {
            RENDERS: method.render(scene, interpolate(poses, left, fraction, self.options.mode)),
            COPIES: method.render(scene, poses.take(nearest)).clamp(0, 1),
            "fraction": fraction,
        }

    def _places(self, batch: Sequence[Loaded], device: torch.device) -> tuple[Tensor, Tensor]:
        """Of each target the rank of its left neighbour among the context [B, T], and how far it is to the next."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        left = positions_of([_left_neighbours(clip) for clip in clips], device)
        w2c = torch.stack([_true_w2c(loaded) for loaded in batch])
        context, target = (
            take_views(w2c, positions_of(positions, w2c.device))
            for positions in ([c.context_positions for c in clips], [c.target_positions for c in clips])
        )
        return left, MODES[self.options.mode].fraction(context, left, target).to(device)

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Every metric of each target, of the renders and of the copies."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        truth = torch.stack(
            [one.frames[0].images[list(clip.target_positions)] for one, clip in zip(batch, clips, strict=True)]
        )
        scores = {
            prefix + name: values.view(truth.shape[:2]).cpu()
            for prefix, images in (("", predictions[RENDERS]), (COPY, predictions[COPIES]))
            for name, values in image_scores(self.metrics, images.flatten(0, 1), truth.flatten(0, 1)).items()
        }
        return [
            Scored(
                row={
                    "sequence": clip.sequence,
                    "frames": self.clips.source,
                    "n_context": len(clip.context),
                    "n_target": len(clip.target),
                    "target_pose": target_pose.value,
                    **{name: float(values[i].mean()) for name, values in scores.items()},
                },
                arrays={name: values[i] for name, values in scores.items()}
                | {"fraction": predictions["fraction"][i].cpu()},
                pictures={
                    "context": batch[i].frames[0].images[list(clip.context_positions)],
                    "targets": truth[i],
                    "renders between predicted poses": predictions[RENDERS][i],
                    "copies: renders at the nearest predicted pose": predictions[COPIES][i],
                },
            )
            for i, clip in enumerate(clips)
        ]

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene, and beside them what copying scores."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        copied = self._of_copies(scored)
        reference = {name.removeprefix(COPY): each.mean for name, each in copied.items()}
        return Summary(
            image_intervals(scored, self.metrics) | copied,
            references={"copying the nearest rendered view": reference},
        )

    def _of_copies(self, scored: pd.DataFrame) -> dict[str, Interval]:
        renamed = scored.assign(**{name: scored[COPY + name] for name in self.metrics})
        return {COPY + name: each for name, each in image_intervals(renamed, self.metrics).items()}


def _columns(metrics: Sequence[str]) -> tuple[Column, ...]:
    """Each metric, and the first again of the copies: every method is compared with its own."""
    columns = image_columns(metrics)
    first = columns[0]
    return (*columns, replace(first, key=COPY + first.key, title=f"copying\n{first.title}"))


def _with_neighbours(sample: Sample) -> Sample:
    for clip in sample.clips:
        outside = [t for t in clip.target if not min(clip.context) <= t <= max(clip.context)]
        if outside:
            problem = f"target frame {outside[0]} does not lie between two context frames"
            return replace(sample, clips=(), problem=problem)
    return sample


def _left_neighbours(clip: Clip) -> list[int]:
    """Ranks among the context, in temporal order, of the neighbour before each target; never the last."""
    context, target = sorted(clip.context), sorted(clip.target)
    before = [sum(number <= each for number in context) - 1 for each in target]
    return [min(rank, len(context) - 2) for rank in before]


def _true_w2c(loaded: Loaded) -> Tensor:
    cameras = loaded.frames[0].cameras
    assert cameras is not None
    return cameras.w2c.double()
