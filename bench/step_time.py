#!/usr/bin/env python3
"""CPU seconds of a training step of GPT-2-mini (6 layers, width 384, T 256): regimen-run beside PyTorch eager.

    bench/step_time.py [--bin build/bin] [--pairs 10] [--steps 6] [--batch 4]

Both sides train the same model on the same data on one thread with torch's fused AdamW kernel, and take turns, so that
a change of the machine's speed meets both. A side's figure is the CPU time (user + system) of a run of 2 + STEPS steps
less that of a run of 2 steps, so start-up and warm-up cancel. The ratio is taken pair by pair.
"""

import pathlib
import statistics
import sys
import tempfile

import torch
from safetensors.torch import save_file

import common


def eager(steps: int, batch: int) -> None:
    """The PyTorch side: run as `step_time.py eager STEPS BATCH`."""
    torch.set_num_threads(1)
    model = common.gpt2_mini().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    data = torch.randint(0, 8192, (steps * batch, 256), generator=torch.Generator().manual_seed(1))
    for rows in data.split(batch):
        optimizer.zero_grad(set_to_none=True)
        model(rows, rows).backward()
        optimizer.step()


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        ids = torch.randint(0, 8192, (args.batch, 256))
        program = torch.export.export(common.gpt2_mini(), (ids, ids.clone())).run_decompositions({})
        torch.export.save(program, work / "mini.pt2")
        rows = torch.randint(0, 8192, ((args.steps + 2) * args.batch, 256), generator=torch.Generator().manual_seed(1))
        save_file({"input_ids": rows, "labels": rows.clone()}, work / "data.safetensors")
        common.cpu_seconds([args.bin / "regimen-compile", work / "mini.pt2", "-o", work / "mini.plan"])

        def ours(steps: int) -> float:
            command = [args.bin / "regimen-run", work / "mini.plan", "--data", work / "data.safetensors"]
            return common.cpu_seconds([*command, "--steps", str(steps), "--threads", "1"])

        def theirs(steps: int) -> float:
            return common.cpu_seconds([sys.executable, __file__, "eager", str(steps), str(args.batch)])

        pairs = []
        for i in range(args.pairs):
            pair = [(side(2 + args.steps) - side(2)) / args.steps for side in (ours, theirs)]
            pairs.append(pair)
            print(f"pair {i + 1}/{args.pairs}: regimen {pair[0]:.3f} s, eager {pair[1]:.3f} s", flush=True)
    rows_ = []
    for name, values in (
        ("regimen-run", [p[0] for p in pairs]),
        ("PyTorch eager", [p[1] for p in pairs]),
        ("ratio", [p[0] / p[1] for p in pairs]),
    ):
        rows_.append([name, *(f"{f(values):.3f}" for f in (min, statistics.median, max))])
    print(common.table(["CPU seconds a step", "min", "median", "max"], rows_))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["eager"]:
        eager(int(sys.argv[2]), int(sys.argv[3]))
        sys.exit(0)
    sys.exit(main())
