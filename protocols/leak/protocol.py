"""`leak@1`: does a target image change what is predicted for the context? A method's card beside what it does.

Docs: docs/protocols/leak.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from evalkit.card import Card, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.method import Method
from evalkit.oracles.oracle import Oracle
from evalkit.pixels import Preprocess
from evalkit.protocol import RENDERS, Arrays, Column, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.seeds import generator
from evalkit.views import Views
from protocols.leak.checks import alone, one_fewer, one_target, psnrs, reach, reordering, with_targets
from protocols.leak.claims import BEYOND, TESTS, Tolerances, declared, sentences, verdicts
from protocols.shared.summaries import first_supported, intervals, scored_rows
from protocols.shared.target_poses import Batch
from protocols.shared.transfer import Pair, TransferOptions, TransferPlanner, render_transfer

SOURCES = (TargetPose.GIVEN, TargetPose.JOINT, TargetPose.CONTEXT_ONLY)
UNIT = 10.0  # the other unit of length
DIMMED = 0.5  # brightness of dimmed targets
PICTURES = {
    RENDERS: "renders",
    f"{RENDERS}_alone": "renders at poses encoded alone",
    f"{RENDERS}_elsewhere": "another scene at the poses of the targets",
}
OTHER_COLUMNS = (
    Column("joint_minus_alone", "joint −\nalone\ndB", 1, 1),
    Column("elsewhere_psnr", "pose in\nscene B\ndB", 1, 1),
)


class LeakOptions(TransferOptions):
    """Settings of leak: beside those of the transfer, how much targets are perturbed, and what is tolerated."""

    version: Literal["1"]
    perturbation: Annotated[float, Field(gt=0, lt=1)]
    tolerance: Tolerances


class Leak:
    """Whether target images change what is predicted for the context: a method's card beside what it does."""

    Options = LeakOptions
    name, version, uses_oracle = "leak", "1", False
    columns = (*(Column(test.key, f"{test.title}\n%", 100, 1) for test in TESTS), *OTHER_COLUMNS)

    def __init__(self, options: LeakOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        self.options, self.dataset, self.seed = options, dataset, seed
        self.transfers = TransferPlanner(options, dataset, seed)
        self.preprocess = Preprocess(options.resolution, options.preprocess)

    def samples(self) -> list[Sample]:
        """The pairs of tps, without the targets of A that are context frames; frames of B take the targets' place."""
        return [_without_duplicates(sample) for sample in self.transfers.samples()]

    def target_pose(self, card: Card) -> TargetPose:
        """The first that the method offers of given, joint and context_only."""
        return first_supported(card, SOURCES, None)

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Ask about each clip and its variants: how far the answers move, as `leak_tests` names it, and renders.

        Target pixels are visible, also where poses are given: what a method does with them is the question.
        """
        offered, seen = method.card.target_poses, Batch.of(batch, method)
        others = self._changed(batch, seen, method)
        clip, changed = seen, others
        if not {TargetPose.GIVEN, TargetPose.JOINT} & set(offered):  # such a method meets one target at a time
            clip, changed = one_target(seen), {name: one_target(each) for name, each in others.items()}
        found, real = reach(clip, changed, UNIT, method)
        found |= declared(method.card, real.every) | reordering(clip, self._orders(clip), real, method)
        views = seen.context.shape[1]
        if views > 2 and (method.card.context_views is None or views - 1 in method.card.context_views):
            found |= one_fewer(clip, real, method)
        shown = {"joint": real.renders[:, 1:]} if TargetPose.JOINT in offered else {}
        if TargetPose.CONTEXT_ONLY in offered:
            numbers, shown["alone"] = alone(seen, [*others.values()], method)
            found |= numbers
        if TargetPose.TRANSFER in offered:
            shown["elsewhere"] = render_transfer(batch, method)
        preferred = self.target_pose(method.card)
        renders = shown["alone"] if preferred is TargetPose.CONTEXT_ONLY else real.renders[:, 1:]
        return found | {RENDERS: renders} | {f"{RENDERS}_{name}": images for name, images in shown.items()}

    def _changed(self, batch: Sequence[Loaded], seen: Batch, method: Method) -> dict[str, Batch]:
        """Clip A with other targets: frames of B, and its own, dimmed and slightly perturbed.

        Dimmed because frames of another scene may have the same mean, and a single number can carry as little as that.
        """
        pairs, count = [Pair.of(loaded) for loaded in batch], seen.target.shape[1]
        frames = [pair.b.take(pair.clip_b.target_positions[:count]) for pair in pairs]
        other = Views.of(frames, seen.views.sample_ids, method.card.needs, seen.target.device)
        own, size = seen.views.take(seen.target).images, self.options.perturbation
        rngs = [generator(self.seed, self.name, name, "perturbation") for name in seen.views.sample_ids]
        noise = torch.stack([torch.from_numpy(rng.uniform(-size, size, own.shape[1:])) for rng in rngs]).to(own)
        return {
            "swap": with_targets(seen, other.images, other.depth),
            "dim": with_targets(seen, own * DIMMED, None),
            "perturb": with_targets(seen, (own + noise).clamp(0, 1), None),
        }

    def _orders(self, clip: Batch) -> list[Tensor]:
        """The views backwards, and in a random order."""
        forwards = torch.arange(clip.views.images.shape[1]).expand(len(clip.context), -1)
        rngs = [generator(self.seed, self.name, name, "order") for name in clip.views.sample_ids]
        shuffled = torch.tensor([rng.permutation(forwards.shape[1]).tolist() for rng in rngs])
        return [order.to(clip.context.device) for order in (forwards.flip(1), shuffled)]

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """The numbers of each clip, and a verdict on each test."""
        pairs = [Pair.of(loaded) for loaded in batch]
        numbers = {key: values.cpu() for key, values in predictions.items() if values.ndim == 1}
        numbers |= psnrs(pairs, predictions)
        pictures = {title: predictions[key] for key, title in PICTURES.items() if key in predictions}
        scored = []
        for i, pair in enumerate(pairs):
            own = {key: float(values[i]) for key, values in numbers.items()}
            row: dict[str, Value] = {
                "sequence": pair.clip_a.sequence,
                "other": pair.clip_b.sequence,
                "target_pose": target_pose.value,
                "n_target": len(pair.clip_a.target),
                **own,
                **verdicts(own, predictions["claims"][i].tolist(), self.options.tolerance),
            }
            images = {"targets": pair.targets.images, **{title: each[i] for title, each in pictures.items()}}
            scored.append(Scored(row, pictures=images))
        return scored

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """The share of clips beyond the tolerance and the worst number of each test, beside what the card claims."""
        scored = scored_rows(rows)
        if scored.empty:
            return Summary({})
        tests = [test for test in TESTS if f"{test.key}.verdict" in scored]
        shares = {test.key: scored[f"{test.key}.verdict"].map(BEYOND) for test in tests}
        others = {column.key: scored[column.key] for column in OTHER_COLUMNS if column.key in scored}
        metrics = intervals(scored, shares | others)
        worst = {test.key: float(scored[test.key].max()) for test in tests}
        metrics |= {
            f"{key}.worst": replace(metrics[key], mean=value, low=math.nan, high=math.nan)
            for key, value in worst.items()
        }
        found = {test.key: scored[f"{test.key}.verdict"].dropna().tolist() for test in tests}
        notes = sentences(found, worst, self.options.tolerance)
        notes.append(f"numbers that a pose carries to another scene: {scored['pose_numbers'].max():.0f}")
        nearest = {"elsewhere_psnr": float(scored["other_psnr"].mean())}
        return Summary(metrics, references={"frames of B": nearest}, notes=tuple(notes))


def _without_duplicates(sample: Sample) -> Sample:
    """The sample without the targets of A that are context frames."""
    if sample.problem:
        return sample
    first, second = sample.clips
    unseen = tuple(number for number in first.target if number not in first.context)
    if not unseen:
        return replace(sample, clips=(), problem=f"{first.sequence}: every target of the window is a context frame")
    return replace(sample, clips=(replace(first, target=unseen), second))
