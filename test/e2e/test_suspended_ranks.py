"""Plans for several ranks whose micro-steps PyTorch's loop drives: every stage and variant compiles to a plan that is valid and sends
what its closed form says. What they compute is compared in test/python."""

import json
from typing import Any

import pytest

from models import REGISTRY

VARIANTS: list[dict[str, Any]] = [
    {"outputs": [0]},
    {"outputs": [0], "gradients": "later"},
    {"outputs": [0], "local": True},
    {"outputs": [0], "gradients": "later", "local": True},
    {"outputs": [0], "gradients": "later", "retain": True},
    {"outputs": [0], "gradients": "returned"},
]


def sends(tools, name, plan, config):
    """What a valid plan sends, by kind of collective."""
    tools.compile(tools.archive(name), plan, config)
    tools.must("regimen-plan", "check", plan)
    comm = json.loads(tools.must("regimen-plan", "comm", plan, "--json").out)
    assert comm["total"] == comm["closed_form"] == sum(comm["per_rank"].values())
    return comm["per_rank"]


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
@pytest.mark.parametrize("name, ranks", [("mlp", 2), ("gpt2", 2), ("llama", 3), ("frozen", 2)])
def test_stages(tools, tmp_path, name, ranks, stage):
    config = {"mesh.dp": ranks, "zero.stage": stage, "zero.bucket_bytes": 16 << 10}
    run = sends(tools, name, tmp_path / "run.plan", config)
    for driver in ("python", "both"):
        for variants in ({}, {"backward": VARIANTS}):
            assert sends(tools, name, tmp_path / f"{driver}.plan", {**config, "driver": driver, **variants}) == run


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_some_gradients_and_the_update_alone(tools, tmp_path, stage):
    names = [name for name, _ in REGISTRY["mlp"].module().named_parameters()]
    config = {"mesh.dp": 2, "zero.stage": stage, "driver": "python", "layout": [names[:2], names[2:]]}
    first, others = [names[0]], [names[3], names[4]]
    some: list[dict[str, Any]] = [
        {"outputs": [0], "parameters": first},
        {"outputs": [0], "parameters": first, "gradients": "later"},
        {"outputs": [0], "parameters": others, "gradients": "later", "retain": True},
        {"outputs": [0], "parameters": others, "inputs": [0], "local": True},
        {"outputs": [0], "parameters": [], "inputs": [0], "gradients": "returned"},
    ]
    part = sends(tools, "mlp", tmp_path / "part.plan", {**config, "backward": some, "optimizer.type": "none"})
    move = {key: sum(sends(tools, "mlp", tmp_path / "update.plan", {**config, "backward": [], "update": list(update)}).values())
            for key, update in [("first", first), ("others", others), ("all", names)]}  # fmt: skip
    if stage in (0, 3):
        assert move == {"first": 0, "others": 0, "all": 0}
    else:
        assert 0 < move["first"] < move["others"] and move["all"] == move["first"] + move["others"]
        assert part == {"all_gather": 0, "all_reduce": 0, "reduce_scatter": move["first"]}
