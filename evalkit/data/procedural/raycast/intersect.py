"""Where rays meet solids: slab tests for boxes, a clipped quadric for turned solids, the inside of the room.

Only IEEE-exact elementwise operations (+ - * / sqrt min max and bit operations) are used, so that a ray's answer
does not depend on which rays it is computed with, on threads, or on where a block ends.

An answer is a *key*: the bits of the distance with the solid's id in the low 8. Positive floats order like
their bits, so the nearest solid is the smallest key; the 2^-15 that the distance loses is restored by `hits.locate`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.numbers import HALF, real, whole
from evalkit.data.procedural.scenes.solids import GEOMETRY, NOTHING, SHELL

FAR = 1e6
FAR_KEY = (0x49742400 & ~0xFF) | NOTHING  # the bits of FAR
TINY = real(1e-12)  # keeps a ray that is exactly parallel to a face from dividing by zero
SIGN, MISS, ID, DISTANCE, ROOM = whole(31), whole(0x7FFFFFFF), whole(0xFF), whole(~0xFF), whole(SHELL)

Planes = tuple[Tensor, Tensor, Tensor]


def distance_of(keys: Tensor) -> Tensor:
    """The distance in a key."""
    return torch.bitwise_and(keys, DISTANCE).view(torch.float32)


def inverses(rays: Planes) -> Planes:
    """One over each component."""
    return (rays[0] + TINY).reciprocal_(), (rays[1] + TINY).reciprocal_(), (rays[2] + TINY).reciprocal_()


def _slab(inverse: Tensor, origin: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
    """Distances at which a ray enters and leaves |x| <= half, given one over its direction."""
    one, other = inverse * (-half - origin), inverse * (half - origin)
    near = torch.minimum(one, other)
    return near, torch.maximum(one, other, out=one)


def _key(near: Tensor, outside: Tensor, ids: Tensor) -> Tensor:
    """Pack distance and id; a miss where the sign bit of ``outside`` or of ``near`` is set."""
    bits = near.view(torch.int32)
    miss = torch.bitwise_or(outside, bits).bitwise_right_shift_(SIGN)
    return torch.bitwise_and(bits, DISTANCE).bitwise_or_(ids).bitwise_or_(miss).bitwise_and_(MISS)


def _box(inverse: Planes, origin: Planes, g: dict[str, Tensor], ids: Tensor) -> Tensor:
    """Keys of rays against boxes, both in the boxes' frames."""
    near, far = _slab(inverse[0], origin[0], g["hx"])
    for axis, half in ((1, "hy"), (2, "hz")):
        near_next, far_next = _slab(inverse[axis], origin[axis], g[half])
        near = torch.maximum(near, near_next, out=near)
        far = torch.minimum(far, far_next, out=far)
    return _key(near, far.sub_(near).view(torch.int32), ids)


def box_keys(pairs: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays against boxes at right angles; ``pairs`` [12, ...] are geometry rows, all shapes broadcast."""
    g = dict(zip(GEOMETRY, pairs, strict=True))
    return _box(inverse, (origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]), g, ids)


def yawed_keys(pairs: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays against boxes at any yaw; shapes as `box_keys`."""
    g = dict(zip(GEOMETRY, pairs, strict=True))
    px, py, pz = origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]
    dx = (rays[0] * g["cos"]).add_(rays[1] * g["sin"])
    dy = (rays[1] * g["cos"]).sub_(rays[0] * g["sin"])
    here = (px * g["cos"] + py * g["sin"], py * g["cos"] - px * g["sin"], pz)
    return _box((dx.add_(TINY).reciprocal_(), dy.add_(TINY).reciprocal_(), inverse[2]), here, g, ids)


def turned_keys(pairs: Tensor, ids: Tensor, origin: Planes, rays: Planes, inverse: Planes) -> Tensor:
    """Keys of rays against turned solids, x^2 + y^2 <= a + b z + c z^2 and |z| <= hz; shapes as `box_keys`.

    q(t) = A t^2 + 2 B t + C. If the ray is inside q where it enters the slab, it meets the flat end there; else
    it meets the side at the root where q falls, (-B - sqrt(B^2 - A C)) / A, for either sign of A.
    """
    g = dict(zip(GEOMETRY, pairs, strict=True))
    px, py, pz = origin[0] - g["cx"], origin[1] - g["cy"], origin[2] - g["cz"]
    dx, dy, dz = rays
    near, far = _slab(inverse[2], pz, g["hz"])
    a = (dx * dx).add_(dy * dy) - g["qc"] * (dz * dz)
    a = a.add_(TINY)
    b = (px * dx).add_(py * dy).sub_((g["qb"] * HALF + g["qc"] * pz) * dz)
    c = px * px + py * py - (g["qa"] + g["qb"] * pz + g["qc"] * pz * pz)
    square = (b * b).sub_(a * c)
    side = square.clamp(min=0).sqrt_().add_(b).div_(a).neg_()
    at_near = (a * near).add_(b).add_(b).mul_(near).add_(c)
    flat = torch.bitwise_right_shift(at_near.view(torch.int32), SIGN)
    other = torch.bitwise_not(flat)
    bits = torch.bitwise_and(near.view(torch.int32), flat)
    bits.bitwise_or_(torch.bitwise_and(side.view(torch.int32), other))
    hit = bits.view(torch.float32)
    outside = torch.bitwise_or(far.sub_(hit).view(torch.int32), (hit - near).view(torch.int32))
    return _key(hit, outside.bitwise_or_(other.bitwise_and_(square.view(torch.int32))), ids)


TESTS = (box_keys, yawed_keys, turned_keys)  # for the three parts of `Tables.solids`


def room_keys(room: Tensor, origin: Planes, inverse: Planes) -> Tensor:
    """Keys of rays against the inside of the room, whose geometry row is ``room`` [12]."""
    g = dict(zip(GEOMETRY, room, strict=True))
    exits = [
        _slab(one_over, start - g[centre], g[half])[1]
        for one_over, start, centre, half in zip(inverse, origin, ("cx", "cy", "cz"), ("hx", "hy", "hz"), strict=True)
    ]
    far = torch.minimum(torch.minimum(exits[0], exits[1]), exits[2])
    return torch.bitwise_and(far.view(torch.int32), DISTANCE).bitwise_or_(ROOM)
