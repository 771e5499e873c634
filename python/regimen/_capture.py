"""Exports one call of a module as a training graph: tensors in, tensors out, constants and structure aside.

The archive holds no weights: they are in the module. Parameters, buffers and their names are those of the module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import json
import logging
import pathlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from regimen._errors import CompileError
from regimen._export import ExportError, mark, prepare, write
from regimen._structure import builder, names, renumber, template

#: Parts of an archive that differ between exports of the same graph.
_VOLATILE = ("serialization_id", "sample_inputs/model.pt")


@dataclasses.dataclass
class Capture:
    """A graph, and what its tensors mean to Python."""

    program: ExportedProgram
    output: Any  # what the module returned, with slots for tensors: the graph's outputs, after them its inputs
    returns_inputs: bool  # whether a slot is for an input

    def build(self) -> Callable[[Sequence[Tensor]], Any]:
        """Builds what the module returns from the graph's outputs, followed by its inputs if it returns any."""
        return builder(self.output)


class _Flat(nn.Module):
    """The module with tensors as its only arguments and results, under the same parameter names."""

    def __init__(self, module: nn.Module, call: Callable[..., Any], inputs: Sequence[str]) -> None:
        super().__init__()
        for part in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[part] = module.__dict__[part]
        self.__dict__["training"] = module.training

        def forward(*tensors: Tensor) -> Any:
            return call(*tensors)

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        forward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in inputs])  # type: ignore[attr-defined]
        self.__dict__["forward"] = forward


def capture(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], trainable: Mapping[str, bool] | None = None) -> Capture:
    """Exports ``module(*args, **kwargs)`` in its present mode. `trainable` says which parameters count as such, whatever
    they are at the moment. Raises CompileError with the module's source line."""
    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    inputs = _unique([n for key, value in bound.arguments.items() for n in names(value, key)])
    (slotted_args, slotted_kwargs), leaves = template((bound.args, bound.kwargs))
    # Every input a tensor of its own: one given twice would become one input.
    example = tuple(leaf.detach().clone(memory_format=torch.contiguous_format).requires_grad_(leaf.requires_grad) for leaf in leaves)
    build_args, build_kwargs = builder(slotted_args), builder(slotted_kwargs)
    returned: list[Any] = []

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        output = module(*build_args(tensors), **build_kwargs(tensors))
        slotted, leaves = template(output)
        # One tensor in several places is one output, and an input that is handed through is the caller's own.
        inputs = {id(x): k for k, x in enumerate(tensors)}
        outputs = list({id(x): x for x in leaves if id(x) not in inputs}.values())
        at = {id(x): k for k, x in enumerate(outputs)}
        order = [at[id(x)] if id(x) in at else len(outputs) + inputs[id(x)] for x in leaves]
        returned[:] = [renumber(slotted, order), len(leaves), any(id(x) in inputs for x in leaves)]
        return tuple(outputs)

    kind = type(module).__name__
    with _quiet(), torch.inference_mode(False), torch.enable_grad():
        try:
            raw = torch.export.export(_Flat(module, call, inputs), example, strict=False)
            program = prepare(raw)
        except ExportError:
            raise
        except Exception as error:
            raise CompileError(f"{kind}: torch.export cannot trace it: {_first_line(error)}{_where(error)}") from error
    output, count, returns_inputs = returned
    if not count:
        raise CompileError(f"{kind} returns no tensor")
    _weightless(program, trainable or {})
    return Capture(program, output, returns_inputs)


def _unique(given: list[str]) -> list[str]:
    result: list[str] = []
    for name in given:
        name = re.sub(r"\W", "_", name)
        while name in result:
            name += "_"
        result.append(name)
    return result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch.export's own warnings and log lines: what matters is raised."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch.fx", "torch.utils._pytree")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before):
            logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _where(error: BaseException) -> str:
    """The innermost source line of the trace that belongs neither to torch nor to this package."""
    found, trace = "", error.__traceback__
    ours = str(pathlib.Path(__file__).parent)
    theirs = str(pathlib.Path(torch.__file__).parent)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith((ours, theirs, "<")):
            found = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _weightless(program: ExportedProgram, trainable: Mapping[str, bool]) -> None:
    """Replaces weights by empty records. Constants stay, each in storage of its own size."""
    program.graph_module.meta["regimen.mark"] = mark(program)
    state = program.state_dict
    for name, value in list(state.items()):
        empty = torch.empty_like(value, device="meta")
        wanted = trainable.get(name, value.requires_grad)
        state[name] = nn.Parameter(empty, requires_grad=wanted) if isinstance(value, nn.Parameter) else empty
    for name, value in list(program.constants.items()):
        if isinstance(value, Tensor):
            program.constants[name] = value.detach().clone(memory_format=torch.contiguous_format)


def save(captured: Capture, path: pathlib.Path) -> str:
    """Writes the archive and returns the digest of what it means."""
    program = captured.program
    with _quiet():
        write(program, path, program.graph_module.meta["regimen.mark"])
    return digest(path)


def digest(path: pathlib.Path) -> str:
    """A digest of an archive's graph, constants and marks; equal for two exports of the same call."""
    sha = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(_VOLATILE):
                continue
            content = archive.read(name)
            if name.endswith("models/model.json"):
                model = json.loads(content)
                for node in model["graph_module"]["graph"]["nodes"]:
                    node["metadata"].pop("from_node", None)
                content = json.dumps(model, sort_keys=True).encode()
            sha.update(f"{name.partition('/')[2]}:{len(content)}:".encode() + content)
    return sha.hexdigest()
