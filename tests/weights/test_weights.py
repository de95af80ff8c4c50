"""Weights are the ones meant, or a line says what to type. Downloads come from a server on this machine."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from evalkit.cli.weights import weights_app
from evalkit.errors import UserError
from evalkit.weights import catalogue, store
from evalkit.weights.catalogue import CATALOGUE, Weights
from evalkit.weights.convert import converts_weights
from evalkit.weights.download import pull
from evalkit.weights.store import MissingWeights, load, locate, read_tensors

CONTENT = bytes(range(256)) * 20_000  # 5.12 MB
PAGE = b"\n<!DOCTYPE html><html><body>Sign in to download</body></html>"


class Server:
    """Serves CONTENT, with the faults that a test asks for, and remembers the ranges asked for."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.cut_after: int | None = None
        self.ignores_ranges = False
        self.shifts_ranges = False
        self.redirect: str | None = None
        self.status = 200
        self.sends_page = False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/net.pth"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked[6:-1]) if asked and not self.ignores_ranges else 0
        body = PAGE if self.sends_page else CONTENT[start:]
        if self.redirect or self.status != 200:
            handler.send_response(302 if self.redirect else self.status)
            handler.send_header("Location", self.redirect or "")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            first = start + self.shifts_ranges
            handler.send_header("Content-Range", f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header(
            "Content-Type", "text/html; charset=utf-8" if self.sends_page else "application/octet-stream"
        )
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_after])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture
def net(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Weights:
    weights = listed(server.url, CONTENT)
    monkeypatch.setitem(catalogue.CATALOGUE, "net", weights)
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    return weights


def listed(url: str, content: bytes, file: str = "net.pth") -> Weights:
    return Weights("net", file, url, len(content), hashlib.sha256(content).hexdigest(), "MIT", "tests")


def fetch(weights: Weights, folder: Path) -> Path:
    return pull(weights, folder, lambda _: None, allow_loopback=True)


def test_a_download_is_whole_or_not_there(net: Weights, server: Server, tmp_path: Path) -> None:
    received: list[int] = []
    path = pull(net, tmp_path, received.append, allow_loopback=True)
    assert path.read_bytes() == CONTENT
    assert received == sorted(received)
    assert received[-1] == len(CONTENT)
    assert not (tmp_path / "net.pth.part").exists()
    fetch(net, tmp_path)
    assert len(server.ranges) == 1  # not asked for again


def test_a_cut_connection_is_continued_where_it_ended(net: Weights, server: Server, tmp_path: Path) -> None:
    server.cut_after = 2_000_000
    with pytest.raises(UserError, match="type the same command again"):
        fetch(net, tmp_path)
    assert not (tmp_path / "net.pth").exists()
    assert (tmp_path / "net.pth.part").stat().st_size == 2_000_000
    server.cut_after = None
    assert fetch(net, tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=2000000-"]


def test_a_server_that_ignores_ranges_sends_everything_again(net: Weights, server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    server.ignores_ranges = True
    assert fetch(net, tmp_path).read_bytes() == CONTENT


def test_a_server_that_sends_another_range_is_not_believed(net: Weights, server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT[:1000])
    server.shifts_ranges = True
    with pytest.raises(UserError, match="another range"):
        fetch(net, tmp_path)


def test_a_part_that_is_already_whole_needs_no_server(net: Weights, server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(CONTENT)
    assert fetch(net, tmp_path).read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_of_another_file_is_found_out_and_not_kept(net: Weights, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(b"x" * 1000)
    with pytest.raises(UserError, match="SHA-256"):
        fetch(net, tmp_path)
    assert fetch(net, tmp_path).read_bytes() == CONTENT


def test_a_web_page_in_place_of_weights_is_called_one(net: Weights, server: Server, tmp_path: Path) -> None:
    server.sends_page = True
    with pytest.raises(UserError, match="web page"):
        fetch(net, tmp_path)
    assert not list(tmp_path.glob("net.pth*[!k]"))  # a lock may stay, a file may not


def test_an_unreachable_file_says_where_to_put_it_by_hand(net: Weights, server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match=rf"404.*put the file into {re.escape(str(tmp_path))} as net\.pth"):
        fetch(net, tmp_path)


def test_a_cache_that_cannot_be_written_to_is_named(net: Weights, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(UserError, match="set EVALKIT_CACHE"):
        fetch(net, store.download_folder())


def test_only_https_is_downloaded_also_after_a_redirect(net: Weights, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="https only"):
        pull(net, tmp_path, lambda _: None)
    server.redirect = "http://192.0.2.1/net.pth"
    with pytest.raises(UserError, match="https only, not from http://192"):
        fetch(net, tmp_path)
    assert all(weights.url.startswith("https://") for weights in CATALOGUE.values() if weights.name != "net")


def test_missing_weights_say_what_to_type(net: Weights) -> None:
    with pytest.raises(MissingWeights, match="type `evalkit weights pull net`"):
        locate("net")
    with pytest.raises(UserError, match="did you mean 'vgg16'"):
        locate("vgg61")


@pytest.mark.parametrize("content", [PAGE, CONTENT[:-1]], ids=["web page", "truncated"])
def test_a_wrong_file_is_never_used(net: Weights, content: bytes) -> None:
    folder = store.download_folder()
    folder.mkdir(parents=True)
    (folder / "net.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"web page|SHA-256 .*, expected") as error:
        locate("net")
    assert not isinstance(error.value, MissingWeights)
    (folder / "net.pth").write_bytes(CONTENT)  # noticed, though digests are remembered
    assert locate("net") == folder / "net.pth"


def test_named_folders_come_before_the_cache(net: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "mine", store.download_folder()):
        folder.mkdir(parents=True)
        (folder / "net.pth").write_bytes(CONTENT)
    monkeypatch.setenv("EVALKIT_WEIGHTS", f"{tmp_path / 'absent'}{os.pathsep}{tmp_path / 'mine'}")
    assert locate("net") == tmp_path / "mine" / "net.pth"


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("/nonexistent/trap"),))  # would raise FileNotFoundError if it ever ran


@pytest.mark.filterwarnings("ignore")  # of the way in which the traps are made
def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Trap()))
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "script.pt")
    torch.save({"epoch": 3}, tmp_path / "other.pth")
    for file in ("trap.pth", "bare.pth", "script.pt", "other.pth"):
        with pytest.raises(UserError, match=file):
            read_tensors(tmp_path / file)


def test_both_formats_read_alike(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}
    torch.save(tensors, tmp_path / "net.pth")
    save_file(tensors, tmp_path / "net.safetensors")
    for file in ("net.pth", "net.safetensors"):
        read = read_tensors(tmp_path / file)
        assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_torchvision_names_files_by_their_digest() -> None:
    for weights in CATALOGUE.values():
        assert re.fullmatch("[0-9a-f]{64}", weights.sha256)
        named = re.search(r"-([0-9a-f]{8})\.pth$", weights.file)
        assert named is None or weights.sha256.startswith(named[1])


def test_the_real_files_are_the_listed_ones(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(shared / "weights" / "lpips"))
    for name in ("lpips-vgg", "lpips-alex", "lpips-squeeze", "squeezenet1_1"):
        tensors = load(name)
        assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
        if name.startswith("lpips"):
            assert locate(name).stat().st_size == CATALOGUE[name].bytes


def test_commands_list_pull_and_verify(net: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in CATALOGUE if name != "net"]:
        monkeypatch.delitem(catalogue.CATALOGUE, name)
    run = CliRunner().invoke
    assert "net" in run(weights_app, ["list"]).output
    assert run(weights_app, ["verify"]).exit_code == 0  # absent is no fault, unless asked for
    assert run(weights_app, ["verify", "net"]).exit_code == 2
    refused = run(weights_app, ["pull", "net"])
    assert isinstance(refused.exception, UserError)
    fetch(net, store.download_folder())
    assert "net: " in run(weights_app, ["pull", "net"]).output
    assert run(weights_app, ["verify", "net"]).output.startswith("net: ok")
    locate("net").write_bytes(PAGE)
    damaged = run(weights_app, ["verify"])
    assert damaged.exit_code == 2
    assert "web page" in damaged.output


def test_listing_needs_no_torch() -> None:
    code = "import sys, evalkit.cli.weights, evalkit.weights.download; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Converting:
    @staticmethod
    def convert(folder: Path, file: Path, views: int) -> None:
        file.write_text(f"{folder.name} {views}")


def test_a_class_with_convert_converts_weights_and_another_does_not() -> None:
    assert converts_weights(Converting)
    assert not converts_weights(Weights) and not converts_weights(Converting.convert)
