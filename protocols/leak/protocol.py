"""`leak@2`: does a target image change what is predicted for the context? A method's card beside what it does.

Docs: docs/protocols/leak.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.geometry.se3 import relative_to
from evalkit.method import Method
from evalkit.protocol import RENDERS, Arrays, Loaded, Predictions, Scored, Summary, Value
from evalkit.seeds import generator
from evalkit.views import Frames, Views
from protocols.leak.checks import (
    OTHER_PSNR,
    RENDERS_ALONE,
    RENDERS_ELSEWHERE,
    RENDERS_JOINT,
    check_card,
    check_context_only,
    check_count,
    check_order,
    check_variants,
    psnrs,
)
from protocols.leak.claims import CHECKS, Check, Verdict, sentences, verdicts
from protocols.leak.plan import ELSEWHERE, JOINT_MINUS_ALONE, LeakPlan
from protocols.leak.readable import POSE, kept_arrays, pose_numbers
from protocols.leak.set_numbers import over_all_clips
from protocols.leak.variants import with_one_target, with_targets
from protocols.shared.bleed import kept_changes
from protocols.shared.summaries import intervals, scored_rows
from protocols.shared.target_poses import Batch, encode
from protocols.shared.transfer import Pair, render_transfer

UNIT = 10.0  # factor of translations and depth in the other unit of length
DIMMED = 0.5  # brightness of dimmed targets
PICTURES = {
    RENDERS: "renders",
    RENDERS_ALONE: "renders at poses encoded alone",
    RENDERS_ELSEWHERE: "another scene at the poses of the targets",
}


class Leak(LeakPlan):
    """Call a method with variants of each clip, and judge how far its answers change."""

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Call the method with each clip and its variants: how far its answers change, and renders.

        Target pixels are visible, also where poses are given: the checks are about what a method does with them.
        """
        offered, all_targets = method.card.target_poses, Batch.of(batch, method)
        changed = self._with_other_targets(batch, all_targets, method)
        clip, variants = all_targets, changed
        if not {TargetPose.GIVEN, TargetPose.JOINT} & set(offered):  # such a method takes one target at a time
            clip = with_one_target(all_targets)
            variants = {name: with_one_target(variant) for name, variant in changed.items()}
        numbers, real = check_variants(clip, variants, UNIT, method)
        numbers |= check_card(method.card, real.all_views) | check_order(clip, self._orders(clip), real, method)
        views = all_targets.context.shape[1]
        if views > 2 and (method.card.context_views is None or views - 1 in method.card.context_views):
            numbers |= check_count(clip, real, method)
        renders = {RENDERS_JOINT: real.renders[:, 1:]} if TargetPose.JOINT in offered else {}
        if TargetPose.CONTEXT_ONLY in offered:
            numbers_alone, renders[RENDERS_ALONE] = check_context_only(all_targets, [*changed.values()], method)
            numbers |= numbers_alone
        if TargetPose.TRANSFER in offered:
            renders[RENDERS_ELSEWHERE] = render_transfer(batch, method)
        numbers[POSE] = self._poses(all_targets, method)
        is_alone = self.target_pose(method.card) is TargetPose.CONTEXT_ONLY
        return numbers | {RENDERS: renders[RENDERS_ALONE] if is_alone else real.renders[:, 1:]} | renders

    @staticmethod
    def _poses(clip: Batch, method: Method) -> Tensor:
        """All numbers of the poses of the context and the targets, [B, C + T, D], as they are rendered or carried."""
        seen_at_once = {TargetPose.GIVEN, TargetPose.JOINT, TargetPose.TRANSFER} & set(method.card.target_poses)
        poses = encode(clip, method, TargetPose.JOINT if seen_at_once else TargetPose.CONTEXT_ONLY)
        return torch.cat([pose_numbers(poses.context), pose_numbers(poses.target)], dim=1)

    def _with_other_targets(self, batch: Sequence[Loaded], clip: Batch, method: Method) -> dict[str, Batch]:
        """Clip A with other targets: frames of B, and its own targets, dimmed and slightly perturbed.

        Dimmed too, because frames of B may have the same mean as A's, and a leak may be as little as a mean.
        """
        pairs, count = [Pair.of(loaded) for loaded in batch], clip.target.shape[1]
        frames = [pair.b.take(pair.clip_b.target_positions[:count]) for pair in pairs]
        other = Views.of(frames, clip.views.sample_ids, method.card.needs, clip.target.device)
        own, size = clip.views.take(clip.target).images, self.options.perturbation
        rngs = [generator(self.seed, self.name, sample_id, "perturbation") for sample_id in clip.views.sample_ids]
        noise = torch.stack([torch.from_numpy(rng.uniform(-size, size, own.shape[1:])) for rng in rngs]).to(own)
        return {
            "swap": with_targets(clip, other.images, other.depth),
            "dim": with_targets(clip, own * DIMMED, None),
            "perturb": with_targets(clip, (own + noise).clamp(0, 1), None),
        }

    def _orders(self, clip: Batch) -> list[Tensor]:
        """Two other orders of the views [B, V]: reversed, and random."""
        forwards = torch.arange(clip.views.images.shape[1]).expand(len(clip.context), -1)
        rngs = [generator(self.seed, self.name, sample_id, "order") for sample_id in clip.views.sample_ids]
        shuffled = torch.tensor([rng.permutation(forwards.shape[1]).tolist() for rng in rngs])
        return [order.to(clip.context.device) for order in (forwards.flip(1), shuffled)]

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """The numbers of each clip, and a verdict on each check."""
        pairs = [Pair.of(loaded) for loaded in batch]
        numbers = {key: values.cpu() for key, values in predictions.items() if values.ndim == 1}
        numbers |= psnrs(pairs, predictions)
        pictures = {title: predictions[key] for key, title in PICTURES.items() if key in predictions}
        scored = []
        for i, pair in enumerate(pairs):
            numbers_of_clip = {key: float(values[i]) for key, values in numbers.items()}
            claimed = predictions["claims"][i].tolist()
            row: dict[str, Value] = {
                "sequence": pair.clip_a.sequence,
                "other": pair.clip_b.sequence,
                "target_pose": target_pose.value,
                "n_context": len(pair.clip_a.context),
                "n_target": len(pair.clip_a.target),
                **numbers_of_clip,
                **verdicts(numbers_of_clip, claimed, self.options.tolerance),
            }
            images = {"targets": pair.targets.images, **{title: shown[i] for title, shown in pictures.items()}}
            elsewhere = predictions[RENDERS_ELSEWHERE][i] if RENDERS_ELSEWHERE in predictions else None
            scored.append(Scored(row, _kept(pair, predictions[POSE][i], elsewhere), images))
        return scored

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """The share of clips above the tolerance and the largest number of each check, beside what the card claims."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        verdicts_of = {check: _verdicts(scored, check) for check in CHECKS if check.verdict_key in scored}
        shares = self.row_numbers(scored)
        psnr_keys = [column.key for column in (JOINT_MINUS_ALONE, ELSEWHERE) if column.key in scored]
        metrics = intervals(scored, shares | {key: scored[key] for key in psnr_keys})
        worst = {check: float(scored[check.key].max()) for check in verdicts_of}
        metrics |= {
            check.worst_key: replace(metrics[check.key], mean=number, low=math.nan, high=math.nan)
            for check, number in worst.items()
        }
        notes = sentences(verdicts_of, worst, self.options.tolerance)
        notes.append(f"numbers that a pose carries to another scene: {scored['pose_numbers'].max():.0f}")
        found = over_all_clips(scored, arrays, self.options.tolerance)
        nearest = {ELSEWHERE.key: float(scored[OTHER_PSNR].mean())}
        return Summary(
            metrics | found.metrics,
            references={"frames of B": nearest},
            notes=(*found.notes, *notes),
            block=found.block,
        )


def _kept(pair: Pair, poses: Tensor, elsewhere: Tensor | None) -> dict[str, Tensor]:
    """What is kept of a clip: its poses [C + T, D] and small images, and what bleed compares where B was rendered."""
    a = pair.a.take([*pair.clip_a.context_positions, *pair.clip_a.target_positions])
    arrays = kept_arrays(poses, a.images, _relative_cameras(pair, a), a.numbers)
    if elsewhere is None:
        return arrays
    return arrays | kept_changes(pair, elsewhere)


def _relative_cameras(pair: Pair, views: Frames) -> Tensor | None:
    """True cameras of views [V, 4, 4] relative to the reference of clip A; None where they are not known."""
    if views.cameras is None:
        return None
    return relative_to(views.cameras.w2c, views.cameras.w2c[len(pair.clip_a.context) // 2])


def _verdicts(scored: pd.DataFrame, check: Check) -> list[Verdict]:
    """The verdicts on all clips that have one."""
    return [Verdict(verdict) for verdict in scored[check.verdict_key].dropna()]
