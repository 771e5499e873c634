"""A byte budget: plans that recompute keep every bit and need less, limits are met or refused with what would help."""

import json
import re

import pytest

from compare import check_same_run
from models import FAMILIES
from reference import DEFAULTS
from toolchain import settings


def peak(tools, plan):
    return json.loads(tools.must("regimen-plan", "memory", plan, "--json").out)["ranks"][0]["predicted_peak"]


def train(tools, folder, name, config, ranks=1, steps=3):
    folder.mkdir(parents=True, exist_ok=True)
    plan = folder / "model.plan"
    tools.compile(tools.archive(name), plan, {**config, "mesh.dp": ranks})
    tools.must("regimen-plan", "check", plan)
    run = tools.train(plan, tools.data(name, steps * ranks), steps, folder, *(["--nproc", ranks] if ranks > 1 else []))
    for rank in run.memory["ranks"]:
        assert rank["measured_peak"] == rank["predicted_peak"]
    return run


@pytest.mark.parametrize(
    "config, ranks", [({"fuse.enable": False}, 1), ({"zero.stage": 3}, 2), ({"accumulate": 1, "clip_grad_norm": 0.5}, 1)]
)
@pytest.mark.parametrize("name", FAMILIES)
def test_recomputation_changes_no_bit(tools, tmp_path, name, config, ranks):
    whole = train(tools, tmp_path / "none", name, config, ranks)
    kept = whole.memory["ranks"][0]["categories"]["activations"]
    for remat in ("layers", "full", 1):
        run = train(tools, tmp_path / str(remat), name, {**config, "memory.remat": remat}, ranks)
        check_same_run(run, whole)
        assert run.memory["ranks"][0]["categories"]["activations"] <= kept


@pytest.mark.parametrize("stage, ranks", [(0, 1), (3, 2)])
@pytest.mark.parametrize("name", FAMILIES)
def test_ladder_of_limits(tools, tmp_path, name, stage, ranks):
    """From above what is needed without a limit down to the refusal, and up again by the shortfall that it names."""
    config = {"zero.stage": stage, "memory.remat": "auto"}
    whole = train(tools, tmp_path / "whole", name, config, ranks)
    most = whole.memory["ranks"][0]["predicted_peak"]
    archive, plan = tools.archive(name), tmp_path / "model.plan"
    least = None
    for percent in (100, 90, 80, 70, 60, 40):
        limit = most * percent // 100
        arguments = settings({**DEFAULTS, **config, "mesh.dp": ranks, "memory.limit": limit})
        done = tools.call("regimen-compile", archive, "-o", plan, *arguments)
        if done.code == 0:
            assert least is None and peak(tools, plan) <= limit
            check_same_run(train(tools, tmp_path / str(percent), name, {**config, "memory.limit": limit}, ranks), whole)
            continue
        assert done.code == 1, done.err
        needed, missing = map(int, re.search(r"needs [^(]*\((\d+) bytes\), (\d+) bytes more", done.err).groups())
        assert needed == limit + missing and least in (None, needed)
        assert len(re.findall(r"^ +[\d.]+ (?:B|KiB|MiB|GiB)  \w+ ", done.err, re.M)) == 5
        least = needed
    assert least is not None
    run = train(tools, tmp_path / "least", name, {**config, "memory.limit": least}, ranks)
    assert run.memory["ranks"][0]["measured_peak"] == least
    check_same_run(run, whole)


def test_refusal_names_changes_that_fit(tools, tmp_path):
    archive, plan = tools.archive("gpt2"), tmp_path / "model.plan"
    tools.compile(archive, plan, {})
    limit = peak(tools, plan) * 9 // 10
    done = tools.call("regimen-compile", archive, "-o", tmp_path / "other.plan", *settings({**DEFAULTS, "memory.limit": limit}))
    assert done.code == 1 and not (tmp_path / "other.plan").exists()
    changes = re.findall(r"^    (\S.*): [\d.]+ \w+ \((\d+) bytes\)$", done.err, re.M)
    assert ("memory.remat=full" in [change for change, _ in changes]) and all(int(b) <= limit for _, b in changes)
    for change, needed in changes:
        tools.must(
            "regimen-compile", archive, "-o", plan, *(x for setting in change.split() for x in ("--set", setting)), *settings(DEFAULTS)
        )
        assert peak(tools, plan) == int(needed)


@pytest.mark.parametrize("limit", ["0", "-3", "80 parsecs", "1e40", "[]"])
def test_limits_that_are_none(tools, tmp_path, limit):
    done = tools.call("regimen-compile", tools.archive("mlp"), "-o", tmp_path / "p", "--set", f"memory.limit={limit}")
    assert done.code == 1 and "memory.limit" in done.err
