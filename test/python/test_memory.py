"""What a loop holds on to: nothing that grows, nothing for outputs that were dropped, at most K frames."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Callable

import pytest
import torch

import regimen
from twins import Encoder, Head, batch, twins

#: Short of the 10,000 steps that REGIMEN_LONG asks for.
STEPS = 10_000 if os.environ.get("REGIMEN_LONG") else 1500


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grows(act: Callable[[int], object], steps: int = STEPS) -> int:
    """Bytes that the resident set grows by between the first quarter of the steps and the last."""
    before = 0
    for step in range(steps):
        act(step)
        if step == steps // 4:
            gc.collect()
            before = resident()
    gc.collect()
    return resident() - before


def test_steps_do_not_grow() -> None:
    _, (model,) = twins(Head)
    optimizer = regimen.optim.AdamW(model.parameters(), lr=1e-3)
    batches = [batch(k) for k in range(4)]

    def step(k: int) -> None:
        loss, _ = model(*batches[k % 4])
        loss.backward()
        regimen.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    assert grows(step) < 2 << 20


def test_gradients_are_views_unless_somebody_keeps_them() -> None:
    _, (model,) = twins(Head)
    weight = model.head.weight
    places = set()
    kept: list[torch.Tensor] = []
    for k in range(8):
        model(*batch(k))[0].backward()
        assert weight.grad is not None
        places.add(weight.grad.data_ptr())
        if k % 2:
            kept = [weight.grad]
        model.zero_grad()
    assert len(places) == 1
    assert kept[0].data_ptr() in places  # nothing was written there since
    model(*batch(0))[0].backward()
    assert kept[0].data_ptr() not in places


def test_kept_gradients_do_not_grow() -> None:
    _, (model,) = twins(Head)
    kept: list[torch.Tensor | None] = []

    def step(k: int) -> None:
        model(*batch(k % 4))[0].backward()
        kept[:] = [p.grad for p in model.parameters()]
        model.zero_grad()

    assert grows(step) < 2 << 20


def test_dropped_outputs_leave_nothing() -> None:
    _, (model,) = twins(Encoder)
    x = batch(0)[0]
    assert grows(lambda k: model(x)) < 2 << 20
    live, made = model.memory_report()["live_frames"], model.memory_report()["frames"]
    assert live == 0 and made <= 2
    kept = [model(x) for _ in range(5)]
    assert model.memory_report()["live_frames"] == 5
    del kept
    gc.collect()
    assert model.memory_report()["live_frames"] == 0


def test_a_backward_frees_its_frame() -> None:
    _, (model,) = twins(Head)
    loss, logits = model(*batch(0))
    loss.backward(retain_graph=True)
    assert model.memory_report()["live_frames"] == 1
    loss.backward()
    assert model.memory_report()["live_frames"] == 0
    assert logits.requires_grad


def test_no_grad_keeps_no_frame() -> None:
    _, (model,) = twins(Head)
    with torch.no_grad():
        kept = [model(*batch(k)) for k in range(3)]
    assert len(kept) == 3 and model.memory_report()["live_frames"] == 0


def test_frames_may_be_limited() -> None:
    _, (model,) = twins(Encoder, config={"memory.frames": 2})
    outs = [model(batch(k)[0]) for k in range(2)]
    with pytest.raises(RuntimeError, match="memory.frames = 2"):
        model(batch(2)[0])
    outs.pop().sum().backward()
    outs.append(model(batch(2)[0]))
    outs.clear()
    model(batch(3)[0]).sum().backward()


def test_outputs_outlive_the_model() -> None:
    _, (model,) = twins(Head)
    loss, logits = model(*batch(0))
    parameters = list(model.parameters())
    del model
    gc.collect()
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parameters)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("settings", [{"memory.remat": "full"}, {"memory.remat": "auto", "memory.limit": True}])
def test_recomputation_makes_frames_smaller_and_changes_no_bit(settings: dict[str, object]) -> None:
    torch.manual_seed(1)
    module = torch.nn.Sequential(*(torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.GELU(), torch.nn.GELU()) for _ in range(4)))
    x = torch.randn(64, 32)
    models = [regimen.compile(copy.deepcopy(module), x, config={"fuse.enable": False}, verbose=False)]
    models[0](x).sum().backward()
    report = models[0].memory_report()
    if settings.get("memory.limit"):
        settings = {**settings, "memory.limit": sum(report["arenas"].values()) + report["frame_bytes"] * 9 // 10}
    models.append(regimen.compile(copy.deepcopy(module), x, config={"fuse.enable": False, **settings}, verbose=False))
    # Twice, retained, and for the input too: variants that are compiled later read the same frame.
    for model in models[1:]:
        model(x).sum().backward()
        assert model.memory_report()["frame_bytes"] < report["frame_bytes"]
    inputs = [x.clone().requires_grad_() for _ in models]
    for model, own in zip(models, inputs, strict=True):
        out = model(own)
        out.sum().backward(retain_graph=True)
        out.square().sum().backward()
    assert torch.equal(*(own.grad for own in inputs))  # type: ignore[arg-type]
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert a.grad is not None and b.grad is not None and torch.equal(a.grad, b.grad)
