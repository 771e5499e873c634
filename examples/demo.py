#!/usr/bin/env python3
"""From a Hugging Face configuration and a text file to a trained model, beside PyTorch eager on the same data.

    scripts/demo [--steps 200] [--work build/demo] [--text examples/data/genesis.txt]

Exports a small GPT-2, tokenises the text by bytes, compiles, trains with regimen-run and then with PyTorch, one thread
each, and prints losses, memory and step times side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
LAYERS, WIDTH, HEADS, CONTEXT, BATCH = 4, 192, 6, 128, 8
RATE, DECAY, WARMUP = 1e-3, 0.1, 10


def show(command: list[str]) -> None:
    """Prints a command as a user would type it, then runs it; ends the demo with its exit code if it fails."""
    print("\033[1m$ " + " ".join(os.path.relpath(x) if x.startswith("/") else x for x in command) + "\033[0m", flush=True)
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "python")})
    if done.returncode:
        sys.exit(done.returncode)


def rate(step: int, total: int) -> float:
    return RATE * (step + 1) / WARMUP if step < WARMUP else RATE * (1 - min(1.0, (step - WARMUP) / (total - WARMUP)))


def eager(archive: pathlib.Path, tokens: numpy.ndarray, steps: int) -> tuple[list[float], list[float]]:
    """The same model, data and schedule in PyTorch: loss and milliseconds of every step."""
    import transformers
    from transformers import GPT2Config, GPT2LMHeadModel

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=256, n_positions=CONTEXT, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, use_cache=False, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.load_state_dict(torch.export.load(archive).state_dict)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    size = BATCH * CONTEXT
    blocks = len(tokens) // size
    losses, times = [], []
    for step in range(steps):
        start = time.perf_counter()
        at = step % blocks * size
        rows = torch.from_numpy(tokens[at : at + size].astype(numpy.int64)).view(BATCH, CONTEXT)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.zero_grad(set_to_none=True)
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        times.append((time.perf_counter() - start) * 1e3)
        if sys.stderr.isatty():
            print(f"\rPyTorch eager: step {step + 1}/{steps}  loss {losses[-1]:.4f}  ", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return losses, times


def table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip())
        if i == 0:
            print("-" * (sum(widths) + 2 * len(widths) - 2))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin", help="folder with the tools")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/demo", help="folder for what the demo makes")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "examples/data/genesis.txt")
    parser.add_argument("--steps", type=int, default=200)
    a = parser.parse_args()
    if a.steps <= WARMUP:
        parser.error(f"--steps must be above {WARMUP}, the steps of warm-up")
    a.work.mkdir(parents=True, exist_ok=True)
    tokens = numpy.frombuffer(a.text.read_bytes(), dtype=numpy.uint8).astype(numpy.uint16)
    if len(tokens) < BATCH * CONTEXT:
        parser.error(f"{a.text} has {len(tokens)} bytes, a batch needs {BATCH * CONTEXT}")
    stream, archive, plan = a.work / "text.bin", a.work / "gpt2.pt2", a.work / "gpt2.plan"
    metrics, memory = a.work / "metrics.jsonl", a.work / "memory.json"
    tokens.tofile(stream)
    print(f"{a.text.name}: {len(tokens)} bytes, one token each\n")

    shape = [f"n_layer={LAYERS}", f"n_embd={WIDTH}", f"n_head={HEADS}", f"n_positions={CONTEXT}", "vocab_size=256"]
    special = ["bos_token_id=0", "eos_token_id=0"]
    sets = [x for s in (*shape, *special) for x in ("--set", s)]
    show([sys.executable, "-m", "regimen.export", "--hf-config", "gpt2", "--batch", str(BATCH), "--seq", str(CONTEXT), *sets,
          "-o", str(archive)])  # fmt: skip
    config = {
        "optimizer.lr": RATE, "optimizer.weight_decay": DECAY, "optimizer.schedule.type": "linear",
        "optimizer.schedule.warmup_steps": WARMUP, "optimizer.schedule.total_steps": a.steps,
    }  # fmt: skip
    show([str(a.bin / "regimen-compile"), str(archive), "-o", str(plan), *(x for k, v in config.items() for x in ("--set", f"{k}={v}"))])
    show([str(a.bin / "regimen-run"), str(plan), "--tokens", str(stream), "--labels", "same", "--steps", str(a.steps), "--threads", "1",
          "--metrics", str(metrics), "--memory-report", str(memory), "--save", str(a.work / "trained")])  # fmt: skip

    print("\nThe same in PyTorch eager, with its fused AdamW:", flush=True)
    theirs, their_ms = eager(archive, tokens, a.steps)
    ours = [json.loads(line) for line in metrics.read_text().splitlines()]
    rank = json.loads(memory.read_text())["ranks"][0]
    mib = lambda n: f"{n / 2**20:.2f} MiB"
    rows = [["", "regimen-run", "PyTorch eager", "difference"]]
    for step in sorted({0, a.steps // 4, a.steps // 2, a.steps - 1}):
        mine, other = ours[step]["loss"], theirs[step]
        rows.append([f"loss of step {step}", f"{mine:.6f}", f"{other:.6f}", f"{abs(mine - other) / other:.1e} relative"])
    my_ms, their_median = statistics.median(m["step_ms"] for m in ours), statistics.median(their_ms)
    rows.append(["step time, median", f"{my_ms:.1f} ms", f"{their_median:.1f} ms", f"{my_ms / their_median:.2f}x"])
    print()
    table(rows)
    print()
    table([
        ["peak memory of the arenas", "bytes", ""],
        ["predicted by regimen-compile", str(rank["predicted_peak"]), mib(rank["predicted_peak"])],
        ["measured by regimen-run", str(rank["measured_peak"]), mib(rank["measured_peak"])],
        ["outside the arenas", str(rank["unplanned_bytes"]), mib(rank["unplanned_bytes"])],
    ])  # fmt: skip
    print(f"\nTrained weights: {os.path.relpath(a.work / 'trained' / 'model.safetensors')}")
    print(f"The plan as text: {os.path.relpath(a.bin / 'regimen-plan')} show {os.path.relpath(plan)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
