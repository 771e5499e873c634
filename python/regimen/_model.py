"""`regimen.compile` and what it returns."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from regimen import _environment
from regimen._compiler import Compiler
from regimen._config import Config
from regimen._progress import Progress
from regimen._session import Session
from regimen._structure import describe

#: Parts of an nn.Module that a compiled model has in common with the module it was made from.
_SHARED = (
    "_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "_state_dict_hooks", "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


def compile(
    module: nn.Module,
    args: Sequence[Any] | Tensor = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    verbose: bool = True,
) -> CompiledModule:
    """Compiles ``module(*args, **kwargs)`` and returns a module that runs the plans: forward, and backward when
    PyTorch asks for it.

    The module keeps its structure: its parameters are the same objects, in storage that the compiler laid out. Other
    shapes, constants and modes are compiled when they are met. `config` holds the compiler's keys (docs/config.md) as a
    dict, nested or with dotted names, as a JSON file's path or as a `Config`. Graphs and plans are kept in `cache_dir`
    (default: REGIMEN_CACHE, else ``regimen`` in the user's cache folder). `verbose` says on stderr what takes time.

    Raises CompileError if the model cannot be compiled: the message names the operator and the model's source line.
    """
    if isinstance(module, CompiledModule):
        raise TypeError(f"{module._session.name} is compiled already: new shapes are compiled when it meets them")
    if not isinstance(module, nn.Module):
        raise TypeError(f"regimen.compile takes a torch.nn.Module, not {type(module).__name__}")
    if isinstance(args, Tensor):
        args = (args,)
    session = Session(module, Config.of(config), _compiler(cache_dir), Progress(verbose))
    session.start(tuple(args), dict(kwargs or {}))
    return CompiledModule(session)


def _compiler(cache_dir: str | os.PathLike[str] | None) -> Compiler:
    return Compiler(_environment.tool("regimen-compile"), _environment.cache_folder(cache_dir))


class CompiledModule(nn.Module):
    """A module whose forward and backward are plans. Made by `regimen.compile`.

    Parameters, buffers, submodules and other attributes are those of the original module, under the same names.
    """

    _session: Session

    def __init__(self, session: Session) -> None:
        super().__init__()
        own = self.__dict__
        for part in _SHARED:
            own[part] = session.module.__dict__[part]
        own["training"] = session.module.training
        own["_session"] = session

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        session = self._session
        if session.moved or session.frozen and session.thawed():
            session = self._restart(args, kwargs)
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError(f"{session.name} is compiled for its parameters' dtype: call it outside torch.autocast")
        tensors: list[Tensor] = []
        key = (
            session.mode(),
            tuple([describe(value, tensors) for value in args]),
            tuple([(name, describe(value, tensors)) for name, value in kwargs.items()]) if kwargs else (),
        )
        entry = session.entries.get(key)
        if entry is None:
            entry = session.entries[key] = session.specialise(args, kwargs)
        if entry.order is not None:
            tensors = [tensors[i] for i in entry.order]
        outputs = session.forward(entry.index, tensors)
        return entry.build([*outputs, *tensors] if entry.returns_inputs else outputs)

    def _restart(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Session:
        """Goes on in new storage: parameters that were frozen are trained now, or others took the old one."""
        old = self._session
        if old.moved:
            raise RuntimeError(f"{old.name} was compiled again: its parameters belong to the newer model, use that one")
        old.progress.say(f"{old.name}: parameters that were frozen when it was compiled are trainable now")
        session = Session(old.module, old.config, old.compiler, old.progress)
        session.start(args, kwargs)
        self.__dict__["_session"] = session
        return session

    # --- what Regimen adds --------------------------------------------------------------------------------------

    def full_gradients(self) -> dict[str, Tensor]:
        """The gradients there are, by parameter name."""
        return {name: p.grad for name, p in zip(self._session.names, self._session.parameters) if p.grad is not None}

    def no_sync(self) -> contextlib.AbstractContextManager[None]:
        """Leaves the micro-steps inside unreduced across ranks; on one rank there is nothing to leave."""
        return contextlib.nullcontext()

    def memory_report(self) -> dict[str, Any]:
        """Bytes of every arena, frames, and what was allocated beside them."""
        return dict(json.loads(self._session.core.memory()))

    # --- what keeps it a module ---------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_session"].module, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
            return
        session = self._session
        if name in self._buffers and isinstance(value, Tensor):
            with torch.no_grad():
                self._buffers[name].copy_(value)  # type: ignore[union-attr]
            return
        if isinstance(value, (nn.Parameter, nn.Module)) or name in self._parameters or name in self._modules or name in self._buffers:
            raise RuntimeError(f"{session.name} is compiled, its parts are fixed: change '{name}' before, and compile again")
        setattr(session.module, name, value)
        session.forget()

    def __delattr__(self, name: str) -> None:
        raise RuntimeError(f"{self._session.name} is compiled, its parts are fixed: delete '{name}' before, and compile again")

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._session.module)})

    def _get_name(self) -> str:
        return f"Compiled{self._session.name}"

    def extra_repr(self) -> str:
        return self._session.module.extra_repr()

    def train(self, mode: bool = True) -> CompiledModule:
        self._session.module.train(mode)
        self.__dict__["training"] = self._session.module.training
        return self

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        self._refuse_part(name)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        self._refuse_part(name)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        self._refuse_part(name)

    def _refuse_part(self, name: str) -> NoReturn:
        raise RuntimeError(f"{self._session.name} is compiled, its parts are fixed: register '{name}' before, and compile again")

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.module.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copies the values in place."""
        if assign:
            raise RuntimeError(f"{self._session.name} is compiled, its parameters keep their storage: load without assign=True")
        return self._session.module.load_state_dict(state_dict, strict=strict)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> CompiledModule:
        """Moves and casts, which are refused unless they change nothing."""
        for tensor in [*self.parameters(), *self.buffers()]:
            try:
                with torch.no_grad():
                    changed = fn(tensor) is not tensor
            except Exception as error:
                raise self._fixed() from error
            if changed:
                raise self._fixed()
        return self

    def _fixed(self) -> RuntimeError:
        return RuntimeError(
            f"{self._session.name} is compiled: device, dtype and storage of its parameters are fixed. "
            "Convert the module before, and compile it again"
        )

    def share_memory(self) -> NoReturn:
        raise self._fixed()

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise TypeError(
            f"{self._session.name} is compiled and cannot be copied: copy the module before compiling, "
            "or load its state_dict() into another"
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{self._session.name} is compiled and cannot be copied or pickled: save its state_dict()")
