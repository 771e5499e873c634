"""The default path: within rounding of PyTorch, over the settings of a training loop."""

import pytest

from compare import check_close, check_same_run
from models import FAMILIES, REGISTRY
from reference import eager64, replay

STEPS = 6


def compare(tools, tmp_path, name, config, steps=STEPS):
    run = tools.line(name, config, steps, tmp_path)
    want = replay(tools.archive(name), REGISTRY[name], config, steps)
    check_close(run, want, eager64(REGISTRY[name], config, steps))
    return run, want


# PyTorch computes recurrent layers by oneDNN's kernels, so only their rounding differs.
@pytest.mark.parametrize("name", [*FAMILIES, "recurrent"])
def test_families(tools, tmp_path, name):
    compare(tools, tmp_path, name, {})


@pytest.mark.parametrize("name", FAMILIES)
def test_accumulate_and_clip(tools, tmp_path, name):
    compare(tools, tmp_path, name, {"accumulate": 2, "clip_grad_norm": 0.5})


def test_accumulate_three(tools, tmp_path):
    compare(tools, tmp_path, "mlp", {"accumulate": 3})


@pytest.mark.parametrize("limit", [1e-3, 0.3, 1e6])
def test_clip(tools, tmp_path, limit):
    run, _ = compare(tools, tmp_path, "nanogpt", {"clip_grad_norm": limit})
    if limit == 1e6:
        free = tools.line("nanogpt", {}, STEPS, tmp_path / "free")
        assert run.norms == free.norms, "a limit that nothing reaches changes nothing"


SCHEDULE = {"optimizer.schedule.warmup_steps": 2, "optimizer.schedule.total_steps": 5, "optimizer.schedule.min_lr": 1e-4}


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_schedules(tools, tmp_path, kind, optimizer):
    config = {**SCHEDULE, "optimizer.schedule.type": kind, "optimizer.type": optimizer, "optimizer.momentum": 0.9}
    if optimizer == "adamw":
        del config["optimizer.momentum"]
    run, want = compare(tools, tmp_path, "nanogpt", config, steps=7)
    assert [m["lr"] for m in run.metrics] == pytest.approx(want.rates, rel=1e-6)


def test_groups(tools, tmp_path):
    config = {"optimizer.groups": [{"params": ["*norm*", "*bias"], "weight_decay": 0.0}, {"params": ["tokens.*"], "lr": 2e-4}]}
    compare(tools, tmp_path, "nanogpt", config)


def test_a_second_run_has_the_same_bits(tools, tmp_path):
    check_same_run(tools.line("gpt2", {}, 4, tmp_path / "a"), tools.line("gpt2", {}, 4, tmp_path / "b"))


def test_no_grad_regions_stop_gradients(tools, tmp_path):
    """The replayed graph alone would not tell: compare with the eager module."""
    run = tools.line("no_grad", {}, STEPS, tmp_path)
    exact = eager64(REGISTRY["no_grad"], {}, STEPS)
    for n, g in exact.grads.items():
        assert (run.grads[n].double() - g).abs().max() <= 1e-5 * g.abs().max(), n
