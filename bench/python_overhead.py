#!/usr/bin/env python3
"""What a step costs in Python beyond the same step under regimen-run.

    bench/python_overhead.py [--bin build/bin] [--layers 4] [--steps 3000]

A small MLP, whose kernels take microseconds: forward, backward, AdamW and zero_grad, one thread. Beside them PyTorch eager's
step on the same module, fused AdamW. Python's share is the difference to regimen-run's `step_ms`, which stands for the same
kernels, the global gradient norm included.
"""

import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

import common

sys.path.insert(0, str(common.ROOT / "python"))
import regimen  # noqa: E402
from regimen.export import export, save  # noqa: E402


class MLP(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(16, 16) for _ in range(layers)))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return F.cross_entropy(x, labels)


def quietest(times: list[float]) -> float:
    """Microseconds: the lowest median of ten stretches of the measurement, since other work on the machine only adds."""
    size = len(times) // 10
    return min(statistics.median(times[i * size : (i + 1) * size]) for i in range(1, 10)) * 1e6


def time_steps(step: Callable[[], object], steps: int) -> float:
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return quietest(times)


def loop(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[torch.Tensor, ...]) -> Callable[[], object]:
    def step() -> None:
        model(*inputs).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def parts(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[torch.Tensor, ...], steps: int) -> list[float]:
    """Microseconds of forward, backward, step and zero_grad."""
    times: list[list[float]] = [[], [], [], []]
    for _ in range(steps):
        marks = [time.perf_counter()]
        loss = model(*inputs)
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        optimizer.step()
        marks.append(time.perf_counter())
        optimizer.zero_grad()
        marks.append(time.perf_counter())
        for kind, start, end in zip(times, marks, marks[1:]):
            kind.append(end - start)
    return [quietest(kind) for kind in times]


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = (torch.randn(4, 16), torch.randint(0, 16, (4,)))
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        save(export(MLP(args.layers), inputs), work / "mlp.pt2")
        save_file({"x": inputs[0], "labels": inputs[1]}, work / "data.safetensors")
        common.cpu_seconds([args.bin / "regimen-compile", work / "mlp.pt2", "-o", work / "mlp.plan"])
        common.cpu_seconds([args.bin / "regimen-run", work / "mlp.plan", "--data", work / "data.safetensors", "--threads", "1",
                            "--steps", str(args.steps), "--metrics", work / "m.jsonl"])  # fmt: skip
        driven = [json.loads(line)["step_ms"] / 1e3 for line in (work / "m.jsonl").read_text().splitlines()]
    native = quietest(driven)
    module = MLP(args.layers)
    eager = time_steps(loop(module, torch.optim.AdamW(module.parameters(), fused=True), inputs), args.steps)
    model = regimen.compile(MLP(args.layers), inputs, verbose=False)
    optimizer = regimen.optim.AdamW(model.parameters())
    python = time_steps(loop(model, optimizer, inputs), args.steps)
    split = parts(model, optimizer, inputs, args.steps)
    print(common.table(["microseconds a step", f"{2 * args.layers} parameters"], [
        ["PyTorch eager, fused AdamW", f"{eager:.1f}"],
        ["regimen-run", f"{native:.1f}"],
        ["Regimen in Python", f"{python:.1f}"],
        *([f"  {name}", f"{value:.1f}"] for name, value in zip(("forward", "backward", "optimizer.step", "zero_grad"), split)),
        ["Python beyond regimen-run", f"{python - native:.1f}"],
    ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
