#!/usr/bin/env python3
"""Regimen's stages 0 to 3 beside DDP, FSDP2 and DeepSpeed ZeRO 1 to 3: GPT-2-mini, 2 ranks of one thread each.

    bench/zero/compare.py [--bin build/bin] [--rounds 5] [--steps 5] [--batch 4] [--no-deepspeed]

All train the same model (6 layers, width 384, T 256) on the same data with torch's fused AdamW, and take turns, so that
what else the machine does meets all. In a round each has one run; figures are medians over the rounds. Wall: the median
step of a run. CPU: seconds that both ranks use in a step, all threads; of Regimen, a run of all steps less one of the
warm-up. Memory: the peak of a rank's process, and that less what the process had before the model (of Regimen: what
the plan's arenas and kernels took). DeepSpeed is installed into build/bench-zero, beside the project's own environment.
"""

import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import common  # noqa: E402

RANKS, WARM_UP = 2, 2
PEER = pathlib.Path(__file__).with_name("peer.py")
NAMES = {"ddp": "DDP", "fsdp2": "FSDP2 (fully_shard)", "ds1": "DeepSpeed ZeRO 1", "ds2": "DeepSpeed ZeRO 2", "ds3": "DeepSpeed ZeRO 3"}

#: wall, cpu: seconds a step; peak, training: bytes; loss.
Figures = dict[str, float]


def install_deepspeed(folder: pathlib.Path) -> pathlib.Path:
    """The interpreter of an environment with DeepSpeed, over the packages of this one."""
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], **quiet)
        (own,) = folder.glob("lib/python*/site-packages")
        (own / "base.pth").write_text(str(pathlib.Path(torch.__file__).parent.parent) + "\n")
        subprocess.run([python, "-m", "pip", "install", "-q", "setuptools", "wheel"], **quiet)
        environment = {**os.environ, "DS_BUILD_OPS": "0", "DS_ACCELERATOR": "cpu"}
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-build-isolation", "deepspeed"], env=environment, **quiet)
        (folder / "complete").touch()
    return python


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def peer(python: pathlib.Path | str, name: str, data: pathlib.Path, args) -> Figures:
    port, ranks = str(free_port()), []
    for rank in range(RANKS):
        environment = {
            **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [python, PEER, name, data, WARM_UP, args.steps, args.batch]
        ranks.append(subprocess.Popen(list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    results = []
    for process in ranks:
        out, error = process.communicate(timeout=600)
        if process.returncode:
            for other in ranks:
                other.kill()
            raise RuntimeError(f"{name} failed:\n{error[-2000:]}")
        results.append(json.loads(out.strip().splitlines()[-1]))
    return {
        "wall": max(r["wall"] for r in results), "cpu": sum(r["cpu"] for r in results), "peak": max(r["peak"] for r in results),
        "training": max(r["training"] for r in results), "loss": results[0]["loss"],
    }  # fmt: skip


def regimen(stage: int, work: pathlib.Path, args) -> Figures:
    command = [
        args.bin / "regimen-run",
        work / f"{stage}.plan",
        "--data",
        work / "data.safetensors",
        "--nproc",
        str(RANKS),
        "--threads",
        "1",
    ]
    short = common.cpu_seconds([*command, "--steps", str(WARM_UP)])
    outputs = ["--metrics", work / "metrics.jsonl", "--memory-report", work / "memory.json"]
    long = common.cpu_seconds([*command, "--steps", str(WARM_UP + args.steps), *outputs])
    steps = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    ranks = json.loads((work / "memory.json").read_text())["ranks"]
    return {
        "wall": statistics.median(s["step_ms"] for s in steps[WARM_UP:]) / 1e3, "cpu": (long - short) / args.steps,
        "peak": max(r["peak_rss"] for r in ranks), "training": max(r["measured_peak"] + r["unplanned_bytes"] for r in ranks),
        "loss": steps[-1]["loss"],
    }  # fmt: skip


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--no-deepspeed", action="store_true")
    args = parser.parse_args()
    peers: dict[str, pathlib.Path | str] = {"ddp": sys.executable, "fsdp2": sys.executable}
    if not args.no_deepspeed:
        try:
            peers |= dict.fromkeys(("ds1", "ds2", "ds3"), install_deepspeed(common.ROOT / "build/bench-zero"))
        except subprocess.CalledProcessError as error:
            print(f"DeepSpeed cannot be installed here and is left out: {error}", flush=True)
    figures: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        ids = torch.randint(0, 8192, (args.batch, 256))
        program = torch.export.export(common.gpt2_mini(), (ids, ids.clone())).run_decompositions({})
        torch.export.save(program, work / "mini.pt2")
        blocks = RANKS * (WARM_UP + args.steps)
        rows = torch.randint(0, 8192, (blocks * args.batch, 256), generator=torch.Generator().manual_seed(1))
        save_file({"input_ids": rows, "labels": rows.clone()}, work / "data.safetensors")
        for stage in range(4):
            settings = [x for s in (f"mesh.dp={RANKS}", f"zero.stage={stage}", "optimizer.lr=1e-3") for x in ("--set", s)]
            common.cpu_seconds([args.bin / "regimen-compile", work / "mini.pt2", "-o", work / f"{stage}.plan", *settings])
        runs = {f"Regimen stage {stage}": (lambda stage=stage: regimen(stage, work, args)) for stage in range(4)}
        for name, python in peers.items():
            runs[NAMES[name]] = lambda name=name, python=python: peer(python, name, work / "data.safetensors", args)
        for i in range(args.rounds):
            for name, run in runs.items():
                try:
                    result = run()
                except RuntimeError as error:
                    print(f"round {i + 1} is without {name}: {error}", flush=True)
                    continue
                figures.setdefault(name, []).append(result)
                print(
                    f"round {i + 1}/{args.rounds}: {name}: wall {result['wall']:.3f} s, CPU {result['cpu']:.3f} s, "
                    f"load {os.getloadavg()[0]:.1f}, loss {result['loss']:.4f}", flush=True,
                )  # fmt: skip
    table = []
    for name in figures:
        of = lambda key: [f[key] for f in figures[name]]  # noqa: B023, E731
        wall, cpu = of("wall"), of("cpu")
        table.append([
            name, f"{statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})",
            f"{statistics.median(cpu):.2f} ({min(cpu):.2f} to {max(cpu):.2f})",
            f"{statistics.median(of('peak')) / 2**20:.0f}", f"{statistics.median(of('training')) / 2**20:.0f}",
        ])  # fmt: skip
    print(common.table(["", "wall s a step", "CPU s a step, both ranks", "peak MiB of a rank", "of it training"], table))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
