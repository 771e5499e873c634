"""Optimizers whose step is the plan's own update program.

They are PyTorch's optimizers in everything else: parameter groups, ``state_dict``, schedulers, hooks, closures. States
are views of the runtime's storage, and have the bits of torch.optim's single-tensor implementation (``foreach=False``)
on the reference path. A parameter without gradient is skipped: no decay, no state.

An optimizer may cover some of a model's parameters, or those of several models.
"""

from __future__ import annotations

import array
import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import optimizer
from torch.optim.optimizer import ParamsT

from regimen._library import HYPERS
from regimen._session import Session, owners

__all__ = ["AdamW", "SGD"]

_WIDTH = len(HYPERS)
_COVERED = HYPERS.index("covered")


class _Part:
    """The parameters of one session that an optimizer covers."""

    def __init__(self, session: Session, covered: Mapping[int, dict[str, Any]]) -> None:
        self.session = session
        self.indices = sorted(covered)
        self.parameters: list[nn.Parameter] = [session.parameters[i] for i in self.indices]
        # One row a parameter of the session, and the tensor over it that the runtime reads.
        self.table = array.array("d", bytes(8 * _WIDTH * len(session.parameters)))
        self.rows_tensor = torch.frombuffer(self.table, dtype=torch.float64)
        for index in self.indices:
            self.table[index * _WIDTH + _COVERED] = 1.0
        # By group: where its rows begin in the table, and what they hold.
        self.groups = list({id(group): group for group in covered.values()}.values())
        self.rows = [[i * _WIDTH for i in self.indices if covered[i] is group] for group in self.groups]
        self.written: list[tuple[float, ...]] = [() for _ in self.groups]
        #: Updates so far, by parameter of the session; the runtime counts.
        self.steps = torch.zeros(len(session.parameters))
        self.stateful: set[int] = set()
        # The update that ran last: which one of which runtime, for which kind of optimizer.
        self.core: object = None
        self.kind: Hashable = None
        self.update = -1


class _Planned:
    """What the optimizers share. Mixed in before one of torch.optim's classes."""

    #: Arguments of the class in torch.optim that ask for what the plan does not do, with the value they must have.
    _FIXED: dict[str, Any] = {}
    #: Whether the state has a step count.
    _COUNTS = True

    param_groups: list[dict[str, Any]]
    state: Any
    _parts: list[_Part] | None
    _moves: int

    # --- for the subclass ---------------------------------------------------------------------------------------

    def _kind(self) -> tuple[bool, ...]:
        """What decides which operations an update is."""
        raise NotImplementedError

    def _structure(self) -> dict[str, Any]:
        """The same as keys of the compiler's configuration."""
        raise NotImplementedError

    def _hypers(self, group: dict[str, Any]) -> tuple[float, ...]:
        """The hyperparameters of a group up to the step, in the order of the table."""
        raise NotImplementedError

    # --- torch.optim.Optimizer ----------------------------------------------------------------------------------

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates every parameter that has a gradient."""
        self._run_hooks(optimizer._global_optimizer_pre_hooks, "_optimizer_step_pre_hooks", closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._parts is None or self._moves != owners.moves:
            self._find_parts()
        for part in self._parts or ():
            self._step(part)
        self._run_hooks(optimizer._global_optimizer_post_hooks, "_optimizer_step_post_hooks", closure)
        return loss

    # PyTorch's own wrapper of `step` runs the hooks and opens a profiler range, which costs more than the rest of it.
    step.hooked = True  # type: ignore[attr-defined]

    def _run_hooks(self, everywhere: Mapping[int, Any], here: str, closure: Any) -> None:
        hooks = getattr(self, here)
        if everywhere or hooks:
            for hook in (*everywhere.values(), *hooks.values()):
                if hook(self, (), {} if closure is None else {"closure": closure}) is not None:
                    raise RuntimeError("a hook of regimen.optim cannot replace the arguments of step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients, or sets them to zero."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    found = owners.find(parameter)
                    if found and found[0].ranks > 1:  # there may be no elements here
                        found[0].core.zero_gradients([found[1]])
                    else:
                        parameter.grad.detach_().requires_grad_(False).zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)  # type: ignore[misc]
        self._check(self.param_groups[-1])
        self._parts = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over states of this class or of the one in torch.optim."""
        super().load_state_dict(state_dict)  # type: ignore[misc]
        for group in self.param_groups:
            for name in ("foreach", "fused"):
                if name in group:
                    group[name] = None
            self._check(group)
        self._parts = None

    def full_state_dict(self) -> dict[str, Any]:
        """As `state_dict`, in which a rank may have but its part of a state, with all states whole: it can be loaded on any
        number of ranks, at any stage, and into the class in torch.optim. All ranks call it together."""
        packed: dict[str, Any] = self.state_dict()  # type: ignore[attr-defined]
        numbers = itertools.count()
        numbered = {next(numbers): parameter for group in self.param_groups for parameter in group["params"]}
        whole = {}
        for number, state in packed["state"].items():
            found = owners.find(numbered[number])
            whole[number] = {
                slot: found[0].core.whole_state(found[1], slot) if found and slot in found[0].core.state_slots(found[1]) else value
                for slot, value in state.items()
            }
        return {**packed, "state": whole}

    def _check(self, group: Mapping[str, Any]) -> None:
        kind = type(self).__name__
        for name, value in self._FIXED.items():
            if group.get(name, value) != value:
                raise ValueError(f"regimen.optim.{kind} does not support {name}={group[name]!r}: use torch.optim.{kind}")
        if isinstance(group["lr"], Tensor):
            raise ValueError(f"regimen.optim.{kind} takes lr as a number, not as a tensor")

    # --- the update ---------------------------------------------------------------------------------------------

    def _find_parts(self) -> None:
        covered: dict[int, tuple[Session, dict[int, dict[str, Any]]]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                found = owners.find(parameter)
                if found is None:
                    kind = type(self).__name__
                    raise ValueError(
                        f"regimen.optim.{kind}: a parameter of shape {list(parameter.shape)} belongs to no compiled model: "
                        f"compile its model first, or give it to torch.optim.{kind}"
                    )
                session, index = found
                covered.setdefault(id(session), (session, {}))[1][index] = group
        self._parts = [_Part(session, groups) for session, groups in covered.values()]
        self._moves = owners.moves

    def _step(self, part: _Part) -> None:
        session, kind = part.session, self._kind()
        self._fill_table(part)
        known = part.core is session.core and part.kind == kind
        if not (known and session.update(part.update, part.rows_tensor, part.steps)):
            self._step_with(part, kind)

    def _step_with(self, part: _Part, kind: Hashable) -> None:
        """A step whose update is another than the last one's: other parameters have gradients, or it is the first."""
        session = part.session
        have = [index for index, parameter in zip(part.indices, part.parameters) if parameter.grad is not None]
        if not have:
            return
        update = session.require_update(self._structure(), tuple([session.names[index] for index in have]))
        if self._moves != owners.moves:  # an optimizer of another kind was here: states are elsewhere now
            self._find_parts()
            self._step(next(p for p in self._parts or () if p.session is session))
            return
        for index in have:
            if index not in part.stateful:
                self._bind_state(part, index)
        if not session.update(update, part.rows_tensor, part.steps):
            raise RuntimeError(f"the update of {session.name} that was loaded is not one of the parameters that have gradients")
        part.core, part.kind, part.update = session.core, kind, update

    def _fill_table(self, part: _Part) -> None:
        for number, group in enumerate(part.groups):
            hypers = self._hypers(group)
            if part.written[number] != hypers:
                part.written[number] = hypers
                values = array.array("d", hypers)
                for row in part.rows[number]:
                    part.table[row : row + len(values)] = values

    def _bind_state(self, part: _Part, index: int) -> None:
        """Makes a parameter's states views of the runtime's storage: with their values, or zero."""
        core, parameter = part.session.core, part.session.parameters[index]
        before = self.state.get(parameter, {})
        after: dict[str, Any] = {}
        if self._COUNTS:
            part.steps[index] = float(before.get("step", 0))
            after["step"] = part.steps[index]
        for slot in core.state_slots(index):
            view = core.state(index, slot)
            value = before.get(slot)
            if value is None:
                view.zero_()
            elif value.shape == view.shape:
                if value.data_ptr() != view.data_ptr():
                    view.copy_(value)
            elif value.shape == parameter.shape:
                core.set_state(index, slot, value)
            else:
                raise ValueError(
                    f"state '{slot}' of parameter '{part.session.names[index]}' has shape {list(value.shape)}: neither whole, "
                    f"{list(parameter.shape)}, nor this rank's part, {list(view.shape)}: other ranks load a full_state_dict()"
                )
            after[slot] = view
        if after:
            self.state[parameter] = after
        part.stateful.add(index)


class AdamW(_Planned, torch.optim.AdamW):
    """torch.optim.AdamW over a plan's update program."""

    _FIXED = {"amsgrad": False, "maximize": False, "foreach": None, "capturable": False, "differentiable": False, "fused": None,
              "decoupled_weight_decay": True}  # fmt: skip

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        self._parts, self._moves = None, -1
        torch.optim.AdamW.__init__(
            self, params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused,
        )  # fmt: skip

    def _kind(self) -> tuple[bool, ...]:
        return ()

    def _structure(self) -> dict[str, Any]:
        return {"optimizer.type": "adamw"}

    def _hypers(self, group: dict[str, Any]) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        return float(group["lr"]), float(group["weight_decay"]), float(beta1), float(beta2), float(group["eps"])


class SGD(_Planned, torch.optim.SGD):
    """torch.optim.SGD over a plan's update program."""

    _FIXED = {"dampening": 0, "maximize": False, "foreach": None, "differentiable": False, "fused": None}
    _COUNTS = False

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        self._parts, self._moves = None, -1
        torch.optim.SGD.__init__(
            self, params, lr, momentum, dampening, weight_decay, nesterov, maximize=maximize, foreach=foreach,
            differentiable=differentiable, fused=fused,
        )  # fmt: skip

    def _check(self, group: Mapping[str, Any]) -> None:
        super()._check(group)
        if any(other["nesterov"] != group["nesterov"] for other in self.param_groups):
            raise ValueError("regimen.optim.SGD: all parameter groups take nesterov momentum, or none does")

    def _kind(self) -> tuple[bool, ...]:
        # Which operations there are depends on what is zero throughout; the values are the table's.
        groups = self.param_groups
        return any(g["momentum"] for g in groups), bool(groups[0]["nesterov"]), any(g["weight_decay"] for g in groups)

    def _structure(self) -> dict[str, Any]:
        momentum, nesterov, decay = self._kind()
        structure: dict[str, Any] = {"optimizer.type": "sgd"}
        if momentum:
            structure.update({"optimizer.momentum": 0.5, "optimizer.nesterov": nesterov})
        if decay:
            structure["optimizer.weight_decay"] = 0.5
        return structure

    def _hypers(self, group: dict[str, Any]) -> tuple[float, ...]:
        return float(group["lr"]), float(group["weight_decay"]), 0.0, 0.0, 0.0, float(group["momentum"]), 0.0
