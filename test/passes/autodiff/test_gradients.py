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
from gradient_cases import CASES
from interpret import Interpreter
from torch import Tensor, nn

ROOT = pathlib.Path(__file__).resolve().parents[3]
TABLE = ROOT / "dialects/aten/rules/Vjp.td"

torch.set_num_threads(1)


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
    # Import drops aliases.
    missing = {names[rule] for rule in rules} - {"alias"} - {call.removeprefix("aten.") for call in SEEN}
    assert not missing
