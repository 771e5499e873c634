"""PyTorch's own trajectory of an exported training graph: the graph replayed under autograd and torch.optim.

The meaning of a model is its exported graph (docs: numerics), so the replay runs the archive's graph as a pure
function of parameters, buffers and inputs.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import math
import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from models import Model

#: Keys of the tool's configuration that the reference understands, with the defaults the tests use.
DEFAULTS: dict[str, Any] = {
    "optimizer.type": "adamw",
    "optimizer.lr": 1e-3,
    "optimizer.betas": [0.9, 0.95],
    "optimizer.eps": 1e-8,
    "optimizer.weight_decay": 0.1,
}


@dataclasses.dataclass
class Trajectory:
    losses: list[float]
    norms: list[float]
    rates: list[float]
    grads: dict[str, Tensor]  # of the first step
    weights: dict[str, Tensor]


def learning_rate(config: dict[str, Any], step: int) -> float:
    lr = float(config["optimizer.lr"])
    kind = config.get("optimizer.schedule.type", "constant")
    warmup = int(config.get("optimizer.schedule.warmup_steps", 0))
    if step < warmup:
        return lr * (step + 1) / warmup
    if kind == "constant":
        return lr
    low = float(config.get("optimizer.schedule.min_lr", 0.0))
    t = min(1.0, (step - warmup) / (config["optimizer.schedule.total_steps"] - warmup))
    return low + (lr - low) * ((1 - t) if kind == "linear" else (1 + math.cos(math.pi * t)) / 2)


def optimizer(params: dict[str, nn.Parameter], config: dict[str, Any]) -> torch.optim.Optimizer:
    decay = float(config["optimizer.weight_decay"])
    plain = {n for n in params if any(fnmatch.fnmatchcase(n, g) for g in config.get("optimizer.no_decay", []))}
    groups: list[dict[str, Any]] = []
    for name, param in params.items():
        group: dict[str, Any] = {"params": [param], "weight_decay": 0.0 if name in plain else decay, "factor": 1.0}
        for override in config.get("optimizer.groups", []):
            if any(fnmatch.fnmatchcase(name, g) for g in override["params"]):
                group["weight_decay"] = override.get("weight_decay", group["weight_decay"])
                if "lr" in override:
                    group["factor"] = override["lr"] / config["optimizer.lr"]
                break  # the first match counts
        groups.append(group)
    lr = float(config["optimizer.lr"])
    if config["optimizer.type"] == "sgd":
        return torch.optim.SGD(
            groups, lr=lr, momentum=config.get("optimizer.momentum", 0.0), nesterov=config.get("optimizer.nesterov", False), foreach=False
        )
    betas = tuple(config["optimizer.betas"])
    return torch.optim.AdamW(groups, lr=lr, betas=betas, eps=config["optimizer.eps"], foreach=False)


class Graph:
    """An archive's graph as a function; `params` are its leaves, tied names under the first."""

    def __init__(self, archive: pathlib.Path) -> None:
        extra = {"regimen.json": ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.program = torch.export.load(archive, extra_files=extra)
        self.ties: dict[str, list[str]] = json.loads(extra["regimen.json"])["ties"] if extra["regimen.json"] else {}
        self.first = {other: first for first, others in self.ties.items() for other in others}
        state, signature = self.program.state_dict, self.program.graph_signature
        value = lambda n: (state[n] if n in state else self.program.constants[n]).detach().clone()
        self.params = {n: nn.Parameter(value(n), requires_grad=state[n].requires_grad) for n in signature.parameters if n not in self.first}
        self.buffers = {n: value(n) for n in signature.buffers}
        graph = self.program.graph_module
        for node in list(graph.graph.nodes):
            if node.target is torch.ops.aten.view.default:  # resolved for the strides seen while tracing
                node.target = torch.ops.aten.reshape.default
        graph.recompile()
        self.function = graph

    def __call__(self, *inputs: Tensor) -> list[Any]:
        rest, arguments = iter(inputs), []
        for spec in self.program.graph_signature.input_specs:
            kind, name = spec.kind.name, spec.target
            if kind == "PARAMETER":
                arguments.append(self.params[self.first.get(name, name)])
            elif kind == "BUFFER":
                arguments.append(self.buffers[name])
            elif kind == "CONSTANT_TENSOR":
                arguments.append(self.program.constants[name])
            else:
                arguments.append(next(rest))
        outputs = []
        for spec, value in zip(self.program.graph_signature.output_specs, self.function(*arguments)):
            if spec.kind.name == "BUFFER_MUTATION":
                self.buffers[spec.target] = value.detach()
            else:
                outputs.append(value)
        return outputs


def train(
    params: dict[str, nn.Parameter], forward: Callable[..., Tensor], batch: Callable[[int], tuple[Tensor, ...]],
    config: dict[str, Any], steps: int,
) -> Trajectory:  # fmt: skip
    config = {**DEFAULTS, **config}
    accumulate, clip = int(config.get("accumulate", 1)), config.get("clip_grad_norm")
    opt = optimizer(params, config)
    out = Trajectory([], [], [], {}, {})
    for step in range(steps):
        opt.zero_grad(set_to_none=True)
        rate = learning_rate(config, step)
        for group in opt.param_groups:
            group["lr"] = rate * group["factor"]
        total = 0.0
        for k in range(accumulate):
            loss = forward(*batch(step * accumulate + k))
            (loss / accumulate if accumulate > 1 else loss).backward()
            total += loss.item() / accumulate
        if step == 0:
            out.grads = {n: p.grad.clone() for n, p in params.items() if p.grad is not None}
        out.norms.append(float(nn.utils.clip_grad_norm_(list(params.values()), clip or math.inf, foreach=False)))
        out.losses.append(total)
        out.rates.append(rate)
        opt.step()
    out.weights = {n: p.detach() for n, p in params.items()}
    return out


def replay(archive: pathlib.Path, model: Model, config: dict[str, Any], steps: int, loss: int = 0) -> Trajectory:
    graph = Graph(archive)
    return train(graph.params, lambda *x: graph(*x)[loss], lambda k: tuple(model.batch(k).values()), config, steps)


def eager64(model: Model, config: dict[str, Any], steps: int) -> Trajectory:
    """The module itself in double precision: how far fp32 rounding alone leads."""
    module = model.module().double()
    widen = lambda t: t.double() if t.is_floating_point() else t

    def forward(*inputs: Tensor) -> Tensor:
        out = module(*inputs)
        return out["loss"] if isinstance(out, dict) else out[0] if isinstance(out, tuple) else out

    return train(dict(module.named_parameters()), forward, lambda k: tuple(widen(t) for t in model.batch(k).values()), config, steps)
