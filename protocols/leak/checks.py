"""What `leak` changes about a clip, and how far each change reaches into a method's answers.

Numbers are [B], by the name of the test and, after a dot, of the part of the answer; the test's own is the largest of
its parts. What a method does not have (a latent, cameras) has no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.card import TargetPose
from evalkit.geometry.se3 import relative_to
from evalkit.method import Method, PoseCode, reference_of
from evalkit.metrics.image import psnr
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import RENDERS, Predictions
from evalkit.views import Cameras, Views
from protocols.shared.target_poses import Batch, encode
from protocols.shared.transfer import Pair

Numbers = dict[str, Tensor]

TINY = 1e-12  # in place of the length of an answer that has none


class Answer(NamedTuple):
    """Poses of the context [B, C] and of all views, and renders [B, K, 3, H, W] of the scene built with the former."""

    context: PoseCode
    every: PoseCode
    renders: Tensor


def reach(clip: Batch, changed: Mapping[str, Batch], unit: float, method: Method) -> tuple[Numbers, Answer]:
    """Ask about a clip, the same again, with ``changed`` targets, and in another unit of length, all in one call.

    Every scene is rendered from the first context view and the targets, at the poses of the unchanged clip; in the
    other unit at its own.
    """
    answers = ask({"real": clip, "repeat": clip, **changed, "scale": rescaled(clip, unit)}, method)
    real, scaled = answers["real"], answers["scale"]
    found: Numbers = {}
    for name in ("repeat", *changed):
        change = pose_change(real.context, answers[name].context) | image_change(real.renders, answers[name].renders)
        found |= _named(name, change, leave_out="render_mean")
    found["targets"] = torch.stack([found[name] for name in changed]).amax(0)
    # z-buffers and borders of pixels break ties by rounding, so that single pixels may change with the unit
    change = pose_change(real.context, scaled.context, free_gauge=True) | image_change(real.renders, scaled.renders)
    found |= _named("scale", change, leave_out="render_max")
    if real.every.cameras is not None:
        found |= _named("se3", rigidity(real.every.cameras.w2c, reference_of(clip.context)))
    return found, real


def ask(variants: Mapping[str, Batch], method: Method) -> dict[str, Answer]:
    """A method's answers to variants of one batch: one call each to encode poses, build scenes and render."""
    joined, count = together([*variants.values()]), len(next(iter(variants.values())).context)
    poses = method.encode_poses(joined.views, joined.context)
    context = poses.take(joined.context)
    scene = method.encode_scene(joined.views.take(joined.context), context)
    fixed = torch.cat([joined.context[:, :1], joined.target], dim=1)
    own = [index if name == "scale" else 0 for index, name in enumerate(variants)]
    rows = torch.cat([torch.arange(count) + index * count for index in own]).to(fixed.device)
    renders = method.render(scene, rows_of(poses.take(fixed), rows))
    parts = torch.arange(len(rows), device=rows.device).chunk(len(variants))
    return {
        name: Answer(rows_of(context, part), rows_of(poses, part), renders[part])
        for name, part in zip(variants, parts, strict=True)
    }


def alone(clip: Batch, changed: Sequence[Batch], method: Method) -> tuple[Numbers, Tensor]:
    """How far targets reach where each is encoded alone with the context, and the renders of the real targets."""
    joined = together([clip, *changed])
    encoded = encode(joined, method, TargetPose.CONTEXT_ONLY)
    scene = method.encode_scene(joined.views.take(joined.context), encoded.context)
    parts = torch.arange(len(joined.context), device=joined.context.device).chunk(1 + len(changed))
    renders = method.render(scene, rows_of(encoded.target, parts[0].repeat(len(parts))))
    real = rows_of(encoded.context, parts[0])
    changes = [
        pose_change(real, rows_of(encoded.context, part)) | image_change(renders[parts[0]], renders[part])
        for part in parts[1:]
    ]
    largest = {part: torch.stack([change[part] for change in changes]).amax(0) for part in changes[0]}
    return _named("alone", largest, leave_out="render_mean"), renders[parts[0]]


def reordering(batch: Batch, orders: Sequence[Tensor], real: Answer, method: Method) -> Numbers:
    """How far the poses of the context move when the views come in other ``orders`` [B, V]."""
    variants = [reordered(batch, each) for each in orders]
    joined = together(variants)
    poses = method.encode_poses(joined.views, joined.context).take(joined.context)
    same = rows_of(real.context, torch.arange(len(batch.context), device=joined.context.device).repeat(len(orders)))
    change = {
        part: values.view(len(orders), -1).amax(0) for part, values in pose_change(same, poses, free_gauge=True).items()
    }
    return _named("order", change)


def one_fewer(batch: Batch, real: Answer, method: Method) -> Numbers:
    """How far the poses of the other context views move when one of them, never the reference, is left out."""
    views = batch.context.shape[1]
    kept = slice(0, views - 1) if views % 2 else slice(1, views)  # of which the middle is still the reference
    fewer = restricted(batch, batch.context[:, kept], batch.target)
    poses = method.encode_poses(fewer.views, fewer.context).take(fewer.context)
    positions = torch.arange(views, device=batch.context.device)[kept].expand(len(batch.context), -1)
    return _named("count", pose_change(real.context.take(positions), poses, free_gauge=True))


def psnrs(pairs: Sequence[Pair], predictions: Predictions) -> dict[str, Tensor]:
    """PSNR against A's targets, [B]: of renders by each source of poses, and of those frames of B that are nearest."""
    truth = torch.stack([pair.targets.images for pair in pairs])
    context = torch.stack([pair.context.images for pair in pairs])

    def score(images: Tensor) -> Tensor:
        return psnr(images.flatten(0, 1), truth.flatten(0, 1), MIN_MSE).view(truth.shape[:2]).cpu()

    frames = [score(context[:, [i]].expand_as(truth)) for i in range(context.shape[1])]
    found = {"other_psnr": torch.stack(frames).amax(0).mean(1)}
    for name in ("joint", "alone", "elsewhere"):
        if f"{RENDERS}_{name}" in predictions:
            found[f"{name}_psnr"] = score(predictions[f"{RENDERS}_{name}"]).mean(1)
    if "elsewhere_psnr" in found:
        found["pixels"] = found["elsewhere_psnr"] - found["other_psnr"]
    if {"joint_psnr", "alone_psnr"} <= set(found):
        found["joint_minus_alone"] = found["joint_psnr"] - found["alone_psnr"]
    return found


def pose_change(a: PoseCode, b: PoseCode, *, free_gauge: bool = False) -> Numbers:
    """How far poses ``b`` [B, C] are from ``a``: a relative change |a - b| / |a|, and degrees, by part.

    Rotations: 2 asin(|Ra - Rb| / (2 sqrt 2)), the angle between rotations, and not zero for other matrices that differ.
    With ``free_gauge`` cameras are taken relative to their middle view, and translations up to one scale a clip.
    """
    found: Numbers = {}
    if a.latent is not None and b.latent is not None:
        found["latent"] = relative(a.latent, b.latent)
    if a.cameras is None or b.cameras is None:
        return found
    first, second = a.cameras.w2c.double(), b.cameras.w2c.double()
    if free_gauge:
        middle = first.shape[1] // 2
        first, second = (relative_to(each, each[:, middle]) for each in (first, second))
    chord = (first - second)[..., :3, :3].flatten(-2).norm(dim=-1).amax(1)
    found["rotation_deg"] = torch.rad2deg(2 * torch.asin((chord / math.sqrt(8)).clamp_max(1)))
    t, moved = first[..., :3, 3], second[..., :3, 3]
    if free_gauge:
        scale = (t * moved).sum((1, 2)) / moved.square().sum((1, 2)).clamp_min(TINY**2)
        moved = scale.clamp_min(0)[:, None, None] * moved
    found["translation"] = relative(t, moved)
    if a.cameras.intrinsics is not None and b.cameras.intrinsics is not None:
        found["intrinsics"] = relative(a.cameras.intrinsics, b.cameras.intrinsics)
    return found


def relative(a: Tensor, b: Tensor) -> Tensor:
    """|a - b| / |a| of [B, ...] -> [B].

    >>> relative(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.tensor([[3.0, 4.5], [0.0, 0.0]])).tolist()
    [0.1, 0.0]
    """
    a, b = a.double().flatten(1), b.double().flatten(1)
    change: Tensor = (a - b).norm(dim=1) / a.norm(dim=1).clamp_min(TINY)
    return change


def image_change(a: Tensor, b: Tensor) -> Numbers:
    """The largest and the mean absolute change of a pixel of images [B, K, 3, H, W]."""
    change = (a.double() - b.double()).abs().flatten(1)
    return {"render_max": change.amax(1), "render_mean": change.mean(1)}


def rigidity(w2c: Tensor, reference: Tensor) -> Numbers:
    """How far cameras [B, V, 4, 4] are from SE(3), and the one at ``reference`` [B] from the identity."""
    w2c = w2c.double()
    rotation, eye = w2c[..., :3, :3], torch.eye(3, dtype=torch.float64, device=w2c.device)
    own = w2c[torch.arange(len(w2c), device=w2c.device), reference]
    length = w2c[..., :3, 3].norm(dim=-1).amax(1).clamp_min(TINY)
    turned, moved = (own[:, :3, :3] - eye).flatten(1).norm(dim=1), own[:, :3, 3].norm(dim=-1) / length
    return {
        "residual": (rotation.mT @ rotation - eye).flatten(-2).norm(dim=-1).amax(1),
        "determinant": (torch.linalg.det(rotation) - 1).abs().amax(1),
        "reference": torch.maximum(turned, moved),
    }


def with_targets(batch: Batch, images: Tensor, depth: Tensor | None) -> Batch:
    """The same clip with other target images [B, T, 3, H, W] and depth; cameras and times stay."""
    rows = torch.arange(len(images), device=images.device)[:, None]
    views = replace(batch.views, images=batch.views.images.index_put((rows, batch.target), images))
    if views.depth is not None and depth is not None:
        views = replace(views, depth=views.depth.index_put((rows, batch.target), depth))
    return batch._replace(views=views)


def rescaled(batch: Batch, factor: float) -> Batch:
    """The same clip with the dataset's unit of length divided by ``factor``: translations and depth grow by it."""
    w2c, depth = batch.views.w2c, batch.views.depth
    if w2c is not None:
        w2c = w2c.clone()
        w2c[..., :3, 3] *= factor
    return batch._replace(views=replace(batch.views, w2c=w2c, depth=None if depth is None else depth * factor))


def reordered(batch: Batch, order: Tensor) -> Batch:
    """The same views in another order [B, V]; positions of context and targets move along."""
    place = order.argsort(dim=1)
    return Batch(batch.views.take(order), place.gather(1, batch.context), place.gather(1, batch.target))


def restricted(batch: Batch, context: Tensor, target: Tensor) -> Batch:
    """Only the views at ``context`` [B, C] and ``target`` [B, T], in their order."""
    positions, origin = torch.cat([context, target], dim=1).sort(dim=1, stable=True)
    place = origin.argsort(dim=1)
    return Batch(batch.views.take(positions), place[:, : context.shape[1]], place[:, context.shape[1] :])


def one_target(batch: Batch) -> Batch:
    """Only the context and the middle one of the targets."""
    middle = batch.target.shape[1] // 2
    return restricted(batch, batch.context, batch.target[:, middle : middle + 1])


def together(batches: Sequence[Batch]) -> Batch:
    """Several variants of a batch as one, along B."""
    views = [batch.views for batch in batches]

    def joined(values: Sequence[Tensor | None]) -> Tensor | None:
        present = [each for each in values if each is not None]
        return torch.cat(present) if present else None

    return Batch(
        Views(
            images=torch.cat([each.images for each in views]),
            sample_ids=tuple(name for each in views for name in each.sample_ids),
            w2c=joined([each.w2c for each in views]),
            intrinsics=joined([each.intrinsics for each in views]),
            depth=joined([each.depth for each in views]),
            frame_numbers=joined([each.frame_numbers for each in views]),
        ),
        torch.cat([batch.context for batch in batches]),
        torch.cat([batch.target for batch in batches]),
    )


def rows_of(poses: PoseCode, rows: Tensor) -> PoseCode:
    """Poses of the samples ``rows`` of a batch."""
    latent, features = (None if each is None else each[rows] for each in (poses.latent, poses.features))
    cameras: Cameras | None = None if poses.cameras is None else poses.cameras[rows]
    return PoseCode(latent, cameras, features)


def _named(test: str, parts: Numbers, leave_out: str = "") -> Numbers:
    """Parts under their full names, and the largest of them; angles count in radians."""
    counted = [torch.deg2rad(v) if part.endswith("_deg") else v for part, v in parts.items() if part != leave_out]
    largest = {test: torch.stack(counted).amax(0)} if counted else {}
    return largest | {f"{test}.{part}": values for part, values in parts.items()}
