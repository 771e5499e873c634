"""Small modules, and their compiled twins: every test runs the same loop over both."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import regimen

#: The path whose bits are PyTorch's.
REFERENCE = {"fuse.enable": False}

WIDTH, ROWS, CLASSES = 12, 4, 7


class Encoder(nn.Module):
    """One output that is no loss."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.LayerNorm(2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.norm(self.up(x))))


class Head(nn.Module):
    """A loss, and logits that it depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, h: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.head(torch.tanh(self.body(h)))
        return F.cross_entropy(logits, labels), logits


class Branches(nn.Module):
    """A dict of independent outputs over a common trunk, one of them unlike the others in shape."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.left, self.right = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, 1)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        h = torch.relu(self.trunk(x))
        left = self.left(h)
        return {"loss": F.cross_entropy(left, labels), "left": left, "right": self.right(h).squeeze(-1)}


class PartlyFrozen(nn.Module):
    """A frozen layer beside a trained one."""

    def __init__(self) -> None:
        super().__init__()
        self.base, self.delta = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.base.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.delta(x)


class Apart(nn.Module):
    """Returns what depends on the input alone, and one value twice."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = torch.tanh(self.inner(x))
        return x * 2, y, y


def batch(k: int, rows: int = ROWS) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 + k)
    return torch.randn(rows, WIDTH, generator=generator), torch.randint(0, CLASSES, (rows,), generator=generator)


def batch_of(k: int, rank: int) -> tuple[Tensor, Tensor]:
    """What one of several ranks sees."""
    generator = torch.Generator().manual_seed(1000 * k + rank)
    return torch.randn(ROWS, WIDTH, generator=generator), torch.randint(0, CLASSES, (ROWS,), generator=generator)


#: What each module is compiled with.
EXAMPLES: dict[type[nn.Module], Callable[[], tuple[Tensor, ...]]] = {
    Encoder: lambda: batch(0)[:1],
    Head: lambda: (torch.zeros(ROWS, WIDTH), batch(0)[1]),
    Branches: lambda: batch(0),
    PartlyFrozen: lambda: batch(0)[:1],
    Apart: lambda: batch(0)[:1],
}


def twins(*kinds: type[nn.Module], config: dict[str, Any] | None = None) -> tuple[list[nn.Module], list[regimen.CompiledModule]]:
    """Plain modules and compiled ones with equal weights."""
    torch.manual_seed(7)
    plain = [kind() for kind in kinds]
    compiled = [
        regimen.compile(copy.deepcopy(module), EXAMPLES[type(module)](), config=REFERENCE if config is None else config, verbose=False)
        for module in plain
    ]
    return plain, compiled


def same_bits(a: Tensor, b: Tensor) -> bool:
    a, b = a.detach().contiguous(), b.detach().contiguous()
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def check_same(have: Tensor, want: Tensor, what: str) -> None:
    assert have.shape == want.shape and have.dtype == want.dtype, what
    assert same_bits(have, want), f"{what}: off by {float((have.detach() - want.detach()).abs().max()):.3g}"


def check_close(have: Tensor, want: Tensor, what: str) -> None:
    scale = max(1.0, float(want.detach().abs().max()) if want.numel() else 1.0)
    torch.testing.assert_close(have, want, rtol=1e-5, atol=2e-6 * scale, msg=lambda text: f"{what}: {text}")


def check_gradients(
    have: Sequence[nn.Module], want: Sequence[nn.Module], check: Callable[[Tensor, Tensor, str], None] = check_same
) -> None:
    for ours, theirs in zip(have, want):
        mine, other = gradients(ours), gradients(theirs)
        assert sorted(mine) == sorted(other), f"missing {sorted(set(other) - set(mine))}, extra {sorted(set(mine) - set(other))}"
        for name, gradient in other.items():
            check(mine[name], gradient, f"gradient of {name}")
