"""`interpolation@2`: can predicted poses be interpolated as true ones can? (RayZer, Table 5).

Docs: docs/protocols/interpolation.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset, KnownWorld
from evalkit.method import Method, PoseCode, Scene
from evalkit.metrics.image import psnr
from evalkit.metrics.named import MIN_MSE, computable, image_scores
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import RENDERS, Arrays, Clip, Loaded, Predictions, Scored, Summary, Value
from evalkit.stats.interval import Interval
from evalkit.views import take_views
from protocols.interpolation.off_path import OffPath, between_ends, fractions
from protocols.interpolation.options import InterpolationOptions
from protocols.interpolation.paths import PATHS, interpolate
from protocols.interpolation.plan import COPY, GAIN, OFF_PATH_GAIN, InterpolationPlan
from protocols.shared.summaries import image_intervals, positions_of, scored_rows
from protocols.shared.target_poses import Batch
from protocols.shared.without_pose import images_without_pose

OFF_PATH = "off_path"  # renders between the first and the last predicted pose
END_COPIES = "end_copies"  # renders of the nearer of these two, at its own predicted pose
OFF_PATH_PSNR = "off_path_psnr"  # array: of each view off the path
COPIES = "copies"  # renders of the nearest context view at its own predicted pose
FRACTION = "fraction"  # how far a target lies on the way from one context view to the next


class Interpolation(InterpolationPlan):
    """Render targets at interpolated poses, and compare renders with the real frames."""

    def __init__(self, options: InterpolationOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.metrics, self.seed = computable(options.metrics), seed
        self.off_path = OffPath(dataset, seed) if isinstance(dataset, KnownWorld) and options.version == "2" else None

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Encode poses and scene from the context alone; render at interpolated poses and at the nearest view's."""
        all_views, context, _ = Batch.of(batch, method)
        views = all_views.take(context)
        poses = method.encode_poses(views, torch.arange(context.shape[1], device=context.device).expand_as(context))
        scene = method.encode_scene(views, poses)
        left, fraction = self._fractions(batch, context.device)
        nearest = torch.where(fraction <= 0.5, left, left + 1)
        return self._off_path(batch, method, scene, poses) | {
            RENDERS: method.render(scene, interpolate(poses, left, fraction, self.options.mode)),
            COPIES: method.render(scene, poses.take(nearest)).clamp(0, 1),
            FRACTION: fraction,
        }

    def _off_path(self, batch: Sequence[Loaded], method: Method, scene: Scene, poses: PoseCode) -> dict[str, Tensor]:
        """Renders between the first and the last context view, and of the nearer one; none in unknown worlds."""
        if self.off_path is None or method.card.from_files:
            return {}
        clip, device = batch[0].sample.clips[0], batch[0].frames[0].images.device
        share = torch.stack([fractions(self.seed, loaded.sample.id, len(clip.target)) for loaded in batch]).to(device)
        last = len(clip.context) - 1
        between = method.render(scene, between_ends(poses, len(clip.context), share))
        ends = method.render(scene, poses.take(torch.where(share <= 0.5, 0, last)))
        return {OFF_PATH: between.clamp(0, 1), END_COPIES: ends.clamp(0, 1)}

    def _fractions(self, batch: Sequence[Loaded], device: torch.device) -> tuple[Tensor, Tensor]:
        """Rank [B, T] of the context view before each target, and the fraction [B, T] of the way to the next view."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        left = positions_of([_ranks_before_targets(clip) for clip in clips], device)
        w2c = torch.stack([_true_w2c(loaded) for loaded in batch])
        context = take_views(w2c, positions_of([clip.context_positions for clip in clips], w2c.device))
        target = take_views(w2c, positions_of([clip.target_positions for clip in clips], w2c.device))
        return left, PATHS[self.options.mode].fraction(context, left, target).to(device)

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Compute every metric of each target, for the renders and for the copies."""
        clips = [loaded.sample.clips[0] for loaded in batch]
        truth = torch.stack(
            [loaded.frames[0].images[list(clip.target_positions)] for loaded, clip in zip(batch, clips, strict=True)]
        )
        scores = {
            prefix + name: values.view(truth.shape[:2]).cpu()
            for prefix, images in (("", predictions[RENDERS]), (COPY, predictions[COPIES]))
            for name, values in image_scores(self.metrics, images.flatten(0, 1), truth.flatten(0, 1)).items()
        }
        how_far = predictions[FRACTION].cpu()
        gains = [self._gains(loaded, predictions, i) for i, loaded in enumerate(batch)]
        return [
            Scored(
                row={
                    "sequence": clip.sequence,
                    "frames": self.clips.source,
                    "n_context": len(clip.context),
                    "n_target": len(clip.target),
                    "target_pose": target_pose.value,
                    **gains[i].row,
                    **{name: float(values[i].mean()) for name, values in scores.items()},
                },
                arrays={name: values[i] for name, values in scores.items()} | {FRACTION: how_far[i]} | gains[i].arrays,
                pictures={
                    "context": batch[i].frames[0].images[list(clip.context_positions)],
                    "targets": truth[i],
                    "renders between predicted poses": predictions[RENDERS][i],
                    "copies: renders at the nearest predicted pose": predictions[COPIES][i],
                    **gains[i].pictures,
                },
            )
            for i, clip in enumerate(clips)
        ]

    def _gains(self, loaded: Loaded, predictions: Predictions, i: int) -> Scored:
        """How far renders are above the best image without a pose, on frames and off the path; only of version 2."""
        if self.version != "2":
            return Scored({})
        clip, frames = loaded.sample.clips[0], loaded.frames[0]
        context, truth = (frames.images[list(at)] for at in (clip.context_positions, clip.target_positions))
        times = sorted(clip.context)
        others = (*images_without_pose(context, times, sorted(clip.target)), predictions[COPIES][i])
        row: dict[str, Value] = {GAIN.key: gain_over(predictions[RENDERS][i], others, truth)}
        if self.off_path is None or OFF_PATH not in predictions:
            return Scored(row)
        off_path, renders = self.off_path.truth(loaded), predictions[OFF_PATH][i]
        share = fractions(self.seed, loaded.sample.id, len(off_path))
        ends = context[[0, -1]]
        others = (
            *images_without_pose(context, times, [times[0] + float(part) * (times[-1] - times[0]) for part in share]),
            *images_without_pose(ends, (0.0, 1.0), share.tolist()),
            predictions[END_COPIES][i],
        )
        row[OFF_PATH_GAIN.key] = gain_over(renders, others, off_path)
        quality = psnr(renders, off_path, min_mse=MIN_MSE)
        shown = {"views off the path": off_path, "renders between the first and the last predicted pose": renders}
        return Scored(row, {OFF_PATH_PSNR: quality.cpu()}, shown)

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Means over clips, clustered by scene, and beside them the scores of the copies."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        copies = self._scores_of_copies(scored)
        keys = [key for key in (OFF_PATH_GAIN.key, GAIN.key, *self.metrics) if key in scored]
        return Summary(
            image_intervals(scored, keys) | {COPY + name: interval for name, interval in copies.items()},
            notes=self.clips.notes,
            references={"copying the nearest rendered view": {name: score.mean for name, score in copies.items()}},
        )

    def _scores_of_copies(self, scored: pd.DataFrame) -> dict[str, Interval]:
        """Means of the copies, by the name of the metric."""
        return image_intervals(scored.assign(**{name: scored[COPY + name] for name in self.metrics}), self.metrics)


def gain_over(renders: Tensor, others: Sequence[Tensor], truth: Tensor) -> float:
    """Mean PSNR in dB of renders [T, 3, H, W], above the best of other images of the same views."""
    own, *rest = (float(psnr(images, truth, min_mse=MIN_MSE).mean()) for images in (renders, *others))
    return own - max(rest)


def _ranks_before_targets(clip: Clip) -> list[int]:
    """Rank among the context, in temporal order, of the view at or before each target; never that of the last view."""
    context, target = sorted(clip.context), sorted(clip.target)
    ranks = [sum(number <= target_number for number in context) - 1 for target_number in target]
    return [min(rank, len(context) - 2) for rank in ranks]


def _true_w2c(loaded: Loaded) -> Tensor:
    cameras = loaded.frames[0].cameras
    assert cameras is not None
    return cameras.w2c.double()
