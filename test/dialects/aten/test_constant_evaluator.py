"""Integer and boolean ops on constants fold to what PyTorch's kernels compute."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator

import torch
from calls import DTYPES, Call, opt, tensor_type
from type_rule_cases import FAMILIES, Case, S, b, case, i

# The ops that ConstantEvaluator.cpp knows.
EVALUATED = {
    "_to_copy", "_unsafe_view", "alias", "clone", "detach", "squeeze.dim", "squeeze.dims", "type_as", "unsqueeze", "view",
    "expand", "permute", "select.int", "slice.Tensor", "t", "transpose.int", "arange", "arange.start", "arange.start_step",
    "full", "full_like", "new_full", "new_ones", "new_zeros", "ones", "ones_like", "scalar_tensor", "zeros", "zeros_like",
    "abs", "bitwise_not", "logical_not", "neg", "add.Scalar", "add.Tensor", "sub.Scalar", "sub.Tensor", "mul.Scalar",
    "mul.Tensor", "__and__.Tensor", "__or__.Tensor", "bitwise_and.Tensor", "bitwise_or.Tensor", "eq.Scalar", "eq.Tensor",
    "floor_divide", "ge.Scalar", "ge.Tensor", "gt.Scalar", "gt.Tensor", "le.Scalar", "le.Tensor", "logical_and", "logical_or",
    "lt.Scalar", "lt.Tensor", "maximum", "min.other", "minimum", "ne.Scalar", "ne.Tensor", "where.self", "cat",
    "constant_pad_nd", "cumsum", "diff", "index.Tensor", "pad",
}  # fmt: skip


def as_integers(value: object) -> object:
    """The same argument with small integers for floats."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return torch.randint(-3, 4, value.shape)
    if isinstance(value, list):
        return [as_integers(item) for item in value]
    return S(math.ceil(value.value)) if isinstance(value, S) and isinstance(value.value, float) else value


def extra() -> Iterator[Case]:
    for dtype in (torch.uint8, torch.int8, torch.int32, torch.int64):
        x, y = i(3, 4, high=250, dtype=dtype), i(4, high=250, dtype=dtype)
        for name in ("add.Tensor", "sub.Tensor", "mul.Tensor", "maximum", "lt.Tensor", "ge.Tensor", "bitwise_or.Tensor"):
            yield case(name, x, y)
        yield case("floor_divide", x, y.clamp(min=1))
        yield case("_to_copy", x, dtype=torch.int64)
        yield case("cumsum", x, 1)
    x = torch.arange(-12, 12).reshape(2, 3, 4)
    yield case("floor_divide", x, torch.tensor([-5, 3, 7, -2]))
    yield case("add.Tensor", x, x, alpha=S(3))
    yield case("_to_copy", x, dtype=torch.bool)
    yield case("_to_copy", x * 1000, dtype=torch.int8)
    yield case("index.Tensor", x, [torch.tensor([-1, 0]), torch.tensor([[2], [-3]])])
    yield case("slice.Tensor", x, 2, -3, 2**63 - 1, 2)
    yield case("diff", b(3, 5), 1, 0)
    yield case("cat", [x, x + 1], -2)


def integer_calls() -> Iterator[Call]:
    torch.manual_seed(0)
    for family in FAMILIES:
        for name, args, kwargs in family():
            if name in EVALUATED and name != "scalar_tensor":
                converted = [as_integers(arg) for arg in args]
                if name == "floor_divide":
                    converted[1] = torch.where(converted[1] == 0, 1, converted[1])  # type: ignore[call-overload]
                call = Call((name, tuple(converted), kwargs))
                if not any(result.is_floating_point() for result in [*call.results, *call.tensors]):
                    yield call
    for extra_case in extra():
        yield Call(extra_case)


def literal(tensor: torch.Tensor) -> str:
    """The tensor as the text of a dense attribute."""
    text = str(tensor.tolist()).lower() if tensor.numel() else ""
    return f"dense<{text}> : {tensor_type(tensor)}"


def program(call: Call) -> str:
    lines = ['train.program @f forward inputs [] outputs ["r"] {']
    lines += [f"  %arg{n} = aten.constant {literal(tensor)}" for n, tensor in enumerate(call.tensors)]
    lines += [*call.constants, call.line(call.result_types)]
    return "\n".join([*lines, f"  train.return %r : {call.result_types[0]}", "}"])


def folded(text: str) -> torch.Tensor | None:
    """The constant that a program returns; None if it still computes."""
    if re.search(r"aten\.(?!constant )", text):
        return None
    match = re.search(r"dense<(.*)> : tensor<((?:\d+x)*)(\w+)>", text)
    assert match, text
    shape = [int(size) for size in match[2].split("x")[:-1]]
    dtype = next(dtype for dtype, name in DTYPES.items() if name == match[3])
    values = ast.literal_eval(match[1].replace("true", "True").replace("false", "False") or "[]")
    return torch.tensor(values, dtype=dtype).expand(shape) if 0 not in shape else torch.empty(shape, dtype=dtype)


def test_folding_matches_pytorch() -> None:
    calls = list(integer_calls())
    pipeline = "--pass-pipeline=builtin.module(train.program(regimen-fold-constants))"
    run = opt("\n// -----\n".join(map(program, calls)), pipeline, "--mlir-print-elementsattrs-with-hex-if-larger=-1")
    assert run.returncode == 0, run.stderr[:8000]
    texts = run.stdout.split("// -----")
    assert len(texts) == len(calls)
    unfolded = set()
    for call, text in zip(calls, texts):
        value = folded(text)
        if value is None:
            unfolded.add(call.call)
            continue
        assert torch.equal(value, call.results[0]), f"{program(call)}\n{text}\n{call.results[0]}"
    # What the evaluator leaves to the kernels.
    allowed = ("index.Tensor", "constant_pad_nd", "pad", "diff", "expand", "clone")
    assert {name for name in unfolded if not name.removeprefix("aten.").startswith(allowed)} == set()
    assert len(calls) - len(unfolded) > 150
