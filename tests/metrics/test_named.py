"""Image metrics by name: each is what its source computes, and says beforehand which networks it lacks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import PeakSignalNoiseRatio
from typer.testing import CliRunner

from evalkit import registry
from evalkit.cli.main import app
from evalkit.errors import UserError
from evalkit.metrics import lpips as lpips_module
from evalkit.metrics.image import psnr, ssim
from evalkit.metrics.lpips import Lpips, lpips_distance
from evalkit.metrics.named import image_metric, image_scores, installed_metrics, is_image_metric, is_pooled, unavailable
from evalkit.protocol import Better
from evalkit.weights.store import MissingWeights

OURS = [
    *("psnr", "psnr_erayzer", "psnr_floor8", "psnr_round8", "psnr_pooled"),
    *("ssim", "ssim_population", "ssim_uncropped", "ssim_torchmetrics", "ssim_zeros"),
    *("lpips_vgg", "lpips_vgg_bf16", "lpips_alex", "lpips_squeeze"),
]
WITH_NETWORKS = [name for name in OURS if image_metric(name).networks]
WITHOUT = [name for name in OURS if name not in WITH_NETWORKS]

OUTSIDE = """
from evalkit.metrics.named import ImageMetric
from evalkit.protocol import Better

def mymae(pred, target):
    '''Mean absolute error of each image.

    More words.
    '''
    return (pred - target).abs().mean((1, 2, 3))

mymae.better = "lower"

def one_number(pred, target):
    return (pred - target).abs().mean()

def sideways(pred, target):
    return (pred - target).abs().mean((1, 2, 3))

sideways.better = "sideways"

def largest(pred, target, power):
    return ((pred - target).abs() ** power).amax((1, 2, 3))

worst = ImageMetric("worst", "worst error", "outside:largest", {"power": 2}, digits=1, better=Better.LOWER)
text = "no metric"
"""


def noisy_pair(count: int = 3, size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(0, 256, (count, 3, size, size), generator=rng) / 255
    noise = torch.linspace(0.02, 0.2, count)[:, None, None, None]
    return (target + noise * torch.randn(target.shape, generator=rng)).clamp(0, 1), target


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without any weights; the folder is where they would lie."""
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def real(shared: Path, bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with all of LPIPS-squeeze, and of the others the heads alone."""
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(shared / "weights" / "lpips"))
    yield
    lpips_module._network.cache_clear()


def test_every_name_that_needs_no_network_scores_every_image() -> None:
    pred, target = noisy_pair()
    scores = image_scores(WITHOUT, pred, target)
    assert list(scores) == WITHOUT
    for values in scores.values():
        assert values.shape == (3,) and values.dtype == torch.float64 and values.isfinite().all()


def test_names_and_titles_are_unique_and_every_one_has_a_source() -> None:
    metrics = [image_metric(name) for name in OURS]
    assert [registry.load(registry.Group.METRIC, name).name for name in OURS] == OURS
    assert len({metric.title for metric in metrics}) == len(OURS)
    assert len({(metric.quantity, metric.definition) for metric in metrics}) == len(OURS)
    assert all(metric.source for metric in metrics)


def test_the_group_of_metrics_holds_exactly_what_may_be_typed() -> None:
    assert set(OURS) <= set(installed_metrics())
    for name in installed_metrics():
        assert image_metric(name).name == name
    assert not is_image_metric("pose_auc") and not is_image_metric("lpips")


def test_more_is_better_but_for_distances() -> None:
    for name in OURS:
        assert image_metric(name).better is (Better.LOWER if name.startswith("lpips") else Better.HIGHER)


def test_a_column_says_what_it_is() -> None:
    column = image_metric("psnr_erayzer").column(variant="dedup", title="PSNR")
    assert (column.key, column.title, column.digits) == ("psnr_erayzer|dedup", "PSNR", 2)
    assert (column.quantity, column.definition, column.variant) == ("psnr", "at most 80 dB", "dedup")
    assert image_metric("lpips_vgg").column(prefix="copy_").networks == ("vgg16", "lpips-vgg")


def test_metrics_are_listed_and_described_without_torch() -> None:
    code = """
import sys
from evalkit.metrics.named import computable, image_metric, installed_metrics, is_pooled
assert computable(["psnr", "ssim"]) == ["psnr", "ssim"] and is_pooled("psnr_pooled")
assert all(image_metric(name).column().title for name in installed_metrics())
assert not {"torch", "pandas"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_perfect_copy_reaches_the_floor_of_each_code() -> None:
    image = noisy_pair()[1]
    scores = image_scores(WITHOUT, image, image)
    for name, best in {"psnr": 100, "psnr_erayzer": 80, "psnr_floor8": 100, "psnr_round8": 100}.items():
        assert scores[name].tolist() == pytest.approx([best] * 3)
    for name in (name for name in WITHOUT if name.startswith("ssim")):
        assert scores[name].tolist() == pytest.approx([1.0] * 3)


def test_floors_change_nothing_else() -> None:
    pred, target = noisy_pair()
    scores = image_scores(["psnr", "psnr_erayzer"], pred, target)
    assert torch.equal(scores["psnr"], psnr(pred, target)) and torch.equal(scores["psnr_erayzer"], scores["psnr"])


def test_truncated_files_cost_four_times_what_rounded_ones_do() -> None:
    pred, target = noisy_pair(1, 256)  # about 34 dB
    scores = image_scores(["psnr", "psnr_floor8", "psnr_round8"], pred, target)
    floor, rounded = (scores[name] - scores["psnr"] for name in ("psnr_floor8", "psnr_round8"))
    assert rounded < 0 and (floor / rounded).item() == pytest.approx(4, abs=0.5)


def test_pooled_psnr_equals_torchmetrics_over_batches_and_is_below_the_mean() -> None:
    pred, target = noisy_pair(6)
    metric = image_metric("psnr_pooled")
    pooled = -10 * metric.compute(pred, target).mean().log10()
    accumulated = PeakSignalNoiseRatio(data_range=1.0)
    for a, b in zip(pred.split(2), target.split(2), strict=True):
        accumulated.update(a, b)
    assert pooled.item() == pytest.approx(accumulated.compute().item(), abs=1e-4)
    assert pooled < psnr(pred, target).mean() - 1
    assert [name for name in OURS if is_pooled(name)] == ["psnr_pooled"]


def test_ssim_by_name_is_ssim_of_that_library() -> None:
    pred, target = noisy_pair()
    scores = image_scores([name for name in WITHOUT if name.startswith("ssim")], pred, target)
    expected = structural_similarity_index_measure(pred.double(), target.double(), data_range=1.0, reduction="none")
    torch.testing.assert_close(scores["ssim_torchmetrics"], expected, rtol=0, atol=1e-6)
    assert torch.equal(scores["ssim"], ssim(pred, target))
    assert torch.equal(scores["ssim_population"], ssim(pred, target, "population"))
    assert torch.equal(scores["ssim_uncropped"], ssim(pred, target, border="reflect"))
    assert torch.equal(scores["ssim_zeros"], ssim(pred, target, "population", "zeros"))


def test_a_metric_names_the_networks_that_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(lpips_module, "load", lambda name: loaded.append(name) or {})
    lpips_module._network.cache_clear()
    for name in WITH_NETWORKS:
        loaded.clear()
        with pytest.raises(KeyError):  # what was loaded is empty
            image_scores([name], *noisy_pair())
        assert tuple(loaded) == image_metric(name).networks


def test_bf16_lpips_is_lpips_under_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = nn.Sequential(*lpips_module._vgg16()).state_dict()
        heads = {
            f"lin{index}.model.1.weight": torch.rand(1, channels, 1, 1)
            for index, channels in enumerate((64, 128, 256, 512, 512))
        }
    model = Lpips("vgg", features, heads)
    monkeypatch.setattr(lpips_module, "_network", lambda net, device: {"vgg": model}[net])
    pred, target = noisy_pair(2, 32)
    scores = image_scores(["lpips_vgg", "lpips_vgg_bf16"], pred, target)
    assert torch.equal(scores["lpips_vgg"], lpips_distance(model, pred, target))
    assert torch.equal(scores["lpips_vgg_bf16"], lpips_distance(model, pred, target, "bfloat16"))
    assert not torch.equal(*scores.values())


def test_lpips_squeeze_gives_torchmetrics_documented_values(real: None) -> None:
    rng = torch.Generator().manual_seed(42)
    first, second = (torch.rand(2, 3, 100, 100, generator=rng) for _ in range(2))
    assert image_scores(["lpips_squeeze"], first, second)["lpips_squeeze"].numpy().round(4).tolist() == [0.1024, 0.0938]


def test_what_is_unavailable_names_exactly_the_weights_that_lack(real: None) -> None:
    lacking = {"lpips_vgg": ("vgg16",), "lpips_vgg_bf16": ("vgg16",), "lpips_alex": ("alexnet",)}
    assert unavailable(OURS) == lacking
    with pytest.raises(MissingWeights, match="evalkit weights pull vgg16"):
        image_scores(["psnr", "lpips_vgg"], *noisy_pair())


def test_nothing_but_lpips_is_unavailable_on_a_bare_machine(bare: Path) -> None:
    assert unavailable(OURS) == {name: image_metric(name).networks for name in WITH_NETWORKS}


def test_a_damaged_network_is_an_error_not_an_absence(bare: Path) -> None:
    (bare / "vgg16-397923af.pth").write_bytes(b"<!DOCTYPE html><title>404</title>")
    with pytest.raises(UserError, match="web page") as raised:
        unavailable(["psnr", "lpips_vgg"])
    assert not isinstance(raised.value, MissingWeights)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    for request in (image_metric, lambda name: unavailable([name]), lambda name: image_scores([name], *noisy_pair())):
        with pytest.raises(UserError, match=r"unknown metric 'psnr_floor' \(did you mean 'psnr_floor8'\?\)"):
            request("psnr_floor")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder on the path of modules in which another package has registered metrics."""
    (tmp_path / "outside.py").write_text(OUTSIDE)
    info = tmp_path / "outside-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 0.1\n")
    lines = [f"{name} = outside:{name}" for name in ("mymae", "worst", "one_number", "sideways", "text")]
    (info / "entry_points.txt").write_text("\n".join(["[evalkit.metrics]", *lines, ""]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        registry._entries.cache_clear()
        yield tmp_path
    registry._entries.cache_clear()
    sys.modules.pop("outside", None)


def test_a_function_from_outside_is_a_metric(outside: Path) -> None:
    metric = image_metric("mymae")
    assert (metric.title, metric.better, metric.source) == ("mymae", Better.LOWER, "Mean absolute error of each image.")
    pred, target = noisy_pair()
    scores = image_scores(["mymae", "worst"], pred, target)
    torch.testing.assert_close(scores["mymae"], (pred - target).abs().mean((1, 2, 3)).double())
    torch.testing.assert_close(scores["worst"], (pred - target).abs().square().amax((1, 2, 3)).double())
    assert scores["mymae"].dtype == torch.float64
    assert image_metric("worst").column().title == "worst error"


def test_an_unusable_metric_from_outside_is_one_line(outside: Path) -> None:
    shapes = r"'one_number' must return one number per image: expected shape \[3\], got \[\]"
    with pytest.raises(UserError, match=shapes):
        image_scores(["one_number"], *noisy_pair())
    with pytest.raises(UserError, match=r"'sideways'.*higher, lower, none"):
        image_metric("sideways")
    with pytest.raises(UserError, match="'text' must be an ImageMetric or a function"):
        image_metric("text")


def test_a_metric_from_outside_is_computed_and_printed_by_a_run(outside: Path) -> None:
    settings = ["baseline=static", "controls=false", "limit=2", "protocol.resolution=48", f"out={outside / 'runs'}"]
    result = CliRunner().invoke(app, ["run", "protocol=nvs", "protocol.metrics=[psnr,mymae]", *settings])
    assert result.exit_code == 0, result.output
    assert "mymae" in result.output and "PSNR dB" in result.output


def test_a_misspelt_metric_is_one_line_with_a_suggestion(outside: Path) -> None:
    result = CliRunner().invoke(app, ["run", "protocol=nvs", "protocol.metrics=[psnr,mymea]", "baseline=static"])
    assert result.exit_code != 0 and result.exception is not None
    assert "unknown metric 'mymea' (did you mean 'mymae'?)" in f"{result.output} {result.exception}"
