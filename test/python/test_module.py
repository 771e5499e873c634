"""A compiled model is the module it was made from: its parts, names, modes, and what of it cannot change."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import regimen
from twins import REFERENCE, ROWS, WIDTH, Encoder, Head, batch, check_close, check_same, twins


def build(module: nn.Module, *args: Any, **more: Any) -> regimen.CompiledModule:
    return regimen.compile(module, args, config=REFERENCE, verbose=False, **more)


def test_parameters_stay_the_same_objects() -> None:
    module = Encoder()
    before, values = dict(module.named_parameters()), {n: p.detach().clone() for n, p in module.named_parameters()}
    model = build(module, batch(0)[0])
    assert list(dict(model.named_parameters())) == list(before)
    for name, parameter in model.named_parameters():
        assert parameter is before[name] and parameter.is_leaf
        check_same(parameter, values[name], name)
    assert list(model.state_dict()) == list(Encoder().state_dict())
    assert [n for n, _ in model.named_children()] == ["up", "norm", "down"]
    assert model.up is module.up
    assert "CompiledEncoder" in repr(model) and "LayerNorm" in repr(model)


def test_the_original_module_runs_on_the_same_values() -> None:
    module = Encoder()
    model = build(module, batch(0)[0])
    with torch.no_grad():
        model.up.weight.mul_(2)
        check_same(model(batch(1)[0]), module(batch(1)[0]), "output")


def test_an_optimizer_made_before_keeps_working() -> None:
    module = Encoder()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    twin = copy.deepcopy(module)
    model = build(module, batch(0)[0])
    model(batch(0)[0]).sum().backward()
    optimizer.step()
    twin(batch(0)[0]).sum().backward()
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    for name, parameter in twin.named_parameters():
        check_close(model.get_parameter(name), parameter, name)


class WithBuffers(nn.Module):
    scale: Tensor
    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("scale", torch.full((WIDTH,), 2.0))
        self.register_buffer("offset", torch.ones(WIDTH), persistent=False)
        self.factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.line(x) * self.scale * self.factor + self.offset


def test_buffers_are_read_each_time() -> None:
    module = WithBuffers()
    model, x = build(module, batch(0)[0]), batch(0)[0]
    assert list(model.state_dict()) == ["scale", "line.weight", "line.bias"]
    check_same(model(x), module(x), "output")
    with torch.no_grad():
        model.scale.fill_(3.0)
        module.offset.fill_(-1.0)
    check_same(model(x), module(x), "output with other buffers")
    model.scale = torch.full((WIDTH,), 4.0)
    check_same(model(x), module(x), "output with an assigned buffer")
    model.load_state_dict({**model.state_dict(), "scale": torch.full((WIDTH,), 5.0)})
    check_same(model(x), module(x), "output with a loaded buffer")


def test_other_attributes_are_the_modules() -> None:
    module = WithBuffers()
    model, x = build(module, batch(0)[0]), batch(0)[0]
    assert model.factor == 1.0
    model(x)
    model.factor = 3.0
    assert model.factor == module.factor == 3.0
    check_same(model(x), module(x), "output after an attribute changed")
    assert "factor" in dir(model)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        model.nothing_like_it  # noqa: B018


def test_state_dict_goes_both_ways(tmp_path: Any) -> None:
    _, (model,) = twins(Head)
    torch.manual_seed(3)
    other = Head()
    before = {name: p.data_ptr() for name, p in model.named_parameters()}
    model.load_state_dict(other.state_dict())
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == before
    check_same(model(*batch(0))[1], other(*batch(0))[1], "output with loaded weights")
    torch.save(model.state_dict(), tmp_path / "model.pt")
    third = Head()
    third.load_state_dict(torch.load(tmp_path / "model.pt"))
    check_same(third(*batch(0))[1], other(*batch(0))[1], "output of saved weights")
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({})
    with pytest.raises(RuntimeError, match="assign=True"):
        model.load_state_dict(other.state_dict(), assign=True)


def test_safetensors_takes_the_state_dict(tmp_path: Any) -> None:
    from safetensors.torch import load_file, save_file

    _, (model,) = twins(Head)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert sorted(load_file(tmp_path / "model.safetensors")) == sorted(model.state_dict())
    assert (tmp_path / "model.safetensors").stat().st_size < 20_000


def test_what_cannot_change_says_so() -> None:
    _, (model,) = twins(Encoder)
    assert model.to("cpu") is model and model.float() is model and model.to(torch.float32) is model
    for act in (
        lambda: model.half(), lambda: model.to(torch.bfloat16), lambda: model.double(), lambda: model.to("meta"),
        lambda: model.to_empty(device="cpu"), model.share_memory,
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="Encoder is compiled: device, dtype"):
            act()
    for act in (
        lambda: setattr(model, "up", nn.Linear(1, 1)), lambda: setattr(model, "extra", nn.Parameter(torch.ones(1))),
        lambda: model.register_buffer("b", torch.ones(1)), lambda: model.register_parameter("p", None),
        lambda: model.add_module("m", nn.ReLU()), lambda: delattr(model, "up"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="compile again"):
            act()
    for act in (lambda: copy.deepcopy(model), lambda: copy.copy(model), lambda: pickle.dumps(model)):
        with pytest.raises(TypeError, match="state_dict"):
            act()
    with pytest.raises(TypeError, match="compiled already"):
        regimen.compile(model, batch(0)[:1])
    with pytest.raises(RuntimeError, match="autocast"), torch.autocast("cpu", torch.bfloat16):
        model(batch(0)[0])


class Modal(nn.Module):
    """Differs between modes, and by the mode of a part alone."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.drop = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.line(x)
        return y if self.training else y * 2 + (1 if self.drop.training else 0)


def test_modes_are_followed() -> None:
    module = Modal()
    model, x = build(module, batch(0)[0]), batch(0)[0]
    for act in (lambda m: m.eval(), lambda m: m.drop.train(), lambda m: m.train(), lambda m: m.eval()):
        act(model)
        assert model.training == module.training
        check_same(model(x), module(x), "output")
    model(x).sum().backward()  # gradients in evaluation mode too
    assert model.line.weight.grad is not None


def test_new_shapes_are_announced_and_compiled_once(capfd: pytest.CaptureFixture[str]) -> None:
    module = Encoder()
    model = regimen.compile(module, batch(0)[:1], config=REFERENCE)
    assert "compiling Encoder" in capfd.readouterr().err
    for rows in (3, 5, 3, ROWS, 5):
        x = batch(0, rows)[0]
        check_same(model(x), module(x), f"output of {rows} rows")
        model(x).sum().backward()
    text = capfd.readouterr().err
    assert text.count("new input shapes [3,12]") == 1 and text.count("new input shapes [5,12]") == 1
    assert model.up.weight.grad is not None


def test_calls_in_other_words_are_the_same_specialisation(capfd: pytest.CaptureFixture[str]) -> None:
    module = Head()
    model = regimen.compile(module, (torch.zeros(ROWS, WIDTH), batch(0)[1]), config=REFERENCE)
    capfd.readouterr()
    h, labels = batch(1)
    want = module(h, labels)[0]
    with torch.no_grad():
        for have in (model(h, labels), model(h, labels=labels), model(labels=labels, h=h)):
            check_same(have[0], want, "loss")
    assert capfd.readouterr().err == ""
    with pytest.raises(TypeError, match="labels"):
        model(h)


class Point(NamedTuple):
    x: Tensor
    name: str


@dataclasses.dataclass
class Result:
    value: Tensor
    parts: list[Any]
    note: str = "constant"


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(WIDTH, WIDTH)

    def forward(self, point: Point, options: dict[str, Any], scale: float = 1.0, *, extra: Tensor | None = None) -> Result:
        y = self.line(point.x) * scale
        if extra is not None:
            y = y + extra
        if options["twice"]:
            y = y * 2
        return Result(y, [None, {"sum": y.sum(), "input": point.x, "count": 3}, Point(y.detach(), point.name)])


def check_nested(have: Result, want: Result) -> None:
    assert type(have) is Result and have.note == want.note
    check_same(have.value, want.value, "value")
    assert have.parts[0] is None and have.parts[1]["count"] == 3 and type(have.parts[2]) is Point
    assert have.parts[2].name == want.parts[2].name
    assert have.parts[1]["input"] is want.parts[1]["input"]
    check_same(have.parts[1]["sum"], want.parts[1]["sum"], "sum")
    assert not have.parts[2].x.requires_grad and not have.parts[1]["input"].requires_grad
    assert have.value.requires_grad


def test_arguments_and_results_of_any_structure() -> None:
    module, x = Nested(), batch(0)[0]
    model = build(module, Point(x, "a"), {"twice": True})
    for args, kwargs in (
        ((Point(x, "a"), {"twice": True}), {}),
        ((Point(x, "b"), {"twice": False}, 2.5), {}),
        ((Point(x, "b"), {"twice": False}), {"scale": 0.5, "extra": torch.ones(WIDTH)}),
    ):
        check_nested(model(*args, **kwargs), module(*args, **kwargs))
    with pytest.raises(TypeError, match="a set is none of these"):
        model(Point(x, "a"), {"twice": True, "other": {1}})


def test_one_tensor_given_twice_is_two_inputs() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(WIDTH, WIDTH)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.line(a) * b

    module, x = Product(), batch(0)[0]
    model = build(module, x, x)
    check_same(model(x, x + 1), module(x, x + 1), "output")


def test_tensors_in_several_places_stay_one() -> None:
    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
            y = self.line(x)
            return x, [y, y], y

    x = batch(0)[0]
    model = build(Same(), x)
    back, (first, second), third = model(x)
    assert back is x and first is second is third
    (first.sum() + second.sum()).backward()
    check_same(model.line.bias.grad, torch.full((WIDTH,), 2.0 * ROWS), "gradient")  # type: ignore[arg-type]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


def test_tied_parameters_stay_one() -> None:
    module = Tied()
    twin = copy.deepcopy(module)
    model = build(module, batch(0)[0])
    assert model.first.weight is model.second.weight
    assert list(model.state_dict()) == list(twin.state_dict())
    for m in (model, twin):
        m(batch(0)[0]).pow(2).sum().backward()
    assert sorted(model.full_gradients()) == sorted(n for n, _ in twin.named_parameters())
    for name, gradient in model.full_gradients().items():
        check_same(gradient, twin.get_parameter(name).grad, name)  # type: ignore[arg-type]


def test_compiling_again_moves_the_parameters() -> None:
    module, x = Encoder(), batch(0)[0]
    first = build(module, x)
    second = build(module, x)
    check_same(second(x), module(x), "output")
    with pytest.raises(RuntimeError, match="compiled again"):
        first(x)


def test_inputs_of_the_wrong_kind_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"torch.nn.Module, not function"):
        regimen.compile(lambda x: x, (torch.ones(1),))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        build(Encoder())


def test_strided_inputs_give_the_same_bits() -> None:
    module = Encoder()
    model = build(module, batch(0)[0])
    wide = torch.randn(WIDTH, ROWS, generator=torch.Generator().manual_seed(1))
    check_same(model(wide.t()), module(wide.t().contiguous()), "output")
