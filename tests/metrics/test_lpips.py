"""LPIPS equals the `lpips` package: with real weights for SqueezeNet, with the same random ones for the others."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from evalkit.metrics.lpips import Lpips, Net, _network, lpips, lpips_distance
from evalkit.weights.store import MissingWeights, load

package = pytest.importorskip("lpips")


def images(count: int, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=rng)
    target = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)
    return (target + 0.1 * torch.randn(target.shape, generator=rng)).clamp(0, 1), target


def package_model(net: Net) -> Any:
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = package.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
        for layer in model.lins:
            layer.model[1].weight.data.abs_()
    return model


def features_of(model: Any) -> dict[str, torch.Tensor]:
    slices = [getattr(model.net, f"slice{index + 1}") for index in range(model.L)]
    return {name: tensor for part in slices for name, tensor in part.state_dict().items()}


def twin_of(model: Any, net: Net) -> Lpips:
    heads = {f"lin{index}.model.1.weight": layer.model[1].weight for index, layer in enumerate(model.lins)}
    return Lpips(net, features_of(model), heads)


@pytest.fixture
def real(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = shared / "weights" / "lpips"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    yield folder
    _network.cache_clear()


@pytest.mark.parametrize("net", ["vgg", "alex", "squeeze"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_random_networks_equal_the_package(net: Net, precision: Any) -> None:
    model = package_model(net)
    pred, target = images(3, 64, 83)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        expected = model(pred, target, normalize=True).flatten().double()
    distances = lpips_distance(twin_of(model, net), pred, target, precision)
    assert distances.dtype == torch.float64
    torch.testing.assert_close(distances, expected, rtol=1e-5, atol=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(32, 80), st.integers(32, 80))
def test_any_size_equals_the_package(seed: int, height: int, width: int) -> None:
    model = package_model("alex")
    pred, target = images(2, height, width, seed)
    with torch.no_grad():
        expected = model(pred, target, normalize=True).flatten().double()
    torch.testing.assert_close(lpips_distance(twin_of(model, "alex"), pred, target), expected, rtol=1e-5, atol=1e-6)


def test_torchmetrics_documented_values_are_reproduced(real: Path) -> None:
    rng = torch.Generator().manual_seed(42)
    first, second = (torch.rand(2, 3, 100, 100, generator=rng) for _ in range(2))
    assert lpips(first, second, "squeeze").numpy().round(4).tolist() == [0.1024, 0.0938]


def test_torchmetrics_documented_mean_over_ten_pairs_is_reproduced(real: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(42)
        first, second = torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100)
    assert round(lpips(first, second, "squeeze").mean().item(), 4) == 0.1005


def test_the_real_squeezenet_equals_the_package_and_torchmetrics(real: Path) -> None:
    from torchmetrics.functional.image.lpips import _LPIPS

    weights, heads = _network("squeeze", torch.device("cpu")).features.state_dict(), load("lpips-squeeze")
    pred, target = images(2, 96, 96)
    package_, torchmetrics = package_model("squeeze"), _LPIPS(net="squeeze", pnet_rand=True)
    package_.load_state_dict(heads, strict=False)
    slices = [getattr(package_.net, f"slice{index + 1}") for index in range(7)]
    for part in [*slices, *torchmetrics.net.slices]:
        part.load_state_dict({name: weights[name] for name in part.state_dict()})
    for model in (package_, torchmetrics):
        with torch.no_grad():
            expected = model(pred, target, normalize=True).flatten().double()
        torch.testing.assert_close(lpips(pred, target, "squeeze"), expected, rtol=0, atol=1e-5)


def test_the_papers_example_is_ranked_as_people_rank_it(real: Path) -> None:
    reference, worse, better = (
        torch.from_numpy(np.array(Image.open(real / f"ex_{name}.png").convert("RGB"))).permute(2, 0, 1)[None] / 255
        for name in ("ref", "p0", "p1")
    )
    assert lpips(better, reference, "squeeze") < lpips(worse, reference, "squeeze")


def test_a_distance_does_not_depend_on_its_batch(real: Path) -> None:
    pred, target = images(9, 256, 256)
    alone = torch.cat([lpips(a[None], b[None], "squeeze") for a, b in zip(pred, target, strict=True)])
    torch.testing.assert_close(lpips(pred, target, "squeeze"), alone, rtol=0, atol=1e-6)


def test_equal_images_have_no_distance_and_order_does_not_matter(real: Path) -> None:
    pred, target = images(2, 64, 64)
    assert lpips(pred, pred, "squeeze").tolist() == [0.0, 0.0]
    torch.testing.assert_close(lpips(pred, target, "squeeze"), lpips(target, pred, "squeeze"), rtol=0, atol=1e-7)


def test_half_precision_is_close_but_not_equal(real: Path) -> None:
    pred, target = images(4, 128, 128)
    difference = (lpips(pred, target, "squeeze", "bfloat16") - lpips(pred, target, "squeeze")).abs()
    assert 0 < difference.max() < 0.01


def test_hidden_targets_are_refused_even_where_no_filter_looks(real: Path) -> None:
    pred, target = images(2, 64, 64)
    target[1, :, -1, -1] = torch.nan  # SqueezeNet's first stride passes over the last row of even sizes
    with pytest.raises(ValueError, match=r"NaN pixels .* \[1\]"):
        lpips(pred, target, "squeeze")


def test_what_cannot_be_compared_is_refused(real: Path) -> None:
    pred, target = images(1, 64, 64)
    with pytest.raises(ValueError, match=r"\[N, 3, H, W\]"):
        lpips(pred, target[..., 1:], "squeeze")
    with pytest.raises(ValueError, match="floating point"):
        lpips((255 * pred).byte(), target, "squeeze")
    with pytest.raises(ValueError, match="at least 32x32"):
        lpips(pred[..., :31], target[..., :31], "squeeze")
    with pytest.raises(ValueError, match="did you mean 'squeeze'"):
        lpips(pred, target, "squeezenet")  # type: ignore[arg-type]


def test_a_network_that_is_not_here_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    with pytest.raises(MissingWeights, match="evalkit weights pull vgg16"):
        lpips(*images(1, 64, 64), "vgg")


def test_the_distance_can_be_minimised(real: Path) -> None:
    pred, target = images(1, 64, 64)
    pred.requires_grad_()
    lpips(pred, target, "squeeze").sum().backward()
    assert pred.grad is not None
    with torch.no_grad():
        assert lpips((pred - 0.5 * pred.grad).clamp(0, 1), target, "squeeze") < lpips(pred, target, "squeeze")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_distance(real: Path) -> None:
    pred, target = images(5, 128, 160)
    torch.testing.assert_close(lpips(pred.cuda(), target.cuda(), "squeeze").cpu(), lpips(pred, target, "squeeze"))
