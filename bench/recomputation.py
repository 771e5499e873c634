#!/usr/bin/env python3
"""What recomputation costs and frees.

    bench/recomputation.py [--bin build/bin] [--steps 6] [--pairs 5]

GPT-2-mini (6 layers, width 384, 256 tokens, batch 4) with memory.remat = none, layers, full, and auto at 60% of the activations that none
needs. CPU seconds of a step, the runs interleaved, as a ratio to none's, median over the pairs; activations and peak by the plan.
"""

import json
import pathlib
import statistics
import subprocess
import tempfile

import torch
from safetensors.torch import save_file

import common


def figures(tools: pathlib.Path, plan: pathlib.Path) -> tuple[int, int]:
    """Bytes of activations and of the peak."""
    command = [tools / "regimen-plan", "memory", plan, "--json"]
    rank = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["ranks"][0]
    return rank["categories"]["activations"], rank["predicted_peak"]


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        ids = torch.randint(0, 8192, (4, 256))
        torch.export.save(torch.export.export(common.gpt2_mini(), (ids, ids.clone())).run_decompositions({}), work / "model.pt2")
        rows = torch.randint(0, 8192, (args.steps * 4, 256), generator=torch.Generator().manual_seed(1))
        save_file({"input_ids": rows, "labels": rows.clone()}, work / "data.safetensors")
        plans = {}

        def compile_with(name: str, *settings: str) -> None:
            plans[name] = work / f"{name}.plan"
            common.cpu_seconds([args.bin / "regimen-compile", work / "model.pt2", "-o", plans[name],
                                *(x for setting in settings for x in ("--set", setting))])  # fmt: skip

        for name in ("none", "layers", "full"):
            compile_with(name, f"memory.remat={name}")
        activations, peak = figures(args.bin, plans["none"])
        compile_with("auto", "memory.remat=auto", f"memory.limit={peak - activations * 4 // 10}")

        def seconds(name: str, steps: int) -> float:
            return common.cpu_seconds([args.bin / "regimen-run", plans[name], "--data", work / "data.safetensors", "--steps", str(steps)])

        ratios: dict[str, list[float]] = {name: [] for name in plans}
        for _ in range(args.pairs):
            costs = {name: seconds(name, args.steps) - seconds(name, 1) for name in plans}
            for name, cost in costs.items():
                ratios[name].append(cost / costs["none"])
        lines = []
        for name, plan in plans.items():
            kept, most = figures(args.bin, plan)
            side = ratios[name]
            lines.append([name, f"{kept / 2**20:.1f} MiB", f"{most / 2**20:.1f} MiB",
                         f"{statistics.median(side):.2f} ({min(side):.2f} to {max(side):.2f})"])  # fmt: skip
        print(common.table(["memory.remat", "activations", "peak", "CPU time of a step to none's"], lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
