"""Our image metrics: the right definition of each, and what published code computes instead. Imports no torch.

Each is registered by one line under ``evalkit.metrics`` in pyproject.toml; `evalkit.metrics.named` finds them there.
"""

from __future__ import annotations

from evalkit.metrics.named import MIN_MSE, ImageMetric
from evalkit.protocol import Better

PSNR = ImageMetric(
    name="psnr",
    title="PSNR dB",
    function="evalkit.metrics.image:psnr",
    arguments={"min_mse": MIN_MSE},
    digits=2,
    better=Better.HIGHER,
    source="RayZer, LVSM, NoPoSplat; at most 100 dB, as in WildRayZer",
    quantity="psnr",
    definition="at most 100 dB",
)
PSNR_ERAYZER = ImageMetric(
    name="psnr_erayzer",
    title="PSNR dB (at most 80)",
    function="evalkit.metrics.image:psnr",
    arguments={"min_mse": 1e-8},
    digits=2,
    better=Better.HIGHER,
    source="E-RayZer, whose squared error is at least 1e-8",
    quantity="psnr",
    definition="at most 80 dB",
)
PSNR_FLOOR8 = ImageMetric(
    name="psnr_floor8",
    title="PSNR dB (PNG, truncated)",
    function="evalkit.metrics.image:psnr_of_saved",
    arguments={"rounding": "floor", "min_mse": MIN_MSE},
    digits=2,
    better=Better.HIGHER,
    source="pixelSplat, which reads renders back from truncated 8-bit PNGs",
    quantity="psnr",
    definition="renders truncated to 8 bits",
)
PSNR_ROUND8 = ImageMetric(
    name="psnr_round8",
    title="PSNR dB (PNG, rounded)",
    function="evalkit.metrics.image:psnr_of_saved",
    arguments={"rounding": "round", "min_mse": MIN_MSE},
    digits=2,
    better=Better.HIGHER,
    source="3D Gaussian Splatting, which reads renders back from rounded 8-bit PNGs",
    quantity="psnr",
    definition="renders rounded to 8 bits",
)
PSNR_POOLED = ImageMetric(
    name="psnr_pooled",
    title="PSNR dB (pooled)",
    function="evalkit.metrics.image:mse",
    digits=2,
    better=Better.HIGHER,
    source="torchmetrics' PeakSignalNoiseRatio, which adds up errors over all images",
    pooled=True,
    quantity="psnr",
    definition="of the mean squared error over all images",
)
SSIM = ImageMetric(
    name="ssim",
    title="SSIM",
    function="evalkit.metrics.image:ssim",
    better=Better.HIGHER,
    source="scikit-image with the options of RayZer, LVSM, pixelSplat, NoPoSplat",
    quantity="ssim",
    definition="sample covariance, cropped borders",
)
SSIM_POPULATION = ImageMetric(
    name="ssim_population",
    title="SSIM (population)",
    function="evalkit.metrics.image:ssim",
    arguments={"covariance": "population"},
    better=Better.HIGHER,
    source="pytorch_msssim; torchmetrics before 1.4.2",
    quantity="ssim",
    definition="population covariance, cropped borders",
)
SSIM_UNCROPPED = ImageMetric(
    name="ssim_uncropped",
    title="SSIM (uncropped)",
    function="evalkit.metrics.image:ssim",
    arguments={"border": "reflect"},
    better=Better.HIGHER,
    source="the mean of scikit-image's full map",
    quantity="ssim",
    definition="sample covariance, borders with the edge repeated",
)
SSIM_TORCHMETRICS = ImageMetric(
    name="ssim_torchmetrics",
    title="SSIM (torchmetrics)",
    function="evalkit.metrics.image:ssim",
    arguments={"covariance": "population", "border": "mirror"},
    better=Better.HIGHER,
    source="torchmetrics since 1.4.2: population covariance, mirrored borders",
    quantity="ssim",
    definition="population covariance, mirrored borders",
)
SSIM_ZEROS = ImageMetric(
    name="ssim_zeros",
    title="SSIM (black borders)",
    function="evalkit.metrics.image:ssim",
    arguments={"covariance": "population", "border": "zeros"},
    better=Better.HIGHER,
    source="pytorch_ssim, in 3D Gaussian Splatting and Nope-NeRF: population covariance, borders of zeros",
    quantity="ssim",
    definition="population covariance, black borders",
)
LPIPS_VGG = ImageMetric(
    name="lpips_vgg",
    title="LPIPS (vgg)",
    function="evalkit.metrics.lpips:lpips",
    arguments={"net": "vgg"},
    better=Better.LOWER,
    source="lpips 0.1.4 in float32: pixelSplat, NoPoSplat; what tables mean unless they say otherwise",
    networks=("vgg16", "lpips-vgg"),
    quantity="lpips",
    definition="vgg",
)
LPIPS_VGG_BF16 = ImageMetric(
    name="lpips_vgg_bf16",
    title="LPIPS (vgg, bf16)",
    function="evalkit.metrics.lpips:lpips",
    arguments={"net": "vgg", "precision": "bfloat16"},
    better=Better.LOWER,
    source="RayZer, LVSM, whose evaluation runs inside the autocast block",
    networks=("vgg16", "lpips-vgg"),
    quantity="lpips",
    definition="vgg, bfloat16",
)
LPIPS_ALEX = ImageMetric(
    name="lpips_alex",
    title="LPIPS (alex)",
    function="evalkit.metrics.lpips:lpips",
    arguments={"net": "alex"},
    better=Better.LOWER,
    source="lpips 0.1.4, whose own default it is",
    networks=("alexnet", "lpips-alex"),
    quantity="lpips",
    definition="alex",
)
LPIPS_SQUEEZE = ImageMetric(
    name="lpips_squeeze",
    title="LPIPS (squeeze)",
    function="evalkit.metrics.lpips:lpips",
    arguments={"net": "squeeze"},
    better=Better.LOWER,
    source="lpips 0.1.4; torchmetrics' documented values",
    networks=("squeezenet1_1", "lpips-squeeze"),
    quantity="lpips",
    definition="squeeze",
)
