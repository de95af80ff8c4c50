"""Changes of colour and sharpness of a whole clip. They keep the camera poses of its frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional

from evalkit.data.augment_options import AugmentOptions as AugmentOptions


class Property(StrEnum):
    """What a change of colour changes: the first three by a factor, the hue by a share of the colour circle."""

    BRIGHTNESS = "brightness"
    CONTRAST = "contrast"
    SATURATION = "saturation"
    HUE = "hue"


_ADJUST: dict[Property, Callable[[Tensor, float], Tensor]] = {
    Property.BRIGHTNESS: functional.adjust_brightness,
    Property.CONTRAST: functional.adjust_contrast,
    Property.SATURATION: functional.adjust_saturation,
    Property.HUE: functional.adjust_hue,
}


@dataclass(frozen=True)
class Augmentation:
    """One drawn augmentation, the same for all frames of a clip.

    Attributes:
        adjustments: changes of colour, in the order in which they are made.
        blur: side of the window and standard deviation, in pixels; None for no blur.
    """

    adjustments: tuple[tuple[Property, float], ...] = ()
    blur: tuple[int, float] | None = None

    def apply(self, images: Tensor) -> Tensor:
        """Augment a clip [V, 3, H, W] in [0, 1]: first its colours, then the blur.

        Contrast is changed about the mean grey of the whole clip, not of each frame. Every surface then changes equally
        in all frames, and a frame does not reveal what else it showed. For torchvision the clip is one tall image.

        >>> import torch
        >>> clip = torch.tensor([0.2, 0.8]).reshape(2, 1, 1, 1).expand(2, 3, 4, 4)
        >>> Augmentation(((Property.CONTRAST, 0.5),)).apply(clip)[:, 0, 0, 0].round(decimals=3).tolist()
        [0.3499999940395355, 0.6499999761581421]
        """
        clip = images.movedim(0, 1)
        tall = clip.flatten(1, 2)
        for what, amount in self.adjustments:
            tall = _ADJUST[what](tall, amount)
        augmented = tall.reshape(clip.shape).movedim(0, 1)
        if self.blur is not None:
            side, sigma = self.blur
            augmented = functional.gaussian_blur(augmented, [side, side], [sigma, sigma])
        return augmented.clamp(0, 1)  # the weights of a blur add up to 1 only up to rounding


def draw(rng: np.random.Generator, options: AugmentOptions) -> Augmentation:
    """Draw an augmentation in the way of torchvision's ColorJitter and GaussianBlur, each with its probability.

    All random numbers are drawn in any case, so that a change of one option keeps the draws of the others.
    """
    is_jittered, is_blurred = rng.random(2) < (options.jitter, options.blur)
    order = rng.permutation(len(Property))
    brightness, contrast, saturation, hue = rng.uniform(-1, 1, size=4)
    sigma = float(rng.uniform(*options.sigma))
    amounts = (
        (Property.BRIGHTNESS, 1 + float(brightness) * options.brightness),
        (Property.CONTRAST, 1 + float(contrast) * options.contrast),
        (Property.SATURATION, 1 + float(saturation) * options.saturation),
        (Property.HUE, float(hue) * options.hue),
    )
    return Augmentation(
        tuple(amounts[i] for i in order) if is_jittered else (),
        (options.kernel, sigma) if is_blurred else None,
    )
