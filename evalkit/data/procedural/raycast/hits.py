"""From a nearest solid to a point on one of its faces: exact depth, face, position on it, steepness."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evalkit.data.procedural.numbers import HALF, ONE, TWO, Rows, at_least, real, whole
from evalkit.data.procedural.raycast.intersect import ID, Planes, distance_of
from evalkit.data.procedural.scenes.solids import GEOMETRY, QUARTER_TURN

COLUMNS = {name: i for i, name in enumerate(GEOMETRY)}
RIM = real(1 - 2e-4)  # a turned solid is met at a flat end where |z| is this close to its half height
REFINE = real(2.0**-13)  # the share of the distance that a key can have lost, with room to spare
LAST_QUARTER, QUARTER, SMALL, ZERO = real(3.99999), real(QUARTER_TURN), real(1e-9), real(0.0)
FACES = whole(6)
MOST_SLANT = 8.0
FIELDS = ("depth", "face", "u", "v", "slant")


@dataclass(frozen=True)
class Hits:
    """Points where rays met solids, each field [N].

    depth along a ray of unit z; face: 6 id + face; u, v in metres from the face's middle (u around a turned solid
    from its +x); slant: 1 / cosine of the angle of incidence.
    """

    depth: Tensor
    face: Tensor
    u: Tensor
    v: Tensor
    slant: Tensor

    def take(self, where: Tensor) -> Hits:
        """Return the hits at positions ``where``."""
        return Hits(*(getattr(self, name).index_select(0, where) for name in FIELDS))

    def overwrite(self, where: Tensor, other: Hits) -> None:
        """Put the hits ``other`` at positions ``where``."""
        for name in FIELDS:
            getattr(self, name).index_copy_(0, where, getattr(other, name))


def _turn(g: Rows, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Turn world x, y into the frame of each solid."""
    c, s = g["cos"], g["sin"]
    return (x * c).add_(y * s), (y * c).sub_(x * s)


def _local(g: Rows, t: Tensor, origin: Planes, rays: Planes, yawed: bool) -> tuple[Planes, Planes]:
    """Points at distance t and directions, in the frame of each solid."""
    px = (rays[0] * t).add_(origin[0]).sub_(g["cx"])
    py = (rays[1] * t).add_(origin[1]).sub_(g["cy"])
    pz = (rays[2] * t).add_(origin[2]).sub_(g["cz"])
    if not yawed:
        return (px, py, pz), rays
    return (*_turn(g, px, py), pz), (*_turn(g, rays[0], rays[1]), rays[2])


def _length(rays: Planes) -> Tensor:
    return (rays[0] * rays[0]).add_(rays[1] * rays[1]).add_(rays[2] * rays[2]).sqrt_()


def _blend(weights: Planes, values: Planes) -> Tensor:
    """The value that the weights, one of them 1 and the others 0, choose."""
    return (weights[0] * values[0]).add_(weights[1] * values[1]).add_(weights[2] * values[2])


def _flat_hits(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes, yawed: bool) -> Hits:
    """Hits on the flat faces of boxes, of the room and of turned solids; the latter and turned boxes if ``yawed``."""
    ids = torch.bitwise_and(keys, ID)
    g, t = Rows(geometry, COLUMNS, ids), distance_of(keys)
    (x, y, z), (dx, dy, dz) = _local(g, t, origin, rays, yawed)
    hx, hy, hz = g["hx"], g["hy"], g["hz"]
    mx, my = x.abs().div_(hx), y.abs().div_(hy)
    is_z = at_least(z.abs().div_(hz), torch.maximum(mx, my))
    rest = torch.sub(ONE, is_z)
    is_x = at_least(mx, my).mul_(rest)
    is_y = rest.sub_(is_x)
    axes = (is_x, is_y, is_z)
    along, place = _blend(axes, (dx, dy, dz)), _blend(axes, (x, y, z))
    wall = torch.copysign(_blend(axes, (hx, hy, hz)), place)
    limit = t * REFINE
    step = torch.minimum((wall - place).div_(along), limit)
    step = torch.maximum(step, limit.neg_())
    not_x = torch.sub(ONE, is_x)
    u = (is_x * y.add_(step * dy)).add_(not_x.mul_(x.add_(step * dx)))
    v = (is_z * y).add_(torch.sub(ONE, is_z).mul_(z.add_(step * dz)))
    face = is_y.add_(is_z).add_(is_z).mul_(TWO).add_(at_least(wall, ZERO)).to(torch.int32)
    slant = _length(rays).div_(along.abs_()).clamp_(max=MOST_SLANT)
    return Hits(step.add_(t), face.add_(ids * FACES), u, v, slant)


def _bent_hits(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes) -> tuple[Hits, Tensor]:
    """Hits on the sides of turned solids, and 1.0 where a ray met such a side (elsewhere they mean nothing).

    A Newton step on x^2 + y^2 - (a + b z + c z^2) restores the distance. The angle is a diamond angle: quarters of
    a turn as a ratio of x and y, exact on the axes and even enough between.
    """
    ids = torch.bitwise_and(keys, ID)
    g, t = Rows(geometry, COLUMNS, ids), distance_of(keys)
    (x, y, z), (dx, dy, dz) = _local(g, t, origin, rays, True)
    b, c = g["qb"], g["qc"]
    is_side = torch.sub(ONE, at_least(z.abs().div_(g["hz"]), RIM)).mul_(at_least(g["qa"], SMALL))
    bend = (c * z).add_(b * HALF)
    fall = (x * dx).add_(y * dy).sub_(bend * dz)
    excess = (x * x).add_(y * y).sub_(g["qa"]).sub_((c * z).add_(b).mul_(z))
    limit = t * REFINE
    step = torch.minimum(excess.mul_(HALF).neg_().div_(fall - SMALL), limit)
    step = torch.maximum(step, limit.neg_())
    x, y, z = x.add_(step * dx), y.add_(step * dy), z.add_(step * dz)
    normal = (x * x).add_(y * y).add_(bend.mul_(bend)).sqrt_()
    slant = _length(rays).mul_(normal).div_(fall.abs_().add_(SMALL)).clamp_(1, MOST_SLANT)
    around = (x / x.abs().add_(y.abs()).add_(SMALL)).add_(ONE)
    around = torch.sub(TWO, around.mul_(torch.copysign(torch.ones_like(y), y)))
    around = torch.minimum(around.clamp_(min=0), LAST_QUARTER)
    face = around.floor().to(torch.int32).add_(ids * FACES)
    return Hits(step.add_(t), face, around.mul_(g["hx"]).mul_(QUARTER), z, slant), is_side


def locate(geometry: Tensor, keys: Tensor, origin: Planes, rays: Planes) -> Hits:
    """Refine keys [N] to exact hits; ``origin`` and ``rays`` are planes [N].

    All rays are treated as if they met boxes at right angles, as most do; the odd ones are then done again.
    """
    hits = _flat_hits(geometry, keys, origin, rays, False)
    odd = Rows(geometry, COLUMNS, torch.bitwise_and(keys, ID))["odd"].nonzero().squeeze(1)
    if odd.numel():

        def part(plane: Tensor) -> Tensor:
            return plane.index_select(0, odd)

        here, along = (part(origin[0]), part(origin[1]), part(origin[2])), (part(rays[0]), part(rays[1]), part(rays[2]))
        again = _flat_hits(geometry, part(keys), here, along, True)
        bent, is_side = _bent_hits(geometry, part(keys), here, along)
        side = is_side.nonzero().squeeze(1)
        again.overwrite(side, bent.take(side))
        hits.overwrite(odd, again)
    return hits
