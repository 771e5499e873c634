"""One of several ranks: `torchrun ranks.py STAGE FOLDER` runs every case below against PyTorch in one process.

The oracle plays all ranks: a rank's gradients are those of its own batches, and the mean over the ranks is what the
compiled model has to give. Trajectories are written to FOLDER, for who compares them between stages.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import pathlib
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import regimen
from twins import CLASSES, REFERENCE, ROWS, WIDTH, Branches, Encoder, Head, PartlyFrozen, batch_of

RANK, RANKS = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

CASES: dict[str, Callable[..., None]] = {}


def case(function: Callable[..., None]) -> Callable[..., None]:
    CASES[function.__name__] = function
    return function


def batch(k: int, rank: int = RANK) -> tuple[Tensor, Tensor]:
    return batch_of(k, rank)


class Run:
    """What a case gets: how to compile a module, and a copy of it for the oracle."""

    def __init__(self, stage: int, folder: pathlib.Path) -> None:
        self.stage, self.folder = stage, folder

    def module(self, kind: type[nn.Module]) -> nn.Module:
        torch.manual_seed(3)
        return kind()

    def compile(self, module: nn.Module, args: Any, **config: Any) -> Any:
        settings = {**REFERENCE, "zero.stage": self.stage, **{key.replace("__", "."): value for key, value in config.items()}}
        return regimen.compile(copy.deepcopy(module), args, config=settings, verbose=False)


def mean_gradients(module: nn.Module, loop: Callable[[nn.Module, int], None]) -> dict[str, Tensor]:
    """Gradients after a loop, averaged over the ranks that the loop is run as."""
    total: dict[str, Tensor] = {}
    for rank in range(RANKS):
        twin = copy.deepcopy(module)
        loop(twin, rank)
        for name, parameter in twin.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, torch.zeros(())) + parameter.grad / RANKS
    return total


def check_gradients(model: Any, wanted: dict[str, Tensor]) -> None:
    have = model.full_gradients()
    assert set(have) == set(wanted)
    for name, gradient in wanted.items():
        torch.testing.assert_close(have[name], gradient, rtol=1e-5, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@case
def first_and_later_contributions(run: Run) -> None:
    module = run.module(Branches)
    model = run.compile(module, batch(0))

    def loop(twin: nn.Module, rank: int) -> None:
        for k in range(3):
            twin(*batch(k, rank))["loss"].backward()

    loop(model, RANK)
    check_gradients(model, mean_gradients(module, loop))


@case
def contributions_of_parts(run: Run) -> None:
    """Backwards that reach other parameters of the same bucket, before and after each other."""
    module = run.module(Branches)
    orders = list(itertools.permutations(("loss", "right", "both")))
    for order in orders:
        model = run.compile(module, batch(0))

        def loop(twin: nn.Module, rank: int, order: tuple[str, ...] = order) -> None:
            for k, what in enumerate(order):
                out = twin(*batch(k, rank))
                (out["loss"] + out["right"].sum() if what == "both" else out[what].sum()).backward()

        loop(model, RANK)
        check_gradients(model, mean_gradients(module, loop))
        model.zero_grad()
        loop(model, RANK)
        check_gradients(model, mean_gradients(module, loop))


@case
def zeros_instead_of_none(run: Run) -> None:
    module = run.module(Head)
    model = run.compile(module, batch(0))
    optimizer = regimen.optim.SGD(model.parameters(), lr=0.1)
    model(*batch(0))[0].backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(not gradient.any() for gradient in model.full_gradients().values())
    model(*batch(1))[0].backward()
    check_gradients(model, mean_gradients(module, lambda twin, rank: twin(*batch(1, rank))[0].backward()))


@case
def no_sync(run: Run) -> None:
    """All orders of reduced and unreduced micro-steps that end with a reduced one."""
    module = run.module(Head)
    for pattern in ((0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 0, 1)):
        model = run.compile(module, batch(0))
        before = model._session.core.bytes_sent()
        for k, synchronised in enumerate(pattern):
            if synchronised:
                model(*batch(k))[0].backward()
                continue
            with model.no_sync():
                model(*batch(k))[0].backward()
            if run.stage < 2:
                assert model._session.core.bytes_sent() == before or 1 in pattern[:k]

        def loop(twin: nn.Module, rank: int, pattern: tuple[int, ...] = pattern) -> None:
            for k in range(len(pattern)):
                twin(*batch(k, rank))[0].backward()

        check_gradients(model, mean_gradients(module, loop))


@case
def unreduced_gradients_are_not_used(run: Run) -> None:
    if run.stage >= 2:
        return
    model = run.compile(run.module(Head), batch(0))
    optimizer = regimen.optim.AdamW(model.parameters())
    with model.no_sync():
        model(*batch(0))[0].backward()
    for use in (optimizer.step, model.full_gradients, lambda: regimen.clip_grad_norm_(model.parameters(), 1.0)):
        with pytest.raises(RuntimeError, match=r"'body.*' has contributions of this rank alone; .* outside no_sync"):
            use()
    optimizer.zero_grad()
    model(*batch(0))[0].backward()
    optimizer.step()


@case
def training(run: Run) -> None:
    """Trajectories, the same bits at every stage (the test compares the files), near PyTorch's."""
    for name, clip, make in (
        ("adamw", None, lambda api, p: api.optim.AdamW(p, lr=1e-2, weight_decay=0.1)),
        ("clipped", 0.05, lambda api, p: api.optim.AdamW(p, lr=1e-2)),
        ("sgd", None, lambda api, p: api.optim.SGD(p, lr=0.1, momentum=0.9)),
    ):
        module = run.module(Head)
        model = run.compile(module, batch(0))
        optimizer = make(regimen, model.parameters())
        plain = copy.deepcopy(module)
        oracle = make(torch, plain.parameters())
        norms = []
        for k in range(5):
            model(*batch(k))[0].backward()
            sum(plain(*batch(k, rank))[0] / RANKS for rank in range(RANKS)).backward()  # type: ignore[union-attr]
            if clip:
                norms.append(regimen.clip_grad_norm_(model.parameters(), clip))
                torch.testing.assert_close(norms[-1], nn.utils.clip_grad_norm_(plain.parameters(), clip))
            for each in (optimizer, oracle):
                each.step()
                each.zero_grad()
        state = model.state_dict()
        for key, value in plain.state_dict().items():
            torch.testing.assert_close(state[key], value, rtol=1e-4, atol=1e-5)
        if RANK == 0:
            torch.save((state, norms), run.folder / f"{name}-{RANKS}-{run.stage}.pt")


@case
def accumulation_with_no_sync(run: Run) -> None:
    """The trajectory of regimen-run with accumulate=3 (the test compares the files)."""
    model = run.compile(run.module(Head), batch(0))
    optimizer = regimen.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(3):
        for micro in range(3):
            if micro < 2:
                with model.no_sync():
                    (model(*batch(3 * step + micro))[0] / 3).backward()
            else:
                (model(*batch(3 * step + micro))[0] / 3).backward()
        optimizer.step()
        optimizer.zero_grad()
    state = model.state_dict()
    if RANK == 0:
        torch.save(state, run.folder / f"accumulated-{RANKS}-{run.stage}.pt")


@case
def bucket_sizes_change_no_bit(run: Run) -> None:
    module = run.module(Encoder)
    states = []
    for config in ({}, {"zero__bucket_bytes": 1024}, {"zero__overlap": False}):
        model = run.compile(module, batch(0)[0], **config)
        optimizer = regimen.optim.AdamW(model.parameters(), lr=1e-2)
        for k in range(3):
            model(batch(k)[0]).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        states.append(model.state_dict())
    for other in states[1:]:
        assert all(torch.equal(states[0][name], other[name]) for name in states[0])


@case
def frozen_parameters(run: Run) -> None:
    module = run.module(PartlyFrozen)
    model = run.compile(module, batch(0)[0])
    model(batch(0)[0]).square().mean().backward()
    check_gradients(model, mean_gradients(module, lambda twin, rank: twin(batch(0, rank)[0]).square().mean().backward()))
    torch.testing.assert_close(model.state_dict()["base.weight"], module.state_dict()["base.weight"], rtol=0, atol=0)


@case
def gradients_on_request_are_the_ranks_own(run: Run) -> None:
    module = run.module(Head)
    model = run.compile(module, batch(0))
    x, y = batch(0)
    mine = torch.autograd.grad(model(x, y)[0], list(model.parameters()))
    theirs = torch.autograd.grad(module(x, y)[0], list(module.parameters()))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)
    assert not model.full_gradients()


@case
def first_rank_gives_parameters(run: Run) -> None:
    torch.manual_seed(100 + RANK)
    model = run.compile(Head(), batch(0))
    torch.manual_seed(100)
    wanted = Head().state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted[name])


@case
def shapes_stay_logical(run: Run) -> None:
    module = run.module(Head)
    model = run.compile(module, batch(0))
    model(*batch(0))[0].backward()
    for (name, parameter), plain in zip(model.named_parameters(), module.parameters(), strict=True):
        assert parameter.shape == plain.shape and parameter.grad is not None and parameter.grad.shape == plain.shape
        if run.stage == 3 and RANKS > 1:
            with pytest.raises(RuntimeError, match=f"parameter '{name}' is sharded over the ranks .*state_dict"):
                parameter.sum()
        if run.stage >= 1 and RANKS > 1:
            with pytest.raises(RuntimeError, match=f"gradient of parameter '{name}' is sharded .*full_gradients"):
                nn.utils.clip_grad_norm_([parameter], 1.0)
            with pytest.raises(RuntimeError, match="sharded"):
                torch.optim.SGD([parameter], lr=0.1).step()
            parameter.grad = torch.ones(plain.shape)
            with pytest.raises(RuntimeError, match=f"parameter '{name}' was given a .grad, but its gradient is sharded"):
                model(*batch(0))[0].backward()
            parameter.grad = None


@case
def torch_optimizers_at_stage_0(run: Run) -> None:
    if run.stage > 0:
        return
    module = run.module(Head)
    model, plain = run.compile(module, batch(0)), copy.deepcopy(module)
    mine, theirs = torch.optim.AdamW(model.parameters(), lr=1e-2), torch.optim.AdamW(plain.parameters(), lr=1e-2)
    for k in range(3):
        model(*batch(k))[0].backward()
        sum(plain(*batch(k, rank))[0] / RANKS for rank in range(RANKS)).backward()  # type: ignore[union-attr]
        for each in (mine, theirs):
            each.step()
            each.zero_grad()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-4, atol=1e-5)


@case
def states_go_on(run: Run) -> None:
    """Saved after two steps, whole and in parts, and resumed: the bits of a run that was not interrupted."""
    module = run.module(Head)

    def steps(model: Any, optimizer: Any, numbers: range) -> None:
        for k in numbers:
            model(*batch(k))[0].backward()
            optimizer.step()
            optimizer.zero_grad()

    model = run.compile(module, batch(0))
    optimizer = regimen.optim.AdamW(model.parameters(), lr=1e-2)
    steps(model, optimizer, range(2))
    whole = copy.deepcopy((model.state_dict(), optimizer.full_state_dict()))
    part = copy.deepcopy((model.sharded_state_dict(), optimizer.state_dict()))
    steps(model, optimizer, range(2, 4))
    wanted = model.state_dict()
    for saved, load in ((whole, "load_state_dict"), (part, "load_sharded_state_dict")):
        other = run.compile(run.module(Head), batch(0))
        getattr(other, load)(saved[0])
        again = regimen.optim.AdamW(other.parameters(), lr=1e-2)
        again.load_state_dict(saved[1])
        steps(other, again, range(2, 4))
        assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items()), load
    # Into plain PyTorch, and from it.
    plain = copy.deepcopy(module)
    plain.load_state_dict(whole[0])
    oracle = torch.optim.AdamW(plain.parameters(), lr=1e-2)
    oracle.load_state_dict(whole[1])
    assert all(state["exp_avg"].shape == p.shape for p, state in oracle.state.items())
    other = run.compile(run.module(Head), batch(0))
    other.load_state_dict(plain.state_dict())
    again = regimen.optim.AdamW(other.parameters(), lr=1e-2)
    again.load_state_dict(oracle.state_dict())
    steps(other, again, range(2, 4))
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


@case
def wrong_states_are_refused(run: Run) -> None:
    model = run.compile(run.module(Head), batch(0))
    state = model.state_dict()
    for change, text in (
        ({"body.weight": torch.zeros(3)}, "size mismatch for body.weight"),
        ({"nothing": torch.zeros(3)}, "Unexpected key"),
    ):
        with pytest.raises(RuntimeError, match=text):
            model.load_state_dict({**state, **change})
    with pytest.raises(RuntimeError, match="Missing key.*head.bias"):
        model.load_state_dict({name: value for name, value in state.items() if name != "head.bias"})
    assert model.load_state_dict({}, strict=False).missing_keys == list(state)


@case
def other_optimizers_take_over(run: Run) -> None:
    """Another kind of optimizer moves the model to new storage, whose connections are new too."""
    model = run.compile(run.module(Head), batch(0))
    for optimizer in (regimen.optim.AdamW(model.parameters()), regimen.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)):
        before = copy.deepcopy(model.state_dict())
        model(*batch(0))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())


@case
def evaluation_on_one_rank(run: Run) -> None:
    """Where nothing is gathered, ranks need not do the same."""
    if run.stage == 3 and RANKS > 1:
        return
    module = run.module(Head)
    model = run.compile(module, batch(0))
    if RANK == 0:
        with torch.no_grad():
            torch.testing.assert_close(model(*batch(0))[1], module(*batch(0))[1])
    model(*batch(0))[0].backward()


@case
def new_shapes(run: Run) -> None:
    module = run.module(Encoder)
    model = run.compile(module, batch(0)[0])
    for rows in (ROWS, ROWS - 1, 1):
        with torch.no_grad():
            torch.testing.assert_close(model(batch(0)[0][:rows]), module(batch(0)[0][:rows]))
        model(batch(0)[0][:rows]).square().sum().backward()
    check_gradients(
        model,
        mean_gradients(module, lambda twin, rank: [twin(batch(0, rank)[0][:n]).square().sum().backward() for n in (ROWS, ROWS - 1, 1)]),  # type: ignore[arg-type,func-returns-value,return-value]
    )


@case
def two_models_chained(run: Run) -> None:
    encoder, head = run.module(Encoder), run.module(Head)
    x, y = batch(0)
    models = [run.compile(encoder, x), run.compile(head, (torch.zeros(ROWS, WIDTH), y))]
    for k in range(2):
        models[1](models[0](batch(k)[0]), batch(k)[1])[0].backward()
    norm = regimen.clip_grad_norm_([p for model in models for p in model.parameters()], 0.1)
    plain = [copy.deepcopy(encoder), copy.deepcopy(head)]
    for k in range(2):
        for rank in range(RANKS):
            (plain[1](plain[0](batch(k, rank)[0]), batch(k, rank)[1])[0] / RANKS).backward()
    torch.testing.assert_close(norm, nn.utils.clip_grad_norm_([p for m in plain for p in m.parameters()], 0.1))
    for model, module in zip(models, plain, strict=True):
        gradients = model.full_gradients()
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-5, atol=1e-6)


class Plain(nn.Module):
    """A loss that a hook's user would watch."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.inner(x)).sum()


@case
def hooks_are_refused(run: Run) -> None:
    if RANKS == 1:
        return
    model = run.compile(run.module(Plain), batch(0)[0])
    next(model.parameters()).register_hook(lambda gradient: gradient)
    with pytest.raises(RuntimeError, match="'inner.weight' has a hook; on several ranks"):
        model(batch(0)[0]).backward()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", type=int)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--process-group", action="store_true", help="initialise torch.distributed first")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.process_group:
        torch.distributed.init_process_group("gloo")
    failed = 0
    for name, function in CASES.items():
        if arguments.only and name not in arguments.only.split(","):
            continue
        try:
            function(Run(arguments.stage, arguments.folder))
        except Exception:
            failed += 1
            print(f"rank {RANK}, stage {arguments.stage}, {name}: {traceback.format_exc()}", file=sys.stderr, flush=True)
            os._exit(1)  # the others wait for what this one does not do any more
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
