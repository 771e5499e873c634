"""Memory: what the compiler predicts is what the run touches, seen from inside and outside."""

import json
import os
import pathlib
import time

import pytest

from models import FAMILIES

CATEGORIES = {"params", "grads", "optimizer", "activations", "comm", "workspace"}


def planned(tools, plan):
    return json.loads(tools.must("regimen-plan", "memory", plan, "--json").out)["ranks"]


CONFIGS = {"default": {}, "reference": {"fuse.enable": False}, "accumulate": {"accumulate": 2, "clip_grad_norm": 1.0}}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("name", [*FAMILIES, "convnet", "channels_last", "relative_bias", "losses"])
def test_predicted_is_measured(tools, tmp_path, name, config):
    run = tools.line(name, config, 3, tmp_path)
    (rank,) = run.memory["ranks"]
    (plan,) = planned(tools, tmp_path / "model.plan")
    assert rank["rank"] == plan["rank"] == 0
    assert rank["measured_peak"] == rank["predicted_peak"] == plan["predicted_peak"] > 0
    assert rank["unplanned_bytes"] <= max(0.02 * rank["predicted_peak"], 256 << 10)
    assert set(rank["categories"]) == CATEGORIES and set(plan["categories"]) == CATEGORIES
    states = 4 * sum(w.numel() for w in run.weights.values())
    assert states <= rank["categories"]["params"] <= rank["predicted_peak"]
    trained = 4 * sum(g.numel() for g in run.grads.values())
    assert trained <= rank["categories"]["grads"]
    assert 2 * trained <= rank["categories"]["optimizer"]


def resident_arena_bytes(pid):
    total, mine = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            mine = "regimen-arena" in line
        elif mine and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total


def test_arenas_as_the_kernel_sees_them(tools, tmp_path):
    plan = tmp_path / "model.plan"
    tools.compile(tools.archive("gpt2"), plan)
    process = tools.start("regimen-run", plan, "--data", tools.data("gpt2", 4), "--steps", 3000)
    seen, deadline = 0, time.time() + 60
    try:
        while process.poll() is None and time.time() < deadline and seen == 0:
            time.sleep(0.3)
            seen = resident_arena_bytes(process.pid) if os.path.exists(f"/proc/{process.pid}/smaps") else 0
        time.sleep(1.0)
        seen = max(seen, resident_arena_bytes(process.pid) if process.poll() is None else 0)
    finally:
        process.kill()
        process.communicate()
    (rank,) = planned(tools, plan)
    assert 0 < seen <= rank["predicted_peak"] + (64 << 10)
    assert seen >= 0.9 * rank["predicted_peak"]
