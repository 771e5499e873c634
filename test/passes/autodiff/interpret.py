"""Runs the programs of printed aten and train IR with torch, one ATen call an op.

This needs neither the backend nor the runtime: it shows that what autodiff writes is, call for call, what PyTorch's
autograd computes.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import struct
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64,
    "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "ui8": torch.uint8, "i1": torch.bool,
}  # fmt: skip


@dataclasses.dataclass
class Op:
    results: list[str]  # one name, or "%name#i" for each of several
    name: str
    operands: list[Any]  # names, lists of names, None
    attributes: dict[str, Any]
    types: str  # what follows the colon
    text: str


@dataclasses.dataclass
class Program:
    name: str
    arguments: list[str]
    inputs: list[str]
    outputs: list[str]
    ops: list[Op]


class Scanner:
    """Cuts nested text at top-level separators."""

    PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}

    @classmethod
    def matching(cls, text: str, start: int) -> int:
        """Index of the bracket that closes the one at `start`."""
        depth, i = 0, start
        while i < len(text):
            char = text[i]
            if char == '"':
                i = text.index('"', i + 1)
            elif char in cls.PAIRS:
                depth += 1
            elif char in cls.PAIRS.values() and text[i - 1] != "-":
                depth -= 1
                if depth == 0:
                    return i
            i += 1
        raise ValueError(f"unbalanced: {text}")

    @classmethod
    def split(cls, text: str) -> list[str]:
        parts, start, i = [], 0, 0
        while i < len(text):
            if text[i] == '"':
                i = text.index('"', i + 1)
            elif text[i] in cls.PAIRS:
                i = cls.matching(text, i)
            elif text[i] == ",":
                parts.append(text[start:i].strip())
                start = i + 1
            i += 1
        parts.append(text[start:].strip())
        return [part for part in parts if part]


def parse_number(text: str, kind: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("0x") and kind.startswith(("f", "bf")):
        size = {"f64": "Qd", "f32": "If"}[kind]
        return struct.unpack("<" + size[1], struct.pack("<" + size[0], int(text, 16)))[0]
    return float(text) if kind.startswith(("f", "bf")) else int(text, 0)


def parse_attribute(text: str) -> Any:
    text = text.strip()
    if text.startswith("array<"):
        kind, _, values = text[6:-1].partition(":")
        return [parse_number(v.strip(), kind.strip()) for v in values.split(",") if v.strip()]
    if text.startswith('"'):
        return ast.literal_eval(text)
    if text in DTYPES:
        return DTYPES[text]
    value, _, kind = text.partition(" : ")
    if kind or value in ("true", "false"):
        return parse_number(value, kind or "i1")
    return text


def parse_attributes(text: str) -> dict[str, Any]:
    result = {}
    for part in Scanner.split(text):
        key, _, value = part.partition(" = ")
        result[key.strip()] = parse_attribute(value) if value else True
    return result


def parse_type(text: str) -> tuple[list[int], torch.dtype]:
    parts = text[len("tensor<") : -1].split("x")
    return [int(size) for size in parts[:-1]], DTYPES[parts[-1]]


def parse_dense(text: str) -> Tensor:
    """The tensor of `dense<...> : tensor<...>`."""
    end = Scanner.matching(text, text.index("<"))
    sizes, dtype = parse_type(text[end + 1 :].strip(" :"))
    body = text[text.index("<") + 1 : end]
    kind = next(name for name, known in DTYPES.items() if known == dtype)
    if body.startswith('"0x'):
        data = bytes.fromhex(body[3:-1])
        if dtype == torch.bool:
            bits = [byte >> i & 1 for byte in data for i in range(8)]
            count = torch.Size(sizes).numel()
            return torch.tensor(bits[:count] if len(data) > 1 else [data[0] != 0] * count).bool().reshape(sizes)
        flat = torch.frombuffer(bytearray(data), dtype=dtype)
        return (flat if len(flat) > 1 else flat.expand(torch.Size(sizes).numel())).clone().reshape(sizes)
    words = re.findall(r"[^\s,\[\]]+", body)
    values = torch.tensor([parse_number(word, kind) for word in words], dtype=dtype)
    return values.reshape(sizes) if "[" in body or not sizes else values.expand(sizes).clone()


def parse_op(line: str) -> Op:
    results: list[str] = []
    head = line
    if match := re.match(r"%[\w$.-]+(?::\d+)?(?:, %[\w$.-]+(?::\d+)?)* = ", line):
        for group in match[0][:-3].split(", "):
            base, _, count = group.partition(":")
            results += [f"{base}#{i}" for i in range(int(count))] if count else [base]
        head = line[match.end() :]
    name = re.match(r"[\w.]+", head)[0]  # type: ignore[index]
    rest = head[len(name) :].strip()
    if not name.startswith("aten.") or name == "aten.constant":
        return Op(results, name, [], {}, rest, line)
    end = Scanner.matching(rest, 0)
    operands: list[Any] = []
    for part in Scanner.split(rest[1:end]):
        operands.append(Scanner.split(part[1:-1]) if part[0] == "[" else None if part == "none" else part)
    rest = rest[end + 1 :].strip()
    attributes = {}
    if rest.startswith("{"):
        end = Scanner.matching(rest, 0)
        attributes = parse_attributes(rest[1:end])
        rest = rest[end + 1 :].strip()
    return Op(results, name, operands, attributes, rest.removeprefix(":").strip(), line)


def parse(text: str) -> dict[str, Program]:
    """The programs of a module, printed without debug locations."""
    programs: dict[str, Program] = {}
    current: Program | None = None
    for line in map(str.strip, text.splitlines()):
        if line.startswith("train.program"):
            names = [ast.literal_eval(found) for found in re.findall(r"(?:inputs|outputs) (\[.*?\])", line)]
            name = re.match(r'train\.program @"?([\w.]+)"?', line)[1]  # type: ignore[index]
            current = programs[name] = Program(name, [], names[0], names[1], [])
        elif current and line.startswith("^bb0"):
            current.arguments = re.findall(r"(%[\w$.-]+): ", line)
        elif current and line == "}":
            current = None
        elif current and line:
            current.ops.append(parse_op(line))
    return programs


class Interpreter:
    """Storage symbols and the programs over them."""

    def __init__(self, text: str, storage: dict[str, Tensor]) -> None:
        self.programs = parse(text)
        self.storage = dict(storage)
        for line in text.splitlines():
            if match := re.match(r'\s*train\.buffer @"?([^"]+?)"? : .*?= (dense<.*)', line):
                self.storage.setdefault(match[1], parse_dense(match[2]))
        self.calls: list[str] = []

    def run(self, name: str, inputs: list[Tensor]) -> list[Tensor]:
        """Runs program `name`; returns its outputs."""
        program = self.programs[name]
        values: dict[str, Any] = dict(zip(program.arguments, inputs, strict=True))
        with torch.no_grad():
            for op in program.ops:
                if op.name == "train.return":
                    names = op.types.partition(":")[0]
                    return [values[v] for v in Scanner.split(names)]
                out = self.evaluate(op, values)
                if op.results:
                    results = [out] if len(op.results) == 1 and not isinstance(out, (tuple, list)) else list(out)
                    values.update(zip(op.results, results))
        raise ValueError(f"@{name} has no train.return")

    def evaluate(self, op: Op, values: dict[str, Any]) -> Any:
        symbol = re.search(r'@(?:"([^"]+)"|([\w.$-]+))', op.types)
        if op.name == "train.read":
            assert symbol
            return self.storage[symbol[1] or symbol[2]]
        if op.name == "train.write":
            assert symbol
            self.storage[symbol[1] or symbol[2]] = values[op.types.partition(",")[0]]
            return None
        if op.name == "train.seed":
            count = int(re.search(r"accumulate (\d+)", op.types)[1])  # type: ignore[index]
            sizes, dtype = parse_type(op.types.rpartition(": ")[2])
            return torch.full(sizes, 1 / count, dtype=dtype)
        if op.name == "arith.constant":
            value, _, kind = op.types.partition(" : ")
            return parse_number(value, kind.strip() or "i1")
        if op.name == "aten.constant":
            return parse_dense(op.types)
        return self.call(op, values)

    def call(self, op: Op, values: dict[str, Any]) -> Any:
        base, _, overload = op.name.removeprefix("aten.").partition(".")
        function = getattr(getattr(torch.ops.aten, base), overload or "default")
        if op.name == "aten.view":  # a logical reshape
            function = torch.ops.aten.reshape.default
        self.calls.append(op.name)
        operands = iter(op.operands)
        arguments: dict[str, Any] = {}
        schema = function._schema if op.name != "aten.view" else torch.ops.aten.view.default._schema
        for argument in schema.arguments:
            kind = str(argument.type)
            if argument.name in ("device", "layout", "pin_memory", "generator", "non_blocking"):
                continue
            if "Tensor" in kind or kind in ("number", "Optional[number]"):
                given = next(operands, None)
                if isinstance(given, list):
                    tensors = [values[v] for v in given]
                    if present := op.attributes.get(f"{argument.name}_present"):
                        rest = iter(tensors)
                        tensors = [next(rest) if here else None for here in present]
                    arguments[argument.name] = tensors
                elif given is not None:
                    arguments[argument.name] = values[given]
                elif kind == "Optional[Tensor]":
                    arguments[argument.name] = None
            elif argument.name in op.attributes:
                value = op.attributes[argument.name]
                if argument.name == "memory_format":
                    value = [torch.contiguous_format, torch.preserve_format, torch.channels_last][value]
                arguments[argument.name] = value
            elif not argument.has_default_value():
                arguments[argument.name] = None
        if op.name == "aten.view":
            return function(arguments["self"], arguments["size"])
        return function(**arguments)
