"""Cheats that are tried on `leak`: pictures of targets in their poses, in many handwritings, and in memory.

They stand in for `warp` in a planned run. All but `Remembering` show the reference frame: nothing but the pose gives
them away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from baselines.controls.cards import WarpBaseline
from baselines.controls.copies import reference_image, repeated
from evalkit.card import PoseKind
from evalkit.geometry.se3 import relative_to
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.seeds import generator
from evalkit.views import Views, take_views
from tests.audit.cheats import Cheat, Picture, blend

LEVELS = 255


@dataclass(frozen=True)
class Page:
    """What a cheat writes from: images [B, V, 3, H, W], true cameras [B, V, 12], and the ids of the samples."""

    images: Tensor
    cameras: Tensor
    sample_ids: tuple[str, ...]


Writing = Callable[[Page], Tensor]  # numbers [B, V, D]


class Carrier(WarpBaseline):
    """Writes a picture of each view, or of each target only, into its pose."""

    card = replace(WarpBaseline.card, pose=PoseKind.LATENT)

    def __init__(self, write: Writing, only_targets: bool = False) -> None:
        self.write, self.only_targets = write, only_targets

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Numbers that hold pixels."""
        assert views.w2c is not None
        reference = take_views(views.w2c, reference_of(context)[:, None])[:, 0]
        cameras = relative_to(views.w2c, reference)[..., :3, :].flatten(2)
        latent = self.write(Page(views.images, cameras, views.sample_ids))
        if self.only_targets:
            latent = latent.scatter(1, context[..., None].expand(-1, -1, latent.shape[-1]), 0.0)
        return PoseCode(latent)

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """The reference frame."""
        return reference_image(views)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """The reference frame for every pose."""
        assert poses.latent is not None
        return repeated(scene, poses.latent.shape[1])


class Remembering(Cheat):
    """Renders as `Warp` does; mixes targets in that it remembers behind the interface: its poses are cameras alone."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.mix, self.memory = picture, torch.empty(0)

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """The true cameras; where there are targets, their images are kept."""
        is_target = torch.ones(views.images.shape[:2], dtype=torch.bool).scatter(1, context, False)
        if is_target.any():
            self.memory = torch.stack([images[mask] for images, mask in zip(views.images, is_target, strict=True)])
        return replace(super().encode_poses(views, context), latent=None)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """`Warp`, with the targets in memory where there are as many."""
        shown = self.warp.render(scene.warped, poses)
        return self.mix(shown, self.memory) if self.memory.shape == shown.shape else shown


def thumbnail(page: Page, side: int, channels: int = 3) -> Tensor:
    """The picture at ``side`` pixels, in colour or in grey, in 8 bits."""
    images = page.images if channels == 3 else page.images.mean(2, keepdim=True)
    small = adaptive_avg_pool2d(images.flatten(0, 1), side).unflatten(0, images.shape[:2]).flatten(2)
    return (LEVELS * small).round() / LEVELS


def beside_cameras(page: Page, side: int) -> Tensor:
    """True cameras, and a thumbnail."""
    return torch.cat([page.cameras, thumbnail(page, side)], dim=-1)


def rotated(page: Page, side: int) -> Tensor:
    """True cameras and a thumbnail, under one random rotation."""
    numbers = beside_cameras(page, side)
    return numbers @ torch.linalg.qr(_normal(numbers.shape[-1], numbers.shape[-1])).Q.to(numbers)


def three_bits(page: Page) -> Tensor:
    """The whole picture in eight levels."""
    return (7 * page.images.flatten(2)).round() / 7


def random_scales(page: Page) -> Tensor:
    """A thumbnail of 4, each number with a random factor and offset, in a random order."""
    numbers = thumbnail(page, 4)
    width = numbers.shape[-1]
    return (numbers * (3 * _normal(width)).exp() + _normal(width))[..., _normal(width).argsort()]


def random_network(page: Page) -> Tensor:
    """64 numbers of a random layer on a thumbnail of 4."""
    return torch.tanh(thumbnail(page, 4) @ _normal(48, 64) - 1)


def steep(page: Page) -> Tensor:
    """A thumbnail of 9 through a steep curve."""
    return torch.sigmoid(20 * (thumbnail(page, 9) - 0.5))


def exponential(page: Page) -> Tensor:
    """A thumbnail of 4 in exponents."""
    return torch.exp(10 * thumbnail(page, 4))


def packed(page: Page) -> Tensor:
    """A thumbnail of 4, the three colours of 8 bits in one number."""
    digits = (LEVELS * thumbnail(page, 4)).round().unflatten(-1, (3, 16))
    return torch.einsum("bvcn,c->bvn", digits, torch.tensor([256.0**2, 256.0, 1.0]))


def half(page: Page) -> Tensor:
    """The left half of the picture at 4 pixels a side."""
    return thumbnail(replace(page, images=page.images[..., : page.images.shape[-1] // 2]), 4)


def details(page: Page) -> Tensor:
    """A thumbnail of 8 without that of 4: what is fine alone."""
    coarse = thumbnail(page, 4).unflatten(-1, (3, 4, 4)).flatten(0, 1)
    fine = thumbnail(page, 8).unflatten(-1, (3, 8, 8))
    return (fine - interpolate(coarse, scale_factor=2).view_as(fine)).flatten(2)


def in_noise(page: Page) -> Tensor:
    """A thumbnail of 4 among 100 random numbers."""
    noise = [torch.from_numpy(generator("noise", name).standard_normal((64, 100))) for name in page.sample_ids]
    return torch.cat([thumbnail(page, 4), torch.stack(noise)[:, : page.images.shape[1]].float()], dim=-1)


def signs(page: Page) -> Tensor:
    """Whether each pixel of a thumbnail of 8 is bright."""
    return (thumbnail(page, 8) > 0.4).float()


def faint(page: Page) -> Tensor:
    """True cameras; a hundredth of a thumbnail of 2 is added to their twelve numbers."""
    return page.cameras + 0.01 * thumbnail(page, 2)


def with_keys(page: Page) -> Tensor:
    """A thumbnail of 4 under a rotation of each clip's own, which the sample id tells."""
    numbers = thumbnail(page, 4)
    keys = [torch.linalg.qr(_normal(48, 48, seed=name)).Q for name in page.sample_ids]
    return torch.einsum("bvi,bij->bvj", numbers, torch.stack(keys).to(numbers))


def _normal(*shape: int, seed: str = "") -> Tensor:
    return torch.from_numpy(generator("cheats of leak", seed, *shape).standard_normal(shape)).float()


FOUND: Mapping[str, Carrier] = {
    **{f"thumbnail of {side}": Carrier(partial(thumbnail, side=side)) for side in (1, 2, 4, 9)},
    **{f"thumbnail of {side}, targets only": Carrier(partial(thumbnail, side=side), True) for side in (1, 2, 4, 9)},
    "grey thumbnail of 4": Carrier(partial(thumbnail, side=4, channels=1)),
    "thumbnail of 2 beside cameras": Carrier(partial(beside_cameras, side=2)),
    "thumbnail of 4 beside cameras": Carrier(partial(beside_cameras, side=4)),
    "thumbnail of 2 and cameras, rotated": Carrier(partial(rotated, side=2)),
    "thumbnail of 4 and cameras, rotated": Carrier(partial(rotated, side=4)),
    "3 bits of all": Carrier(three_bits),
    "random scales and order": Carrier(random_scales),
    "random layer": Carrier(random_network),
    "steep curve": Carrier(steep),
    "exponents": Carrier(exponential),
    "three colours in one number": Carrier(packed),
    "left half": Carrier(half),
    "details alone": Carrier(details),
    "among noise": Carrier(in_noise),
}
FOUND_IN_MANY: Mapping[str, Carrier] = {  # needs more clips than the others
    "3 bits of all, targets only": Carrier(three_bits, True),
    "three colours in one number, targets only": Carrier(packed, True),
    "a hundredth, on cameras": Carrier(faint),
}
NOT_FOUND: Mapping[str, Carrier] = {"a key for each clip": Carrier(with_keys), "signs of 8": Carrier(signs)}
IN_RENDERS: Mapping[str, Cheat] = {
    "5 % of A": Cheat(picture=blend(0.05)),
    "5 % of A, from memory": Remembering(blend(0.05)),
    "20 % of A, from memory": Remembering(blend(0.2)),
}
