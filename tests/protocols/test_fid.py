"""fid: which frames are compared, what the sets' distances are, and which cheat they cannot see."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import protocols.fid.protocol
from evalkit.cli.main import app
from evalkit.data.dataset import SequenceInfo
from evalkit.metrics import inception
from evalkit.metrics.image import quantised
from evalkit.metrics.inception import Inception
from evalkit.protocol import Sample
from evalkit.run.engine import Task
from evalkit.run.local import LocalEngine
from evalkit.run.session import Session
from evalkit.weights.store import absent
from protocols.fid.options import FidOptions
from protocols.fid.plan import FidPlan
from protocols.fid.protocol import Fid
from protocols.fid.summary import FID_DOES_NOT_RANK, NOT_B, NOTHING_RANKS
from protocols.shared.transfer import Pair
from tests.jobs import TestJob, executed, planned_job
from tests.stand_in_features import nothing_absent, projected, stand_in

CONTROLS = ("copy_context", "static", "shuffled_poses", "copy_target", "warp")
TINY = ["protocol=fid", "protocol.resolution=32", "device=cpu"]
SMALL = [*TINY, "limit=6"]


@pytest.fixture(scope="module")
def network() -> Iterator[None]:
    with stand_in():
        yield


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


@pytest.fixture(scope="module")
def results(network: None, session: Session, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TestJob]:
    """All controls on procedural rooms, in one pass."""
    out = tmp_path_factory.mktemp("fid")
    jobs = [planned_job([*SMALL, f"baseline={name}", f"out={out}"], session) for name in CONTROLS]
    executed(*jobs)
    return dict(zip(CONTROLS, jobs, strict=True))


def summary(job: TestJob) -> dict[str, Any]:
    """All but what depends on the clock."""
    found: dict[str, Any] = json.loads((job.folder.path / "summary.json").read_text())
    found["metrics"].pop("seconds", None)
    found.pop("sha256")  # of the seconds too
    return found


def means(job: TestJob) -> dict[str, float]:
    return {key: interval["mean"] for key, interval in summary(job)["metrics"].items()}


def kept(job: TestJob, name: str) -> np.ndarray:
    return np.concatenate([job.folder.arrays(sample.id)[name].numpy() for sample in job.plan.samples])


def clean_fid(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    fid = pytest.importorskip("cleanfid.fid")
    statistics = [x for f in (a, b) for x in (f.mean(0, dtype=float), np.cov(f.astype(float), rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sqrtm's disp, and of singular covariances
        return float(fid.frechet_distance(*statistics)), float(fid.kernel_distance(a, b, 1, 1000))


def planned(segments: tuple[tuple[int, int], ...]) -> list[Sample]:
    class Sequences:
        def sequences(self) -> list[SequenceInfo]:
            return [SequenceInfo(f"scene-{i:02d}", f"scene-{i:02d}", segments) for i in range(20)]

    return FidPlan(FidOptions(span=(6, 20)), Sequences(), None, 0).samples()  # type: ignore[arg-type]


def test_the_transfers_are_those_of_tps(results: dict[str, TestJob], tmp_path: Path) -> None:
    tps = planned_job(["protocol=tps", "baseline=static", "limit=6", f"out={tmp_path}"])
    ours = [(sample.id, sample.clips[:2]) for sample in results["warp"].plan.samples]
    assert ours == [(sample.id, sample.clips) for sample in tps.plan.samples]


def test_real_frames_are_two_disjoint_draws_from_the_longest_segment_of_b() -> None:
    drawn: list[int] = []
    for sample in planned(((0, 30), (40, 100))):
        b, reference, second = sample.clips[1:]
        assert {b.sequence} == {reference.sequence, second.sequence}
        assert len(reference.target) == len(second.target) == len(b.target)
        assert len({*reference.target, *second.target}) == 10
        assert list(reference.numbers) == sorted(reference.target) and not reference.context
        drawn += [*reference.target, *second.target]
    assert 40 <= min(drawn) <= 42 and 97 <= max(drawn) < 100
    assert np.mean(drawn) == pytest.approx(69.5, abs=4)
    assert planned(((0, 30), (40, 100))) == planned(((0, 30), (40, 100)))


def test_a_sequence_without_enough_frames_is_planned_as_a_failure() -> None:
    assert all(sample.problem.endswith("needs 10 frames without a jump, has 9") for sample in planned(((0, 9),)))


def test_the_table_is_clean_fids(results: dict[str, TestJob]) -> None:
    """To 1e-4, or 2e-6 where KID is near zero: clean-fid draws its subsets without a seed and sums them in float32."""
    close = {"rel": 1e-4, "abs": 2e-6}
    for job in results.values():
        found, real = means(job), kept(job, "reference")
        assert (found["fid"], found["kid"]) == pytest.approx(clean_fid(kept(job, "renders"), real), **close)
        assert (found["fid_floor"], found["kid_floor"]) == pytest.approx(clean_fid(kept(job, "second"), real), **close)


def test_the_floor_stands_beside_every_method_with_its_n(results: dict[str, TestJob]) -> None:
    for job in results.values():
        found = summary(job)
        floor = {key: found["metrics"][f"{key}_floor"]["mean"] for key in ("fid", "kid")}
        real = {"identity": found["metrics"]["identity_real"]["mean"]}
        assert found["references"] == {"real frames of B": {**real, **floor, "frames": 30}}
        assert found["metrics"]["frames"]["mean"] == 30
        assert FID_DOES_NOT_RANK in found["notes"]
        assert found["notes"][-2] == "KID: all 30 frames of each set" and "much of it is bias" in found["notes"][-1]
        assert found["references"] == summary(results["warp"])["references"]
        for key in ("fid", "kid"):
            interval = found["metrics"][key]
            assert interval["low"] < interval["mean"] < interval["high"] and interval["n"] == 6


def test_controls_are_ordered_by_how_much_of_b_they_show(results: dict[str, TestJob]) -> None:
    found = {name: means(job)["fid"] for name, job in results.items()}
    assert means(results["static"])["fid_floor"] < found["copy_context"] < found["static"]
    assert found["copy_context"] < found["warp"]
    assert found["shuffled_poses"] == pytest.approx(found["warp"], rel=1e-6)  # a set knows no order


def test_copy_target_has_the_distance_of_real_frames_of_a(results: dict[str, TestJob]) -> None:
    job = results["copy_target"]
    features = []
    for sample in job.plan.samples:
        frames = [job.dataset.frames(clip.sequence, clip.numbers, job.protocol.preprocess) for clip in sample.clips[:2]]
        targets = Pair(frames[0], frames[1], sample.clips[0], sample.clips[1]).targets
        features.append(projected(quantised(targets.images, "round")))
    real_a = torch.cat(features).numpy()
    assert np.array_equal(kept(job, "renders"), real_a)
    assert means(job)["fid"] == pytest.approx(clean_fid(real_a, kept(job, "reference"))[0], rel=1e-4)


def test_fid_never_ranks_and_copies_that_it_rewards_are_below_warp_or_outside(results: dict[str, TestJob]) -> None:
    first = results["warp"].protocol.columns[0]
    assert first.key == "exact_gain" and first.better == "higher"
    found = {name: means(job) for name, job in results.items()}
    assert found["copy_context"]["fid"] < found["warp"]["fid"]
    for name in ("copy_context", "static", "shuffled_poses", "copy_target"):
        assert found[name]["exact_gain"] < 0 < found["warp"]["exact_gain"] - 1
    blocks = {name: summary(job)["block"] for name, job in results.items()}
    assert blocks == dict.fromkeys(CONTROLS, "") | {"copy_target": NOT_B}
    assert found["copy_target"]["bleed"] > 0.5 and found["copy_target"]["identity"] == 0
    assert abs(found["warp"]["bleed"]) < 0.2 and found["warp"]["identity"] == 1


def test_identity_bleed_and_exact_transfer_are_those_of_tps(results: dict[str, TestJob], tmp_path: Path) -> None:
    settings = ["protocol=tps", "protocol.resolution=32", "device=cpu", "oracle=alignment", "baseline=warp", "limit=6"]
    tps = planned_job([*settings, f"out={tmp_path}"])
    executed(tps)
    ours, theirs = summary(results["warp"])["metrics"], summary(tps)["metrics"]
    for key in ("exact_gain", "exact_psnr", "identity", "identity_real", "bleed"):
        assert ours[key] == theirs[key]


def test_where_the_data_cannot_be_rendered_the_table_says_that_nothing_ranks(results: dict[str, TestJob]) -> None:
    job = results["warp"]
    assert NOTHING_RANKS not in summary(job)["notes"]
    rows = pd.DataFrame([job.folder.rows()[sample.id] for sample in job.plan.samples])
    stored = rows[[name for name in rows if not name.startswith("exact")]]
    found = job.protocol.summarise(stored, job.folder.arrays)
    assert NOTHING_RANKS in found.notes and "exact_gain" not in found.metrics
    assert {"identity", "bleed", "fid"} <= found.metrics.keys()


def test_shards_in_any_order_and_batches_of_any_size_give_the_same_bits(
    results: dict[str, TestJob], session: Session, tmp_path: Path
) -> None:
    for index in (1, 0):
        settings = [*SMALL, "baseline=warp", "batch=1", f"shard={index}/2", f"out={tmp_path}"]
        job = planned_job(settings, session)
        job.folder.create(job.job.manifest, "", job.plan.index)
        task = Task(job.config, "cpu", job.job.missing()[::-1], frozenset(), job.folder)
        LocalEngine(session).run([task], lambda position, count: None)
    executed(job)
    assert summary(job) == summary(results["warp"])


def test_subsets_are_named_where_there_are_more_frames(results: dict[str, TestJob]) -> None:
    job = results["warp"]
    options = job.config.protocol.model_copy(update={"subsets": 7, "subset_size": 20})
    assert isinstance(options, FidOptions)
    rows = pd.DataFrame(
        [{"sample": s.id, "scenes": list(s.scenes), "status": "ok", "frames": 5} for s in job.plan.samples]
    )
    found = Fid(options, job.dataset, None, 0).summarise(rows, job.folder.arrays)
    assert found.notes[-2] == "KID: mean of 7 subsets of 20 frames"
    assert found.metrics["kid"].mean == pytest.approx(means(job)["kid"], abs=0.02)


def test_one_frame_has_no_distance(network: None, session: Session, tmp_path: Path) -> None:
    settings = [*TINY, "protocol.target=1", "limit=1", "baseline=static"]
    job = planned_job([*settings, f"out={tmp_path}"], session)
    executed(job)
    assert {"fid", "kid", "bleed"}.isdisjoint(means(job)) and means(job)["frames"] == 1


def test_without_the_network_the_run_still_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_WEIGHTS", raising=False)
    monkeypatch.setattr(protocols.fid.protocol, "absent", absent)
    monkeypatch.setattr("evalkit.run.execute.absent", absent)
    typed = ["run", *TINY, "limit=1", "baseline=static", f"out={tmp_path}/runs"]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    assert "FID: - (weights not here; type `evalkit weights pull inception`)" in result.output
    found = json.loads(next(tmp_path.rglob("summary.json")).read_text())
    assert found["missing"] == {"fid": ["inception"], "kid": ["inception"]}
    assert found["coverage"] == {"planned": 1, "scored": 1} and "fid" not in found["metrics"]


@pytest.fixture(scope="module")
def random_inception() -> Inception:
    random = torch.Generator().manual_seed(0)
    torchvision = importlib.import_module("torchvision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = torchvision.models.inception_v3(num_classes=8, aux_logits=False, weights=None, init_weights=False)
    state = {
        name: 0.5 + torch.rand(tensor.shape, generator=random)
        if name.endswith(("running_var", "bn.weight"))
        else torch.randn(tensor.shape, generator=random) * (2 / max(1, tensor[0].numel())) ** 0.5
        for name, tensor in shapes.state_dict().items()
        if tensor.is_floating_point()
    }
    return Inception(state, torch.device("cpu"))


@pytest.mark.parametrize("quantise", [True, False])
def test_features_are_inceptions_of_frames_in_8_bits_or_not(
    quantise: bool, random_inception: Inception, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def network(device: torch.device) -> Inception:
        return random_inception

    monkeypatch.setattr(inception, "_network", network)
    monkeypatch.setattr(protocols.fid.protocol, "inception_features", inception.inception_features)
    monkeypatch.setattr(protocols.fid.protocol, "absent", nothing_absent)
    settings = [*TINY, "protocol.target=2", "limit=1", "baseline=warp"]
    settings += [f"protocol.quantise={str(quantise).lower()}", "save_renders=true", f"out={tmp_path}"]
    job = planned_job(settings, session)
    executed(job)
    renders = load_file(next((job.folder.path / "renders").glob("*.safetensors")))["renders"]
    bits = (255 * renders.double() + 0.5).floor().to(torch.uint8)
    found = torch.from_numpy(kept(job, "renders"))
    assert found.shape == (2, 2048) and found.dtype == torch.float32
    sample = job.plan.samples[0]
    kept_bytes = sum(features.nbytes for features in job.folder.arrays(sample.id).values())
    assert kept_bytes == job.protocol.kept_bytes(sample)  # type: ignore[attr-defined]
    rounded, unrounded = (random_inception(inception.resize_299(images)) - found for images in (bits, renders))
    right, wrong = (rounded, unrounded) if quantise else (unrounded, rounded)
    assert right.abs().max() < 0.05 * wrong.abs().max()
