"""Exact points where rays hit solids: depth, face, position on the face and angle of incidence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.primitives import QUARTER_TURN
from evalkit.data.procedural.raycast.intersect import ID_BITS, Planes, distance_of, take_planes
from evalkit.data.procedural.raycast.scalars import HALF, ONE, TWO, TableRows, at_least, float_constant, int_constant
from evalkit.data.procedural.raycast.tables import FACES, GEOMETRY

COLUMNS = {name: i for i, name in enumerate(GEOMETRY)}
FLAT_END = float_constant(1 - 2e-4)  # share of the half height above which a surface of revolution is hit at a flat end
LARGEST_STEP = float_constant(2.0**-13)  # share of the distance; more than a key can have lost by rounding
LAST_QUARTER, QUARTER, SMALL = float_constant(3.99999), float_constant(QUARTER_TURN), float_constant(1e-9)
ZERO, FACE_COUNT = float_constant(0.0), int_constant(FACES)
LARGEST_SLANT = 8.0
FIELDS = ("depth", "face", "u", "v", "slant")


@dataclass(frozen=True)
class Hits:
    """Points where rays hit solids; each field is [N].

    Attributes:
        depth: distance along a ray whose z component is 1.
        face: 6 x id of the solid + number of the face.
        u, v: position in metres from the middle of the face; on the side of a surface of revolution, u is measured
            around it from its +x.
        slant: 1 / cosine of the angle of incidence.
    """

    depth: Tensor
    face: Tensor
    u: Tensor
    v: Tensor
    slant: Tensor

    def take(self, index: Tensor) -> Hits:
        """Return the hits at ``index``."""
        return Hits(*(getattr(self, name).index_select(0, index) for name in FIELDS))

    def overwrite(self, index: Tensor, other: Hits) -> None:
        """Replace the hits at ``index`` by ``other``."""
        for name in FIELDS:
            getattr(self, name).index_copy_(0, index, getattr(other, name))


def _rotate(g: TableRows, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate world x, y into the frame of each solid."""
    c, s = g["cos"], g["sin"]
    return (x * c).add_(y * s), (y * c).sub_(x * s)


def _local(g: TableRows, t: Tensor, origin: Planes, rays: Planes, rotated: bool) -> tuple[Planes, Planes]:
    """Points at distance t and ray directions, in the frame of each solid."""
    px = (rays[0] * t).add_(origin[0]).sub_(g["cx"])
    py = (rays[1] * t).add_(origin[1]).sub_(g["cy"])
    pz = (rays[2] * t).add_(origin[2]).sub_(g["cz"])
    if not rotated:
        return (px, py, pz), rays
    return (*_rotate(g, px, py), pz), (*_rotate(g, rays[0], rays[1]), rays[2])


def _length(rays: Planes) -> Tensor:
    return (rays[0] * rays[0]).add_(rays[1] * rays[1]).add_(rays[2] * rays[2]).sqrt_()


def _select(weights: Planes, values: Planes) -> Tensor:
    """The value whose weight is 1; the other two weights are 0."""
    return (weights[0] * values[0]).add_(weights[1] * values[1]).add_(weights[2] * values[2])


def _flat_hits(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes, rotated: bool) -> Hits:
    """Hits on flat faces. ``rotated``: the solids may be rotated boxes or surfaces of revolution."""
    ids = torch.bitwise_and(keys, ID_BITS)
    g, t = TableRows(geometry, COLUMNS, ids), distance_of(keys)
    (x, y, z), (dx, dy, dz) = _local(g, t, origin, rays, rotated)
    hx, hy, hz = g["hx"], g["hy"], g["hz"]
    mx, my = x.abs().div_(hx), y.abs().div_(hy)
    is_z = at_least(z.abs().div_(hz), torch.maximum(mx, my))
    rest = torch.sub(ONE, is_z)
    is_x = at_least(mx, my).mul_(rest)
    is_y = rest.sub_(is_x)
    axes = (is_x, is_y, is_z)
    direction, position = _select(axes, (dx, dy, dz)), _select(axes, (x, y, z))
    wall = torch.copysign(_select(axes, (hx, hy, hz)), position)
    limit = t * LARGEST_STEP
    step = torch.minimum((wall - position).div_(direction), limit)
    step = torch.maximum(step, limit.neg_())
    not_x = torch.sub(ONE, is_x)
    u = (is_x * y.add_(step * dy)).add_(not_x.mul_(x.add_(step * dx)))
    v = (is_z * y).add_(torch.sub(ONE, is_z).mul_(z.add_(step * dz)))
    face = is_y.add_(is_z).add_(is_z).mul_(TWO).add_(at_least(wall, ZERO)).to(torch.int32)
    slant = _length(rays).div_(direction.abs_()).clamp_(max=LARGEST_SLANT)
    return Hits(step.add_(t), face.add_(ids * FACE_COUNT), u, v, slant)


def _curved_hits(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes) -> tuple[Hits, Tensor]:
    """Hits on the sides of surfaces of revolution, and 1.0 where a ray hits such a side. Other hits are meaningless.

    A Newton step on x^2 + y^2 - (a + b z + c z^2) = 0 gives the exact distance. The angle around the axis is a diamond
    angle: quarters of a turn as a ratio of x and y, which is exact on the axes and nearly uniform between them.
    """
    ids = torch.bitwise_and(keys, ID_BITS)
    g, t = TableRows(geometry, COLUMNS, ids), distance_of(keys)
    (x, y, z), (dx, dy, dz) = _local(g, t, origin, rays, True)
    b, c = g["qb"], g["qc"]
    is_side = torch.sub(ONE, at_least(z.abs().div_(g["hz"]), FLAT_END)).mul_(at_least(g["qa"], SMALL))
    slope = (c * z).add_(b * HALF)
    decrease = (x * dx).add_(y * dy).sub_(slope * dz)
    excess = (x * x).add_(y * y).sub_(g["qa"]).sub_((c * z).add_(b).mul_(z))
    limit = t * LARGEST_STEP
    step = torch.minimum(excess.mul_(HALF).neg_().div_(decrease - SMALL), limit)
    step = torch.maximum(step, limit.neg_())
    x, y, z = x.add_(step * dx), y.add_(step * dy), z.add_(step * dz)
    normal = (x * x).add_(y * y).add_(slope.mul_(slope)).sqrt_()
    slant = _length(rays).mul_(normal).div_(decrease.abs_().add_(SMALL)).clamp_(1, LARGEST_SLANT)
    around = (x / x.abs().add_(y.abs()).add_(SMALL)).add_(ONE)
    around = torch.sub(TWO, around.mul_(torch.copysign(torch.ones_like(y), y)))
    around = torch.minimum(around.clamp_(min=0), LAST_QUARTER)
    face = around.floor().to(torch.int32).add_(ids * FACE_COUNT)
    return Hits(step.add_(t), face, around.mul_(g["hx"]).mul_(QUARTER), z, slant), is_side


def locate(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes) -> Hits:
    """Compute exact hits of keys [N]; ``origin`` and ``rays`` are planes [N].

    All rays are first treated as if they hit axis-aligned boxes, as most do. The others are then computed again.
    """
    hits = _flat_hits(geometry, keys, origin, rays, False)
    others = TableRows(geometry, COLUMNS, torch.bitwise_and(keys, ID_BITS))["not_axis_aligned"].nonzero().squeeze(1)
    if others.numel():
        keys, origin, rays = keys.index_select(0, others), take_planes(origin, others), take_planes(rays, others)
        corrected = _flat_hits(geometry, keys, origin, rays, True)
        curved, is_side = _curved_hits(geometry, keys, origin, rays)
        side = is_side.nonzero().squeeze(1)
        corrected.overwrite(side, curved.take(side))
        hits.overwrite(others, corrected)
    return hits
