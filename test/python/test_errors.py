"""What cannot be compiled is refused with the operator, the model's source line, and what to do."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import regimen
from twins import WIDTH, Encoder, batch


class Fails(nn.Module):
    def __init__(self, act: Any) -> None:
        super().__init__()
        self.line, self.act = nn.Linear(WIDTH, WIDTH), act

    def forward(self, x: Tensor) -> Any:
        return self.act(self.line(x))


def refusal(module: nn.Module, **more: Any) -> str:
    with pytest.raises(regimen.CompileError) as caught:
        regimen.compile(module, batch(0)[:1], verbose=False, **more)
    return str(caught.value)


def test_dropout_in_training_mode() -> None:
    module = Fails(nn.Dropout(0.1))
    text = refusal(module)
    assert "dropout" in text and "Fails: " in text
    regimen.compile(module.eval(), batch(0)[:1], verbose=False)


def test_an_operator_that_is_not_known() -> None:
    text = refusal(Fails(lambda y: torch.special.bessel_j0(y)))
    assert "special_bessel_j0" in text and pathlib.Path(__file__).name in text


def test_a_branch_on_values() -> None:
    text = refusal(Fails(lambda y: y if y.sum() > 0 else -y))
    assert "torch.export cannot trace it" in text and pathlib.Path(__file__).name in text


def test_no_tensor_to_return() -> None:
    assert "returns no tensor" in refusal(Fails(lambda y: 3))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"zero.stag": 0}, ["zero.stag", "zero.stage"]),
        ({"mesh.dp": 2}, ["mesh.dp"]),
        ({"optimizer.lr": 1e-3}, ["optimizer.lr", "regimen.optim"]),
        ({"clip_grad_norm": 1.0}, ["clip_grad_norm_"]),
        ({"accumulate": 2}, ["accumulate", "backward"]),
        ({"driver": "run"}, ["driver"]),
        ({"layout": []}, ["layout"]),
        ("missing.json", ["missing.json", "No such file"]),
    ],
)
def test_configuration(config: Any, words: list[str]) -> None:
    text = refusal(Encoder(), config=config)
    for word in words:
        assert word in text


def test_configuration_has_many_forms(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"fuse": {"enable": False}, "mesh": {"dp": 1}}))
    for config in (
        {"fuse.enable": False, "mesh.dp": 1, "zero.stage": 0},
        {"fuse": {"enable": False}},
        path,
        str(path),
        regimen.Config.load(path),
    ):
        regimen.compile(Encoder(), batch(0)[:1], config=config, verbose=False)
    assert dict(regimen.Config.load(path)) == {"fuse.enable": False, "mesh.dp": 1}
    path.write_text("[]")
    assert "JSON object" in refusal(Encoder(), config=path)
    path.write_text("{")
    assert "not JSON" in refusal(Encoder(), config=path)
    with pytest.raises(TypeError, match="config is a dict"):
        regimen.compile(Encoder(), batch(0)[:1], config=3)  # type: ignore[arg-type]


def test_a_cache_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cache_dir" in refusal(Encoder(), cache_dir=tmp_path / "file" / "below")
