#!/usr/bin/env python3
"""What the executor costs an instruction, beyond the kernel that it calls.

    ninja -C build bench-small-kernels
    bench/executor_overhead.py [--bin build/bin] [--depth 300] [--steps 400]

A chain of tanh on 16 elements gives a plan whose kernels do next to nothing, so a step is calls. The executor's cost is the
wall time of a step over its instructions, less the time of the same kernels called from C++ in a loop (at::tanh_out and
at::tanh_backward_out, bench/small_kernels.cpp). The former alone is an upper bound that needs no second measurement.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

import common

sys.path.insert(0, str(common.ROOT / "python"))
from regimen.export import export, save  # noqa: E402


class Chain(torch.nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.weight = torch.nn.Parameter(torch.full((16,), 0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.weight
        for _ in range(self.depth):
            h = torch.tanh(h)
        return h.sum()


def kernels_alone(folder: pathlib.Path) -> float:
    """Microseconds of a tanh or tanh_backward on 16 elements into a given output, called from C++."""
    program = folder / "bench-small-kernels"
    if not program.exists():
        raise SystemExit(f"{program} does not exist; build it with: ninja -C {folder.parent} bench-small-kernels")
    done = subprocess.run([program], capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return float(done.stdout)


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--depth", type=int, default=300)
    parser.add_argument("--steps", type=int, default=400)
    args = parser.parse_args()
    kernel = kernels_alone(args.bin)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        save(export(Chain(args.depth), (torch.zeros(16),)), work / "chain.pt2")
        save_file({"x": torch.linspace(-1, 1, 16)}, work / "data.safetensors")
        common.cpu_seconds([args.bin / "regimen-compile", work / "chain.pt2", "-o", work / "chain.plan"])
        run = [args.bin / "regimen-run", work / "chain.plan", "--data", work / "data.safetensors", "--threads", "1"]
        common.cpu_seconds([*run, "--steps", str(args.steps), "--metrics", work / "m.jsonl"])
        steps = [json.loads(line)["step_ms"] for line in (work / "m.jsonl").read_text().splitlines()]
        checked = subprocess.run([args.bin / "regimen-plan", "check", work / "chain.plan"], capture_output=True, text=True, check=True)
        instructions = int(checked.stdout.split("programs,")[1].split()[0])
    step = statistics.median(steps[10:]) * 1e3 / instructions
    print(common.table(["microseconds an instruction", f"{instructions} instructions"], [
        ["executor and kernel", f"{step:.2f}"],
        ["kernel alone, called from C++", f"{kernel:.2f}"],
        ["executor", f"{step - kernel:.2f}"],
    ]))  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
