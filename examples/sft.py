#!/usr/bin/env python3
"""Supervised fine-tuning of a small causal language model: verses of Genesis, the prompt's labels masked.

    examples/sft.py [--steps 100]

A verse is cut in two: the model reads the first half as the prompt and learns to go on with the second. Prompt and padding
have the label -100, which counts in no loss. The model is Hugging Face's GPT-2 in a small configuration, bytes are its tokens.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import regimen  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from torch import Tensor  # noqa: E402

VERSES = (pathlib.Path(__file__).parent / "data/genesis.txt").read_bytes().splitlines()
LENGTH, BATCH, END = 96, 8, 0
IGNORED = -100


def example(verse: bytes) -> tuple[list[int], list[int]]:
    """Tokens and labels of a verse, padded to LENGTH."""
    cut = verse.find(b" ", len(verse) // 2) + 1
    tokens = [*verse[: LENGTH - 1], END]
    labels = [IGNORED] * min(cut, len(tokens)) + tokens[cut:]
    padding = LENGTH - len(tokens)
    return tokens + [END] * padding, labels + [IGNORED] * padding


def batch(verses: list[bytes]) -> dict[str, Tensor]:
    tokens, labels = zip(*map(example, verses))
    return {"input_ids": torch.tensor(tokens), "labels": torch.tensor(labels)}


def evaluate(model: torch.nn.Module, batches: list[dict[str, Tensor]]) -> float:
    model.eval()
    with torch.no_grad():
        losses = [model(**b).loss.item() for b in batches]
    model.train()
    return sum(losses) / len(losses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    # Verses of which some answer lies within LENGTH; the last ones are held out.
    verses = [v for v in VERSES if len(v) > 24 and v.find(b" ", len(v) // 2) + 1 < LENGTH - 16]
    train, held = verses[: -4 * BATCH], [batch(verses[i : i + BATCH]) for i in range(len(verses) - 4 * BATCH, len(verses), BATCH)]

    module = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=128, n_positions=LENGTH, n_embd=64, n_layer=2, n_head=4, use_cache=False, bos_token_id=END, eos_token_id=END,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))  # fmt: skip
    model = regimen.compile(module.train(), (), batch(train[:BATCH]))
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = regimen.optim.AdamW([{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=2e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)

    before = evaluate(model, held)
    print(f"{len(train)} verses, {sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"{'step':>5} {'loss':>8} {'norm':>8} {'lr':>8} {'ms':>7}")
    order = torch.randperm(len(train)).tolist()
    for step in range(steps):
        start = time.perf_counter()
        rows = [train[order[(step * BATCH + i) % len(train)]] for i in range(BATCH)]
        loss = model(**batch(rows)).loss
        loss.backward()
        norm = regimen.clip_grad_norm_(model.parameters(), 1.0)
        rate = scheduler.get_last_lr()[0]
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        if step % 20 == 0 or step == steps - 1:
            elapsed = (time.perf_counter() - start) * 1e3
            print(f"{step:5} {loss.item():8.4f} {norm.item():8.4f} {rate:8.1e} {elapsed:7.1f}", flush=True)
    print(f"held-out loss of the answers: {before:.4f} before, {evaluate(model, held):.4f} after")
    report = model.memory_report()
    print("memory: " + ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in report["arenas"].items() if size))


if __name__ == "__main__":
    main()
