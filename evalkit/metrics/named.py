"""Image metrics by name: what may be typed in ``protocol.metrics=[...]``. Imports no torch.

A metric is an entry point of the group ``evalkit.metrics``. It names an `ImageMetric`, or a function
``(pred, target) -> [N]`` of images [N, 3, H, W] in [0, 1]. Our own are declared in `evalkit.metrics.catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from inspect import getdoc
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from evalkit import registry
from evalkit.errors import UserError, did_you_mean
from evalkit.protocol import Better, Column
from evalkit.registry import Group
from evalkit.weights.store import absent

if TYPE_CHECKING:
    from torch import Tensor

# PSNR is at most 100 dB, so that one exact copy among the targets does not make a mean infinite.
MIN_MSE = 1e-10


@dataclass(frozen=True)
class ImageMetric:
    """One metric: what computes it, how it is printed, and whose code computes it so.

    Args:
        name: what is typed, and the key in a row.
        title: header in a table.
        function: takes pred and target [N, 3, H, W] in [0, 1] and returns one number per image, [N]. Either the
            function itself or its place, "module:function", which is imported when it is first called.
        arguments: keyword arguments of ``function``.
        digits: decimal places in a table.
        better: which direction is better.
        source: whose published code computes it so.
        networks: weights that it needs, by their names in `evalkit.weights.catalogue`.
        pooled: the function returns the mean squared error of an image, and the summary is -10 log10 of the mean over
            all images.
        quantity: what it is a number of ("psnr").
        definition: which of several definitions of the quantity ("at most 80 dB").
    """

    name: str
    title: str
    function: str | Callable[..., Tensor]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    digits: int = 3
    better: Better = Better.NONE
    source: str = ""
    networks: tuple[str, ...] = ()
    pooled: bool = False
    quantity: str = ""
    definition: str = ""

    def compute(self, pred: Tensor, target: Tensor) -> Tensor:
        """Score images [N, 3, H, W] in [0, 1]; returns float64 [N]. Raises UserError for a result of another shape."""
        import torch

        values = torch.as_tensor(_resolve(self.function)(pred, target, **self.arguments))
        if values.shape != pred.shape[:1]:
            shapes = f"expected shape {list(pred.shape[:1])}, got {list(values.shape)}"
            raise UserError(f"metric '{self.name}' must return one number per image: {shapes}")
        return values.double()

    def column(self, *, prefix: str = "", variant: str = "", title: str = "") -> Column:
        """Return the column of a summary.

        Args:
            prefix: put before the key as it is ("copy_").
            variant: put after the key with a bar ("dedup" gives the key "psnr|dedup").
            title: a header in place of ``self.title``.
        """
        return Column(
            f"{prefix}{self.name}|{variant}" if variant else f"{prefix}{self.name}",
            title or self.title,
            digits=self.digits,
            networks=self.networks,
            better=self.better,
            quantity=self.quantity or self.name,
            definition=self.definition,
            variant=variant,
        )


def installed_metrics() -> list[str]:
    """Names of all installed image metrics, sorted. Nothing is imported."""
    return registry.names(Group.METRIC)


def is_image_metric(name: str) -> bool:
    """Whether an image metric of this name is installed. Nothing is imported."""
    return name in installed_metrics()


def image_metric(name: str) -> ImageMetric:
    """Return the metric of a name; raises UserError for an unknown one.

    >>> image_metric("psnr_floor8").source
    'pixelSplat, which reads renders back from truncated 8-bit PNGs'
    """
    component = registry.load(Group.METRIC, name)
    if isinstance(component, ImageMetric):
        return replace(component, name=name)
    if callable(component) and not isinstance(component, type):
        return _of_function(name, component)
    raise UserError(f"metric '{name}' must be an ImageMetric or a function (pred, target) -> [N], not {component!r}")


def image_scores(names: Sequence[str], pred: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Score images by several metrics.

    Args:
        names: names of installed metrics.
        pred, target: images [N, 3, H, W] in [0, 1].

    Returns:
        float64 [N] by name.

    Raises:
        UserError: for an unknown name. MissingWeights where a network is not on this machine.
        ValueError: as the metrics do (shapes that differ, integer images, NaN).
    """
    return {name: image_metric(name).compute(pred, target) for name in names}


def unavailable(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the metrics that cannot be computed on this machine, with the weights that are missing.

    Raises UserError for an unknown name, and for a file of weights whose content is wrong.
    """
    missing = {name: absent(image_metric(name).networks) for name in names}
    return {name: networks for name, networks in missing.items() if networks}


def computable(names: Sequence[str]) -> list[str]:
    """Return the metrics that can be computed on this machine, in their order. Raises as `unavailable`."""
    missing = unavailable(names)
    return [name for name in names if name not in missing]


def is_pooled(name: str) -> bool:
    """Whether a row's number of this name is a squared error that the summary turns into decibels."""
    return is_image_metric(name) and image_metric(name).pooled


def _all_installed(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not is_image_metric(name):
            raise ValueError(f"unknown metric '{name}'{did_you_mean(name, installed_metrics())}")
    return names


# The type of a setting ``metrics``: one or more names of installed metrics. Checking it imports nothing.
MetricNames = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_all_installed)]


def _of_function(name: str, function: Callable[..., Tensor]) -> ImageMetric:
    """Describe a plain function by its name, its attribute ``better`` and the first line of its docstring."""
    better = getattr(function, "better", Better.NONE)
    if better not in list(Better):
        raise UserError(f"metric '{name}': its attribute better must be one of {', '.join(Better)}, not {better!r}")
    return ImageMetric(
        name=name,
        title=name,
        function=function,
        better=Better(better),
        source=(getdoc(function) or "").partition("\n")[0],
        quantity=name,
    )


def _resolve(function: str | Callable[..., Tensor]) -> Callable[..., Tensor]:
    if not isinstance(function, str):
        return function
    module, _, attribute = function.partition(":")
    resolved: Callable[..., Tensor] = getattr(import_module(module), attribute)
    return resolved
