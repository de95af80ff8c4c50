"""Pose codes that keep the place of each view in its clip, so that a scene is encoded as it was in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.method import PoseCode
from evalkit.views import Cameras, take_views


@dataclass(frozen=True)
class ClipPoses(PoseCode):
    """Poses relative to the reference, and what encoding a scene needs beside them.

    ``ranks`` [B, V]: the place of each view in its clip, which its image tokens carry. ``reference`` [B, 4, 4]: w2c of
    the reference view in the frame of the canonical view, in which the network saw all rays; None where poses are
    latent. Neither is carried to another scene (`PoseCode.carried`). They are no part of ``latent``, so that protocols
    see cameras alone.
    """

    ranks: Tensor | None = None
    reference: Tensor | None = None
    per_clip = frozenset({"reference"})


def in_reference_frame(poses: PoseCode, reference: Tensor, ranks: Tensor) -> ClipPoses:
    """Express poses [B, V] in the frame of the canonical view relative to the views at ``reference`` [B].

    By the inverse as a matrix in float64: a rotation in float32 is not quite orthogonal, and the reference must become
    the identity. Latents have no frame and stay as they are.
    """
    if poses.cameras is None:
        return ClipPoses(poses.latent, None, poses.features, ranks)
    w2c = poses.cameras.w2c
    reference_w2c = take_views(w2c, reference[:, None])[:, 0]
    moved = (w2c.double() @ torch.linalg.inv(reference_w2c.double())[:, None]).to(w2c.dtype)
    return ClipPoses(None, Cameras(moved, poses.cameras.intrinsics), poses.features, ranks, reference_w2c)


def in_canonical_frame(poses: PoseCode, reference: Tensor | None, reference_intrinsics: Tensor | None) -> PoseCode:
    """Undo `in_reference_frame`.

    Args:
        poses: poses [B, V] relative to the reference.
        reference: w2c of the reference in the canonical frame [B, 4, 4]; None where the reference is canonical.
        reference_intrinsics: intrinsics [B, 3, 3] for cameras that have none.
    """
    if poses.cameras is None:
        return PoseCode(latent=poses.latent)
    w2c, intrinsics = poses.cameras.w2c, poses.cameras.intrinsics
    if reference is not None:
        w2c = (w2c.double() @ reference.double()[:, None]).to(w2c.dtype)
    if intrinsics is None and reference_intrinsics is not None:
        intrinsics = reference_intrinsics[:, None].expand(-1, w2c.shape[1], -1, -1)
    return PoseCode(cameras=Cameras(w2c, intrinsics))
