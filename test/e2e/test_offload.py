"""Offload: what lives in host memory changes no bit, and the device holds less."""

import json

import pytest

from compare import check_same_run
from reference import DEFAULTS
from toolchain import settings

OPTIMIZER = {"memory.offload.optimizer": "cpu"}
ACTIVATIONS = {"memory.offload.activations": "cpu"}
PARAMETERS = {"memory.offload.params": "cpu"}


def train(tools, folder, name, config, ranks=1, steps=3):
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "model.plan"
    tools.compile(tools.archive(name), plan, {**config, "mesh.dp": ranks})
    tools.must("regimen-plan", "check", plan)
    rows = steps * ranks * int(config.get("accumulate", 1))
    run = tools.train(plan, tools.data(name, rows), steps, folder, *(["--nproc", ranks] if ranks > 1 else []))
    planned = json.loads(tools.must("regimen-plan", "memory", plan, "--json").out)["ranks"]
    for rank, plan_rank in zip(run.memory["ranks"], planned):
        assert rank["measured_peak"] == rank["predicted_peak"]
        assert rank["host_peak"] == plan_rank["host_peak"]
    return run


def check_offload(tools, folder, name, config, ranks, offload, below):
    """The same bits as without; of each category in `below` at most that part."""
    base = train(tools, folder / "base", name, config, ranks)
    run = train(tools, folder / "offload", name, {**config, **offload}, ranks)
    check_same_run(run, base)
    for rank, whole in zip(run.memory["ranks"], base.memory["ranks"]):
        assert whole["host_peak"] == 0 < rank["host_peak"]
        for category, part in below.items():
            assert rank["categories"][category] <= part * whole["categories"][category]
    return run


CONFIGS = [
    ({"zero.stage": 0}, 1),
    ({"zero.stage": 0, "clip_grad_norm": 0.5}, 1),
    ({"zero.stage": 0, "fuse.enable": False, "accumulate": 2, "clip_grad_norm": 0.5}, 1),
    ({"zero.stage": 0, "zero.bucket_bytes": 16384}, 2),
    ({"zero.stage": 1, "clip_grad_norm": 0.5, "zero.bucket_bytes": 16384}, 2),
    ({"zero.stage": 2, "fuse.enable": False}, 2),
    ({"zero.stage": 3, "clip_grad_norm": 0.5, "accumulate": 2}, 2),
    ({"zero.stage": 3, "fuse.enable": False, "zero.overlap": False}, 2),
    ({"zero.stage": 0, "optimizer.type": "sgd", "optimizer.momentum": 0.9, "optimizer.weight_decay": 0.01}, 1),
]


@pytest.mark.parametrize("config, ranks", CONFIGS)
@pytest.mark.parametrize("name", ["gpt2", "vit"])
def test_optimizer_on_the_host(tools, tmp_path, name, config, ranks):
    check_offload(tools, tmp_path, name, config, ranks, OPTIMIZER, {"optimizer": 0})


@pytest.mark.parametrize("config, ranks", [
    ({"zero.stage": 0, "clip_grad_norm": 0.5}, 1),
    ({"zero.stage": 0, "fuse.enable": False, "accumulate": 2}, 1),
    ({"zero.stage": 3}, 2),
    ({"zero.stage": 3, "memory.remat": "layers", "accumulate": 2}, 2),
])  # fmt: skip
@pytest.mark.parametrize("name", ["gpt2", "llama", "vit"])
def test_activations_on_the_host(tools, tmp_path, name, config, ranks):
    check_offload(tools, tmp_path, name, config, ranks, ACTIVATIONS, {"activations": 0.9})


@pytest.mark.parametrize("config", [
    {"clip_grad_norm": 0.5},
    {"fuse.enable": False, "accumulate": 2, "zero.overlap": False},
    {"optimizer.type": "sgd", "optimizer.momentum": 0.9, "zero.bucket_bytes": 16384},
])  # fmt: skip
@pytest.mark.parametrize("name", ["gpt2", "llama", "vit"])
def test_parameters_on_the_host(tools, tmp_path, name, config):
    check_offload(tools, tmp_path, name, {**config, "zero.stage": 3}, 2, PARAMETERS, {"params": 0})


def test_everything_on_the_host(tools, tmp_path):
    config = {"zero.stage": 3, "clip_grad_norm": 0.5, "accumulate": 2}
    offload = {**OPTIMIZER, **ACTIVATIONS, **PARAMETERS}
    check_offload(tools, tmp_path, "gpt2", config, 2, offload, {"optimizer": 0, "params": 0, "activations": 0.9})


def test_moves_lie_on_the_copy_lane_ahead_of_their_use(tools, tmp_path):
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive("gpt2"), plan, {**OPTIMIZER, "zero.bucket_bytes": 16384})
    shown = tools.must("regimen-plan", "show", plan).out
    assert '"host_optimizer" static host' in shown and '"host_work" work host' in shown
    update = shown[shown.index('"update" update') :].splitlines()
    moves = [i for i, line in enumerate(update) if "regimen::move(" in line]
    kernels = [i for i, line in enumerate(update) if "aten::_fused_adamw_(" in line]
    assert len(kernels) > 2 and all(": copy " in update[i] for i in moves)
    # Between two kernels operands of the third come.
    for before, after in zip(kernels[:-2], kernels[1:-1]):
        assert any(before < i < after for i in moves)


@pytest.mark.parametrize("config, says", [
    ({"memory.offload.optimizer": "nvme"}, ["memory.offload.optimizer", "nvme is not built yet"]),
    ({"memory.offload.activations": "nvme"}, ["memory.offload.activations", "nvme is not built yet"]),
    ({"memory.offload.optimizer": "cpu", "driver": "python"}, ["driver=run"]),
    ({"memory.offload.activations": "cpu", "driver": "both"}, ["driver=run"]),
    ({"memory.offload.params": "cpu", "zero.stage": 2, "mesh.dp": 2}, ["memory.offload.params", "zero.stage=3"]),
    ({"memory.offload.params": "cpu", "zero.stage": 3}, ["memory.offload.params", "mesh.dp"]),
])  # fmt: skip
def test_what_is_refused(tools, tmp_path, config, says):
    tools.must_fail("regimen-compile", tools.archive("mlp"), "-o", tmp_path / "p", *settings({**DEFAULTS, **config}), says=says)
