"""Every rule of the gradient table against torch.autograd: the same bits, op by op.

Each case is exported, compiled up to autodiff, and the printed micro-step is run with torch (interpret.py).
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from interpret import Interpreter
from torch import Tensor, nn

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLE = ROOT / "dialects/aten/rules/Vjp.td"

torch.set_num_threads(1)
aten = torch.ops.aten


class Case(nn.Module):
    """`function(*parameters, *inputs)`, weighted and summed to a loss so that gradients differ by element."""

    def __init__(self, function: Callable[..., Tensor], shapes: list[tuple[int, ...]], positive: bool) -> None:
        super().__init__()
        make = (lambda s: torch.rand(s) + 0.5) if positive else torch.randn
        self.weights = nn.ParameterList([nn.Parameter(make(s)) for s in shapes])
        self.function = function

    def forward(self, scale: Tensor, *inputs: Tensor) -> Tensor:
        out = self.function(*self.weights, *inputs)
        return (out * scale).sum()


def ints(*shape: int, high: int = 3) -> Tensor:
    return torch.randint(0, high, shape)


# name: function, shapes of the parameters, further inputs. A name ending in + takes positive parameters.
CASES: dict[str, tuple[Any, ...]] = {
    "alias": (lambda x: aten.alias(x), [(2, 3)]),
    "clone": (lambda x: x.clone(), [(2, 3)]),
    "to_copy": (lambda x: x.double().mul(2).float(), [(2, 3)]),
    "expand": (lambda x: x.expand(4, 2, 3), [(1, 3)]),
    "view": (lambda x: x.view(3, 2), [(2, 3)]),
    "view_of_transposed": (lambda x: x.transpose(0, 1).reshape(6), [(2, 3)]),
    "unsafe_view": (lambda x: aten._unsafe_view(x, [6]), [(2, 3)]),
    "t": (lambda x: x.t(), [(2, 3)]),
    "transpose": (lambda x: x.transpose(0, -1), [(2, 3, 4)]),
    "permute": (lambda x: x.permute(2, 0, 1), [(2, 3, 4)]),
    "select": (lambda x: x.select(1, -1), [(2, 3)]),
    "slice": (lambda x: x[:, 1:], [(2, 3)]),
    "slice_step": (lambda x: x[:, 0:4:2], [(2, 5)]),
    "split": (lambda x: torch.split(x, 2, 1)[1], [(2, 5)]),
    "split_all": (lambda x: torch.split(x, 2, 1)[0] * torch.split(x, 2, 1)[1], [(2, 4)]),
    "split_with_sizes": (lambda x: torch.split(x, [1, 4], -1)[1], [(2, 5)]),
    "unbind": (lambda x: torch.unbind(x, 1)[0] * torch.unbind(x, 1)[2], [(2, 3)]),
    "unsqueeze": (lambda x: x.unsqueeze(-1), [(2, 3)]),
    "squeeze": (lambda x: x.squeeze(1), [(2, 1, 3)]),
    "squeeze_dims": (lambda x: aten.squeeze.dims(x, [0, 2]), [(1, 2, 1)]),
    "cat": (lambda x, y: torch.cat([x, y, x], -1), [(2, 3), (2, 1)]),
    "stack": (lambda x, y: torch.stack([x, y, x], 1), [(2, 3), (2, 3)]),
    "pad": (lambda x: F.pad(x, [1, 2], value=3.0), [(2, 3)]),
    "repeat": (lambda x: x.repeat(2, 1, 3), [(2, 3)]),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), [(2, 3)]),
    "roll": (lambda x: x.roll([1, -1], [0, 1]), [(2, 3)]),
    "select_scatter": (lambda x, y: torch.select_scatter(x, y, 0, 1), [(2, 3), (3,)]),
    "slice_scatter": (lambda x, y: torch.slice_scatter(x, y, 1, 1, 3), [(2, 3), (2, 2)]),
    "diff": (lambda x: x.diff(dim=1), [(2, 4)]),
    "abs": (lambda x: x.abs(), [(2, 3)]),
    "cos": (lambda x: x.cos(), [(2, 3)]),
    "sin": (lambda x: x.sin(), [(2, 3)]),
    "erf": (lambda x: x.erf(), [(2, 3)]),
    "exp": (lambda x: x.exp(), [(2, 3)]),
    "log+": (lambda x: x.log(), [(2, 3)]),
    "log1p+": (lambda x: x.log1p(), [(2, 3)]),
    "neg": (lambda x: -x, [(2, 3)]),
    "pow": (lambda x: x.pow(3), [(2, 3)]),
    "pow_fraction+": (lambda x: x.pow(0.5), [(2, 3)]),
    "pow_tensor+": (lambda x, y: x.pow(y), [(2, 3), (2, 3)]),
    "reciprocal+": (lambda x: x.reciprocal(), [(2, 3)]),
    "rsqrt+": (lambda x: x.rsqrt(), [(2, 3)]),
    "sqrt+": (lambda x: x.sqrt(), [(2, 3)]),
    "tanh": (lambda x: x.tanh(), [(2, 3)]),
    "sigmoid": (lambda x: x.sigmoid(), [(2, 3)]),
    "silu": (lambda x: F.silu(x), [(2, 3)]),
    "gelu": (lambda x: F.gelu(x), [(2, 3)]),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), [(2, 3)]),
    "relu": (lambda x: x.relu(), [(2, 3)]),
    "hardsigmoid": (lambda x: F.hardsigmoid(x), [(2, 3)]),
    "hardswish": (lambda x: F.hardswish(x), [(2, 3)]),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), [(2, 3)]),
    "softplus": (lambda x: F.softplus(x), [(2, 3)]),
    "clamp": (lambda x: x.clamp(-0.5, 0.5), [(4, 5)]),
    "clamp_min": (lambda x: aten.clamp_min(x, 0.1), [(4, 5)]),
    "add": (lambda x, y: torch.add(x, y, alpha=3), [(2, 3), (3,)]),
    "add_scalar": (lambda x: x + 2, [(2, 3)]),
    "sub": (lambda x, y: torch.sub(x, y, alpha=2), [(2, 3), (2, 1)]),
    "sub_scalar": (lambda x: x - 2, [(2, 3)]),
    "rsub": (lambda x: 1.5 - x, [(2, 3)]),
    "remainder": (lambda x: x.remainder(0.7), [(2, 3)]),
    "mul": (lambda x, y: x * y, [(2, 3), (3,)]),
    "mul_self": (lambda x: x * x, [(2, 3)]),
    "mul_scalar": (lambda x: x * 0.3, [(2, 3)]),
    "div": (lambda x, y: x / y, [(2, 3), (2, 1)]),
    "div_scalar": (lambda x: x / 3, [(2, 3)]),
    "addcmul": (lambda x, y, z: torch.addcmul(x, y, z, value=0.5), [(2, 3), (2, 3), (3,)]),
    "addcdiv+": (lambda x, y, z: torch.addcdiv(x, y, z, value=0.5), [(2, 3), (2, 3), (3,)]),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.3), [(2, 3), (2, 3)]),
    "masked_fill": (lambda x: x.masked_fill(x > 0, 2.0), [(2, 3)]),
    "maximum": (lambda x, y: torch.maximum(x, y), [(2, 3), (2, 3)]),
    "minimum": (lambda x, y: torch.minimum(x, y), [(2, 3), (3,)]),
    "min_other": (lambda x, y: torch.min(x, y), [(2, 3), (2, 3)]),
    "where": (lambda x, y: torch.where(x > y, x, y), [(2, 3), (3,)]),
    "where_scalar_other": (lambda x: torch.where(x > 0, x, 0.5), [(2, 3)]),
    "where_scalar_self": (lambda x: torch.where(x > 0, 0.5, x), [(2, 3)]),
    "detach": (lambda x: x * x.detach(), [(2, 3)]),
    "log_softmax": (lambda x: x.log_softmax(-1), [(2, 3)]),
    "softmax": (lambda x: x.softmax(1), [(2, 3)]),
    "sum": (lambda x: x.sum(), [(2, 3)]),
    "sum_dim": (lambda x: x.sum((0, 2)), [(2, 3, 4)]),
    "mean": (lambda x: x.mean(), [(2, 3)]),
    "mean_dim": (lambda x: x.mean(-1, keepdim=True), [(2, 3)]),
    "mean_dims": (lambda x: x.mean((0, 2)), [(2, 3, 4)]),
    "amax": (lambda x: x.amax(1), [(2, 3)]),
    "logsumexp": (lambda x: x.logsumexp(1), [(2, 3)]),
    "cumsum": (lambda x: x.cumsum(1), [(2, 4)]),
    "embedding": (lambda w, i: F.embedding(i, w), [(3, 4)], [ints(2, 5)]),
    "embedding_padding": (lambda w, i: F.embedding(i, w, padding_idx=1), [(3, 4)], [ints(2, 5)]),
    "index": (lambda x, i: x[i], [(3, 4)], [ints(6)]),
    "index_second": (lambda x, i: x[:, i], [(3, 4)], [ints(6)]),
    "gather": (lambda x, i: x.gather(1, i), [(3, 4)], [ints(3, 2)]),
    "index_select": (lambda x, i: x.index_select(1, i), [(3, 4)], [ints(5)]),
    "mm": (lambda x, y: x @ y, [(2, 3), (3, 4)]),
    "mm_transposed": (lambda x, y: x.t() @ y.t(), [(3, 2), (4, 3)]),
    "addmm": (lambda b, x, y: torch.addmm(b, x, y, beta=0.5, alpha=2.0), [(4,), (2, 3), (3, 4)]),
    "bmm": (lambda x, y: torch.bmm(x, y), [(2, 3, 4), (2, 4, 5)]),
    "baddbmm": (lambda b, x, y: torch.baddbmm(b, x, y), [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
    "matmul_broadcast": (lambda x, y: x @ y, [(2, 1, 3, 4), (5, 4, 2)]),
    "matmul_folded": (lambda x, y: x @ y, [(2, 3, 4), (4, 5)]),
    "matmul_left_matrix": (lambda x, y: x @ y, [(3, 4), (2, 4, 5)]),
    "linear": (lambda x, w, b: F.linear(x, w, b), [(2, 3), (4, 3), (4,)]),
    "linear_3d": (lambda x, w, b: F.linear(x, w, b), [(2, 5, 3), (4, 3), (4,)]),
    "linear_no_bias": (lambda x, w: F.linear(x, w), [(2, 5, 3), (4, 3)]),
    "linear_strided": (lambda x, w, b: F.linear(x.transpose(0, 1), w, b), [(2, 5, 3), (4, 3), (4,)]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1), [(2, 3, 6), (4, 3, 3), (4,)]),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, stride=2), [(2, 3, 6, 6), (4, 3, 2, 2), (4,)]),
    "conv2d_no_bias": (lambda x, w: F.conv2d(x, w), [(2, 3, 6, 6), (4, 3, 3, 3)]),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), [(2, 3, 4, 4)]),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), [(2, 3, 4, 4)]),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 2), [(2, 3, 5, 5)]),
    "adaptive_avg_pool2d_one": (lambda x: F.adaptive_avg_pool2d(x, 1), [(2, 3, 5, 5)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), [(2, 3, 4), (4,), (4,)]),
    "layer_norm_plain": (lambda x: F.layer_norm(x, (4,)), [(2, 3, 4)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3, 3), (4,), (4,)]),
    "attention": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v), [(1, 2, 4, 8)] * 3),
    "attention_causal": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), [(1, 2, 4, 8)] * 3),
    "attention_mask": (
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m, scale=0.3),
        [(1, 2, 4, 8)] * 3, [torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()],
    ),
    "cross_entropy": (lambda x, y: F.cross_entropy(x, y), [(5, 3)], [ints(5)]),
    "cross_entropy_sum": (lambda x, y: F.cross_entropy(x, y, reduction="sum", ignore_index=1), [(5, 3)], [ints(5)]),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), [(2, 3), (2, 3)]),
    "bce_with_logits": (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w), [(2, 3)], [torch.rand(2, 3), torch.rand(3)],
    ),
    "bce_with_logits_plain": (lambda x, y: F.binary_cross_entropy_with_logits(x, y), [(2, 3)], [torch.rand(2, 3)]),
    "dropout_zero": (lambda x: F.dropout(x, 0.0), [(2, 3)]),
}  # fmt: skip

#: Forward ops of the cases that ran, for the test that none of the table is left out.
SEEN: set[str] = set()


def compiler() -> pathlib.Path:
    folder = os.environ.get("REGIMEN_BIN")
    if not folder:
        pytest.fail("REGIMEN_BIN names no folder with the tools; ctest sets it")
    return pathlib.Path(folder) / "regimen-compile"


def compile_to_autodiff(module: nn.Module, inputs: tuple[Tensor, ...], work: pathlib.Path) -> tuple[Any, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, inputs, strict=False).run_decompositions({})
        torch.export.save(program, work / "case.pt2")
    done = subprocess.run(
        [compiler(), work / "case.pt2", "--compile-to=autodiff"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return program, done.stdout


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    torch.manual_seed(7)
    yield


@pytest.mark.parametrize("name", CASES)
def test_bits(name: str, tmp_path: pathlib.Path) -> None:
    function, shapes, *rest = CASES[name]
    module = Case(function, shapes, name.endswith("+"))
    inputs = rest[0] if rest else []
    scale = torch.randn(function(*module.weights, *inputs).shape)
    arguments = (scale, *inputs)
    program, text = compile_to_autodiff(module, arguments, tmp_path)

    # The graph is what is differentiated: its replay is the reference.
    replay = program.module()
    loss = replay(*arguments)
    loss.backward()
    state = dict(replay.named_parameters())

    storage = {n: p.detach() for n, p in program.state_dict.items()}
    machine = Interpreter(text, storage)
    (actual, *_) = machine.run("micro_step_first", list(arguments))
    assert torch.equal(actual, loss.detach())
    for parameter, value in state.items():
        assert value.grad is not None
        assert torch.equal(machine.storage[f"{parameter}:grad"], value.grad), parameter
    SEEN.update(machine.calls)


def test_every_rule_has_a_case() -> None:
    if len(SEEN) < 20:
        pytest.skip("needs the other tests of this file")
    generated = (ROOT / "dialects/aten/AtenOps.td").read_text()
    names = dict(re.findall(r'def Aten_(\w+)Op : Aten_Op<"([^"]+)"', generated))
    table = TABLE.read_text()
    rules = {op for line in re.findall(r"def : Vjp(?:Function)?<Aten_(\w+)Op|foreach op = \[(.*?)\]", table, re.S) for op in
             ([line[0]] if line[0] else re.findall(r"Aten_(\w+)Op", line[1]))}  # fmt: skip
    # Import turns views that cost nothing, and mul by a number, into their plain forms.
    missing = {names[rule] for rule in rules} - {call.removeprefix("aten.") for call in SEEN}
    assert not missing
