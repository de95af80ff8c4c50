"""Pose codes that know their place in the clip, so that a scene is encoded as it was in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.method import PoseCode
from evalkit.views import Cameras, take_views


@dataclass(frozen=True)
class ClipPoses(PoseCode):
    """Poses relative to the reference, and what a RayZer must know beside them to encode the scene.

    ``ranks`` [B, V]: the place of each view in its clip, which its image tokens carry. ``reference`` [B, 4, 4]: w2c of
    the reference view in the frame of the canonical one, in which the network saw all rays; None where poses are
    latent. Both stay with the clip: what is carried to another scene is a plain PoseCode. They are kept out of
    ``latent``, which would make the method's poses more than cameras to every protocol.
    """

    ranks: Tensor | None = None
    reference: Tensor | None = None
    per_clip = frozenset({"reference"})


def in_reference_frame(poses: PoseCode, reference: Tensor, ranks: Tensor) -> ClipPoses:
    """Poses [B, V] in the frame of the canonical view, expressed relative to the views at ``reference`` [B].

    By the inverse as a matrix and in float64: a rotation in float32 is not quite orthogonal, and yet the reference
    itself shall be the identity. Latents have no frame, and stay.
    """
    if poses.cameras is None:
        return ClipPoses(poses.latent, None, poses.features, ranks)
    w2c = poses.cameras.w2c
    own = take_views(w2c, reference[:, None])[:, 0]
    moved = (w2c.double() @ torch.linalg.inv(own.double())[:, None]).to(w2c.dtype)
    return ClipPoses(None, Cameras(moved, poses.cameras.intrinsics), poses.features, ranks, own)


def in_canonical_frame(poses: PoseCode, reference: Tensor | None, lens: Tensor | None = None) -> PoseCode:
    """Undo `in_reference_frame`; cameras without intrinsics get ``lens`` [B, 3, 3].

    ``reference`` None: the reference is the canonical view.
    """
    if poses.cameras is None:
        return PoseCode(latent=poses.latent)
    w2c, intrinsics = poses.cameras.w2c, poses.cameras.intrinsics
    if reference is not None:
        w2c = (w2c.double() @ reference.double()[:, None]).to(w2c.dtype)
    if intrinsics is None and lens is not None:
        intrinsics = lens[:, None].expand(-1, w2c.shape[1], -1, -1)
    return PoseCode(cameras=Cameras(w2c, intrinsics))
