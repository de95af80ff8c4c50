"""The colour of a point on a face: page, cells, light."""

from __future__ import annotations

import torch
from torch import Tensor

from evalkit.data.procedural.numbers import HALF, ONE, Rows, real, whole
from evalkit.data.procedural.raycast.hits import Hits
from evalkit.data.procedural.scenes.solids import FACE, PAGE_LEVELS, Tables
from evalkit.data.procedural.textures.atlas import PLACES, Pages

Rgb = tuple[Tensor, Tensor, Tensor]
COLUMNS = {name: i for i, name in enumerate(FACE)}
EIGHT, SIXTEEN, TWENTY_FOUR = whole(8), whole(16), whole(24)
EXPONENT, BIAS = real(2.0**-23), real(127.0)
BILINEAR, BORDER = 0, 1  # of torch.grid_sampler
COLUMN_SALT, ROW_SALT, MIX_A, MIX_B = whole(0x1F123BB5), whole(0x5F356495), whole(0x2C1B3C6D), whole(0x297A2D39)
FIFTEEN, TWELVE = whole(15), whole(12)


def lookup(image: Tensor, x: Tensor, y: Tensor) -> Rgb:
    """Bilinear lookup in an image [1, 3, H, W] at x, y in [-1, 1] across it; three planes of the shape of x."""
    grid = torch.view_as_real(torch.complex(x, y)).view(1, 1, -1, 2)  # interleaves faster than stack
    red, green, blue = torch.grid_sampler(image, grid, BILINEAR, BORDER, False)[0, :, 0]
    return red, green, blue


def _page_level(pages: Pages, key: Tensor, u: Tensor, v: Tensor) -> Rgb:
    """Look up one level of a page; ``key`` is page x PAGE_LEVELS + level, (u, v) are in [0, 1) across the page."""
    f = Rows(pages.places, PLACES, key.to(torch.int32))
    return lookup(pages.atlas, (u * f["side_x"]).add_(f["left"]), (v * f["side_y"]).add_(f["top"]))


def page_colour(pages: Pages, page: Tensor, u: Tensor, v: Tensor, texels_a_pixel: Tensor) -> Rgb:
    """Trilinear lookup at (u, v) in pages of page x PAGE_LEVELS ``page``, which are periodic.

    The level's logarithm is read from the bits of the float: piecewise linear, exact everywhere.
    """
    level = texels_a_pixel.view(torch.int32).to(torch.float32).mul_(EXPONENT).sub_(BIAS).clamp_(0, PAGE_LEVELS - 1.001)
    below = level.floor()
    key = below + page
    u, v = u - u.floor(), v - v.floor()
    fine, coarse = _page_level(pages, key, u, v), _page_level(pages, key.add_(ONE), u, v)
    rest = level.sub_(below)
    red, green, blue = (b.sub_(a).mul_(rest).add_(a) for a, b in zip(fine, coarse, strict=True))
    return red, green, blue


def _cell_hash(column: Tensor, row: Tensor, salt: Tensor) -> Tensor:
    """32 mixed bits per cell."""
    h = (column.to(torch.int32) * COLUMN_SALT).add_(row.to(torch.int32) * ROW_SALT).add_(salt.to(torch.int32))
    h = torch.bitwise_right_shift(h, FIFTEEN).bitwise_xor_(h).mul_(MIX_A)
    h = torch.bitwise_right_shift(h, TWELVE).bitwise_xor_(h).mul_(MIX_B)
    return torch.bitwise_right_shift(h, FIFTEEN).bitwise_xor_(h)


def _byte(bits: Tensor, place: Tensor | None) -> Tensor:
    """The signed byte that ``place`` shifts to the top of each word, in [-128, 127]."""
    top = bits if place is None else torch.bitwise_left_shift(bits, place)
    return torch.bitwise_right_shift(top, TWENTY_FOUR).to(torch.float32)


def _joint(f: Rows, across: Tensor, up: Tensor, width: Tensor) -> Tensor:
    """Share of a pixel of ``width`` metres that the joint between cells covers (a box filter, in closed form).

    ``across`` and ``up`` are distances from the middle of a cell, in cells.
    """
    u = across.abs_().sub_(HALF).mul_(f["cell_width"])
    v = up.abs_().sub_(HALF).mul_(f["cell_height"])
    gap = f["gap"]
    beyond = torch.maximum(u, v).add_((gap + width).mul_(HALF))
    return torch.minimum(beyond, torch.minimum(gap, width)).clamp_(min=0).div_(width)


def _light(tables: Tables, f: Rows, hits: Hits) -> Rgb:
    """Look up the baked light; its texels lie on the face's edges, so that faces join without a seam."""
    x = (hits.u * f["light_scale_u"]).add_(f["light_offset_u"])
    y = (hits.v * f["light_scale_v"]).add_(f["light_offset_v"])
    return lookup(tables.lightmap, x, y)


def shade(tables: Tables, pages: Pages, hits: Hits, pixel: Tensor) -> Rgb:
    """Colours [N] in [0, 1] (square root as gamma) of hits seen through pixels ``pixel`` wide at depth 1."""
    f = Rows(tables.faces, COLUMNS, hits.face)
    width = (hits.slant + ONE).mul_(HALF).mul_(pixel).mul_(hits.depth)
    up = hits.v * f["cells_v"]
    row = up.round()
    across = (hits.u * f["cells_u"]).add_(row * f["shift"])
    column = across.round()
    bits = _cell_hash(column, row, f["salt"])
    joint = _joint(f, across.sub_(column), up.sub_(row), width)
    tint = (_byte(bits, None) * f["tint"]).add_(ONE).mul_((joint * f["gap_tone"]).add_(ONE))
    chroma = torch.sub(ONE, joint).mul_(f["chroma"])

    shuffle = f["shuffle"]
    u = (hits.u * f["scale_u"]).add_(f["offset_u"]).add_(_byte(bits, EIGHT).mul_(shuffle))
    v = (hits.v * f["scale_v"]).add_(f["offset_v"]).add_(_byte(bits, SIXTEEN).mul_(shuffle))
    page = page_colour(pages, f["page"], u, v, width.mul_(f["density"]))
    light = _light(tables, f, hits)

    def channel(name: str, grain: Tensor, shine: Tensor, place: Tensor) -> Tensor:
        albedo = grain.mul_(f[name + "_grain"]).add_(f[name])
        albedo.mul_((_byte(bits, place) * chroma).add_(tint))
        return albedo.mul_(shine).clamp_(0, 1).sqrt_()

    return (
        channel("red", page[0], light[0], EIGHT),
        channel("green", page[1], light[1], SIXTEEN),
        channel("blue", page[2], light[2], TWENTY_FOUR),
    )
