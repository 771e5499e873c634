#!/usr/bin/env python3
"""What a step costs in Python beyond the same step under regimen-run.

    bench/python_overhead.py [--bin build/bin] [--layers 4] [--steps 3000] [--pairs 7]

A small MLP, whose kernels take microseconds: forward, backward, AdamW and zero_grad, one thread. Both sides run in turn,
`--pairs` times, and the difference is the median over the pairs, so that what else the machine does hits both. Wall is the
median step (regimen-run's own `step_ms`, the global gradient norm included); CPU is what the process used, all its threads and
all it does in a step (regimen-run's metrics too): of a long run less a short one, and of the Python loop. Beside them PyTorch
eager's step on the same module, fused AdamW.
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

#: The short run, whose CPU time is that of starting, and the steps that warm a loop up.
SHORT = 200
#: So many times the steps under regimen-run, whose start takes as long as thousands of them and varies.
LONGER = 10

Cost = tuple[float, float]  # microseconds a step: wall, CPU


class MLP(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(16, 16) for _ in range(layers)))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return F.cross_entropy(x, labels)


class Loop:
    """A training loop over one batch."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[torch.Tensor, ...]) -> None:
        self.model, self.optimizer, self.inputs = model, optimizer, inputs

    def step(self) -> None:
        self.model(*self.inputs).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def cost(self, steps: int) -> Cost:
        for _ in range(SHORT):
            self.step()
        times = []
        cpu = time.process_time()
        for _ in range(steps):
            start = time.perf_counter()
            self.step()
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e6, (time.process_time() - cpu) / steps * 1e6

    def parts(self, steps: int) -> list[float]:
        """Median microseconds of forward, backward, step and zero_grad."""
        times: list[list[float]] = [[], [], [], []]
        for _ in range(steps):
            marks = [time.perf_counter()]
            loss = self.model(*self.inputs)
            marks.append(time.perf_counter())
            loss.backward()
            marks.append(time.perf_counter())
            self.optimizer.step()
            marks.append(time.perf_counter())
            self.optimizer.zero_grad()
            marks.append(time.perf_counter())
            for kind, start, end in zip(times, marks, marks[1:]):
                kind.append(end - start)
        return [statistics.median(kind) * 1e6 for kind in times]


def driver(tools: pathlib.Path, work: pathlib.Path) -> Callable[[int], Cost]:
    """What measures regimen-run on the plan in `work`."""

    def run(steps: int) -> float:
        return common.cpu_seconds([tools / "regimen-run", work / "mlp.plan", "--data", work / "data.safetensors", "--threads", "1",
                                   "--steps", str(steps), "--metrics", work / "m.jsonl"])  # fmt: skip

    def cost(steps: int) -> Cost:
        before = run(SHORT)
        cpu = run(SHORT + steps) - before
        lines = (work / "m.jsonl").read_text().splitlines()[SHORT:]
        return statistics.median(json.loads(line)["step_ms"] for line in lines) * 1e3, cpu / steps * 1e6

    return cost


def cells(costs: list[Cost]) -> list[str]:
    """Wall and CPU: median, lowest and highest."""
    return [f"{statistics.median(side):.1f} ({min(side):.1f} to {max(side):.1f})" for side in zip(*costs)]


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    inputs = (torch.randn(4, 16), torch.randint(0, 16, (4,)))
    module = MLP(args.layers)
    eager = Loop(module, torch.optim.AdamW(module.parameters(), fused=True), inputs)
    model = regimen.compile(MLP(args.layers), inputs, verbose=False)
    python = Loop(model, regimen.optim.AdamW(model.parameters()), inputs)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        save(export(MLP(args.layers), inputs), work / "mlp.pt2")
        save_file({"x": inputs[0], "labels": inputs[1]}, work / "data.safetensors")
        common.cpu_seconds([args.bin / "regimen-compile", work / "mlp.pt2", "-o", work / "mlp.plan"])
        native = driver(args.bin, work)
        pairs = [(native(LONGER * args.steps), python.cost(args.steps)) for _ in range(args.pairs)]
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    beyond = [(p[0] - n[0], p[1] - n[1]) for n, p in pairs]
    rows = [("PyTorch eager, fused AdamW", [eager.cost(args.steps)]), ("regimen-run", ours), ("Regimen in Python", theirs)]
    print(common.table([f"microseconds a step, {2 * args.layers} parameters", "wall", "CPU"], [
        *([name, *cells(costs)] for name, costs in rows),
        *([f"  {name}", f"{value:.1f}", ""] for name, value in zip(("forward", "backward", "optimizer.step", "zero_grad"),
                                                                    python.parts(args.steps))),
        ["Python beyond regimen-run, by pair", *cells(beyond)],
    ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
