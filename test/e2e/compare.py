"""Comparisons of a run with PyTorch's trajectory. Every one is written so that a NaN fails it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from reference import Trajectory
from toolchain import Run


def same_bits(a: Tensor, b: Tensor) -> bool:
    flat = lambda t: t.reshape(-1).view(torch.uint8)  # a 0-d tensor has no bytes to view
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(flat(a), flat(b))


def check_same_names(got: dict[str, Tensor], want: dict[str, Tensor], what: str) -> None:
    assert sorted(got) == sorted(want), f"{what}: missing {sorted(set(want) - set(got))}, extra {sorted(set(got) - set(want))}"


def check_bitwise(run: Run, want: Trajectory) -> None:
    """Losses, first gradients and final weights equal PyTorch's bit for bit."""
    f32 = lambda values: torch.tensor(values, dtype=torch.float32)
    assert run.losses and len(run.losses) == len(want.losses)
    assert all(map(math.isfinite, run.losses))
    assert torch.equal(f32(run.losses), f32(want.losses)), f"losses {run.losses}\nPyTorch {want.losses}"
    check_same_names(run.grads, want.grads, "gradients")
    off = [n for n in want.grads if not same_bits(run.grads[n], want.grads[n])]
    assert not off, f"gradients differ: {off}"
    weights = {n: w for n, w in run.weights.items() if n in want.weights}
    check_same_names(weights, want.weights, "weights")
    off = [n for n in want.weights if not same_bits(weights[n], want.weights[n])]
    assert not off, f"weights differ: {off}"
    for step, (have, ought) in enumerate(zip(run.norms, want.norms)):
        assert abs(have - ought) <= 1e-6 * abs(ought), f"gradient norm of step {step}: {have}, PyTorch {ought}"


def check_close(run: Run, want: Trajectory, exact: Trajectory, loss_tol: float = 1e-6, grad_tol: float = 1e-5) -> None:
    """Within tolerances that widen by four times PyTorch's own distance from double precision."""
    assert len(run.losses) == len(want.losses)
    for what, tol in (("losses", loss_tol), ("norms", 10 * loss_tol)):
        for step, values in enumerate(zip(getattr(run, what), getattr(want, what), getattr(exact, what))):
            have, ought, true = values
            slack = tol * abs(ought) + 4 * abs(ought - true)
            assert abs(have - ought) <= slack, f"{what} of step {step}: {have}, PyTorch {ought}, allowed {slack:.2g}"
    check_same_names(run.grads, want.grads, "gradients")
    largest = max(float(g.abs().max()) for g in want.grads.values())
    for n, g in want.grads.items():
        scale = max(float(g.abs().max()), 1e-3 * largest)
        error = float((run.grads[n].double() - g.double()).abs().max())
        assert error <= grad_tol * scale, f"gradient of {n} is {error:.2g} away, {grad_tol * scale:.2g} allowed"
    check_same_names({n: w for n, w in run.weights.items() if n in want.weights}, want.weights, "weights")
    # Where the gradient is zero in exact arithmetic (a key's bias under softmax), Adam makes steps of size lr out of
    # rounding noise: such elements are judged by their effect, the loss, alone.
    for n, w in want.weights.items():
        slack = (4 * (w.double() - exact.weights[n].double()).abs()).clamp(min=1e-4)
        near = (run.weights[n].double() - w.double()).abs() <= slack
        if n in exact.grads:
            near |= (exact.grads[n].abs() < 1e-9 * largest) & run.weights[n].isfinite()
        assert bool(near.all()), f"weight {n} is away by more than its tolerance"


def check_same_run(a: Run, b: Run) -> None:
    """Two runs of the tools agree bit for bit."""
    assert a.losses == b.losses
    assert a.norms == b.norms
    for have, ought in ((a.grads, b.grads), (a.weights, b.weights)):
        check_same_names(have, ought, "tensors")
        assert all(same_bits(have[n], ought[n]) for n in ought)
