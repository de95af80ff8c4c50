"""How much of the camera can be read from frozen pose codes: `probe@1`, and as XFactor and RayZer probe.

Docs: docs/protocols/probe.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import pandas as pd
import torch
from pydantic import Field, model_validator
from torch import Tensor

from evalkit.card import Card, Need, TargetPose
from evalkit.data.dataset import Dataset
from evalkit.errors import UserError
from evalkit.geometry.se3 import relative_to
from evalkit.method import Method, reference_of
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import Arrays, Loaded, Predictions, Sample, Scored, Summary, Value
from evalkit.views import Cameras
from protocols.probe.heads import TrainingOptions
from protocols.probe.inputs import narrowed, thumbnails
from protocols.probe.scores import (
    CAMERAS,
    CODES,
    FEATURES,
    LATENT,
    PIXELS,
    TRUTH,
    columns_of,
    gathered,
    probe,
    reference_lines,
)
from protocols.probe.split import MIN_SCENES, Split, split_scenes
from protocols.shared.clips import ClipOptions, ClipPlanner
from protocols.shared.summaries import positions_of, scored_rows
from protocols.shared.target_poses import Batch


class ProbeOptions(ClipOptions):
    """Settings of probe: beside the frames, whose poses are the truth, how scenes are split, and the probes."""

    version: Literal["1", "xfactor", "rayzer"]
    truth: Literal["dataset", "oracle"]
    split: tuple[float, float, float]
    width: Annotated[int, Field(ge=1)]
    pixels: Annotated[int, Field(ge=1)]
    min_baseline: Annotated[float, Field(ge=0, le=1)]
    training: TrainingOptions

    @model_validator(mode="after")
    def _fractions_are_a_whole(self) -> Self:
        if min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6:
            raise ValueError("split must be three positive fractions that add up to 1, such as [0.6,0.2,0.2]")
        return self


class Probe:
    """Small heads trained to read the camera from frozen pose codes (XFactor, Table 2; RayZer, Table 6)."""

    Options = ProbeOptions
    name, uses_oracle = "probe", True

    def __init__(self, options: ProbeOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        if options.truth == "dataset" and Need.CAMERAS not in dataset.provides:
            raise UserError("protocol.truth=dataset: this dataset has no cameras; type protocol.truth=oracle")
        self.options, self.seed, self.version = options, seed, options.version
        self.oracle = oracle if options.truth == "oracle" else None
        if options.truth == "oracle" and oracle is None:
            raise UserError("protocol.truth=oracle needs an oracle: oracle=colmap")
        self.uses_oracle = self.oracle is not None
        self.clips = ClipPlanner(options, dataset, seed)
        self.preprocess = self.clips.preprocess
        self.columns = columns_of(options.version)

    def samples(self) -> list[Sample]:
        """ClipPlanner, see `ClipPlanner.samples`, one of each sequence first, so that a limited run has many scenes.

        Raises UserError where the dataset has too few of them to split.
        """
        planned = self.clips.samples()
        scenes = {scene for sample in planned for scene in sample.scenes}
        if len(scenes) < MIN_SCENES:
            raise UserError(
                f"protocol=probe trains, stops and scores on different scenes: the dataset has {len(scenes)}, "
                f"expected {MIN_SCENES} or more, better 50"
            )
        if self.clips.index is not None:
            return planned
        return [sample for lap in range(self.options.clips) for sample in planned[lap :: self.options.clips]]

    def target_pose(self, card: Card) -> TargetPose:
        """The encoder sees all views, `joint`; `given` where a method has the dataset's cameras to begin with."""
        return TargetPose.GIVEN if Need.CAMERAS in card.needs else TargetPose.JOINT

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Pose codes of all views, nothing else: the latent, or cameras where there is none, and features if any.

        Cameras are kept beside a latent too: they are also scored as they are.
        """
        views, context, _ = Batch.of(batch, method)
        code = method.encode_poses(views, context)
        assert code.latent is not None or code.cameras is not None
        cameras = None if code.cameras is None else code.cameras.w2c[..., :3, :]
        read = {LATENT: cameras if code.latent is None else code.latent, FEATURES: code.features, CAMERAS: cameras}
        found = {name: values.flatten(2).float() for name, values in read.items() if values is not None}
        return {name: values.where(values.isfinite(), torch.nan) for name, values in found.items()}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Keep codes, thumbnails and true poses; what can be read from them shows over all scenes only."""
        truth, reasons = self._truth(batch)
        contexts = [loaded.sample.clips[0].context_positions for loaded in batch]
        references = reference_of(positions_of(contexts, torch.device("cpu"))).tolist()
        scored = []
        for i, (loaded, reference) in enumerate(zip(batch, references, strict=True)):
            row: dict[str, Value] = {
                "sequence": loaded.sample.clips[0].sequence,
                "frames": self.clips.source,
                "target_pose": target_pose.value,
                "truth": reasons[i] or "ok",
                "reference": reference,
            }
            codes = {name: values[i] for name, values in predictions.items() if name in CODES}
            row |= {f"{name}_width": values.shape[-1] for name, values in codes.items()}
            arrays = {name: narrowed(values, self.options.width) for name, values in codes.items()}
            row |= {f"{name}_kept": values.shape[-1] for name, values in arrays.items()}
            arrays |= {CAMERAS: predictions[CAMERAS][i].float().cpu()} if CAMERAS in predictions else {}
            arrays[PIXELS] = thumbnails(loaded.frames[0].images, reference, self.options.pixels)
            arrays[TRUTH] = relative_to(truth[i], truth[i, reference])
            scored.append(Scored(row, arrays))
        return scored

    def _truth(self, batch: Sequence[Loaded]) -> tuple[Tensor, Sequence[str]]:
        """World to camera [B, V, 4, 4] of all views, and why there is none, where there is none."""
        known = [loaded.frames[0].cameras for loaded in batch]
        w2c = [each.w2c for each in known if each is not None]
        if self.oracle is None:
            return torch.stack(w2c).double().cpu(), [""] * len(batch)
        images = torch.stack([loaded.frames[0].images for loaded in batch])
        given = Cameras(torch.stack(w2c), None) if len(w2c) == len(batch) else None
        estimate = self.oracle.estimate(images, given)
        return estimate.w2c, estimate.reasons

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Train on some scenes, stop on others, and score on the rest: means over test clips and seeds."""
        scored = scored_rows(rows)
        readable = scored[scored["truth"] == "ok"] if len(scored) else scored
        counts = {"truth unknown": len(scored) - len(readable)}
        names = {str(scene) for scenes in rows["scenes"] for scene in scenes}
        if len(names) < MIN_SCENES:
            few = f"no probe: this run has {len(names)} scenes; type limit={MIN_SCENES} or more, better 50"
            return Summary({}, counts=counts, notes=(few,))
        split = split_scenes(names, self.options.split, self.seed)
        parts = [_of(readable, scenes) for scenes in (split.train, split.validation, split.test)]
        if any(part.empty for part in parts):
            return Summary({}, counts=counts, notes=("no probe: no clip is left of train, validation or test scenes",))
        data, options = gathered(parts, arrays), self.options
        found = probe(data, parts[2], options.training, options.min_baseline, self.seed)
        lines = reference_lines(found, data.inputs[LATENT].shape[-1])
        return Summary(found, counts=counts, references=lines, notes=_notes(parts, split))


def _of(rows: pd.DataFrame, scenes: frozenset[str]) -> pd.DataFrame:
    """The rows of some scenes."""
    return rows[[touched[0] in scenes for touched in rows["scenes"]]]


def _notes(parts: Sequence[pd.DataFrame], split: Split) -> tuple[str, ...]:
    """How many scenes and clips stand behind the numbers, and which codes were cut down."""
    scenes = " / ".join(str(len(each)) for each in (split.train, split.validation, split.test))
    clips = " / ".join(str(len(part)) for part in parts)
    notes = [f"train / validation / test: {scenes} scenes, {clips} clips"]
    for name in (LATENT, FEATURES):
        if f"{name}_width" in parts[0]:
            width, kept = (int(parts[0][f"{name}_{what}"].iloc[0]) for what in ("width", "kept"))
            notes += [f"{name}: {width} numbers a view, projected to {kept}"] if kept < width else []
    return tuple(notes)
