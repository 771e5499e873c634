"""Calls of aten ops as IR text, beside PyTorch's own results."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import torch
from type_rule_cases import Case, S

OPT = os.environ.get("REGIMEN_OPT", "regimen-opt")
DTYPES = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int64: "i64",
    torch.int32: "i32",
    torch.int16: "i16",
    torch.int8: "i8",
    torch.uint8: "ui8",
    torch.bool: "i1",
}
FORMATS = {torch.contiguous_format: 0, torch.preserve_format: 1, torch.channels_last: 2}


def tensor_type(tensor: torch.Tensor) -> str:
    return f"tensor<{''.join(f'{size}x' for size in tensor.shape)}{DTYPES[tensor.dtype]}>"


def number(value: float | int | bool, ty: str) -> str:
    if ty == "f64":
        return f"{float(value):.17e} : f64"
    return f"{int(value)} : {ty}"


def attribute(value: Any, ty: str) -> str:
    """`value` as the attribute of a schema argument whose type prints as `ty`."""
    if isinstance(value, torch.dtype):
        return DTYPES[value]
    if isinstance(value, torch.memory_format):
        return f"{FORMATS[value]} : i64"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        if "bool" in ty:
            return f"array<i1: {', '.join(str(bool(x)).lower() for x in value)}>"
        return "array<i64" + (": " + ", ".join(map(str, value)) if value else "") + ">"
    if "float" in ty:
        return number(value, "f64")
    return str(value).lower() if "bool" in ty else number(value, "i64")


class Call:
    """One op as IR: its operands, the call, and what PyTorch's kernel returns."""

    def __init__(self, case: Case) -> None:
        self.name, args, kwargs = case
        packet, _, overload = self.name.partition(".")
        op = getattr(getattr(torch.ops.aten, packet), overload or "default")
        self.tensors: list[torch.Tensor] = []
        self.inputs: list[str] = []
        self.constants: list[str] = []
        self.types: list[str] = []
        operands: list[str] = []
        attributes: list[str] = []
        raw = [x.value if isinstance(x, S) else x for x in args]
        raw_kwargs = {k: x.value if isinstance(x, S) else x for k, x in kwargs.items()}
        result = op(*raw, **raw_kwargs)
        for position, arg in enumerate(op._schema.arguments):
            value: Any = args[position] if position < len(args) else kwargs.get(arg.name)
            ty = str(arg.type)
            if "Tensor" in ty and "List" in ty:
                operands.append("[" + ", ".join(self.operand(x) for x in value if x is not None) + "]")
                if "Optional" in ty:
                    attributes.append(f"{arg.name}_present = {attribute([x is not None for x in value], 'bool')}")
            elif "Tensor" in ty or "number" in ty or isinstance(value, S):
                operands.append("none" if value is None else self.operand(value))
            elif value is not None:
                attributes.append(f"{arg.name} = {attribute(value, ty)}")
        results = [] if result is None else [result] if isinstance(result, torch.Tensor) else list(result)
        self.results: list[torch.Tensor] = results
        self.result_types = [tensor_type(x) for x in results]
        self.call = f"aten.{self.name}({', '.join(operands)})"
        if attributes:
            self.call += " {" + ", ".join(attributes) + "}"

    def operand(self, value: torch.Tensor | S) -> str:
        if isinstance(value, torch.Tensor):
            self.tensors.append(value)
            self.inputs.append(f"%arg{len(self.inputs)}: {tensor_type(value)}")
            self.types.append(tensor_type(value))
            return f"%arg{len(self.inputs) - 1}"
        ty = {bool: "i1", int: "i64", float: "f64"}[type(value.value)]
        self.constants.append(f"  %c{len(self.constants)} = arith.constant {number(value.value, ty)}")
        self.types.append(ty)
        return f"%c{len(self.constants) - 1}"

    def line(self, result_types: list[str]) -> str:
        """The op with results %r."""
        results = f"%r:{len(result_types)} = " if result_types else ""
        return f"  {results}{self.call} : ({', '.join(self.types)}) -> ({', '.join(result_types)})"


def opt(text: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [OPT, "--split-input-file", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)
