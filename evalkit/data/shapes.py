"""Clip shapes that papers use on a data set, by name."""

from __future__ import annotations

from types import MappingProxyType

from evalkit.data.dataset import ClipShape
from evalkit.errors import UserError, did_you_mean
from evalkit.pixels import Profile

# View counts and windows of single clips on dl3dv, re10k and objaverse are as published (RayZer, implementation
# details; its code resizes to multiples of 16); the window is measured in frames of the sequence as stored.
# XFactor's evaluation windows are not published: the windows of transfer on real data are the longest ones of its
# multi-view training. The others are ours.
_LVSM, _PIXELSPLAT = Profile.LVSM_P16, Profile.PIXELSPLAT
SHAPES = MappingProxyType(
    {
        "clip": ClipShape(context=6, target=3, span=(8, 14), transfer_span=(8, 14), profile=_PIXELSPLAT),
        "procedural": ClipShape(
            context=6, target=3, span=(24, 48), transfer_span=(24, 32), wide_span=(80, 96), profile=_PIXELSPLAT
        ),
        "dl3dv": ClipShape(context=16, target=8, span=(64, 96), transfer_span=(6, 20), profile=_LVSM),
        "re10k": ClipShape(context=5, target=5, span=(128, 192), transfer_span=(40, 200), profile=_LVSM),
        "objaverse": ClipShape(context=12, target=8, span=(50, 65), transfer_span=(9, 40), profile=_LVSM),
        "mvimgnet": ClipShape(transfer_span=(6, 20)),
        "co3d": ClipShape(transfer_span=(9, 40)),
    }
)


def shape_named(name: str) -> ClipShape:
    """Return the clip shape of this name. Raises UserError, with the closest name, for an unknown one.

    >>> shape_named("dl3dv").span
    (64, 96)
    """
    if name not in SHAPES:
        raise UserError(f"dataset.profile: no '{name}'{did_you_mean(name, SHAPES)}")
    return SHAPES[name]
