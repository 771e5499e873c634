"""regimen.optim beside torch.optim's single-tensor implementation: the same weights, states and files, to the bit."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedulers

import regimen
from twins import Branches, Encoder, Head, batch, check_close, check_same, twins

#: Arguments that make different programs, or different values in one program.
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("AdamW", {}),
    ("AdamW", {"lr": 1e-2, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.3}),
    ("AdamW", {"lr": 1e-2, "weight_decay": 0.0}),
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
]


def pair(name: str, plain: Any, compiled: Any, **settings: Any) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """The optimizer of torch over `plain`, and Regimen's over `compiled`: parameters or groups."""
    return getattr(torch.optim, name)(plain, foreach=False, **settings), getattr(regimen.optim, name)(compiled, **settings)


def check_weights(compiled: nn.Module, plain: nn.Module) -> None:
    for name, parameter in plain.named_parameters():
        check_same(compiled.get_parameter(name), parameter, name)


def check_states(ours: torch.optim.Optimizer, theirs: torch.optim.Optimizer) -> None:
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    assert [sorted(g) for g in mine["param_groups"]] == [sorted(g) for g in other["param_groups"]]
    assert sorted(mine["state"]) == sorted(other["state"])
    for index, state in other["state"].items():
        assert sorted(mine["state"][index]) == sorted(state)
        for slot, value in state.items():
            check_same(mine["state"][index][slot], value, f"{slot} of parameter {index}")


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_training(name: str, settings: dict[str, Any]) -> None:
    (plain,), (compiled,) = twins(Head)
    theirs, ours = pair(name, plain.parameters(), compiled.parameters(), **settings)
    assert isinstance(ours, getattr(torch.optim, name))
    for step in range(5):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            model(*batch(step))[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        check_weights(compiled, plain)
        check_states(ours, theirs)


def test_parameters_without_gradient_are_skipped() -> None:
    (plain,), (compiled,) = twins(Branches)
    theirs, ours = pair("AdamW", plain.parameters(), compiled.parameters(), lr=0.01, weight_decay=0.5)
    for step, outputs in enumerate((["left"], ["right"], ["loss", "right"], [], ["left"])):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            out = model(*batch(step))
            if outputs:
                sum((out[name].sum() for name in outputs), torch.zeros(())).backward()
            optimizer.step()
            optimizer.zero_grad()
        check_weights(compiled, plain)
        check_states(ours, theirs)


def test_groups() -> None:
    (plain,), (compiled,) = twins(Head)
    groups = lambda m: [
        {"params": m.body.parameters(), "lr": 0.1, "weight_decay": 0.0},
        {"params": [m.head.weight], "betas": (0.5, 0.5), "eps": 1e-3},
    ]
    theirs, ours = pair("AdamW", groups(plain), groups(compiled), lr=0.01)
    for step in range(4):
        if step == 2:
            for model, optimizer in ((plain, theirs), (compiled, ours)):
                optimizer.add_param_group({"params": [model.head.bias], "lr": 0.5})
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            model(*batch(step))[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        check_weights(compiled, plain)
        check_states(ours, theirs)


def test_part_of_a_model() -> None:
    (plain,), (compiled,) = twins(Head)
    theirs, ours = pair("AdamW", plain.head.parameters(), compiled.head.parameters(), lr=0.01)
    for step in range(3):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            model(*batch(step))[0].backward()
            optimizer.step()
        for name, p in plain.named_parameters():  # the others keep their gradients
            check_same(compiled.get_parameter(name).grad, p.grad, name)  # type: ignore[arg-type]
        check_weights(compiled, plain)
    check_states(ours, theirs)


def test_two_optimizers_over_one_model() -> None:
    (plain,), (compiled,) = twins(Head)
    pairs = [
        pair("AdamW", plain.head.parameters(), compiled.head.parameters(), lr=0.01),
        pair("AdamW", plain.body.parameters(), compiled.body.parameters(), lr=0.1),
    ]
    for step in range(3):
        plain(*batch(step))[0].backward()
        compiled(*batch(step))[0].backward()
        for theirs, ours in pairs:
            for optimizer in (theirs, ours):
                optimizer.step()
                optimizer.zero_grad()
        check_weights(compiled, plain)


def test_several_models_under_one_optimizer() -> None:
    plain, compiled = twins(Encoder, Head)
    both = lambda models: [p for m in models for p in m.parameters()]
    theirs, ours = pair("SGD", both(plain), both(compiled), lr=0.1, momentum=0.9)
    for step in range(3):
        for models, optimizer in ((plain, theirs), (compiled, ours)):
            x, labels = batch(step)
            models[1](models[0](x), labels)[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        for mine, other in zip(compiled, plain):
            check_weights(mine, other)


SCHEDULERS: list[Callable[[Any], Any]] = [
    lambda o: schedulers.LambdaLR(o, lambda s: 1 / (s + 1)),
    lambda o: schedulers.MultiplicativeLR(o, lambda s: 0.9),
    lambda o: schedulers.StepLR(o, 2, 0.5),
    lambda o: schedulers.MultiStepLR(o, [1, 3]),
    lambda o: schedulers.ConstantLR(o, 0.5, 2),
    lambda o: schedulers.LinearLR(o, 0.1, total_iters=4),
    lambda o: schedulers.ExponentialLR(o, 0.7),
    lambda o: schedulers.PolynomialLR(o, 4, 2.0),
    lambda o: schedulers.CosineAnnealingLR(o, 5),
    lambda o: schedulers.CosineAnnealingWarmRestarts(o, 2),
    lambda o: schedulers.CyclicLR(o, 1e-3, 1e-1, 2),
    lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=10),
    lambda o: schedulers.ReduceLROnPlateau(o, patience=0),
    lambda o: schedulers.SequentialLR(o, [schedulers.ConstantLR(o, 0.1, 2), schedulers.ExponentialLR(o, 0.5)], [2]),
    lambda o: schedulers.ChainedScheduler([schedulers.ConstantLR(o, 0.1, 2), schedulers.ExponentialLR(o, 0.5)]),
]


@pytest.mark.parametrize("make", SCHEDULERS)
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_schedulers(name: str, make: Callable[[Any], Any]) -> None:
    (plain,), (compiled,) = twins(Head)
    settings = {"lr": 0.05, "momentum": 0.9} if name == "SGD" else {"lr": 0.05}
    theirs, ours = pair(name, plain.parameters(), compiled.parameters(), **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        both = [(plain, theirs, make(theirs)), (compiled, ours, make(ours))]
        for step in range(6):
            for model, optimizer, scheduler in both:
                loss = model(*batch(step))[0]
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                scheduler.step(*([1.0] if isinstance(scheduler, schedulers.ReduceLROnPlateau) else []))
    assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups]
    check_weights(compiled, plain)


@pytest.mark.parametrize(("name", "settings"), [SETTINGS[1], SETTINGS[5]])
@pytest.mark.parametrize("fused", [None, True])
def test_state_dict_from_torch_and_back(name: str, settings: dict[str, Any], fused: bool | None, tmp_path: Any) -> None:
    (plain,), (compiled,) = twins(Head)
    first = getattr(torch.optim, name)(plain.parameters(), fused=fused, **settings)
    for step in range(3):
        plain(*batch(step))[0].backward()
        first.step()
        first.zero_grad()
    compiled.load_state_dict(plain.state_dict())
    torch.save(first.state_dict(), tmp_path / "torch.pt")
    ours = getattr(regimen.optim, name)(compiled.parameters())
    ours.load_state_dict(torch.load(tmp_path / "torch.pt"))
    theirs = getattr(torch.optim, name)(plain.parameters(), foreach=False)
    theirs.load_state_dict(
        {**first.state_dict(), "param_groups": [{**g, "fused": None, "foreach": False} for g in first.state_dict()["param_groups"]]}
    )
    for step in range(3, 6):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            model(*batch(step))[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        check_weights(compiled, plain)
    torch.save(ours.state_dict(), tmp_path / "ours.pt")
    last = getattr(torch.optim, name)(plain.parameters(), foreach=False)
    last.load_state_dict(torch.load(tmp_path / "ours.pt"))
    for index, state in theirs.state_dict()["state"].items():
        for slot, value in state.items():
            check_same(last.state_dict()["state"][index][slot], value, f"{slot} of {index}")
    for model, optimizer in ((plain, last), (compiled, ours)):
        model(*batch(9))[0].backward()
        optimizer.step()
    check_weights(compiled, plain)


def test_a_new_optimizer_begins_anew() -> None:
    (plain,), (compiled,) = twins(Head)
    for _ in range(2):
        theirs, ours = pair("AdamW", plain.parameters(), compiled.parameters(), lr=0.01)
        for step in range(2):
            for model, optimizer in ((plain, theirs), (compiled, ours)):
                model(*batch(step))[0].backward()
                optimizer.step()
                optimizer.zero_grad()
        check_weights(compiled, plain)


def test_another_kind_of_optimizer_takes_over() -> None:
    (plain,), (compiled,) = twins(Head)
    for name, settings in (("SGD", {"lr": 0.1, "momentum": 0.9}), ("AdamW", {"lr": 0.01}), ("SGD", {"lr": 0.1})):
        theirs, ours = pair(name, plain.parameters(), compiled.parameters(), **settings)
        for step in range(2):
            for model, optimizer in ((plain, theirs), (compiled, ours)):
                model(*batch(step))[0].backward()
                optimizer.step()
                optimizer.zero_grad()
        check_weights(compiled, plain)


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: torch.optim.AdamW(ps, lr=0.01, foreach=False),
        lambda ps: torch.optim.AdamW(ps, lr=0.01),
        lambda ps: torch.optim.AdamW(ps, lr=0.01, fused=True),
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9),
        lambda ps: torch.optim.Adagrad(ps, lr=0.1),
        lambda ps: torch.optim.RMSprop(ps, lr=0.01),
        lambda ps: torch.optim.NAdam(ps, lr=0.01),
    ],
)
def test_torch_optimizers(make: Callable[[Any], torch.optim.Optimizer]) -> None:
    (plain,), (compiled,) = twins(Head)
    theirs, ours = make(plain.parameters()), make(compiled.parameters())
    for step in range(3):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            model(*batch(step))[0].backward()
            optimizer.step()
            optimizer.zero_grad()
    for name, parameter in plain.named_parameters():
        check_close(compiled.get_parameter(name), parameter, name)


def test_closure_hooks_and_set_to_zero() -> None:
    (plain,), (compiled,) = twins(Head)
    theirs, ours = pair("SGD", plain.parameters(), compiled.parameters(), lr=0.1)
    calls: list[str] = []
    ours.register_step_pre_hook(lambda *a: calls.append("before"))
    ours.register_step_post_hook(lambda *a: calls.append("after"))
    for model, optimizer in ((plain, theirs), (compiled, ours)):

        def closure(model: nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad(set_to_none=False)
            loss: Tensor = model(*batch(0))[0]
            loss.backward()
            return loss

        with torch.no_grad():
            losses = [float(optimizer.step(closure)) for _ in range(2)]
        assert losses[1] < losses[0]
    assert calls == ["before", "after"] * 2
    check_weights(compiled, plain)


def test_values_in_groups_are_read_each_step() -> None:
    (plain,), (compiled,) = twins(Head)
    theirs, ours = pair("SGD", plain.parameters(), compiled.parameters(), lr=0.1)
    for step, change in enumerate(({}, {"lr": 0.5}, {"weight_decay": 0.1}, {"momentum": 0.5})):
        for model, optimizer in ((plain, theirs), (compiled, ours)):
            optimizer.param_groups[0].update(change)
            model(*batch(step))[0].backward()
            optimizer.step()
            optimizer.zero_grad()
        check_weights(compiled, plain)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("AdamW", {"amsgrad": True}, "amsgrad=True"),
        ("AdamW", {"maximize": True}, "maximize=True"),
        ("AdamW", {"foreach": True}, "foreach=True"),
        ("AdamW", {"fused": True}, "fused=True"),
        ("AdamW", {"capturable": True}, "capturable=True"),
        ("AdamW", {"differentiable": True}, "differentiable=True"),
        ("AdamW", {"lr": torch.tensor(1e-3)}, "not as a tensor"),
        ("AdamW", {"lr": -1.0}, "Invalid learning rate"),
        ("SGD", {"dampening": 0.5, "momentum": 0.5}, "dampening=0.5"),
        ("SGD", {"maximize": True}, "maximize=True"),
        ("SGD", {"nesterov": True}, "Nesterov momentum requires"),
    ],
)
def test_what_is_not_supported_says_so(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(regimen.optim, name)([nn.Parameter(torch.ones(1))], **settings)


def test_parameters_of_no_compiled_model() -> None:
    parameter = nn.Parameter(torch.ones(3))
    optimizer = regimen.optim.AdamW([parameter])
    parameter.sum().backward()
    with pytest.raises(ValueError, match=r"shape \[3\] belongs to no compiled model"):
        optimizer.step()


@pytest.mark.parametrize("limit", [0.05, 1e6])
def test_clipping(limit: float) -> None:
    (plain,), (compiled,) = twins(Head)
    extra = nn.Parameter(torch.ones(3))
    extra.grad = torch.full((3,), 0.5)
    plain(*batch(0))[0].backward()
    compiled(*batch(0))[0].backward()
    kept = copy.deepcopy(extra.grad)
    want = torch.nn.utils.clip_grad_norm_([*plain.parameters(), extra], limit)
    extra.grad.copy_(kept)
    have = regimen.clip_grad_norm_([*compiled.parameters(), extra], limit)
    check_close(have, want, "norm")
    for name, p in plain.named_parameters():
        check_close(compiled.get_parameter(name).grad, p.grad, name)  # type: ignore[arg-type]


def test_clipping_norms_are_exact_and_checked() -> None:
    _, (compiled,) = twins(Head)
    compiled(*batch(0))[0].backward()
    squares = sum(float(g.double().pow(2).sum()) for g in compiled.full_gradients().values())
    norm = regimen.clip_grad_norm_(compiled.parameters(), 1e6)
    assert norm.dtype == torch.float32 and norm.shape == ()
    assert float(norm) == float(torch.tensor(squares, dtype=torch.float64).sqrt().float())
    check_close(regimen.clip_grad_norm_(compiled.parameters(), 1e6, norm_type=1.0), torch.nn.utils.get_total_norm(
        [p.grad for p in compiled.parameters() if p.grad is not None], 1.0), "1-norm")  # fmt: skip
    compiled.head.bias.grad.fill_(float("nan"))
    with pytest.raises(RuntimeError, match="non-finite"):
        regimen.clip_grad_norm_(compiled.parameters(), 1.0, error_if_nonfinite=True)
    assert torch.isnan(regimen.clip_grad_norm_(compiled.parameters(), 1.0))
