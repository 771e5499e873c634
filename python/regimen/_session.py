"""What stands behind a compiled model: its states in the runtime, and its specialisations."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pathlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from regimen import _library, _world
from regimen._capture import capture
from regimen._compiler import Compiler
from regimen._config import Config
from regimen._errors import CompileError
from regimen._progress import Progress
from regimen._structure import builder, describe, slots, template

#: Each time a model has this many more specialisations, that is worth a word.
MANY = 8


@dataclasses.dataclass
class Entry:
    """A specialisation as a call finds it."""

    index: int
    build: Callable[[Sequence[Tensor]], Any]
    returns_inputs: bool  # `build` takes the outputs and the inputs
    order: list[int] | None = None  # the graph's inputs among the call's tensors; None: as they come


class _Owners:
    """Which session holds a parameter's storage. `moves` counts changes, for whoever keeps what it looked up."""

    def __init__(self) -> None:
        self._of: Any = WeakIdKeyDictionary()
        self.moves = 0

    def find(self, parameter: Tensor) -> tuple[Session, int] | None:
        session, index = self._of.get(parameter, (lambda: None, 0))
        return (session(), index) if session() is not None else None

    def set(self, parameter: Tensor, session: Session, index: int) -> None:
        self._of[parameter] = (weakref.ref(session), index)
        self.moves += 1


owners = _Owners()


class Session:
    """One compiled module: runtime, compiler and everything keyed by specialisation."""

    def __init__(self, module: nn.Module, config: Config, compiler: Compiler, progress: Progress, timeout: float) -> None:
        self.module, self.config, self.compiler, self.progress, self.timeout = module, config, compiler, progress, timeout
        self.world = _world.current()
        self.ranks = self.world.size if self.world else 1
        if config.get("mesh.dp", self.ranks) != self.ranks:
            raise CompileError(
                f"mesh.dp is {config['mesh.dp']}, but {_ranks(self.ranks)} run this: leave mesh.dp out, or start the script with "
                f"torchrun --nproc-per-node={config['mesh.dp']}"
            )
        self.name = type(module).__name__
        self.entries: dict[Hashable, Entry] = {}
        self.moved = False  # the parameters belong to another session by now
        self.threads = torch.get_num_threads()
        # Where the flags of training mode are: a compiled module's parts do not change.
        self.modes = [part.__dict__ for part in module.modules()]
        self.core = self._new_core()
        self.forward, self.update = self.core.forward, self.core.update  # looking one up takes microseconds
        self.parameters: list[nn.Parameter] = []
        self.names: list[str] = []
        self.frozen: list[nn.Parameter] = []
        self._signature = inspect.signature(module.forward)
        self._canonical: dict[Hashable, Entry] = {}
        # Of all plans, since their layout has to agree: as of the first call.
        self._trainable = {n: p.requires_grad for n, p in module.named_parameters(remove_duplicate=False)}
        self._loaded: list[tuple[str, str, str]] = []  # what `load` was given
        self._kind = ""  # of the update programs that are loaded
        self._updates: dict[tuple[str, ...], int] = {}  # by the parameters that each of them changes
        self._archive = pathlib.Path()  # of the first specialisation
        self._layout: list[list[str]] | None = None
        self._lock = threading.RLock()

    def _new_core(self) -> _library.Model:
        frames = self.config.get("memory.frames", "auto")
        options = {
            "threads": self.threads, "frames": None if frames == "auto" else frames, "compiler": str(self.compiler.tool),
            "cache": str(self.compiler.cache), "name": self.name, "verbose": self.progress.verbose,
        }  # fmt: skip
        if self.world:
            ring = self.config.get("comm.reduction") == "ring"
            options["world"] = {**self.world.meeting(self.name), "timeout": self.timeout, "ring": ring}
        return _library.model(options)

    # --- specialisations ----------------------------------------------------------------------------------------

    def mode(self) -> bytes:
        """Which parts of the module are in training mode."""
        return bytes([flags["training"] for flags in self.modes])

    def start(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Compiles the first specialisation and moves the module's parameters and buffers into its storage."""
        self.specialise(args, kwargs)
        self._adopt()

    def specialise(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Entry:
        """The specialisation of a call that none of `entries` fits: known in other words, or compiled now."""
        with self._lock:
            (slotted_args, slotted_kwargs), tensors = template((args, dict(kwargs)))
            bound = self._signature.bind(*slotted_args, **slotted_kwargs)
            bound.apply_defaults()
            call = (bound.args, bound.kwargs)
            order = list(slots(call))
            args, kwargs = builder(call)(tensors)
            key = (self.mode(), describe((args, kwargs), []))
            known = self._canonical.get(key)
            if known is None:
                known = self._compile(args, kwargs)
                self._canonical[key] = known
            return dataclasses.replace(known, order=None if order == list(range(len(tensors))) else order)

    def _compile(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Entry:
        with self.progress.work(self._announcement(args, kwargs)):
            captured = capture(self.module, args, kwargs, self._trainable)
            archive = self.compiler.archive(captured)
            config = self._plan_config()
            plan = self.compiler.plan(archive, config, self.name)
            given = (str(plan), str(archive), json.dumps(config))
            index = self.core.load(*given)
            self._loaded.append(given)
        if self._layout is None:
            self._archive, self._layout = archive, json.loads(self.core.layout())
        return Entry(index, captured.build(), captured.returns_inputs)

    def _announcement(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        count = len(self._canonical)
        if not count:
            return f"compiling {self.name}"
        if count % MANY == 0:
            self.progress.say(
                f"{self.name} has {count} specialisations by now: pad inputs to a few shapes, and pass numbers that change as tensors"
            )
        tensors: list[Tensor] = []
        describe((args, kwargs), tensors)
        shapes = " ".join(str(list(t.shape)).replace(" ", "") for t in tensors)
        mode = "training" if self.module.training else "evaluation"
        return f"{self.name}: new input shapes {shapes} or constants in {mode} mode, compiling"

    def forget(self) -> None:
        """Looks at the module again before the next call: an attribute that the graph may depend on has changed."""
        self.entries.clear()
        self._canonical.clear()

    def _plan_config(self, **more: Any) -> dict[str, Any]:
        config = {
            **self.config,
            "driver": "python",
            "mesh.dp": self.ranks,
            "target.threads": self.threads,
            "optimizer.type": "none",
            **more,
        }
        if self._layout is not None:
            config["layout"] = self._layout
        return config

    # --- states -------------------------------------------------------------------------------------------------

    def _adopt(self, before: _library.Model | None = None) -> None:
        """Makes the module's parameters and buffers views of the runtime's storage, with their values: those that `before`
        has, if this session had another runtime. Of several ranks all take the first one's."""
        core, named = self.core, dict(self.module.named_parameters(remove_duplicate=False))
        self.names = core.parameter_names()
        self.parameters = [named[name] for name in self.names]
        self.frozen = [p for p, trainable in zip(self.parameters, core.trainable()) if not trainable]
        buffers = dict(self.module.named_buffers(remove_duplicate=False))
        gradients: dict[int, Tensor | None] = {}
        for index, parameter in enumerate(self.parameters):
            source, number = before, index
            owner = owners.find(parameter)
            if owner is not None and owner[0] is not self:
                source, number = owner[0].core, owner[1]
                owner[0].moved = True
            if source is not None and self.ranks > 1:
                gradients[index] = source.whole_gradient(number)
            core.set_parameter(index, parameter.detach() if source is None else source.whole_parameter(number), True)
            parameter.data = core.parameter(index)
            owners.set(parameter, self, index)
        for index, name in enumerate(core.module_buffer_names()):
            buffer, view = buffers[name], core.module_buffer(index)
            with torch.no_grad():
                view.copy_(buffer)
            core.share_module_buffer(index)
            buffer.data = view
        core.bind_parameters(self.parameters)
        for index, gradient in gradients.items():
            if gradient is not None:
                core.set_gradient(index, gradient)

    def thawed(self) -> bool:
        """Whether a parameter that was frozen at compilation is trainable now."""
        return any(p.requires_grad for p in self.frozen)

    def require_update(self, structure: Mapping[str, Any], names: tuple[str, ...]) -> int:
        """The runtime's index of an optimizer's update program for exactly these parameters, loaded now or before."""
        kind = json.dumps(structure, sort_keys=True)
        with self._lock:
            if kind == self._kind and names in self._updates:
                return self._updates[names]
            if self._kind and kind != self._kind:
                self._renew()
            self._kind = kind
            config = self._plan_config(**structure, backward=[], update=list(names))
            if self.compiler.is_cached(self._archive, config):
                plan = self.compiler.plan(self._archive, config, self.name)
            else:
                with self.progress.work(f"{self.name}: compiling the update of {len(names)} parameters"):
                    plan = self.compiler.plan(self._archive, config, self.name)
            self._updates[names] = self.core.load_update(str(plan))
            return self._updates[names]

    def _renew(self) -> None:
        """Begins again with the same plans in new storage, without the update programs and their states: those of another
        kind of optimizer have other places. Whoever still has states in the old storage keeps them there."""
        before, self.core = self.core, self._new_core()
        self.forward, self.update = self.core.forward, self.core.update  # looking one up takes microseconds
        for given in self._loaded:
            self.core.load(*given)
        self._updates.clear()
        self._adopt(before)

    def sharded(self) -> Iterator[tuple[str, int]]:
        """Names and indices of the parameters that this rank has a part of; a tied one under each of its names."""
        index = {id(parameter): i for i, parameter in enumerate(self.parameters)}
        for name, parameter in self.module.named_parameters(remove_duplicate=False):
            if self.core.shard(index[id(parameter)])[0] == 3:
                yield name, index[id(parameter)]


def _ranks(count: int) -> str:
    return "1 rank" if count == 1 else f"{count} ranks"
