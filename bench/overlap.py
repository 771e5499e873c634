#!/usr/bin/env python3
"""Which part of the communication of GPT-2-mini (6 layers, width 384, T 256) lies under compute, on 2 ranks of one thread.

    bench/overlap.py [--bin build/bin] [--steps 6] [--batch 4] [--runs 3] [--set key=value ...]

Per rank, from the trace: the time in which a collective of the comm lane and an instruction of the compute lane run at
once, over the time of all collectives. A collective that waits for the other rank counts as communication. The first two
steps are warm-up and left out. Each rank has two threads, so 2 cores are shared by four.
"""

import json
import pathlib
import statistics
import tempfile

import torch
from safetensors.torch import save_file

import common

COMPUTE, COMM = 0, 1
WARM_UP = 2


def union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def common_time(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> float:
    """Time covered by both of two lists of disjoint spans, each in order."""
    total, i, j = 0.0, 0, 0
    while i < len(a) and j < len(b):
        total += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return total


def shares(trace: pathlib.Path) -> list[tuple[float, float, float]]:
    """For each rank: milliseconds a step of communication, of it under compute, and of the step."""
    events = [e for e in json.loads(trace.read_text())["traceEvents"] if e["ph"] == "X"]
    result = []
    for rank in sorted({e["pid"] for e in events}):
        own = [e for e in events if e["pid"] == rank]
        steps = [e for e in own if e["name"].startswith("step ")][WARM_UP:]
        measured = [e for e in own if e["ts"] >= steps[0]["ts"]]
        comm, compute = (union([(e["ts"], e["ts"] + e["dur"]) for e in measured if e["tid"] == row]) for row in (COMM, COMPUTE))
        scale = 1e-3 / len(steps)
        total = sum(end - begin for begin, end in comm)
        result.append((scale * total, scale * common_time(comm, compute), scale * sum(e["dur"] for e in steps)))
    return result


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="further configuration")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        ids = torch.randint(0, 8192, (args.batch, 256))
        program = torch.export.export(common.gpt2_mini(), (ids, ids.clone())).run_decompositions({})
        torch.export.save(program, work / "mini.pt2")
        data = torch.randint(0, 8192, (2 * args.batch * 4, 256), generator=torch.Generator().manual_seed(1))
        save_file({"input_ids": data, "labels": data.clone()}, work / "data.safetensors")
        for stage in (2, 3):
            settings = [x for s in ("mesh.dp=2", f"zero.stage={stage}", *args.set) for x in ("--set", s)]
            common.cpu_seconds([args.bin / "regimen-compile", work / "mini.pt2", "-o", work / "mini.plan", *settings])
            run = [args.bin / "regimen-run", work / "mini.plan", "--data", work / "data.safetensors", "--nproc", "2", "--threads", "1"]
            ranks = []
            for _ in range(args.runs):
                common.cpu_seconds([*run, "--steps", str(WARM_UP + args.steps), "--trace", work / "trace.json"])
                ranks += shares(work / "trace.json")
                for comm, under, step in ranks[-2:]:
                    print(f"stage {stage}: {under:.1f} of {comm:.1f} ms under compute, {under / comm:.0%}, step {step:.0f} ms", flush=True)
            part = [under / comm for comm, under, _ in ranks]
            columns = [f"{statistics.median(r[i] for r in ranks):.1f}" for i in (0, 1, 2)]
            rows.append([str(stage), *columns, f"{statistics.median(part):.0%}", f"{min(part):.0%}", f"{max(part):.0%}"])
    print(common.table(["stage", "comm ms a step", "under compute", "step ms", "share (median)", "min", "max"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
