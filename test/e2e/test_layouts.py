"""Strides in exec programs against PyTorch's.

For every call of an ATen kernel, tensors with the strides of its arguments go through the functional overload; its
results must have the strides that the compiler gave them. By induction over the program, every value has the layout
that it has in eager PyTorch, and kernels see what they see there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from models import FAMILIES

DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i1": torch.bool,
}
VIEW = re.compile(r"(%\w+) = exec\.view (%\w+)\[\d+\] : memref<([^,>]*)(?:, strided<\[([^\]]*)\]>)?>")
CALL = re.compile(r'exec\.call "aten::(\w+)(?:\.(\w+))?"\s+(out|functional) \((.*?)\)(?: -> \((.*?)\))?(?: scratch\(.*?\))? :')


def tensor(shape: str, strides: str | None) -> torch.Tensor:
    *sizes, dtype = shape.split("x")
    size = [int(s) for s in sizes]
    stride = [int(s) for s in strides.split(",")] if strides else torch.empty(size, device="meta").stride()
    return torch.empty_strided(size, stride, dtype=DTYPES[dtype], device="cpu").zero_()


def literal(text: str, tensors: dict[str, torch.Tensor]) -> Any:
    text = text.strip()
    if text.startswith("["):
        return [tensors[t.strip()] for t in text[1:-1].split(",") if t.strip()]
    if text.startswith("optional"):
        return [tensors.get(t.strip()) for t in text[text.index("[") + 1 : -1].split(",")]
    if text.startswith("%"):
        return 1.0 if text.endswith("register") else tensors[text]
    if text == "none":
        return None
    kind, value = text.split(" ", 1)
    value = re.sub(r" : \w+$", "", value)
    if kind in ("bool", "scalar_bool"):
        return value == "true"
    if kind in ("int", "scalar_int"):
        return int(value)
    if kind in ("float", "scalar_float"):
        return float(value) if not value.startswith("0x") else float("-inf")
    if kind == "dtype":
        return DTYPES[value]
    if kind == "string":
        return value.strip('"')
    items = value[value.index(":") + 1 : -1].split(",") if ":" in value else []
    return [i.strip() == "true" if kind == "bools" else float(i) if kind == "floats" else int(i) for i in items]


def arguments(text: str) -> list[str]:
    """Splits at commas outside brackets."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text + ","):
        depth += (c in "[<(") - (c in "]>)")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [p for p in parts if p.strip()]


def differs(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape != b.shape or any(n > 1 and s != t for n, s, t in zip(a.shape, a.stride(), b.stride()))


def functional(name: str, overload: str | None) -> Any:
    """The overload without out= whose arguments are those of this one."""
    packet = getattr(torch.ops.aten, name)
    given = getattr(packet, overload or "default")
    if not any(a.is_out for a in given._schema.arguments):
        return given
    signature = [(a.name, str(a.type)) for a in given._schema.arguments if not a.is_out]
    for candidate in packet.overloads():
        arguments = getattr(packet, candidate)._schema.arguments
        if [(a.name, str(a.type)) for a in arguments] == signature:
            return getattr(packet, candidate)
    raise LookupError(f"aten::{name}.{overload} has no functional overload")


def mismatches(program: str) -> Iterator[str | None]:
    """One item a result: what is wrong with its strides, or None."""
    tensors: dict[str, torch.Tensor] = {}
    for line in program.splitlines():
        if "exec.program" in line:
            tensors.clear()
        if match := VIEW.search(line):
            tensors[match[1]] = tensor(match[3], match[4])
        if not (match := CALL.search(line)):
            continue
        op = functional(match[1], match[2])
        schema = op._schema.arguments
        texts = [text.strip() for text in arguments(match[4])]
        given = [a.default_value if text == "default" else literal(text, tensors) for a, text in zip(schema, texts)]
        positional = [v for a, v in zip(schema, given) if not a.kwarg_only]
        keyword = {a.name: v for a, v in zip(schema, given) if a.kwarg_only and v is not None}
        results = op(*positional, **keyword)
        results = [r for r in (results if isinstance(results, (tuple, list)) else [results]) if isinstance(r, torch.Tensor)]
        for result, name in zip(results, arguments(match[5])):
            have = tensors[name.strip()]
            wrong = differs(result, have)
            yield f"aten::{match[1]}: PyTorch {result.shape} {result.stride()}, plan {have.shape} {have.stride()}" if wrong else None


@pytest.mark.parametrize("name", [*FAMILIES, "convnet", "channels_last", "relative_bias"])
def test_layouts(tools, name):
    config = ("--set", "fuse.enable=false", "--compile-to=schedule")
    program = tools.must("regimen-compile", tools.archive(name), "-o", tools.work / "unused.plan", *config).out
    found = list(mismatches(program))
    assert len(found) > 20
    wrong = [text for text in found if text]
    assert not wrong, "\n".join(wrong[:20])


def test_a_wrong_stride_is_found():
    program = """exec.program @p {
      %0 = exec.view %b[0] : memref<2x3xf32, strided<[1, 2]>>
      %1 = exec.view %c[0] : memref<2x3xf32>
      exec.call "aten::exp.out"  out (%0) -> (%1) : (memref<2x3xf32, strided<[1, 2]>>) -> memref<2x3xf32>
    }"""
    assert len([text for text in mismatches(program) if text]) == 1
