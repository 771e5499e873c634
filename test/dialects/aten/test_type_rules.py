"""Type inference of the aten dialect gives what PyTorch's kernels give: one op of IR a call, verified by regimen-opt."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest
import torch
from calls import Call, opt
from type_rule_cases import FAMILIES, Case, f

ROOT = pathlib.Path(__file__).parents[3]


def text(call: Call, result_types: list[str]) -> str:
    """A function of one op."""
    lines = [f"func.func @f({', '.join(call.inputs)}) {{", *call.constants, call.line(result_types)]
    return "\n".join([*lines, "  return", "}"])


def calls() -> Iterator[Call]:
    torch.manual_seed(0)
    for family in FAMILIES:
        for case in family():
            yield Call(case)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.__name__))
def test_inference_matches_pytorch(family: Callable[[], Iterator[Case]]) -> None:
    torch.manual_seed(0)
    calls = [Call(case) for case in family()]
    run = opt("\n// -----\n".join(text(call, call.result_types) for call in calls), "-o", "/dev/null")
    assert run.returncode == 0, run.stderr[:8000]


def test_every_op_has_a_case() -> None:
    lines = (ROOT / "dialects/aten/ops.list").read_text().splitlines()
    listed = {line.split("#")[0].split()[0] for line in lines if line.split("#")[0].strip()}
    assert listed - {call.name for call in calls()} == set()


def test_a_wrong_type_is_refused() -> None:
    run = opt(text(Call(("mm", (f(2, 3), f(3, 4)), {})), ["tensor<2x3xf32>"]))
    assert run.returncode != 0
    assert "inferred type(s) 'tensor<2x4xf32>'" in run.stderr
