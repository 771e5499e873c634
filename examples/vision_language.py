#!/usr/bin/env python3
"""Two models, compiled apart and trained jointly: a vision encoder whose patches a language model reads as a prefix.

    examples/vision_language.py [--steps 150]

Images hold one coloured shape; the caption says which and where. The language model's gradient goes through the prefix into
the encoder by PyTorch's own backward, one optimizer steps both. In the end the captions of images never seen are
completed letter by letter.
"""

from __future__ import annotations

import argparse
import random

import regimen
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE, PATCH, WIDTH, HEADS, BATCH, LENGTH = 24, 6, 48, 4, 16, 28
PATCHES = (SIZE // PATCH) ** 2
COLOURS = {"red": (1.0, 0.1, 0.1), "green": (0.1, 1.0, 0.1), "blue": (0.2, 0.2, 1.0), "yellow": (1.0, 1.0, 0.1)}
SHAPES = ("square", "disc", "cross")
ALPHABET = "\0 abcdefghijklmnopqrstuvwxyz"
IGNORED = -100


class Block(nn.Module):
    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.before, self.after = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        q, k, v = (t.view(rows, length, HEADS, -1).transpose(1, 2) for t in self.qkv(self.before(x)).split(WIDTH, dim=2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(attended.transpose(1, 2).reshape(rows, length, WIDTH))
        return x + self.narrow(F.gelu(self.wide(self.after(x))))


class Encoder(nn.Module):
    """Images to one vector a patch."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(3 * PATCH * PATCH, WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(PATCHES, WIDTH))
        self.blocks = nn.Sequential(Block(causal=False), Block(causal=False))

    def forward(self, images: Tensor) -> Tensor:
        n = SIZE // PATCH
        patches = images.view(-1, 3, n, PATCH, n, PATCH).permute(0, 2, 4, 1, 3, 5).reshape(-1, PATCHES, 3 * PATCH * PATCH)
        return self.blocks(self.project(patches) + self.place)


class Language(nn.Module):
    """Letters after a prefix of vectors: the loss of the next letter, and its scores."""

    def __init__(self) -> None:
        super().__init__()
        self.letters = nn.Embedding(len(ALPHABET), WIDTH)
        self.place = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
        self.blocks = nn.Sequential(Block(causal=True), Block(causal=True))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(ALPHABET))

    def forward(self, prefix: Tensor, tokens: Tensor, labels: Tensor) -> dict[str, Tensor]:
        x = torch.cat([prefix, self.letters(tokens) + self.place], dim=1)
        scores = self.head(self.norm(self.blocks(x)[:, PATCHES:]))
        return {"loss": F.cross_entropy(scores.flatten(0, 1), labels.flatten(), ignore_index=IGNORED), "scores": scores}


def draw(rng: random.Random) -> tuple[Tensor, str]:
    """An image and its caption."""
    colour, shape, row, column = rng.choice(list(COLOURS)), rng.choice(SHAPES), rng.randrange(2), rng.randrange(2)
    image = 0.1 * torch.rand(3, SIZE, SIZE)
    top, left = (offset * SIZE // 2 + rng.randrange(4) for offset in (row, column))
    y, x = torch.meshgrid(torch.arange(8) - 3.5, torch.arange(8) - 3.5, indexing="ij")
    inside = {"square": (y.abs() < 3.6) & (x.abs() < 3.6), "disc": y**2 + x**2 < 14, "cross": (y.abs() < 1.1) | (x.abs() < 1.1)}[shape]
    image[:, top : top + 8, left : left + 8] += inside * torch.tensor(COLOURS[colour]).view(3, 1, 1)
    return image, f"{colour} {shape} {'below' if row else 'above'} {'right' if column else 'left'}"


def batch(rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    images, captions = zip(*(draw(rng) for _ in range(BATCH)))
    tokens = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    labels = torch.full((BATCH, LENGTH), IGNORED)
    for i, caption in enumerate(captions):
        letters = torch.tensor([ALPHABET.index(c) for c in caption] + [0])
        tokens[i, 1 : len(letters)] = letters[:-1]  # the first token says: begin
        labels[i, : len(letters)] = letters
    return torch.stack(images), tokens, labels


@torch.no_grad()
def complete(vision: nn.Module, language: nn.Module, images: Tensor) -> list[str]:
    """Captions, a letter at a time; the shapes never change, so one specialisation serves."""
    tokens = torch.zeros(BATCH, LENGTH, dtype=torch.long)
    unknown = torch.full((BATCH, LENGTH), 1)
    prefix = vision(images)
    for at in range(LENGTH - 1):
        tokens[:, at + 1] = language(prefix, tokens, unknown)["scores"][:, at].argmax(1)
    return ["".join(ALPHABET[i] for i in row).split("\0")[0] for row in tokens[:, 1:].tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    rng = random.Random(0)
    images, tokens, labels = batch(rng)
    encoder = Encoder()
    vision = regimen.compile(encoder, (images,))
    language = regimen.compile(Language(), (torch.zeros(BATCH, PATCHES, WIDTH), tokens, labels))
    optimizer = regimen.optim.AdamW([*vision.parameters(), *language.parameters()], lr=2e-3, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)

    print(f"{'step':>5} {'loss':>8} {'|g| vision':>11} {'|g| language':>13}")
    for step in range(steps):
        images, tokens, labels = batch(rng)
        loss = language(vision(images), tokens, labels)["loss"]
        loss.backward()
        norms = [regimen.clip_grad_norm_(m.parameters(), 1.0).item() for m in (vision, language)]
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        if step % 25 == 0 or step == steps - 1:
            print(f"{step:5} {loss.item():8.4f} {norms[0]:11.4f} {norms[1]:13.4f}", flush=True)

    fresh = random.Random(10_000)
    pairs = [draw(fresh) for _ in range(BATCH)]
    guesses = complete(vision, language, torch.stack([image for image, _ in pairs]))
    right = sum(guess == caption for guess, (_, caption) in zip(guesses, pairs))
    print(f"\n{right} of {BATCH} captions of new images are right, for example:")
    for guess, (_, caption) in list(zip(guesses, pairs))[:3]:
        print(f"  {caption:26} read as  {guess}")


if __name__ == "__main__":
    main()
