"""Inception features are clean-fid's: its resizing on real sizes, its network with the same random weights."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from evalkit.metrics.inception import Inception, inception_features, resize_299
from evalkit.weights.store import MissingWeights


@pytest.mark.parametrize("size", [(256, 256), (360, 640), (299, 512), (37, 1000), (64, 64)])
def test_resizing_equals_clean_fid(size: tuple[int, int]) -> None:
    resize = pytest.importorskip("cleanfid.resize").build_resizer("clean")
    images = torch.randint(256, (2, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Pillow's mode argument
        expected = np.stack([resize(image.permute(1, 2, 0).numpy()) for image in images]).transpose(0, 3, 1, 2)
    resized = resize_299(images)
    assert np.abs(resized.numpy() - expected).max() <= 2**-15  # the last bit of a float32 at 255
    assert (resized.numpy() == expected).mean() > 0.999
    torch.testing.assert_close(resize_299(images.float() / 255), resized, rtol=0, atol=1e-4)


def test_the_network_equals_clean_fids_port_with_random_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("cleanfid.inception_pytorch")
    torchvision = importlib.import_module("torchvision")
    rng = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def random_state(*_: object, **__: object) -> dict[str, torch.Tensor]:
        return state

    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        template = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
        for name, tensor in template.state_dict().items():
            if name.endswith("running_var") or name.endswith("bn.weight"):
                state[name] = 0.5 + torch.rand(tensor.shape, generator=rng)
            elif tensor.is_floating_point():
                spread = (2 / max(1, tensor[0].numel())) ** 0.5 if tensor.ndim > 1 else 0.1
                state[name] = spread * torch.randn(tensor.shape, generator=rng)
            else:
                state[name] = tensor
        monkeypatch.setattr(module, "load_state_dict_from_url", random_state)
        theirs = module.InceptionV3(output_blocks=[3], resize_input=False).eval()
    images = 255 * torch.rand(2, 3, 299, 299, generator=rng)
    with torch.no_grad():
        expected = theirs((images - 128) / 256 + 0.5)[0].flatten(1)  # it maps [0, 1] to [-1, 1] itself
    features = Inception(state, torch.device("cpu"))(images)
    assert features.shape == (2, 2048)
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


def test_a_network_that_is_not_here_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    with pytest.raises(MissingWeights, match="evalkit weights pull inception"):
        inception_features(torch.rand(1, 3, 64, 64))
