"""Colours of points on faces: texture, variation of cells, and light."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.raycast.hits import Hits, locate
from evalkit.data.procedural.raycast.intersect import Planes
from evalkit.data.procedural.raycast.scalars import HALF, ONE, TableRows, at_least, float_constant, int_constant
from evalkit.data.procedural.raycast.tables import FACE, FACES, NOTHING, Tables
from evalkit.data.procedural.textures.atlas import MIP_LEVELS, REGION, TextureAtlas

Rgb = tuple[Tensor, Tensor, Tensor]
COLUMNS = {name: i for i, name in enumerate(FACE)}
NOTHING_FACE = float_constant(NOTHING * float(FACES))  # number of the first face that is no face
EIGHT, TWELVE, FIFTEEN, SIXTEEN, TWENTY_FOUR = (int_constant(bits) for bits in (8, 12, 15, 16, 24))
EXPONENT_UNIT, EXPONENT_BIAS = float_constant(2.0**-23), float_constant(127.0)
BILINEAR, BORDER = 0, 1  # of torch.grid_sampler
COLUMN_FACTOR, ROW_FACTOR = int_constant(0x1F123BB5), int_constant(0x5F356495)  # of the hash of cells
FIRST_FACTOR, SECOND_FACTOR = int_constant(0x2C1B3C6D), int_constant(0x297A2D39)


def sample_image(image: Tensor, x: Tensor, y: Tensor) -> Rgb:
    """Sample an image [1, 3, H, W] bilinearly at x, y in [-1, 1] across it; three planes of the shape of x."""
    grid = torch.view_as_real(torch.complex(x, y)).view(1, 1, -1, 2)  # faster than stack
    red, green, blue = torch.grid_sampler(image, grid, BILINEAR, BORDER, False)[0, :, 0]
    return red, green, blue


def _sample_level(atlas: TextureAtlas, level: Tensor, u: Tensor, v: Tensor) -> Rgb:
    """Sample levels, numbered texture x MIP_LEVELS + level, at (u, v) in [0, 1) across the texture."""
    region = TableRows(atlas.regions, REGION, level.to(torch.int32))
    return sample_image(
        atlas.image, (u * region["size_x"]).add_(region["left"]), (v * region["size_y"]).add_(region["top"])
    )


def sample_texture(atlas: TextureAtlas, first_level: Tensor, u: Tensor, v: Tensor, texels_per_pixel: Tensor) -> Rgb:
    """Sample periodic textures at (u, v), with trilinear filtering.

    ``first_level`` is texture x MIP_LEVELS. The logarithm of ``texels_per_pixel`` is read from the bits of the float.
    It is piecewise linear, and the same on every device.
    """
    level = texels_per_pixel.view(torch.int32).to(torch.float32).mul_(EXPONENT_UNIT).sub_(EXPONENT_BIAS)
    level = level.clamp_(0, MIP_LEVELS - 1.001)
    below = level.floor()
    number = below + first_level
    u, v = u - u.floor(), v - v.floor()
    fine, coarse = _sample_level(atlas, number, u, v), _sample_level(atlas, number.add_(ONE), u, v)
    weight = level.sub_(below)
    red, green, blue = (b.sub_(a).mul_(weight).add_(a) for a, b in zip(fine, coarse, strict=True))
    return red, green, blue


def _cell_hash(column: Tensor, row: Tensor, salt: Tensor) -> Tensor:
    """32 pseudo-random bits per cell."""
    h = (column.to(torch.int32) * COLUMN_FACTOR).add_(row.to(torch.int32) * ROW_FACTOR).add_(salt.to(torch.int32))
    h = torch.bitwise_right_shift(h, FIFTEEN).bitwise_xor_(h).mul_(FIRST_FACTOR)
    h = torch.bitwise_right_shift(h, TWELVE).bitwise_xor_(h).mul_(SECOND_FACTOR)
    return torch.bitwise_right_shift(h, FIFTEEN).bitwise_xor_(h)


def _signed_byte(bits: Tensor, left_shift: Tensor | None) -> Tensor:
    """The signed byte, in [-128, 127], that is the highest one after a shift to the left."""
    top = bits if left_shift is None else torch.bitwise_left_shift(bits, left_shift)
    return torch.bitwise_right_shift(top, TWENTY_FOUR).to(torch.float32)


def _joint_coverage(face: TableRows, across: Tensor, up: Tensor, width: Tensor) -> Tensor:
    """Share of a pixel of ``width`` metres that the joint between cells covers (a box filter in closed form).

    ``across`` and ``up`` are distances from the middle of a cell, in cells.
    """
    u = across.abs_().sub_(HALF).mul_(face["cell_width"])
    v = up.abs_().sub_(HALF).mul_(face["cell_height"])
    joint_width = face["joint_width"]
    overlap = torch.maximum(u, v).add_((joint_width + width).mul_(HALF))
    return torch.minimum(overlap, torch.minimum(joint_width, width)).clamp_(min=0).div_(width)


def _light(tables: Tables, face: TableRows, hits: Hits) -> Rgb:
    """Sample the lightmap. Its texels lie on the edges of faces, so that neighbouring faces have no visible seam."""
    x = (hits.u * face["light_scale_u"]).add_(face["light_offset_u"])
    y = (hits.v * face["light_scale_v"]).add_(face["light_offset_v"])
    return sample_image(tables.lightmap, x, y)


def shade(tables: Tables, atlas: TextureAtlas, hits: Hits, pixel_width: Tensor) -> Rgb:
    """Colours [N] in [0, 1] of hits, with a square root as gamma; ``pixel_width`` is that of a pixel at depth 1."""
    face = TableRows(tables.faces, COLUMNS, hits.face)
    width = (hits.slant + ONE).mul_(HALF).mul_(pixel_width).mul_(hits.depth)
    up = hits.v * face["cells_v"]
    row = up.round()
    across = (hits.u * face["cells_u"]).add_(row * face["row_shift"])
    column = across.round()
    bits = _cell_hash(column, row, face["salt"])
    joint = _joint_coverage(face, across.sub_(column), up.sub_(row), width)
    lightness = (_signed_byte(bits, None) * face["lightness_variation"]).add_(ONE)
    lightness = lightness.mul_((joint * face["joint_change"]).add_(ONE))
    hue = torch.sub(ONE, joint).mul_(face["hue_variation"])

    shuffle = face["shuffle"]
    u = (hits.u * face["scale_u"]).add_(face["offset_u"]).add_(_signed_byte(bits, EIGHT).mul_(shuffle))
    v = (hits.v * face["scale_v"]).add_(face["offset_v"]).add_(_signed_byte(bits, SIXTEEN).mul_(shuffle))
    texture = sample_texture(atlas, face["texture"], u, v, width.mul_(face["texels_per_metre"]))
    light = _light(tables, face, hits)

    def channel(name: str, value: Tensor, irradiance: Tensor, left_shift: Tensor) -> Tensor:
        albedo = value.mul_(face[name + "_gain"]).add_(face[name])
        albedo.mul_((_signed_byte(bits, left_shift) * hue).add_(lightness))
        return albedo.mul_(irradiance).clamp_(0, 1).sqrt_()

    return (
        channel("red", texture[0], light[0], EIGHT),
        channel("green", texture[1], light[1], SIXTEEN),
        channel("blue", texture[2], light[2], TWENTY_FOUR),
    )


def shade_keys(
    tables: Tables, atlas: TextureAtlas, keys: Tensor, origin: Planes, rays: Planes, pixel_width: Tensor
) -> tuple[Rgb, Hits]:
    """Colours and hits [X * Y] of keys [X, Y]; origins, rays and ``pixel_width`` broadcast to that shape."""

    def flat(plane: Tensor) -> Tensor:
        return plane.expand(keys.shape).reshape(-1)

    flat_origin, flat_rays = ((flat(planes[0]), flat(planes[1]), flat(planes[2])) for planes in (origin, rays))
    hits = locate(tables.geometry, flat(keys), flat_origin, flat_rays)
    red, green, blue = shade(tables, atlas, hits, flat(pixel_width))
    if not tables.has_room:
        white = at_least(hits.face, NOTHING_FACE)
        red, green, blue = torch.maximum(red, white), torch.maximum(green, white), torch.maximum(blue, white)
    return (red, green, blue), hits
