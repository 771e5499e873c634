"""Checkpoints that several ranks write together: any world reads any other's, and a save that is broken off leaves the last one."""

import hashlib
import itertools
import json
import os
import resource
import signal
import subprocess
import time

import pytest
from safetensors.torch import load_file

from models import REGISTRY
from toolchain import read_metrics

FILES = ("model.safetensors", "optimizer-00001-of-00001.safetensors")


def compiled(tools, folder, name, ranks, stage):
    plan = folder / f"{name}-{ranks}-{stage}.plan"
    tools.compile(tools.archive(name), plan, {"mesh.dp": ranks, "zero.stage": stage})
    return plan


@pytest.mark.parametrize("name", ["gpt2", "frozen"])
def test_any_world_reads_any_other(tools, tmp_path, name):
    """Handed from world to world without a step between, the files stay the same bytes."""
    data, last = tools.data(name, 6), None
    worlds = [(2, 3), (3, 1), (1, 0), (3, 3), (2, 2), (2, 0), (4, 3), (2, 1)]
    for i, (ranks, stage) in enumerate(worlds):
        out = tmp_path / f"out{i}"
        come_from = ["--resume", last] if last else []
        tools.must(
            "regimen-run", compiled(tools, tmp_path, name, ranks, stage), "--data", data, "--nproc", ranks, "--steps", 3,
            "--save", out, *come_from,
        )  # fmt: skip
        if last:
            for file in FILES:
                assert (out / "step-3" / file).read_bytes() == (last / "step-3" / file).read_bytes(), (worlds[i], file)
        last = out


def test_saved_weights_are_the_modules(tools, tmp_path):
    out = tmp_path / "out"
    tools.must(
        "regimen-run", compiled(tools, tmp_path, "gpt2", 2, 3), "--data", tools.data("gpt2", 2), "--nproc", 2, "--steps", 1,
        "--save", out,
    )  # fmt: skip
    module = REGISTRY["gpt2"].module()
    weights = load_file(out / "model.safetensors")
    report = module.load_state_dict(weights, strict=False)
    own = module.state_dict()
    assert not report.unexpected_keys
    shared = {own[n].data_ptr() for n in weights}
    assert all(own[n].data_ptr() in shared for n in report.missing_keys), "only tied names are left out"


def start_saving(tools, tmp_path, plan):
    """A run that saves after every step, once the first checkpoint is there; with its folder and the ids of its ranks."""
    out = tmp_path / "out"
    run = tools.start(
        "regimen-run", plan, "--data", tools.data("gpt2", 4), "--nproc", 2, "--steps", 10**6, "--save", out, "--save-every", 1
    )
    wait_for(run, lambda: (out / "model.safetensors").exists())
    ranks = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout.split()
    assert len(ranks) == 2
    return run, out, list(map(int, ranks))


def wait_for(run, condition):
    deadline = time.time() + 60
    while not condition():
        assert run.poll() is None and time.time() < deadline


def unfinished(out, file=""):
    """Whether a save is under way that has come so far."""
    return any((folder / file).exists() for folder in out.glob(".step-*.new"))


def check_newest_loads(tools, tmp_path, plan, out):
    """The newest folder goes on as an unbroken run would."""
    newest = max(int(p.name.removeprefix("step-")) for p in out.glob("step-*"))
    data, metrics = tools.data("gpt2", 4), tmp_path / "metrics.jsonl"
    arguments = ["--data", data, "--nproc", 2, "--steps", newest + 1, "--metrics", metrics]
    tools.must("regimen-run", plan, *arguments)
    whole = read_metrics(metrics)
    tools.must("regimen-run", plan, *arguments, "--resume", out, "--save", out)
    assert [m["loss"] for m in read_metrics(metrics)] == [whole[-1]["loss"]]
    assert not list(out.glob(".*")), "the next run removes what a killed save has left"


@pytest.mark.parametrize("stage", [1, 3])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("point", ["", *FILES, "training.json"])
def test_a_rank_killed_during_a_save(tools, tmp_path, stage, rank, point):
    plan = compiled(tools, tmp_path, "gpt2", 2, stage)
    run, out, ranks = start_saving(tools, tmp_path, plan)
    wait_for(run, lambda: unfinished(out, point))
    os.kill(ranks[rank], signal.SIGKILL)
    _, error = run.communicate(timeout=60)
    assert run.returncode != 0 and f"rank {rank}" in error, error
    check_newest_loads(tools, tmp_path, plan, out)


@pytest.mark.parametrize("rank", [0, 1])
def test_killed_at_any_time(tools, tmp_path, rank):
    """Times that no point above was chosen for; most of such a run is saving."""
    plan = compiled(tools, tmp_path, "gpt2", 2, 2)
    for i in range(4):
        folder = tmp_path / str(i)
        folder.mkdir()
        run, out, ranks = start_saving(tools, folder, plan)
        time.sleep(0.013 * i)
        os.kill(ranks[rank], signal.SIGKILL)
        run.communicate(timeout=60)
        assert run.returncode != 0
        check_newest_loads(tools, folder, plan, out)


@pytest.mark.parametrize("rank, part", list(itertools.product([0, 1], [0.2, 0.5, 0.9])))
def test_a_rank_that_cannot_write(tools, tmp_path, rank, part):
    """A write that fails at a place within the files, as on a full disk, ends the run and leaves the checkpoints."""
    plan = compiled(tools, tmp_path, "gpt2", 2, 3)
    run, out, ranks = start_saving(tools, tmp_path, plan)
    limit = int(part * (out / "step-1" / FILES[0]).stat().st_size)
    resource.prlimit(ranks[rank], resource.RLIMIT_FSIZE, (limit, limit))
    _, error = run.communicate(timeout=60)
    assert run.returncode == 1 and "cannot save a checkpoint" in error and "File too large" in error, error
    assert not list(out.glob(".step-*")), "what was unfinished is gone"
    check_newest_loads(tools, tmp_path, plan, out)


def test_checkpoints_of_format_2_load(tools, tmp_path):
    """There a file's digest is that of the whole file."""
    plan, data, out = compiled(tools, tmp_path, "gpt2", 2, 3), tools.data("gpt2", 4), tmp_path / "out"
    tools.must("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 2, "--save", out)
    description = out / "step-2" / "training.json"
    meta = json.loads(description.read_text())
    digests = {file: hashlib.sha256((out / "step-2" / file).read_bytes()).hexdigest() for file in FILES}
    description.write_text(json.dumps({**meta, "format": 2, "digests": digests}))
    tools.must("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 3, "--resume", out)
    description.write_text(json.dumps({**meta, "digests": digests}))
    tools.must_fail("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 3, "--resume", out, says=["differs from what was saved"])
    description.write_text(json.dumps({**meta, "format": 4}))
    tools.must_fail("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 3, "--resume", out, says=["format 4", "formats 2 and 3"])
