"""How much of the camera can be read from frozen pose codes: `probe@2`, and as XFactor and RayZer probe.

Docs: docs/protocols/probe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.data.dataset import Dataset
from evalkit.geometry.se3 import relative_to
from evalkit.method import Method, reference_of
from evalkit.oracles.oracle import Oracle
from evalkit.protocol import Arrays, Loaded, Predictions, Scored, Summary, Value
from evalkit.views import Cameras
from protocols.probe.columns import CODES, Source
from protocols.probe.inputs import thumbnails
from protocols.probe.options import ProbeOptions
from protocols.probe.plan import ProbePlan
from protocols.probe.probe_data import TRUTH, TRUTH_KNOWN, gather, readable_rows, rows_of_scenes
from protocols.probe.scene_split import MIN_SCENES, SceneSplit, split_scenes
from protocols.probe.scores import Probing, all_scores, reference_lines
from protocols.shared.projection import projected
from protocols.shared.summaries import positions_of, scored_rows
from protocols.shared.target_poses import Batch


class Probe(ProbePlan):
    """Train heads on some scenes and score them on others."""

    def __init__(self, options: ProbeOptions, dataset: Dataset, oracle: Oracle | None, seed: int) -> None:
        super().__init__(options, dataset, oracle, seed)
        self.oracle = oracle if self.uses_oracle else None

    def predict(self, batch: Sequence[Loaded], method: Method) -> Predictions:
        """Encode poses of all views: the latent, or cameras where there is none, and features if there are any.

        Cameras beside a latent are returned too, since they are scored as they are.
        """
        views, context, _ = Batch.of(batch, method)
        code = method.encode_poses(views, context)
        assert code.latent is not None or code.cameras is not None
        cameras = None if code.cameras is None else code.cameras.w2c[..., :3, :]
        by_source = {
            Source.LATENT: cameras if code.latent is None else code.latent,
            Source.FEATURES: code.features,
            Source.CAMERAS: cameras,
        }
        flat = {source: values.flatten(2).float() for source, values in by_source.items() if values is not None}
        return {source.value: values.where(values.isfinite(), torch.nan) for source, values in flat.items()}

    def score(self, batch: Sequence[Loaded], predictions: Predictions, target_pose: TargetPose) -> list[Scored]:
        """Keep codes, thumbnails and true poses of each clip; `summarise` trains and scores the heads."""
        truth, reasons = self._truth(batch)
        contexts = [loaded.sample.clips[0].context_positions for loaded in batch]
        references = reference_of(positions_of(contexts, torch.device("cpu"))).tolist()
        scored = []
        for i, (loaded, reference) in enumerate(zip(batch, references, strict=True)):
            codes = {source: predictions[source][i] for source in CODES if source in predictions}
            arrays = {source.value: projected(values, self.options.width) for source, values in codes.items()}
            row: dict[str, Value] = {
                "sequence": loaded.sample.clips[0].sequence,
                "frames": self.clips.source,
                "target_pose": target_pose.value,
                "truth": reasons[i] or TRUTH_KNOWN,
                "reference": reference,
                "seed": self.seed,
                **{_width_key(source): values.shape[-1] for source, values in codes.items()},
                **{_kept_key(source): arrays[source].shape[-1] for source in codes},
            }
            if Source.CAMERAS in predictions:
                arrays[Source.CAMERAS.value] = predictions[Source.CAMERAS][i].float().cpu()
            arrays[Source.PIXELS.value] = thumbnails(loaded.frames[0].images, reference, self.options.pixels)
            arrays[TRUTH] = relative_to(truth[i], truth[i, reference])
            scored.append(Scored(row, arrays))
        return scored

    def _truth(self, batch: Sequence[Loaded]) -> tuple[Tensor, Sequence[str]]:
        """True w2c [B, V, 4, 4] of all views, and for each clip the reason why there is none, or an empty string."""
        cameras = [loaded.frames[0].cameras for loaded in batch]
        w2c = [clip.w2c for clip in cameras if clip is not None]
        if self.oracle is None:
            return torch.stack(w2c).double().cpu(), [""] * len(batch)
        images = torch.stack([loaded.frames[0].images for loaded in batch])
        given = Cameras(torch.stack(w2c), None) if len(w2c) == len(batch) else None
        estimate = self.oracle.estimate(images, given)
        return estimate.w2c, estimate.reasons

    def summarise(self, rows: pd.DataFrame, arrays: Arrays) -> Summary:
        """Train on some scenes, stop on others, and score on the rest: means over test clips and seeds."""
        readable = readable_rows(rows)
        counts = {"truth unknown": len(scored_rows(rows)) - len(readable)}
        names = {str(scene) for scenes in rows["scenes"] for scene in scenes}
        if len(names) < MIN_SCENES:
            return _no_probe(f"this run has {len(names)} scenes; type limit={MIN_SCENES} or more, better 50", counts)
        split = split_scenes(names, self.options.split, self.seed)
        parts = [rows_of_scenes(readable, scenes) for scenes in (split.train, split.validation, split.test)]
        if any(part.empty for part in parts):
            return _no_probe("no clip is left of train, validation or test scenes", counts)
        data, options = gather(parts, arrays), self.options
        scores = all_scores(data, parts[2], Probing(options.training, options.min_baseline, self.seed))
        return Summary(
            {name.key: interval for name, interval in scores.items()},
            counts=counts,
            references=reference_lines(scores, data.inputs[Source.LATENT].shape[-1]),
            notes=_notes(parts, split),
        )


def _width_key(source: Source) -> str:
    """Row key: numbers a view of a method's code."""
    return f"{source}_width"


def _kept_key(source: Source) -> str:
    """Row key: numbers a view that are kept of a method's code."""
    return f"{source}_kept"


def _no_probe(reason: str, counts: Mapping[str, int]) -> Summary:
    """A summary without numbers."""
    return Summary({}, counts=counts, notes=(f"no probe: {reason}",))


def _notes(parts: Sequence[pd.DataFrame], split: SceneSplit) -> tuple[str, ...]:
    """The numbers of scenes and clips of each part, and which codes were projected to fewer numbers."""
    scenes = " / ".join(str(len(names)) for names in (split.train, split.validation, split.test))
    clips = " / ".join(str(len(part)) for part in parts)
    notes = [f"train / validation / test: {scenes} scenes, {clips} clips"]
    first_rows = parts[0]
    for source in CODES:
        if _width_key(source) in first_rows:
            width, kept = (int(first_rows[key].iloc[0]) for key in (_width_key(source), _kept_key(source)))
            notes += [f"{source}: {width} numbers a view, projected to {kept}"] if kept < width else []
    return tuple(notes)
