#!/usr/bin/env python3
"""Seconds from .pt2 to plan file for graphs of real size: GPT-2 124M (T 1024) and Llama 8B (T 2048).

    bench/compile_time.py [--bin build/bin] [--runs 3]

The models are exported on the meta device, so the archives hold graphs and no weights.
"""

import pathlib
import statistics
import tempfile
import time

import torch
import transformers

import common


def models() -> dict[str, tuple[transformers.PreTrainedModel, int]]:
    """Name to model on the meta device and sequence length."""
    off = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    llama = transformers.LlamaConfig(
        vocab_size=128256, max_position_embeddings=8192, rope_theta=5e5, hidden_size=4096, intermediate_size=14336,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)  # fmt: skip
    with torch.device("meta"):
        return {
            "GPT-2 124M": (transformers.GPT2LMHeadModel(transformers.GPT2Config(**off)), 1024),
            "Llama 8B": (transformers.LlamaForCausalLM(llama), 2048),
        }


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, length) in models().items():
            archive = pathlib.Path(folder) / f"{name.replace(' ', '-')}.pt2"
            ids = torch.zeros(1, length, dtype=torch.long, device="meta")
            torch.export.save(torch.export.export(common.Loss(model), (ids, ids.clone())).run_decompositions({}), archive)
            wall, cpu = [], []
            for _ in range(args.runs):
                start = time.monotonic()
                cpu.append(common.cpu_seconds([args.bin / "regimen-compile", archive, "-o", archive.with_suffix(".plan")]))
                wall.append(time.monotonic() - start)
            rows.append([name, f"{statistics.median(wall):.2f}", f"{statistics.median(cpu):.2f}", f"{max(wall):.2f}"])
            print(f"{name}: {wall}", flush=True)
    print(common.table(["model", "wall s (median)", "CPU s (median)", "wall s (max)"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
