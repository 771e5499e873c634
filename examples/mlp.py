"""A small classifier: the model of docs/walkthrough.md."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(16, 32)
        self.out = nn.Linear(32, 4)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        logits = self.out(torch.tanh(self.hidden(x)))
        return F.cross_entropy(logits, labels)


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The model and example inputs, as `python -m regimen.export` wants them."""
    return Classifier(), (torch.zeros(8, 16), torch.zeros(8, dtype=torch.long))


def data(blocks: int) -> dict[str, Tensor]:
    """Rows for `blocks` batches: the class is where the input is largest among its first four values."""
    x = torch.randn(8 * blocks, 16, generator=torch.Generator().manual_seed(0))
    return {"x": x, "labels": x[:, :4].argmax(1)}
