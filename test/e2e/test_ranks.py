"""Several ranks: PyTorch's trajectory, and the same bits whatever is sharded, cut, overlapped or broken off."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.torch import load_file

from compare import check_close, check_same_names, check_same_run, same_bits
from models import FAMILIES, REGISTRY
from reference import eager64, replay
from toolchain import read_metrics, write_data

STEPS = 5
FILES = ("model.safetensors", "optimizer-00001-of-00001.safetensors")


def line(tools, folder, name, ranks, config, *more, steps=STEPS):
    """Compiles and trains on `ranks` local ranks, and checks what every such run must keep."""
    folder.mkdir(parents=True, exist_ok=True)
    plan, accumulate = folder / "model.plan", int(config.get("accumulate", 1))
    tools.compile(tools.archive(name), plan, {**config, "mesh.dp": ranks})
    tools.must("regimen-plan", "check", plan)
    run = tools.train(plan, tools.data(name, steps * ranks * accumulate), steps, folder, "--nproc", ranks, *more)
    for rank in run.memory["ranks"]:
        assert rank["measured_peak"] == rank["predicted_peak"]
    assert [r["rank"] for r in run.memory["ranks"]] == list(range(ranks))
    comm = json.loads(tools.must("regimen-plan", "comm", plan, "--json").out)
    assert comm["total"] == comm["closed_form"] == sum(comm["per_rank"].values())
    sent = run.metrics[-1]["bytes_sent"]
    assert comm["total"] <= sent <= comm["total"] + 4096, "what is sent is what the plan says, and a few scalars"
    return run


@pytest.mark.parametrize("stage", [0, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_families(tools, tmp_path, name, stage):
    run = line(tools, tmp_path, name, 2, {"zero.stage": stage})
    config = {"accumulate": 2}  # two ranks see what two micro-steps of one rank see
    check_close(run, replay(tools.archive(name), REGISTRY[name], config, STEPS), eager64(REGISTRY[name], config, STEPS))


@pytest.mark.parametrize("name, ranks", [("gpt2", 2), ("llama", 3), ("frozen", 2)])
def test_settings_change_no_bits(tools, tmp_path, name, ranks):
    clip = {"clip_grad_norm": 0.5}
    first = line(tools, tmp_path / "first", name, ranks, clip)
    for i, config in enumerate(
        [
            {"zero.stage": 1},
            {"zero.stage": 2, "zero.bucket_bytes": 64 << 10},
            {"zero.stage": 3},
            {"zero.stage": 3, "zero.bucket_bytes": 16 << 10},
            {"zero.stage": 3, "zero.overlap": False},
            {"zero.stage": 3, "zero.persist_bytes": 4096},
            {"zero.stage": 3, "zero.prefetch_bytes": 0},
        ]
    ):
        check_same_run(line(tools, tmp_path / str(i), name, ranks, {**clip, **config}), first)


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("stages", [(0, 1), (2, 3)])
def test_accumulation(tools, tmp_path, ranks, stages):
    config = {"accumulate": 3, "clip_grad_norm": 0.5}
    runs = [line(tools, tmp_path / str(stage), "mlp", ranks, {**config, "zero.stage": stage}) for stage in stages]
    check_same_run(runs[1], runs[0])
    whole = {"accumulate": 3 * ranks, "clip_grad_norm": 0.5}
    check_close(runs[0], replay(tools.archive("mlp"), REGISTRY["mlp"], whole, STEPS), eager64(REGISTRY["mlp"], whole, STEPS))


def test_reference_path_and_sgd(tools, tmp_path):
    config = {"optimizer.type": "sgd", "optimizer.momentum": 0.9}
    first = line(tools, tmp_path / "0", "nanogpt", 2, {**config, "fuse.enable": False})
    check_same_run(line(tools, tmp_path / "3", "nanogpt", 2, {**config, "fuse.enable": False, "zero.stage": 3}), first)


@pytest.mark.parametrize("stage", [0, 3])
def test_ring(tools, tmp_path, stage):
    run = line(tools, tmp_path, "nanogpt", 3, {"comm.reduction": "ring", "zero.stage": stage})
    config = {"accumulate": 3}
    check_close(run, replay(tools.archive("nanogpt"), REGISTRY["nanogpt"], config, STEPS), eager64(REGISTRY["nanogpt"], config, STEPS))


def test_states_per_rank(tools, tmp_path):
    """Resident bytes of parameters, gradients and states, in units of the padded parameters: the ZeRO paper's figures."""
    sizes = {}
    for stage in range(4):
        run = line(tools, tmp_path / str(stage), "gpt2", 2, {"zero.stage": stage}, steps=1)
        sizes[stage] = [run.memory["ranks"][0]["categories"][c] for c in ("params", "grads", "optimizer")]
    whole = sizes[0][0]
    assert sizes[0] == [whole, whole, 2 * whole]
    assert sizes[1] == [whole, whole, whole]
    assert sizes[2] == [whole, whole // 2, whole]
    assert sizes[3] == [whole // 2, whole // 2, whole]


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("stage", [2, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_windows_are_bounded_by_the_depth(tools, tmp_path, name, stage, ranks):
    plan, limit = tmp_path / "model.plan", 8 << 10
    tools.compile(tools.archive(name), plan, {"mesh.dp": ranks, "zero.stage": stage, "zero.bucket_bytes": limit})
    comm = json.loads(tools.must("regimen-plan", "comm", plan, "--json").out)
    memory = json.loads(tools.must("regimen-plan", "memory", plan, "--json").out)
    text = tools.must("regimen-plan", "comm", plan).out
    assert 1 <= comm["depth"] <= 6 and f"windows: at most {comm['depth']} of a kind" in text
    padded = lambda elements: -(-elements // (256 * ranks)) * 256 * ranks * 4  # noqa: E731
    largest = max(limit, *(padded(p.numel()) for p in REGISTRY[name].module().parameters()))
    rank = memory["ranks"][0]
    scalars = 512 * ranks
    assert rank["categories"]["comm"] <= comm["depth"] * (2 + (ranks - 1) / ranks) * largest + scalars


def test_checkpoints_move_between_worlds(tools, tmp_path):
    """Saved at stage 3 on two ranks, resumed at stage 0 on two: the same bits; and on one rank: the same states."""
    data = tools.data("gpt2", 2 * STEPS)
    whole = line(tools, tmp_path / "whole", "gpt2", 2, {"zero.stage": 3})
    half = line(tools, tmp_path / "half", "gpt2", 2, {"zero.stage": 3}, steps=3)
    for stage in (0, 1, 3):
        plan, metrics, out = tmp_path / f"{stage}.plan", tmp_path / f"{stage}.jsonl", tmp_path / f"out{stage}"
        tools.compile(tools.archive("gpt2"), plan, {"mesh.dp": 2, "zero.stage": stage})
        tools.must(
            "regimen-run", plan, "--data", data, "--steps", STEPS, "--nproc", 2, "--resume", half.folder / "saved",
            "--metrics", metrics, "--save", out,
        )  # fmt: skip
        joined = [*half.metrics, *read_metrics(metrics)]
        assert [m["loss"] for m in joined] == whole.losses
        weights = load_file(out / "model.safetensors")
        check_same_names(weights, whole.weights, "weights")
        assert all(same_bits(weights[n], whole.weights[n]) for n in weights)
    alone = tmp_path / "alone.plan"
    tools.compile(tools.archive("gpt2"), alone, {})
    tools.must("regimen-run", alone, "--data", data, "--steps", 3, "--resume", half.folder / "saved", "--save", tmp_path / "alone")
    for file in FILES:
        before, after = load_file(half.folder / "saved" / "step-3" / file), load_file(tmp_path / "alone" / "step-3" / file)
        check_same_names(after, before, file)
        assert all(same_bits(after[n], before[n]) for n in before)


def test_torchrun(tools, tmp_path):
    """Ranks that a launcher starts do what local ranks do."""
    local = line(tools, tmp_path / "local", "mlp", 2, {"zero.stage": 2})
    metrics = tmp_path / "metrics.jsonl"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0"]
    command += ["--no-python", tools.bin / "regimen-run", tmp_path / "local" / "model.plan", "--data", tools.data("mlp", 2 * STEPS)]
    command += ["--steps", STEPS, "--threads", 1, "--metrics", metrics]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=tools.environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [m["loss"] for m in read_metrics(metrics)] == local.losses


def test_the_mesh_must_match_the_launch(tools, tmp_path):
    plan, data = tmp_path / "model.plan", tools.data("mlp", 4)
    tools.compile(tools.archive("mlp"), plan, {"mesh.dp": 2})
    error = tools.must_fail("regimen-run", plan, "--data", data, "--nproc", 3, says=["2 ranks", "3", "--nproc 2", "mesh.dp=3"])
    assert len(error.strip().splitlines()) == 1
    tools.must_fail("regimen-run", plan, "--data", data, says=["--nproc 2"])


@pytest.mark.parametrize("name, says", [("data", "absent.safetensors"), ("resume", "no checkpoint"), ("save", "cannot save")])
def test_what_all_ranks_have_to_say_is_said_once(tools, tmp_path, name, says):
    plan, data = tmp_path / "model.plan", tools.data("mlp", 4)
    tools.compile(tools.archive("mlp"), plan, {"mesh.dp": 2})
    options = {"data": data, name: tmp_path / "absent.safetensors"}
    if name == "save":
        options[name] = "/proc/nowhere"
    arguments = [x for key, value in options.items() for x in (f"--{key}", value)]
    error = tools.must_fail("regimen-run", plan, "--nproc", 2, "--steps", 1, *arguments, says=[says])
    assert len(error.strip().splitlines()) == 1 and not error.startswith("regimen-run: rank"), error


def start_endless(tools, folder, *more):
    """A run of two ranks that goes on until something ends it, and their processes; it has made a step."""
    plan, metrics = folder / "model.plan", folder / "metrics.jsonl"
    metrics.unlink(missing_ok=True)
    data = tools.data("mlp", 4)
    run = tools.start("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 10**8, "--metrics", metrics, *more)
    deadline = time.time() + 60
    while not (metrics.exists() and metrics.stat().st_size):
        assert run.poll() is None and time.time() < deadline
        time.sleep(0.01)
    ranks = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout.split()
    assert len(ranks) == 2
    return run, [int(rank) for rank in ranks]


#: Where the rank was that noticed.
PLACE = r"(, (at|before) instruction \d+ of \w+[^\n]*)?, in step \d+"


@pytest.mark.parametrize("stage, points", [(0, 15), (3, 35)])
def test_a_rank_lost_at_any_point_ends_the_others(tools, tmp_path, stage, points):
    """Killed, or frozen for longer than the timeout, at random times; slow ones are waited for."""
    tools.compile(tools.archive("mlp"), tmp_path / "model.plan", {"mesh.dp": 2, "zero.stage": stage})
    random = np.random.default_rng(stage)
    placed = 0
    for point in range(points):
        how = ("kill", "kill", "freeze", "slow", "kill")[point % 5]
        run, ranks = start_endless(tools, tmp_path, "--timeout", "2")
        victim = int(random.integers(2))
        time.sleep(random.uniform(0, 0.05))
        os.kill(ranks[victim], signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        if how == "slow":
            time.sleep(0.3)
            os.kill(ranks[victim], signal.SIGCONT)
            lines = (tmp_path / "metrics.jsonl").stat().st_size
            while (tmp_path / "metrics.jsonl").stat().st_size == lines:
                assert run.poll() is None
                time.sleep(0.01)
            os.kill(ranks[victim], signal.SIGKILL)
        begin = time.time()
        _, error = run.communicate(timeout=60)
        assert time.time() - begin < 30 and run.returncode != 0
        said = re.fullmatch(rf"(regimen-run: rank {victim}: ended by signal \d+ \(\w+\)\n)?regimen-run: rank {1 - victim}: "
                            rf"[^\n]*?rank {victim}\b[^\n]*?({PLACE})\n", error)  # fmt: skip
        assert said, (point, how, error)
        placed += "instruction" in said.group(2)
    assert placed > points // 4, "most of the time a rank waits in a program"


def test_ctrl_c_ends_all_ranks_at_one_step(tools, tmp_path):
    plan, metrics, out = tmp_path / "model.plan", tmp_path / "metrics.jsonl", tmp_path / "out"
    tools.compile(tools.archive("mlp"), plan, {"mesh.dp": 2, "zero.stage": 3})
    run = tools.start(
        "regimen-run", plan, "--data", tools.data("mlp", 4), "--nproc", 2, "--steps", 10**8, "--metrics", metrics, "--save", out
    )
    deadline = time.time() + 60
    while not (metrics.exists() and metrics.stat().st_size):
        assert run.poll() is None and time.time() < deadline
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    printed, error = run.communicate(timeout=60)
    assert run.returncode == 0, error
    steps = read_metrics(metrics)[-1]["step"]
    assert f"interrupted after step {steps}" in printed and (out / f"step-{steps}" / "model.safetensors").exists()


def test_a_trace_holds_all_ranks(tools, tmp_path):
    """One file: a process a rank, on one time axis."""
    plan, trace = tmp_path / "model.plan", tmp_path / "trace.json"
    tools.compile(tools.archive("gpt2"), plan, {"mesh.dp": 2, "zero.stage": 3})
    tools.must("regimen-run", plan, "--data", tools.data("gpt2", 4), "--nproc", 2, "--steps", 2, "--trace", trace)
    events = json.loads(trace.read_text())["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert sorted(names) == [0, 1] and all(names[rank].startswith(f"rank {rank} of ") for rank in names)
    spans = [[(e["tid"], e["name"]) for e in events if e["ph"] == "X" and e["pid"] == rank] for rank in (0, 1)]
    assert sorted(spans[0]) == sorted(spans[1]), "ranks run the same"
    steps = [[e for e in events if e["pid"] == rank and e["name"].startswith("step ")] for rank in (0, 1)]
    assert min(e["ts"] for e in events if "ts" in e) == 0
    for mine, others in zip(*steps, strict=True):
        assert mine["ts"] < others["ts"] + others["dur"] and others["ts"] < mine["ts"] + mine["dur"], "steps overlap"


def not_a_number(tools, path):
    """Data of the MLP for three steps of two ranks, of which only rank 1 in step 2 sees a NaN."""
    rows = [REGISTRY["mlp"].batch(k) for k in range(6)]
    rows[3]["x"][0, 0] = float("nan")
    write_data(path, rows)
    return path


@pytest.mark.parametrize("accumulate", [1, 2])
def test_nan_on_one_rank_is_skipped_on_all(tools, tmp_path, accumulate):
    data, runs = not_a_number(tools, tmp_path / "data.safetensors"), {}
    bad = 2 if accumulate == 1 else 1  # step that holds the block
    for stage in (0, 2, 3):
        plan, out, metrics = tmp_path / f"{stage}.plan", tmp_path / f"out{stage}", tmp_path / f"{stage}.jsonl"
        tools.compile(tools.archive("mlp"), plan, {"mesh.dp": 2, "zero.stage": stage, "accumulate": accumulate})
        tools.must(
            "regimen-run", plan, "--data", data, "--nproc", 2, "--steps", bad + 1, "--nan", "skip", "--metrics", metrics,
            "--save", out, "--save-every", 1,
        )  # fmt: skip
        steps = read_metrics(metrics)
        assert [m["skipped"] for m in steps] == [step == bad for step in range(1, bad + 2)]
        assert steps[bad - 1]["loss"] is None and steps[bad]["loss"] > 0
        saved = [{f: (out / f"step-{step}" / f).read_bytes() for f in FILES} for step in range(1, bad + 2)]
        if bad > 1:
            assert saved[bad - 1] == saved[bad - 2], "a skipped step changes no state on any rank"
        assert saved[bad] != saved[bad - 1]
        updates = [json.loads((out / f"step-{step}" / "training.json").read_text())["updates"] for step in (bad, bad + 1)]
        assert updates == [bad - 1, bad]
        runs[stage] = [m["loss"] for m in steps], saved
    assert runs[2] == runs[3]
    assert accumulate > 1 or runs[0] == runs[2]


def test_nan_on_one_rank_stops_all(tools, tmp_path):
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive("mlp"), plan, {"mesh.dp": 2, "zero.stage": 3})
    data = not_a_number(tools, tmp_path / "data.safetensors")
    error = tools.must_fail("regimen-run", plan, "--data", data, "--nproc", 2, "--steps", 3, says=["loss of step 2", "--nan skip"])
    assert len(error.strip().splitlines()) == 1, error
