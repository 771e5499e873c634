"""Compiled models on several ranks: the cases of ranks.py under torchrun, and the same bits at every stage."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import safetensors.torch
import torch

from regimen import _environment, _export
from twins import Head, batch_of

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "python"), "OMP_NUM_THREADS": "1"}


def torchrun(ranks: int, *command: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", *command]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the cases leave their trajectories."""
    return tmp_path_factory.mktemp("trajectories")


def run_cases(ranks: int, stage: int, folder: pathlib.Path, *more: str) -> None:
    command = torchrun(ranks, str(HERE / "ranks.py"), str(stage), str(folder), *more)
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-8000:]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_ranks(stage: int, folder: pathlib.Path) -> None:
    run_cases(2, stage, folder)


@pytest.mark.parametrize("stage", [1, 3])
def test_three_ranks(stage: int, folder: pathlib.Path) -> None:
    run_cases(3, stage, folder, "--only", "training,contributions_of_parts,states_go_on,no_sync")


def test_one_rank(folder: pathlib.Path) -> None:
    run_cases(1, 3, folder)


def test_process_group(folder: pathlib.Path) -> None:
    run_cases(2, 3, folder, "--process-group", "--only", "first_and_later_contributions,two_models_chained")


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)  # type: ignore[arg-type]
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)  # type: ignore[attr-defined,index]
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))  # type: ignore[arg-type,call-overload]


@pytest.mark.parametrize("name", ["adamw", "clipped", "sgd"])
def test_stages_give_the_same_bits(name: str, folder: pathlib.Path) -> None:
    """Runs after the cases that write the files."""
    trajectories = [torch.load(folder / f"{name}-2-{stage}.pt") for stage in range(4)]
    assert all(same(trajectories[0], other) for other in trajectories[1:])
    assert same(*(torch.load(folder / f"{name}-3-{stage}.pt") for stage in (1, 3)))


def test_accumulation_gives_the_same_bits_where_it_sums_in_the_same_order(folder: pathlib.Path) -> None:
    states = [torch.load(folder / f"accumulated-2-{stage}.pt") for stage in range(4)]
    assert same(states[0], states[1]) and same(states[2], states[3])
    for name, value in states[0].items():
        torch.testing.assert_close(states[2][name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_regimen_run_gives_the_same_bits(stage: int, folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The trajectory of `accumulation_with_no_sync`, by the driven programs."""
    ranks, accumulate, steps = 2, 3, 3
    torch.manual_seed(3)
    _export.save(_export.export(Head(), batch_of(0, 0)), tmp_path / "head.pt2")
    blocks = [batch_of(k, rank) for k in range(steps * accumulate) for rank in range(ranks)]
    data = {"h": torch.cat([x for x, _ in blocks]), "labels": torch.cat([y for _, y in blocks])}
    safetensors.torch.save_file(data, tmp_path / "data.safetensors")
    settings = {"mesh.dp": ranks, "zero.stage": stage, "accumulate": accumulate, "optimizer.lr": 0.01, "fuse.enable": "false"}
    tool("compile", tmp_path / "head.pt2", "-o", tmp_path / "plan", *(x for key in settings for x in ("--set", f"{key}={settings[key]}")))
    tool("run", tmp_path / "plan", "--data", tmp_path / "data.safetensors", "--nproc", ranks, "--save", tmp_path / "saved")
    assert same(safetensors.torch.load_file(tmp_path / "saved" / "model.safetensors"), torch.load(folder / f"accumulated-2-{stage}.pt"))


def tool(name: str, *arguments: object) -> None:
    done = subprocess.run([_environment.tool(f"regimen-{name}"), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- faults ---------------------------------------------------------------------------------------------------------

FAULTY = """
import os, signal, sys, time
import torch
from torch import nn
import regimen

rank = int(os.environ["RANK"])
model = regimen.compile(nn.Linear(4, 4), torch.zeros(2, 4), config={{"zero.stage": {stage}, **{more}}}, verbose=False, timeout=5)
optimizer = regimen.optim.AdamW(model.parameters())
print("ready", flush=True)
for step in range(1000):
    {body}
    optimizer.step()
    optimizer.zero_grad()
"""
STEP = "model(torch.ones(2, 4)).sum().backward()"


def start(script: pathlib.Path, ranks: int = 2) -> list[subprocess.Popen[str]]:
    """Ranks without a launcher's agent, so that it cannot end them."""
    port = 20000 + os.getpid() % 20000
    return [
        subprocess.Popen(
            [sys.executable, str(script)],
            env={**ENVIRONMENT, "RANK": str(rank), "WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(ranks)
    ]  # fmt: skip


def write(folder: pathlib.Path, body: str, stage: int = 2, more: str = "{}") -> pathlib.Path:
    script = folder / "script.py"
    script.write_text(FAULTY.format(stage=stage, body=body, more=more))
    return script


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("stage", [1, 3])
def test_lost_rank_is_named(how: signal.Signals, stage: int, tmp_path: pathlib.Path) -> None:
    ranks = start(write(tmp_path, STEP + "; time.sleep(0.01)", stage))
    assert ranks[1].stdout is not None
    ranks[1].stdout.readline()
    begin = time.monotonic()
    ranks[1].send_signal(how)
    _, text = ranks[0].communicate(timeout=60)
    assert time.monotonic() - begin < 30
    ranks[1].kill()
    ranks[1].communicate()
    assert ranks[0].returncode != 0 and "rank 1" in text.splitlines()[-1], text


def test_ranks_that_do_not_agree_end(tmp_path: pathlib.Path) -> None:
    body = "(model(torch.ones(2, 4)).sum() if rank else model(torch.ones(2, 4).requires_grad_()).sum()).backward()"
    ranks = start(write(tmp_path, body))
    for rank in ranks:
        _, text = rank.communicate(timeout=120)
        assert rank.returncode != 0 and "the ranks do not run the same" in text, text


def test_mesh_and_world_have_to_match(tmp_path: pathlib.Path) -> None:
    ranks = start(write(tmp_path, STEP, more="{'mesh.dp': 4}"))
    for rank in ranks:
        _, text = rank.communicate(timeout=120)
        assert "CompileError: mesh.dp is 4, but 2 ranks run this" in text and "--nproc-per-node=4" in text, text


@pytest.mark.parametrize("missing", ["MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE"])
def test_incomplete_launch_is_refused(missing: str, tmp_path: pathlib.Path) -> None:
    environment = {**ENVIRONMENT, "RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    del environment[missing]
    done = subprocess.run([sys.executable, str(write(tmp_path, STEP))], env=environment, capture_output=True, text=True, timeout=120)
    assert f"the environment variable {missing} is not set" in done.stderr
