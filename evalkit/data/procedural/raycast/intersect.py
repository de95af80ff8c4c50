"""Intersections of rays with boxes, surfaces of revolution and the inside of the room.

Only IEEE-exact elementwise operations are used (+ - * / sqrt min max and bit operations). The result for a ray
therefore does not depend on the other rays, on threads or on block borders.

A result is a *key*: the bits of the distance, with the solid's id in the lowest 8 bits. Positive floats have the order
of their bits, so that the nearest solid has the smallest key. The distance in a key is rounded to 2^-15 of its value;
`hits.locate` computes the exact one.

In the parameters below, ``origin`` and ``rays`` are (x, y, z) planes of positions and directions, ``inverse`` is one
over the directions, and all shapes broadcast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.scalars import HALF, float_constant, int_constant
from evalkit.data.procedural.raycast.tables import GEOMETRY, NOTHING, ROOM

FAR = 1e6
FAR_KEY = (0x49742400 & ~0xFF) | NOTHING  # the bits of FAR
TINY = float_constant(1e-12)  # avoids a division by zero where a ray is parallel to a face
SIGN_SHIFT, MISS = int_constant(31), int_constant(0x7FFFFFFF)
ID_BITS, DISTANCE_BITS, ROOM_ID = int_constant(0xFF), int_constant(~0xFF), int_constant(ROOM)

Planes = tuple[Tensor, Tensor, Tensor]


def take_planes(planes: Planes, index: Tensor) -> Planes:
    """Return the elements at ``index`` of the last dimension of three planes."""
    return planes[0].index_select(-1, index), planes[1].index_select(-1, index), planes[2].index_select(-1, index)


def distance_of(keys: Tensor) -> Tensor:
    """Distances in keys, rounded."""
    return torch.bitwise_and(keys, DISTANCE_BITS).view(torch.float32)


def inverses(rays: Planes) -> Planes:
    """One over each component of ray directions."""
    return (rays[0] + TINY).reciprocal_(), (rays[1] + TINY).reciprocal_(), (rays[2] + TINY).reciprocal_()


def _slab(inverse: Tensor, origin: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Distances at which rays enter and leave |x| <= half."""
    low, high = inverse * (-half - origin), inverse * (half - origin)
    near = torch.minimum(low, high)
    return near, torch.maximum(low, high, out=low)


def _key(near: Tensor, outside: Tensor, ids: Tensor) -> Tensor:
    """Keys of distances ``near`` and ids. A miss where the sign bit of ``outside`` or of ``near`` is set."""
    bits = near.view(torch.int32)
    miss = torch.bitwise_or(outside, bits).bitwise_right_shift_(SIGN_SHIFT)
    return torch.bitwise_and(bits, DISTANCE_BITS).bitwise_or_(ids).bitwise_or_(miss).bitwise_and_(MISS)


def _local_box_keys(inverse: Planes, origin: Planes, g: dict[str, Tensor], ids: Tensor) -> Tensor:
    """Keys of rays and boxes, both in the frames of the boxes."""
    near, far = _slab(inverse[0], origin[0], g["hx"])
    for axis, half in ((1, "hy"), (2, "hz")):
        near_next, far_next = _slab(inverse[axis], origin[axis], g[half])
        near = torch.maximum(near, near_next, out=near)
        far = torch.minimum(far, far_next, out=far)
    return _key(near, far.sub_(near).view(torch.int32), ids)


def box_keys(solids: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays and axis-aligned boxes; ``solids`` [12, ...] are columns of the geometry table."""
    g = dict(zip(GEOMETRY, solids, strict=True))
    return _local_box_keys(inverse, (origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]), g, ids)


def rotated_box_keys(solids: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays and boxes of any yaw; parameters as of `box_keys`."""
    g = dict(zip(GEOMETRY, solids, strict=True))
    px, py, pz = origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]
    dx = (rays[0] * g["cos"]).add_(rays[1] * g["sin"])
    dy = (rays[1] * g["cos"]).sub_(rays[0] * g["sin"])
    local_origin = (px * g["cos"] + py * g["sin"], py * g["cos"] - px * g["sin"], pz)
    return _local_box_keys((dx.add_(TINY).reciprocal_(), dy.add_(TINY).reciprocal_(), inverse[2]), local_origin, g, ids)


def revolution_keys(solids: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays and surfaces of revolution, x^2 + y^2 <= a + b z + c z^2 and |z| <= hz; parameters as of `box_keys`.

    Along a ray, q(t) = A t^2 + 2 B t + C. Where the ray enters the slab |z| <= hz inside of q, it hits the flat end.
    Otherwise it hits the side at the root where q decreases, (-B - sqrt(B^2 - A C)) / A, for either sign of A.
    """
    g = dict(zip(GEOMETRY, solids, strict=True))
    px, py, pz = origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]
    dx, dy, dz = rays
    near, far = _slab(inverse[2], pz, g["hz"])
    a = (dx * dx).add_(dy * dy) - g["qc"] * (dz * dz)
    a = a.add_(TINY)
    b = (px * dx).add_(py * dy).sub_((g["qb"] * HALF + g["qc"] * pz) * dz)
    c = px * px + py * py - (g["qa"] + g["qb"] * pz + g["qc"] * pz * pz)
    discriminant = (b * b).sub_(a * c)
    side = discriminant.clamp(min=0).sqrt_().add_(b).div_(a).neg_()
    q_at_near = (a * near).add_(b).add_(b).mul_(near).add_(c)
    is_flat = torch.bitwise_right_shift(q_at_near.view(torch.int32), SIGN_SHIFT)
    is_side = torch.bitwise_not(is_flat)
    bits = torch.bitwise_and(near.view(torch.int32), is_flat)
    bits.bitwise_or_(torch.bitwise_and(side.view(torch.int32), is_side))
    hit = bits.view(torch.float32)
    outside = torch.bitwise_or(far.sub_(hit).view(torch.int32), (hit - near).view(torch.int32))
    return _key(hit, outside.bitwise_or_(is_side.bitwise_and_(discriminant.view(torch.int32))), ids)


KEYS_OF_KIND = (box_keys, rotated_box_keys, revolution_keys)  # for the three kinds in `Tables.solids`


def room_keys(room: Tensor, origin: Planes, inverse: Planes) -> Tensor:
    """Keys of rays and the inside of the room; ``room`` [12] is its column of the geometry table."""
    g = dict(zip(GEOMETRY, room, strict=True))
    exits = [
        _slab(one_over, start - g[centre], g[half])[1]
        for one_over, start, centre, half in zip(inverse, origin, ("cx", "cy", "cz"), ("hx", "hy", "hz"), strict=True)
    ]
    far = torch.minimum(torch.minimum(exits[0], exits[1]), exits[2])
    return torch.bitwise_and(far.view(torch.int32), DISTANCE_BITS).bitwise_or_(ROOM_ID)
