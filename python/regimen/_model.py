"""`regimen.compile` and what it returns."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from regimen import _environment, _world
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
    timeout: float = 600.0,
) -> CompiledModule:
    """Compiles ``module(*args, **kwargs)`` and returns a module that runs the plans: forward, and backward when
    PyTorch asks for it.

    The module keeps its structure: its parameters are the same objects, in storage that the compiler laid out. Other
    shapes, constants and modes are compiled when they are met. `config` holds the compiler's keys (docs/config.md) as a
    dict, nested or with dotted names, as a JSON file's path or as a `Config`. Graphs and plans are kept in `cache_dir`
    (default: REGIMEN_CACHE, else ``regimen`` in the user's cache folder). `verbose` says on stderr what takes time.

    Under torchrun, or with ``torch.distributed`` initialised, all ranks compile the same model, take over rank 0's
    parameters and buffers, and go on together: gradients are averaged over the ranks, and ``zero.stage`` says what each rank
    has only its part of. A rank that is silent for `timeout` seconds counts as lost.

    Raises CompileError if the model cannot be compiled: the message names the operator and the model's source line.
    """
    if isinstance(module, CompiledModule):
        raise TypeError(f"{module._session.name} is compiled already: new shapes are compiled when it meets them")
    if not isinstance(module, nn.Module):
        raise TypeError(f"regimen.compile takes a torch.nn.Module, not {type(module).__name__}")
    if isinstance(args, Tensor):
        args = (args,)
    world = _world.current()
    progress = Progress(verbose and (world is None or world.rank == 0))
    session = Session(module, Config.of(config), _compiler(cache_dir), progress, timeout)
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
        session = Session(old.module, old.config, old.compiler, old.progress, old.timeout)
        session.start(args, kwargs)
        self.__dict__["_session"] = session
        return session

    # --- what Regimen adds --------------------------------------------------------------------------------------

    def full_gradients(self) -> dict[str, Tensor]:
        """The gradients there are, whole, by parameter name. All ranks call it together."""
        gradients = {name: self._session.core.whole_gradient(i) for i, name in enumerate(self._session.names)}
        return {name: gradient for name, gradient in gradients.items() if gradient is not None}

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Leaves what the backwards inside contribute to gradients unreduced; a backward outside reduces it with its own.

        At stages 0 and 1, where it saves communication. From stage 2 on no rank has a place for its own gradients, so that
        every backward reduces them, to the same effect. On one rank there is nothing to leave.
        """
        core = self._session.core
        before = core.set_sync(False)
        try:
            yield
        finally:
            core.set_sync(before)

    def sharded_state_dict(self) -> dict[str, Any]:
        """As `state_dict`, without communication: of a parameter that is sharded this rank's elements, flat, and the index of
        the first of them in the whole, as ``{"elements": tensor, "begin": index, "shape": shape}``."""
        session = self._session
        state = session.module.state_dict()
        for name, index in session.sharded():
            _, begin, _ = session.core.shard(index)
            state[name] = {"elements": session.core.parameter_part(index), "begin": begin, "shape": session.parameters[index].shape}
        return dict(state)

    def load_sharded_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over what `sharded_state_dict` gave on this rank, at the same stage and number of ranks."""
        session = self._session
        parts = {name: state_dict.get(name) for name, _ in session.sharded()}
        for name, index in session.sharded():
            part, own = parts[name], session.core.parameter_part(index)
            if not isinstance(part, Mapping) or (part["begin"], part["elements"].shape) != (session.core.shard(index)[1], own.shape):
                raise ValueError(f"'{name}' is not this rank's part: it was saved by another rank, number of ranks or stage")
        self._load({name: value for name, value in state_dict.items() if name not in parts}, parts, strict=True)
        for name, index in session.sharded():
            session.core.parameter_part(index).copy_(parts[name]["elements"])  # type: ignore[index]

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
        """As the module's, whole on every rank: where parameters are sharded all ranks call it together."""
        session = self._session
        state = session.module.state_dict(*args, **kwargs)
        prefix = kwargs.get("prefix", args[1] if len(args) > 1 else "")
        wholes: dict[int, Tensor] = {}
        for name, index in session.sharded():
            if index not in wholes:
                wholes[index] = session.core.whole_parameter(index)
            state[prefix + name] = wholes[index]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copies the values in place: of whole tensors, on every rank its part."""
        session = self._session
        if assign:
            raise RuntimeError(f"{session.name} is compiled, its parameters keep their storage: load without assign=True")
        sharded = dict(session.sharded())
        if not sharded:
            return session.module.load_state_dict(state_dict, strict=strict)
        for name, index in sharded.items():
            if name in state_dict and state_dict[name].shape != session.parameters[index].shape:
                raise RuntimeError(
                    f"Error(s) in loading state_dict for {session.name}:\n\tsize mismatch for {name}: copying a param with shape "
                    f"{state_dict[name].shape} from checkpoint, the shape in current model is {session.parameters[index].shape}."
                )
        rest = {name: value for name, value in state_dict.items() if name not in sharded}
        result = self._load(rest, state_dict, strict)
        for name, index in sharded.items():
            if name in state_dict:
                session.core.set_parameter(index, state_dict[name].detach().to(session.parameters[index].dtype), False)
        return result

    def _load(self, rest: Mapping[str, Any], given: Mapping[str, Any], strict: bool) -> Any:
        """Loads what is not sharded; what is counts as missing where it was not given."""
        session = self._session
        result = session.module.load_state_dict(rest, strict=False)
        result.missing_keys[:] = [name for name in result.missing_keys if given.get(name) is None]
        if strict and (result.missing_keys or result.unexpected_keys):
            what = [("Missing", result.missing_keys), ("Unexpected", result.unexpected_keys)]
            text = "\n\t".join(f"{kind} key(s) in state_dict: {', '.join(map(repr, keys))}." for kind, keys in what if keys)
            raise RuntimeError(f"Error(s) in loading state_dict for {session.name}:\n\t{text}")
        return result

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
