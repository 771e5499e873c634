"""Small training graphs: hand-written modules and tiny configurations of Hugging Face families.

A `Model` makes its module (same weights every time) and its batches; inputs are named as forward's arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Batch = dict[str, Tensor]
SEED = 7


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    build: Callable[[], nn.Module]
    draw: Callable[[torch.Generator], Batch]
    dynamic: dict[str, dict[int, str]] | None = None

    def module(self) -> nn.Module:
        torch.manual_seed(SEED)
        return self.build().train()

    def batch(self, index: int) -> Batch:
        return self.draw(torch.Generator().manual_seed(1000 + index))


REGISTRY: dict[str, Model] = {}


def register(name: str, build: Callable[[], nn.Module], draw: Callable[[torch.Generator], Batch], dynamic: Any = None) -> None:
    REGISTRY[name] = Model(name, build, draw, dynamic)


# --- hand-written -------------------------------------------------------------------------------------------------


class MLP(nn.Module):
    def __init__(self, inputs: int = 24, hidden: int = 48, classes: int = 7) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.layers(x), labels)


def classes_batch(g: torch.Generator, rows: int = 8, inputs: int = 24, classes: int = 7) -> Batch:
    labels = torch.randint(0, classes, (rows,), generator=g)
    return {"x": torch.randn(rows, inputs, generator=g) + 2 * F.one_hot(labels, inputs), "labels": labels}


register("mlp", MLP, classes_batch, {"x": {0: "batch"}, "labels": {0: "batch"}})


class FrozenAndUnused(nn.Module):
    """A frozen layer below trained ones, a layer that nothing reads, and a tied weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(24, 16)
        self.middle = nn.Linear(16, 16)
        self.unused = nn.Linear(3, 3)
        self.again = nn.Linear(16, 16)
        self.again.weight = self.middle.weight
        self.head = nn.Linear(16, 7)
        self.embed.weight.requires_grad_(False)
        self.head.bias.requires_grad_(False)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = torch.tanh(self.middle(self.embed(x)))
        return F.cross_entropy(self.head(torch.tanh(self.again(h))), labels)


register("frozen", FrozenAndUnused, classes_batch)


class SeveralOutputs(nn.Module):
    """A dict with the loss second, logits that nobody reads and a nested tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(24, 32)
        self.head = nn.Linear(32, 7)

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Any]:
        h = F.silu(self.body(x))
        logits = self.head(h)
        return {"logits": logits, "loss": F.cross_entropy(logits, labels), "extra": (h.mean(), logits.argmax(-1))}


register("outputs", SeveralOutputs, classes_batch)


class Regression(nn.Module):
    """A mean squared error, with a norm and clamped activations."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(24, 32), nn.ELU(), nn.Linear(32, 16), nn.Softplus(), nn.Linear(16, 3))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(self.layers(F.normalize(x, dim=-1)), y)


def regression_batch(g: torch.Generator) -> Batch:
    x = torch.randn(8, 24, generator=g)
    return {"x": x, "y": x[:, :3] * 2 + x[:, 3:6].clamp(min=0)}


register("regression", Regression, regression_batch)


class ConvNet(nn.Module):
    """Convolutions with batch norm, whose running statistics move, pooling, a residual and a rise in resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.Hardswish())
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 1, groups=2), nn.BatchNorm2d(8), nn.ReLU6())
        self.head = nn.Linear(8, 5)

    def forward(self, pixel_values: Tensor, labels: Tensor) -> Tensor:
        h = self.stem(pixel_values)
        h = self.up(h + self.body(h))
        return F.cross_entropy(self.head(F.adaptive_avg_pool2d(h, 1).flatten(1)), labels, label_smoothing=0.1)


class ChannelsLast(nn.Module):
    """Convolutions of tensors whose channels lie last, depthwise and dense, windows rolled along two axes, and a mask by assignment."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 32, 4, stride=4), nn.LayerNorm(32)
        self.depthwise, self.down = nn.Conv2d(32, 32, 7, padding=3, groups=32), nn.Conv2d(32, 48, 2, stride=2)
        self.batch_norm = nn.BatchNorm2d(48)
        self.head = nn.Linear(48, 5)

    def forward(self, pixel_values: Tensor, labels: Tensor) -> Tensor:
        h = self.norm(self.patch(pixel_values).permute(0, 2, 3, 1))
        mask = h.new_zeros(h.shape[1], h.shape[2])
        mask[:-1, 1:] = 1.0
        mask[0] = 0.5
        h = torch.roll(h, shifts=(-1, 1), dims=(1, 2)) * mask.unsqueeze(-1)
        h = h.permute(0, 3, 1, 2)
        h = self.batch_norm(self.down(h + self.depthwise(h)))
        return F.cross_entropy(self.head(h.mean((2, 3))), labels)


class RelativeBias(nn.Module):
    """Attention with a trained mask, and of a contiguous query."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.bias = nn.Embedding(96, 32), nn.Embedding(9, 2)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 96)

    def forward(self, idx: Tensor, targets: Tensor) -> Tensor:
        x = self.embed(idx)
        b, t, w = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 2, 16).permute(2, 0, 3, 1, 4).unbind(0)
        distance = (torch.arange(t)[:, None] - torch.arange(t)).clamp(-4, 4) + 4
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=self.bias(distance).permute(2, 0, 1).unsqueeze(0))
        y = F.scaled_dot_product_attention(y.contiguous(), k.contiguous(), v)
        return F.cross_entropy(self.out(y.transpose(1, 2).reshape(b, t, w)).flatten(0, 1), targets.flatten(), ignore_index=-1)


class Recurrent(nn.Module):
    """Two recurrent layers in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(96, 24), nn.Linear(32, 96)
        self.lstm = nn.LSTM(24, 16, num_layers=2, bidirectional=True, batch_first=True)

    def forward(self, idx: Tensor, targets: Tensor) -> Tensor:
        y, _ = self.lstm(self.embed(idx))
        return F.cross_entropy(self.out(y).flatten(0, 1), targets.flatten(), ignore_index=-1)


class Losses(nn.Module):
    """Losses that are reduced from many elements, beside what lies next to them in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(24, 150), nn.Linear(24, 150)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        target = y.repeat(1, 50) * 0.1
        a, b = self.a(x), self.b(x)
        loss = F.huber_loss(a, target) + F.smooth_l1_loss(b, target, reduction="sum") + F.mse_loss(a, b)
        return loss + F.binary_cross_entropy(torch.sigmoid(a * b), torch.sigmoid(target)) + F.mse_loss(b, target, reduction="none").mean()


class NoGrad(nn.Module):
    """Regions under no_grad on paths that carry gradients: a target network's value, a running mean."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(24, 16)
        self.b = nn.Linear(16, 16)
        self.head = nn.Linear(16, 7)
        self.register_buffer("mean", torch.zeros(16))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        with torch.no_grad():
            target = self.b(h) * 2
            scale = h.abs().mean(0, keepdim=True)
            with torch.enable_grad():
                extra = self.b(h)
            shifted = scale + 1
        h = (h - target) / shifted + extra
        return F.cross_entropy(self.head(h), labels)


register("no_grad", NoGrad, classes_batch)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, t, w = x.shape
        q, k, v = (y.view(b, t, self.heads, w // self.heads).transpose(1, 2) for y in self.qkv(x).split(w, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).contiguous().view(b, t, w))


class GPTBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class NanoGPT(nn.Module):
    def __init__(self, vocabulary: int = 96, context: int = 24, width: int = 32, heads: int = 2, layers: int = 2) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(GPTBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, idx: Tensor, targets: Tensor) -> Tensor:
        x = self.tokens(idx) + self.positions(torch.arange(idx.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), ignore_index=-1)


def rows_of_tokens(g: torch.Generator, rows: int, length: int, vocabulary: int) -> Tensor:
    """Arithmetic progressions with a tenth of noise: something that can be learnt."""
    first, stride = torch.randint(0, vocabulary, (rows, 1), generator=g), torch.randint(1, 4, (rows, 1), generator=g)
    row = (first + stride * torch.arange(length)) % vocabulary
    noise = torch.randint(0, vocabulary, (rows, length), generator=g)
    return torch.where(torch.rand(rows, length, generator=g) < 0.1, noise, row)


def shifted_batch(g: torch.Generator) -> Batch:
    row = rows_of_tokens(g, 3, 25, 96)
    targets = row[:, 1:].clone()
    targets[0, -4:] = -1
    return {"idx": row[:, :-1].contiguous(), "targets": targets.contiguous()}


register("nanogpt", NanoGPT, shifted_batch)


# --- Hugging Face families ----------------------------------------------------------------------------------------


class Loss(nn.Module):
    """The loss of a Hugging Face model, inputs in the order of its batch."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class CausalLoss(Loss):
    def forward(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        return self.model(input_ids=input_ids, labels=labels, use_cache=False).loss


class MaskedLoss(Loss):
    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss


class ImageLoss(Loss):
    def forward(self, pixel_values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        out = self.model(pixel_values=pixel_values, labels=labels)
        return out.loss, out.logits


def causal_batch(g: torch.Generator) -> Batch:
    ids = rows_of_tokens(g, 2, 24, 96)
    labels = ids.clone()
    labels[0, -3:] = -100
    return {"input_ids": ids, "labels": labels}


def masked_batch(g: torch.Generator) -> Batch:
    ids = rows_of_tokens(g, 3, 24, 96)
    mask = (torch.arange(24) < torch.randint(12, 25, (3, 1), generator=g)).long()
    hidden = (torch.rand(3, 24, generator=g) < 0.2) & (mask == 1)
    hidden[:, 0] = True
    return {
        "input_ids": torch.where(hidden, torch.full_like(ids, 3), ids) * mask,
        "attention_mask": mask,
        "labels": ids.masked_fill(~hidden, -100),
    }


def image_batch(g: torch.Generator) -> Batch:
    labels = torch.randint(0, 5, (4,), generator=g)
    return {"pixel_values": torch.randn(4, 3, 16, 16, generator=g) + labels.view(-1, 1, 1, 1) * 0.2, "labels": labels}


def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=96, n_positions=32, n_embd=32, n_layer=2, n_head=4, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return CausalLoss(GPT2LMHeadModel(config))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=96, hidden_size=32, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=32, bos_token_id=0, eos_token_id=1, pad_token_id=None,
    )  # fmt: skip
    return CausalLoss(LlamaForCausalLM(config))


def bert() -> nn.Module:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return MaskedLoss(BertForMaskedLM(config))


def vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=16, patch_size=4,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=5,
    )  # fmt: skip
    return ImageLoss(ViTForImageClassification(config))


TOKENS_DYNAMIC = {"input_ids": {0: "batch", 1: "seq"}, "labels": {0: "batch", 1: "seq"}}
register("gpt2", gpt2, causal_batch, TOKENS_DYNAMIC)
register("llama", llama, causal_batch, TOKENS_DYNAMIC)
register("bert", bert, masked_batch)
register("vit", vit, image_batch)
register("convnet", ConvNet, image_batch)
register("channels_last", ChannelsLast, image_batch)
register("relative_bias", RelativeBias, shifted_batch)
register("recurrent", Recurrent, shifted_batch)
register("losses", Losses, regression_batch)

FAMILIES = ["mlp", "nanogpt", "gpt2", "llama", "bert", "vit"]
