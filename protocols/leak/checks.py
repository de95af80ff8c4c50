"""The checks of `leak`: a method is called with variants of a clip, and its answers are compared.

Numbers are [B], by the name of the check and, after a dot, of the part of the answer. What a method does not have (a
latent, cameras) has no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalkit.card import Card, PoseKind, TargetPose
from evalkit.geometry.rotations import rotation_residual
from evalkit.method import Method, PoseCode, reference_of
from evalkit.metrics.image import psnr
from evalkit.metrics.named import MIN_MSE
from evalkit.protocol import Predictions
from protocols.leak.changes import RENDER_MAX, RENDER_MEAN, TINY, Numbers, image_change, of_check, pose_change
from protocols.leak.claims import ALONE, CHECKS, COUNT, KIND, ORDER, PIXELS, REPEAT, SCALE, SE3, TARGETS, claims
from protocols.leak.variants import in_other_unit, joined, reordered, restricted
from protocols.shared.target_poses import Batch, encode
from protocols.shared.transfer import Pair

REAL = "real"  # the name of the unchanged clip among its variants
CAMERA_NUMBERS = 12  # of a pose that is a camera
RENDERS_JOINT, RENDERS_ALONE, RENDERS_ELSEWHERE = "renders_joint", "renders_alone", "renders_elsewhere"
_PSNR_KEYS = {
    RENDERS_JOINT: "joint_psnr",
    RENDERS_ALONE: "alone_psnr",
    RENDERS_ELSEWHERE: "elsewhere_psnr",
}
OTHER_PSNR = "other_psnr"  # of the frames of B that are nearest to A's targets


class Answer(NamedTuple):
    """Poses of the context [B, C] and of all views, and renders [B, K, 3, H, W] of the scene built with the former."""

    context: PoseCode
    all_views: PoseCode
    renders: Tensor


def check_variants(clip: Batch, changed: Mapping[str, Batch], unit: float, method: Method) -> tuple[Numbers, Answer]:
    """Compare the answers to a clip, the same clip again, clips with other targets, and a clip in another unit.

    All go through each call of the method together. Every scene is rendered from the first context view and the
    targets, at the poses of the unchanged clip; that in the other unit at its own poses.

    Args:
        clip: the unchanged clips.
        changed: variants with other targets, by name.
        unit: factor of translations and depth in the other unit.
        method: the method.

    Returns:
        The numbers of the checks `repeat`, `targets`, `scale` and `se3`, and the answer to the unchanged clip.
    """
    variants = {REAL: clip, REPEAT.key: clip, **changed, SCALE.key: in_other_unit(clip, unit)}
    answers = answers_to(variants, method, at_own_poses=SCALE.key)
    real, scaled = answers[REAL], answers[SCALE.key]
    numbers: Numbers = {}
    for name in (REPEAT.key, *changed):
        answer = answers[name]
        change = pose_change(real.context, answer.context) | image_change(real.renders, answer.renders)
        numbers |= of_check(name, change, leave_out=RENDER_MEAN)
    numbers[TARGETS.key] = torch.stack([numbers[name] for name in changed]).amax(0)
    # z-buffers and borders of pixels break ties by rounding, so that single pixels may change with the unit
    change = pose_change(real.context, scaled.context, free_gauge=True) | image_change(real.renders, scaled.renders)
    numbers |= of_check(SCALE.key, change, leave_out=RENDER_MAX)
    if real.all_views.cameras is not None:
        numbers |= of_check(SE3.key, rigidity(real.all_views.cameras.w2c, reference_of(clip.context)))
    return numbers, real


def answers_to(variants: Mapping[str, Batch], method: Method, at_own_poses: str) -> dict[str, Answer]:
    """Answers of a method to variants of one batch: one call each to encode poses, build scenes and render.

    Scenes are rendered at the poses of the first variant, except that of the variant ``at_own_poses``.
    """
    batch, count = joined([*variants.values()]), len(next(iter(variants.values())).context)
    poses = method.encode_poses(batch.views, batch.context)
    context = poses.take(batch.context)
    scene = method.encode_scene(batch.views.take(batch.context), context)
    rendered = torch.cat([batch.context[:, :1], batch.target], dim=1)
    variant_of_poses = [index if name == at_own_poses else 0 for index, name in enumerate(variants)]
    rows = torch.cat([torch.arange(count) + index * count for index in variant_of_poses]).to(rendered.device)
    renders = method.render(scene, poses.take(rendered).rows(rows))
    rows_of_variants = torch.arange(len(rows), device=rows.device).chunk(len(variants))
    return {
        name: Answer(context.rows(part), poses.rows(part), renders[part])
        for name, part in zip(variants, rows_of_variants, strict=True)
    }


def check_context_only(clip: Batch, changed: Sequence[Batch], method: Method) -> tuple[Numbers, Tensor]:
    """Compare answers to other targets where each target is encoded alone with the context.

    Returns:
        The numbers of the check `alone`, and the renders of the unchanged targets.
    """
    batch = joined([clip, *changed])
    encoded = encode(batch, method, TargetPose.CONTEXT_ONLY)
    scene = method.encode_scene(batch.views.take(batch.context), encoded.context)
    parts = torch.arange(len(batch.context), device=batch.context.device).chunk(1 + len(changed))
    renders = method.render(scene, encoded.target.rows(parts[0].repeat(len(parts))))
    real = encoded.context.rows(parts[0])
    changes = [
        pose_change(real, encoded.context.rows(part)) | image_change(renders[parts[0]], renders[part])
        for part in parts[1:]
    ]
    largest = {name: torch.stack([change[name] for change in changes]).amax(0) for name in changes[0]}
    return of_check(ALONE.key, largest, leave_out=RENDER_MEAN), renders[parts[0]]


def check_order(batch: Batch, orders: Sequence[Tensor], real: Answer, method: Method) -> Numbers:
    """Compare the poses of the context with those for the same views in other ``orders`` [B, V]."""
    variants = joined([reordered(batch, order) for order in orders])
    poses = method.encode_poses(variants.views, variants.context).take(variants.context)
    rows = torch.arange(len(batch.context), device=variants.context.device).repeat(len(orders))
    change = pose_change(real.context.rows(rows), poses, free_gauge=True)
    return of_check(ORDER.key, {part: values.view(len(orders), -1).amax(0) for part, values in change.items()})


def check_count(batch: Batch, real: Answer, method: Method) -> Numbers:
    """Compare the poses of the other context views when one of them, never the reference, is left out."""
    views = batch.context.shape[1]
    kept = slice(0, views - 1) if views % 2 else slice(1, views)  # their middle view is still the reference
    fewer = restricted(batch, batch.context[:, kept], batch.target)
    poses = method.encode_poses(fewer.views, fewer.context).take(fewer.context)
    positions = torch.arange(views, device=batch.context.device)[kept].expand(len(batch.context), -1)
    return of_check(COUNT.key, pose_change(real.context.take(positions), poses, free_gauge=True))


def check_card(card: Card, poses: PoseCode) -> dict[str, Tensor]:
    """Compare the kind of poses [B, V] with the card.

    Returns:
        The number of the check `kind`; ``claims`` [B, checks]: whether the card makes the claim of each of `CHECKS`;
        ``pose_numbers`` [B]: how many numbers a pose carries to another scene.
    """
    kind, some_values = _kind(card, poses)
    zeros = torch.zeros(len(some_values), dtype=torch.float64, device=some_values.device)
    claimed_by_card = claims(card)
    claimed = torch.tensor([claimed_by_card[check] for check in CHECKS], device=some_values.device)
    latent_numbers = 0 if poses.latent is None else poses.latent.shape[-1]
    camera_numbers = 0 if poses.cameras is None else CAMERA_NUMBERS
    return {
        "claims": claimed.expand(len(some_values), -1),
        KIND.key: zeros + (kind is not card.pose),
        "pose_numbers": zeros + (latent_numbers + camera_numbers),
    }


def _kind(card: Card, poses: PoseCode) -> tuple[PoseKind, Tensor]:
    """The kind of poses that a method returned, and one of their tensors."""
    if poses.latent is not None:
        return (PoseKind.LATENT if poses.cameras is None else PoseKind.BOTH), poses.latent
    assert poses.cameras is not None, f"{card.name} returned neither a latent nor cameras"
    return PoseKind.SE3, poses.cameras.w2c


def psnrs(pairs: Sequence[Pair], predictions: Predictions) -> Numbers:
    """PSNR [B] against A's targets, of renders by each source of poses and of the nearest frames of B."""
    truth = torch.stack([pair.targets.images for pair in pairs])
    context = torch.stack([pair.context.images for pair in pairs])

    def score(images: Tensor) -> Tensor:
        return psnr(images.flatten(0, 1), truth.flatten(0, 1), MIN_MSE).view(truth.shape[:2]).cpu()

    frames = [score(context[:, [i]].expand_as(truth)) for i in range(context.shape[1])]
    numbers = {OTHER_PSNR: torch.stack(frames).amax(0).mean(1)}
    numbers |= {key: score(predictions[name]).mean(1) for name, key in _PSNR_KEYS.items() if name in predictions}
    joint, alone, elsewhere = (numbers.get(key) for key in _PSNR_KEYS.values())
    if elsewhere is not None:
        numbers[PIXELS.key] = elsewhere - numbers[OTHER_PSNR]
    if joint is not None and alone is not None:
        numbers["joint_minus_alone"] = joint - alone
    return numbers


def rigidity(w2c: Tensor, reference: Tensor) -> Numbers:
    """How far cameras [B, V, 4, 4] are from SE(3), and the one at ``reference`` [B] from the identity."""
    w2c = w2c.double()
    rotation, eye = w2c[..., :3, :3], torch.eye(3, dtype=torch.float64, device=w2c.device)
    own = w2c[torch.arange(len(w2c), device=w2c.device), reference]
    length = w2c[..., :3, 3].norm(dim=-1).amax(1).clamp_min(TINY)
    rotated, moved = (own[:, :3, :3] - eye).flatten(1).norm(dim=1), own[:, :3, 3].norm(dim=-1) / length
    return {
        "residual": rotation_residual(rotation).amax(1),
        "determinant": (torch.linalg.det(rotation) - 1).abs().amax(1),
        "reference": torch.maximum(rotated, moved),
    }
