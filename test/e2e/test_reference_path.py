"""The reference path (`fuse.enable=false`): PyTorch's losses, gradients and weights, bit for bit."""

import pytest

from compare import check_bitwise
from models import FAMILIES, REGISTRY
from reference import replay

STEPS = 6
REFERENCE = {"fuse.enable": False}


@pytest.mark.parametrize("name", [*FAMILIES, "frozen", "no_grad", "regression", "convnet", "channels_last", "relative_bias", "losses"])
def test_adamw(tools, tmp_path, name):
    run = tools.line(name, REFERENCE, STEPS, tmp_path)
    check_bitwise(run, replay(tools.archive(name), REGISTRY[name], REFERENCE, STEPS))


SGD = {"optimizer.type": "sgd", "optimizer.lr": 0.05, "optimizer.weight_decay": 0.01}


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer.no_decay": ["*bias", "*norm*"]},
        {"optimizer.weight_decay": 0.0, "optimizer.betas": [0.8, 0.99], "optimizer.eps": 1e-6, "optimizer.lr": 3e-3},
        {**SGD},
        {**SGD, "optimizer.momentum": 0.9},
        {**SGD, "optimizer.momentum": 0.9, "optimizer.nesterov": True},
    ],
    ids=["no_decay", "hyper", "sgd", "momentum", "nesterov"],
)
@pytest.mark.parametrize("name", ["mlp", "nanogpt"])
def test_optimizers(tools, tmp_path, name, config):
    config = {**REFERENCE, **config}
    run = tools.line(name, config, STEPS, tmp_path)
    check_bitwise(run, replay(tools.archive(name), REGISTRY[name], config, STEPS))


def test_several_outputs(tools, tmp_path):
    for loss, folder in ((1, "index"), ("loss", "key")):
        config = {**REFERENCE, "loss": loss}
        run = tools.line("outputs", config, STEPS, tmp_path / folder)
        check_bitwise(run, replay(tools.archive("outputs"), REGISTRY["outputs"], config, STEPS, loss=1))


def test_frozen_unused_and_tied_parameters(tools, tmp_path):
    run = tools.line("frozen", REFERENCE, 2, tmp_path)
    start = REGISTRY["frozen"].module().state_dict()
    assert sorted(run.grads) == ["again.bias", "embed.bias", "head.weight", "middle.bias", "middle.weight"]
    for untouched in ("embed.weight", "head.bias", "unused.weight", "unused.bias"):
        assert run.weights[untouched].equal(start[untouched]), untouched
    assert "again.weight" not in run.weights, "a tied parameter is saved once, under its first name"
    assert not run.weights["middle.weight"].equal(start["middle.weight"])
