#!/usr/bin/env python3
"""Learns to guess the next letter of Genesis from the twelve before it."""

import pathlib

import regimen
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEXT = torch.tensor(list((pathlib.Path(__file__).parent / "data/genesis.txt").read_bytes()))
CONTEXT, BATCH, STEPS = 12, 64, 300


class NextLetter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(128, 24)
        self.layers = nn.Sequential(nn.Linear(24 * CONTEXT, 192), nn.GELU(), nn.Linear(192, 128))

    def forward(self, before: Tensor, letter: Tensor) -> Tensor:
        return F.cross_entropy(self.layers(self.embed(before).flatten(1)), letter)


def batch(step: int) -> tuple[Tensor, Tensor]:
    at = torch.randint(len(TEXT) - CONTEXT, (BATCH,), generator=torch.Generator().manual_seed(step))
    return TEXT[at[:, None] + torch.arange(CONTEXT)], TEXT[at + CONTEXT]


torch.manual_seed(0)
model = regimen.compile(NextLetter(), batch(0))
optimizer = regimen.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
for step in range(STEPS):
    loss = model(*batch(step))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    scheduler.step()
    if step % 50 == 0 or step == STEPS - 1:
        print(f"step {step:3}  loss {loss.item():.4f}")
