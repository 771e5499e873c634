#!/usr/bin/env python3
"""Seconds from .pt2 to plan file for graphs of real size: GPT-2 124M (T 1024), Llama 8B and 70B (T 2048), the last for 64 ranks.

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


def llama(**sizes: int) -> transformers.PreTrainedModel:
    config = transformers.LlamaConfig(vocab_size=128256, max_position_embeddings=8192, rope_theta=5e5, num_key_value_heads=8, **sizes)
    return transformers.LlamaForCausalLM(config)


def models() -> dict[str, tuple[transformers.PreTrainedModel, int, list[str]]]:
    """Name to model on the meta device, sequence length, and configuration."""
    off = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    small = dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32)
    large = dict(hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64)
    with torch.device("meta"):
        return {
            "GPT-2 124M": (transformers.GPT2LMHeadModel(transformers.GPT2Config(**off)), 1024, []),
            "Llama 8B": (llama(**small), 2048, []),
            "Llama 70B, 64 ranks, stage 3": (llama(**large), 2048, ["mesh.dp=64", "zero.stage=3"]),
        }


def main() -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, length, config) in models().items():
            archive = pathlib.Path(folder) / "model.pt2"
            ids = torch.zeros(1, length, dtype=torch.long, device="meta")
            torch.export.save(torch.export.export(common.Loss(model), (ids, ids.clone())).run_decompositions({}), archive)
            settings = [x for s in config for x in ("--set", s)]
            command = [args.bin / "regimen-compile", archive, "-o", archive.with_suffix(".plan"), *settings]
            wall, cpu = [], []
            for _ in range(args.runs):
                start = time.monotonic()
                cpu.append(common.cpu_seconds(command))
                wall.append(time.monotonic() - start)
            rows.append([name, f"{statistics.median(wall):.2f}", f"{statistics.median(cpu):.2f}", f"{max(wall):.2f}"])
            print(f"{name}: {wall}", flush=True)
    print(common.table(["model", "wall s (median)", "CPU s (median)", "wall s (max)"], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
