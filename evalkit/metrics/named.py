"""Image metrics by name, as protocols compute and print them: what is right, and what published code does instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from evalkit.errors import UserError, did_you_mean
from evalkit.metrics.image import Rounding, lpips, mse, psnr, quantised, ssim
from evalkit.weights.store import absent

# PSNR saturates at 100 dB, so that one exact copy among the targets does not make a mean infinite.
MIN_MSE = 1e-10


@dataclass(frozen=True)
class ImageMetric:
    """One metric: ``compute`` takes pred and target [N, 3, H, W] in [0, 1] and returns float64 [N].

    ``source`` says whose code computes it so. ``networks`` are the weights it needs, by their names in
    `evalkit.weights.catalogue`. Of a ``pooled`` metric a value is the mean squared error of an image, and the summary
    -10 log10 of the mean of all.
    """

    name: str
    title: str
    digits: int
    source: str
    compute: Callable[[Tensor, Tensor], Tensor]
    networks: tuple[str, ...] = ()
    pooled: bool = False


def image_scores(names: Sequence[str], pred: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Each metric of images [N, 3, H, W] in [0, 1], by name -> float64 [N].

    Raises UserError for an unknown name, MissingWeights where a network is not on this machine, ValueError as the
    metrics do (shapes that differ, integer images, NaN).
    """
    return {metric.name: metric.compute(pred, target) for metric in map(find, names)}


def unavailable(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The metrics that cannot be computed here -> the weights that they lack.

    Raises UserError for an unknown name, and for weights that are here but are not the file meant.
    """
    lacking = {name: absent(find(name).networks) for name in names}
    return {name: networks for name, networks in lacking.items() if networks}


def computable(names: Sequence[str]) -> list[str]:
    """The metrics that can be computed here, in their order; raises as `unavailable`."""
    lacking = unavailable(names)
    return [name for name in names if name not in lacking]


def find(name: str) -> ImageMetric:
    """The metric of a name; raises UserError for an unknown one.

    >>> find("psnr_floor8").source
    'pixelSplat, which reads renders back from truncated 8-bit PNGs'
    """
    if name not in IMAGE_METRICS:
        raise UserError(f"no image metric '{name}'{did_you_mean(name, IMAGE_METRICS)}")
    return IMAGE_METRICS[name]


def _psnr_of_saved(pred: Tensor, target: Tensor, rounding: Rounding) -> Tensor:
    """Only renders go through a file: targets come from 8 bits and would not change."""
    return psnr(quantised(pred, rounding), target, MIN_MSE)


_ALL = (
    ImageMetric(
        name="psnr",
        title="PSNR dB",
        digits=2,
        source="RayZer, LVSM, NoPoSplat; at most 100 dB, as in WildRayZer",
        compute=partial(psnr, min_mse=MIN_MSE),
    ),
    ImageMetric(
        name="psnr_erayzer",
        title="PSNR dB (at most 80)",
        digits=2,
        source="E-RayZer, whose squared error is at least 1e-8",
        compute=partial(psnr, min_mse=1e-8),
    ),
    ImageMetric(
        name="psnr_floor8",
        title="PSNR dB (PNG, truncated)",
        digits=2,
        source="pixelSplat, which reads renders back from truncated 8-bit PNGs",
        compute=partial(_psnr_of_saved, rounding="floor"),
    ),
    ImageMetric(
        name="psnr_round8",
        title="PSNR dB (PNG, rounded)",
        digits=2,
        source="3D Gaussian Splatting, which reads renders back from rounded 8-bit PNGs",
        compute=partial(_psnr_of_saved, rounding="round"),
    ),
    ImageMetric(
        name="psnr_pooled",
        title="PSNR dB (pooled)",
        digits=2,
        source="torchmetrics' PeakSignalNoiseRatio, which adds up errors over all images",
        compute=mse,
        pooled=True,
    ),
    ImageMetric(
        name="ssim",
        title="SSIM",
        digits=3,
        source="scikit-image with the options of RayZer, LVSM, pixelSplat, NoPoSplat",
        compute=ssim,
    ),
    ImageMetric(
        name="ssim_population",
        title="SSIM (population)",
        digits=3,
        source="pytorch_msssim; torchmetrics before 1.4.2",
        compute=partial(ssim, covariance="population"),
    ),
    ImageMetric(
        name="ssim_uncropped",
        title="SSIM (uncropped)",
        digits=3,
        source="the mean of scikit-image's full map",
        compute=partial(ssim, border="reflect"),
    ),
    ImageMetric(
        name="ssim_torchmetrics",
        title="SSIM (torchmetrics)",
        digits=3,
        source="torchmetrics since 1.4.2: population covariance, mirrored borders",
        compute=partial(ssim, covariance="population", border="mirror"),
    ),
    ImageMetric(
        name="ssim_zeros",
        title="SSIM (black borders)",
        digits=3,
        source="pytorch_ssim, in 3D Gaussian Splatting and Nope-NeRF: population covariance, borders of zeros",
        compute=partial(ssim, covariance="population", border="zeros"),
    ),
    ImageMetric(
        name="lpips_vgg",
        title="LPIPS (vgg)",
        digits=3,
        source="lpips 0.1.4 in float32: pixelSplat, NoPoSplat; what tables mean unless they say otherwise",
        compute=partial(lpips, net="vgg"),
        networks=("vgg16", "lpips-vgg"),
    ),
    ImageMetric(
        name="lpips_vgg_bf16",
        title="LPIPS (vgg, bf16)",
        digits=3,
        source="RayZer, LVSM, whose evaluation stands inside the autocast block",
        compute=partial(lpips, net="vgg", precision="bfloat16"),
        networks=("vgg16", "lpips-vgg"),
    ),
    ImageMetric(
        name="lpips_alex",
        title="LPIPS (alex)",
        digits=3,
        source="lpips 0.1.4, whose own default it is",
        compute=partial(lpips, net="alex"),
        networks=("alexnet", "lpips-alex"),
    ),
    ImageMetric(
        name="lpips_squeeze",
        title="LPIPS (squeeze)",
        digits=3,
        source="lpips 0.1.4; torchmetrics' documented values",
        compute=partial(lpips, net="squeeze"),
        networks=("squeezenet1_1", "lpips-squeeze"),
    ),
)
IMAGE_METRICS: dict[str, ImageMetric] = {metric.name: metric for metric in _ALL}
