"""What a model file says about itself is read without torch, and a wrong file is one line."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from evalkit.config.options import Options
from evalkit.errors import UserError
from evalkit.weights.header import FORMAT, model_path, read_header
from evalkit.weights.model_file import load_network, read_model, write_model


class Sizes(Options):
    """Settings of a model."""

    width: int
    splits: tuple[int, ...] = ()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.safetensors"
    write_model(path, nn.Linear(3, 2), "mine", Sizes(width=3, splits=(1, 2)), {"trained_on": "noise", "steps": 5})
    return path


def test_the_header_is_what_safetensors_reads(file: Path) -> None:
    header = read_header(file, "mine")
    with safe_open(file, framework="pt") as opened:
        entry = json.loads(opened.metadata()[FORMAT])
    assert entry == {"baseline": "mine", "model": header.model, "training": header.training}
    assert header.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert header.settings(Sizes) == Sizes(width=3, splits=(1, 2))
    assert (header.trained_on, header.licence) == ("noise", "not said")
    read = read_model(file, "mine")
    assert (read.model, read.training, read.digest) == (header.model, header.training, header.digest)


def test_a_network_is_filled_with_the_weights_of_its_file(file: Path) -> None:
    network = load_network(read_header(file, "mine"), nn.Linear(3, 2))
    weights = read_model(file, "mine").weights
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    with pytest.raises(UserError, match=r"m\.safetensors: 'weight' is \[2, 3\], expected \[2, 4\]"):
        load_network(read_header(file, "mine"), nn.Linear(4, 2))


def test_settings_of_another_version_are_refused(file: Path) -> None:
    class Others(Options):
        depth: int

    with pytest.raises(UserError, match="its settings are not those of this version"):
        read_header(file, "mine").settings(Others)


def entry(text: str) -> bytes:
    header = json.dumps({"__metadata__": {FORMAT: text}}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a safetensors file"),
        (b"<!DOCTYPE html><html>", "not a safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "not a safetensors file"),
        (struct.pack("<Q", 4) + b"[12]", "not a safetensors file"),
        (struct.pack("<Q", 8) + b'{"a": 1}', "not a safetensors file"),
        (entry("{}"), "holds something else: expected weights of 'mine'"),
        (entry('{"baseline": "mine", "model": 3, "training": {}}'), "holds something else"),
        (entry('{"baseline": "yours", "model": {}, "training": {}}'), "holds weights of 'yours'"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_header(tmp_path / "w.safetensors", "mine")
    assert str(tmp_path / "w.safetensors") in str(error.value) and "\n" not in str(error.value)


def test_absent_cut_and_plain_files_are_told_apart(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such weights: .*none; .* `evalkit train baseline=mine` wrote"):
        read_header(tmp_path / "none", "mine")
    save_file({"a": torch.zeros(2)}, tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match="holds something else"):
        read_header(tmp_path / "plain.safetensors", "mine")
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(UserError, match="not a whole safetensors file"):
        read_header(file, "mine")


def test_mini_is_the_shipped_file() -> None:
    shipped = Path("shipped.safetensors")
    assert model_path("mini", shipped) == shipped and model_path("a/mini", shipped) == Path("a/mini")
