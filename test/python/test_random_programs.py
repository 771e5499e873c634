"""Random programs of forwards, partial and retained backwards, gradients asked for, and steps over two models."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from twins import Branches, Encoder, batch, check_close, check_gradients, twins

STEPS = 14


class Run:
    """One side of a comparison: the same decisions for both, since they depend on the seed alone."""

    def __init__(self, models: Sequence[nn.Module], seed: int) -> None:
        self.models, self.random = models, random.Random(seed)
        self.optimizers = [torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.5, foreach=False) for m in models]
        self.pool: list[Tensor] = []  # outputs with their graphs
        self.inputs: list[Tensor] = []  # leaves that want a gradient
        self.log: list[Tensor | str] = []
        self.batches = 0

    def act(self) -> None:
        kinds = ["encode", "encode", "branch", "branch", "joint", "cut", "backward", "backward", "backward", "grad", "parameters"]
        kind = self.random.choice([*kinds, "step", "zero", "drop", "silent"])
        getattr(self, kind)()

    def data(self) -> tuple[Tensor, Tensor]:
        self.batches += 1
        x, labels = batch(self.batches)
        if self.random.random() < 0.4:
            self.inputs.append(x.requires_grad_())
        return x, labels

    def keep(self, out: Tensor | dict[str, Tensor]) -> None:
        for value in out.values() if isinstance(out, dict) else [out]:
            self.log.append(value.detach().clone())
            if self.random.random() < 0.8:
                self.pool.append(value)

    def encode(self) -> None:
        self.keep(self.models[0](self.data()[0]))

    def branch(self) -> None:
        self.keep(self.models[1](*self.data()))

    def joint(self) -> None:
        x, labels = self.data()
        self.keep(self.models[1](self.models[0](x), labels))

    def cut(self) -> None:
        x, labels = self.data()
        leaf = self.models[0](x).detach().requires_grad_()
        self.inputs.append(leaf)
        self.keep(self.models[1](leaf, labels))

    def silent(self) -> None:
        with torch.no_grad():
            self.log.append(self.models[0](self.data()[0]).clone())

    def chosen(self) -> Tensor | None:
        if not self.pool:
            return None
        values = self.random.sample(self.pool, self.random.randint(1, min(3, len(self.pool))))
        return sum((v.pow(2).mean() * self.random.uniform(0.5, 2) for v in values), torch.zeros(()))

    def guarded(self, run: Callable[[], object]) -> None:
        """What raises ends the graphs at hand: how far a failing backward got is nobody's promise."""
        try:
            run()
        except RuntimeError:
            self.log.append("refused")
            self.drop()
            self.zero()

    def backward(self) -> None:
        loss, retain = self.chosen(), self.random.random() < 0.5
        if loss is None:
            return
        self.guarded(lambda: loss.backward(retain_graph=retain))

    # Asked for some gradients only, PyTorch frees some buffers only: a plan frees all of a frame or, as here, none.
    def grad(self) -> None:
        loss = self.chosen()
        if loss is None or not self.inputs:
            return
        wanted = self.random.sample(self.inputs, self.random.randint(1, len(self.inputs)))
        self.guarded(lambda: self.note(torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)))

    def parameters(self) -> None:
        loss = self.chosen()
        if loss is None:
            return
        every = [p for m in self.models for p in m.parameters()]
        wanted = self.random.sample(every, self.random.randint(1, len(every)))
        self.guarded(lambda: self.note(torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)))

    def note(self, found: Sequence[Tensor | None]) -> None:
        self.log.extend("none" if g is None else g.detach().clone() for g in found)

    def step(self) -> None:
        self.optimizers[self.random.randrange(2)].step()
        if self.random.random() < 0.5:
            self.drop()

    def zero(self) -> None:
        for model in self.models:
            model.zero_grad()

    def drop(self) -> None:
        self.pool.clear()
        self.inputs.clear()

    def note_inputs(self) -> None:
        self.note([x.grad for x in self.inputs])


@pytest.fixture(scope="module")
def models() -> tuple[list[nn.Module], list[nn.Module]]:
    plain, compiled = twins(Encoder, Branches)
    return plain, list(compiled)


@pytest.mark.parametrize("seed", range(50))
def test_random_program(models: tuple[list[nn.Module], list[nn.Module]], seed: int) -> None:
    plain, compiled = models
    for ours, theirs in zip(compiled, plain):  # programs go on from one another: start alike
        ours.load_state_dict(theirs.state_dict())
        ours.zero_grad()
        theirs.zero_grad()
    want, have = Run(plain, seed), Run(compiled, seed)
    for number in range(STEPS):
        want.act()
        have.act()
        where = f"action {number}"
        assert len(have.log) == len(want.log), where
        for mine, other in zip(have.log, want.log):
            if isinstance(other, str) or isinstance(mine, str):
                assert mine == other, where
            else:
                check_close(mine, other, where)
        have.log.clear()
        want.log.clear()
        check_gradients(compiled, plain, check_close)
    want.note_inputs()
    have.note_inputs()
    assert [type(x) for x in have.log] == [type(x) for x in want.log]
    for ours, theirs in zip(compiled, plain):
        for name, parameter in theirs.named_parameters():
            check_close(ours.get_parameter(name), parameter, name)
