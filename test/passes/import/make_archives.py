#!/usr/bin/env python3
"""Writes small exports, each with a trap for the importer: make_archives.py OUT_DIR

A model's name is its archive's. Sizes are small and all different, so that a mixed-up axis shows.
"""

from __future__ import annotations

import pathlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "python"))
import regimen.export  # noqa: E402

MODELS: dict[str, Callable[[], ExportedProgram]] = {}


def functional(module: nn.Module, args: tuple[Any, ...], **options: Any) -> ExportedProgram:
    return torch.export.export(module, args, **options).run_decompositions({})


def model(make: Callable[[], ExportedProgram]) -> Callable[[], ExportedProgram]:
    MODELS[make.__name__] = make
    return make


class Tied(nn.Module):
    """`head` is `embed` under a second name; the graph reads one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 5)
        self.head = nn.Linear(5, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embed(ids)).sum()


@model
def tied() -> ExportedProgram:
    return functional(Tied(), (torch.zeros(2, 3, dtype=torch.long),))


@model
def meta() -> ExportedProgram:
    """Without weights all records are one empty storage, which ties nothing."""
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
        return functional(Scalar(module), (torch.zeros(2, 4),))


class Scalar(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).sum()


class Buffers(nn.Module):
    """One buffer of each kind: persistent and updated, not persistent, and a lifted constant."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("scale", torch.tensor([0.5, 1.0, 2.0]), persistent=False)
        self.register_buffer("flags", torch.tensor([True, False, True]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.count.add_(1)
        offset = torch.tensor([1.0, 2.0, 3.0])
        return torch.where(self.flags, x * self.scale + offset, self.weight).sum()


@model
def buffers() -> ExportedProgram:
    return functional(Buffers(), (torch.ones(2, 3),))


class Numbers(nn.Module):
    """Numbers where a tensor is declared, in every position, and arguments left at their defaults."""

    def forward(self, x: Tensor, n: Tensor) -> Tensor:
        y = (x + 2) * 0.5 - 1
        y = torch.where(n >= 0, y / 3, 0.0) + torch.add(x, x, alpha=2)
        return nn.functional.softmax(y, dim=-1).sum() + (n + 1).sum()


@model
def numbers() -> ExportedProgram:
    return functional(Numbers(), (torch.ones(2, 3), torch.arange(3)))


class Several(nn.Module):
    """Frozen and unused parameters, an op with unused results, and outputs in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(4, 6)
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x: Tensor) -> dict[str, Any]:
        first, _ = self.used(x).chunk(2, dim=-1)
        return {"logits": first, "loss": (first * self.frozen).sum()}


@model
def several() -> ExportedProgram:
    return functional(Several(), (torch.ones(2, 4),))


class Dynamic(nn.Module):
    """The batch is known from `x` alone, the length from `y` alone, and `y` is twice as wide as `z`."""

    def forward(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        b, t = x.shape[0], y.shape[0]
        table = x.unsqueeze(1).expand(b, t, 3).reshape(b * t, 3)
        mask = torch.arange(t).unsqueeze(0) <= torch.arange(t).unsqueeze(1)
        return table.sum() / b + (mask * y.unsqueeze(0)).sum() + z.sum()


@model
def dynamic() -> ExportedProgram:
    length = Dim("length", min=2, max=64)
    shapes = {"x": {0: Dim("batch", min=2, max=16)}, "y": {0: 2 * length}, "z": {0: length}}
    return functional(Dynamic(), (torch.ones(4, 3), torch.ones(10), torch.ones(5)), dynamic_shapes=shapes)


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.add_(1)
        return y.sum()


@model
def in_place() -> ExportedProgram:
    return torch.export.export(InPlace(), (torch.ones(3),))


class NoGrad(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = x * 2
        return (x * y).sum()


@model
def higher_order() -> ExportedProgram:
    return torch.export.export(NoGrad(), (torch.ones(3),))


@model
def raw() -> ExportedProgram:
    return torch.export.export(Scalar(nn.Linear(4, 4)), (torch.ones(2, 4),))


class Unknown(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (torch.special.i0(x) + torch.special.i0(x) + torch.digamma(x)).sum()


@model
def unknown() -> ExportedProgram:
    return functional(Unknown(), (torch.ones(3),))


@model
def dropout() -> ExportedProgram:
    return functional(Scalar(nn.Dropout(0.25)), (torch.ones(3),))


class Updates(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        return x.sum()


@model
def writes_input() -> ExportedProgram:
    return functional(Updates(), (torch.ones(3),))


@model
def vector_loss() -> ExportedProgram:
    return functional(nn.Linear(4, 6), (torch.ones(2, 4),))


class Overlap(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Parameter(torch.ones(6))
        self.part = nn.Parameter(self.whole.data[2:])

    def forward(self, x: Tensor) -> Tensor:
        return (self.whole * x).sum() + self.part.sum()


@model
def overlap() -> ExportedProgram:
    return functional(Overlap(), (torch.ones(6),))


class Masked(nn.Module):
    """Attention as Hugging Face's models call it: a mask computed from ranges."""

    def __init__(self, window: int | None) -> None:
        super().__init__()
        self.window = window

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        t = q.shape[-2]
        queries, keys = torch.arange(t).view(1, 1, t, 1), torch.arange(t).view(1, 1, 1, t)
        mask = q.new_ones((), dtype=torch.bool) & (keys <= queries)
        if self.window is not None:
            mask = mask & (keys > queries - self.window)
        mask = mask.expand(q.shape[0], -1, t, t)
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask).sum()


@model
def causal() -> ExportedProgram:
    return functional(Masked(None), tuple(torch.ones(2, 3, 7, 4) for _ in range(3)))


@model
def sliding() -> ExportedProgram:
    return functional(Masked(3), tuple(torch.ones(2, 3, 7, 4) for _ in range(3)))


@model
def marked() -> ExportedProgram:
    """regimen.export's mark says what is tied, which empty records cannot, and how outputs nest."""

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tied = Tied()

        def forward(self, ids: Tensor) -> dict[str, Any]:
            loss = self.tied(ids)
            return {"stats": [ids, loss * 2], "total": {"loss": loss}}

    with torch.device("meta"):
        return regimen.export.export(Nested(), (torch.zeros(2, 3, dtype=torch.long),))


def main() -> int:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    for name, make in MODELS.items():
        torch.manual_seed(0)
        save = regimen.export.save if name == "marked" else torch.export.save
        save(make(), out / f"{name}.pt2")
    return 0


if __name__ == "__main__":
    sys.exit(main())
