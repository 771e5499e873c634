"""How `regimen.export` makes and writes training graphs."""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from regimen._errors import CompileError

#: Version of ``regimen.json`` in the archive.
MARK_VERSION = 1

#: Name of the extra entry.
MARK_ENTRY = "regimen.json"

_PREPARED = "regimen.prepared"


class ExportError(CompileError):
    """The model or program cannot become a training graph; the message says why and what to do."""


def export(
    module: torch.nn.Module,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    strict: bool = False,
) -> ExportedProgram:
    """Exports ``module(*args, **kwargs)`` as a training graph.

    The graph is that of the module as it is: call ``module.train()`` or ``eval()`` before. Example inputs
    fix the shapes, except for axes that ``dynamic_shapes`` (as in ``torch.export.export``) leaves open; the
    compiler then asks for their sizes (``--dim``).

    Raises ExportError where the graph holds what no plan can run, and whatever ``torch.export`` raises.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        raw: ExportedProgram = torch.export.export(
            module,
            tuple(args),
            dict(kwargs or {}),
            dynamic_shapes=dynamic_shapes,
            strict=strict,
            # With guards, torch 2.11 cannot discharge the tautologies that grouped-query attention gives.
            prefer_deferred_runtime_asserts_over_guards=dynamic_shapes is not None,
        )
        return prepare(raw)


def prepare(raw: ExportedProgram) -> ExportedProgram:
    """Makes a training graph of a program that came straight from ``torch.export.export``.

    `raw` must not have been decomposed: that already lost its ``no_grad`` regions. It is changed in place
    where it has such regions; the result is a new program that shares its weights.
    """
    _detach_no_grad_regions(raw.graph_module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program: ExportedProgram = raw.run_decompositions({})
    _check(program)
    program.graph_module.meta[_PREPARED] = True
    return program


def save(program: ExportedProgram, path: str | os.PathLike[str]) -> None:
    """Writes a program made by `export` or `prepare`, with its mark, to `path` (a ``.pt2`` file).

    The file appears under its name only when it is complete. Raises ExportError for any other program.
    """
    if not program.graph_module.meta.get(_PREPARED):
        problems = find_problems(program)
        raise ExportError(
            "this program did not come from regimen.export: "
            + (problems[0] if problems else "its torch.no_grad() regions may be lost")
            + ". Pass the module to regimen.export.export, or the result of torch.export.export to regimen.export.prepare"
        )
    write(program, path, mark(program))


def write(program: ExportedProgram, path: str | os.PathLike[str], marks: Mapping[str, Any]) -> None:
    """Writes `program` with `marks` as its mark. Raises ExportError if the file cannot be written."""
    target = os.fspath(path)
    if not target.endswith(".pt2"):
        raise ExportError(f"{target}: the archive's name must end in .pt2")
    # torch names the archive's root folder after the file, so the name is kept and only the folder differs.
    folder = f"{target}.{os.getpid()}.tmp"
    try:
        os.mkdir(folder)
        try:
            part = os.path.join(folder, os.path.basename(target))
            torch.export.save(program, part, extra_files={MARK_ENTRY: json.dumps(marks)})
            os.replace(part, target)
        finally:
            for name in os.listdir(folder):
                os.remove(os.path.join(folder, name))
            os.rmdir(folder)
    except OSError as error:
        raise ExportError(f"{target}: {error.strerror or error}") from error


def mark(program: ExportedProgram) -> dict[str, Any]:
    """The content of ``regimen.json``: version, ties (first name to the others), input names and the
    outputs' nesting, whose leaves are indices of user outputs."""
    signature = program.graph_signature
    groups: dict[int, list[str]] = {}
    for name in signature.parameters:
        groups.setdefault(id(program.state_dict[name]), []).append(name)
    spec = program.call_spec.out_spec
    nested = None if spec is None else pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    return {
        "version": MARK_VERSION,
        "torch": torch.__version__,
        "ties": {names[0]: names[1:] for names in groups.values() if len(names) > 1},
        "inputs": [name for name in signature.user_inputs if isinstance(name, str)],
        "outputs": _plain(nested),
    }


def _plain(value: Any) -> Any:
    """Containers as JSON has them: mappings, dataclasses and named tuples as objects, other sequences as arrays."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _plain(item) for name, item in zip(value._fields, value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if value is None or isinstance(value, int):
        return value
    raise ExportError(
        f"the model returns a {type(value).__name__}, which the archive cannot describe: return a tensor, tuple, list, dict or dataclass"
    )


def _nodes(module: torch.fx.GraphModule, where: str = "") -> Iterator[tuple[str, torch.fx.Node]]:
    for node in module.graph.nodes:
        yield where, node
    for name, child in module.named_children():
        if isinstance(child, torch.fx.GraphModule):
            yield from _nodes(child, f"{where}{name}.")


def _source(node: torch.fx.Node) -> str:
    """The model's source line, as far as the trace knows it."""
    lines = [x.strip() for x in (node.meta.get("stack_trace") or "").splitlines() if x.strip().startswith("File ")]
    return f" ({lines[-1]})" if lines else ""


def _is_hop(node: torch.fx.Node) -> bool:
    return node.op == "call_function" and isinstance(node.target, torch._ops.HigherOrderOperator)


def find_problems(program: ExportedProgram) -> list[str]:
    """What makes a program unusable as a training graph, one sentence each; empty for a usable one."""
    found = []
    for _, node in _nodes(program.graph_module):
        if node.op != "call_function":
            continue
        if _is_hop(node):
            found.append(f"it holds the higher-order operator {node.target.name()}{_source(node)}")  # type: ignore[union-attr]
        elif isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
            found.append(f"it mutates a tensor in place with {node.target}{_source(node)}")
    for spec in program.graph_signature.output_specs:
        if spec.kind.name == "USER_INPUT_MUTATION":
            found.append(f"it writes to its input {spec.target}")
        elif spec.kind.name not in ("USER_OUTPUT", "BUFFER_MUTATION"):
            found.append(f"it has an output of kind {spec.kind.name}")
    for spec in program.graph_signature.input_specs:
        if spec.kind.name not in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR", "USER_INPUT"):
            found.append(f"it takes an input of kind {spec.kind.name}")
    return found


def _check(program: ExportedProgram) -> None:
    problems = find_problems(program)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ExportError(f"the exported program cannot be a training graph: {problems[0]}{more}")


def _is_float(node: torch.fx.Node) -> bool:
    value = node.meta.get("val")
    return not isinstance(value, torch.Tensor) or value.dtype.is_floating_point or value.dtype.is_complex


def _detach_no_grad_regions(module: torch.fx.GraphModule) -> None:
    """Makes every ``no_grad`` region read detached inputs.

    All that a region computes comes from its inputs, so nothing in it carries a gradient then, not even what
    it writes into a buffer. torch.export keeps the regions flat: an ``enable_grad`` within ends one.
    """
    for _, node in list(_nodes(module)):
        if node.op != "call_function" or node.target is not torch.ops.higher_order.wrap_with_set_grad_enabled:
            continue
        if node.args[0]:
            continue
        region = getattr(node.graph.owning_module, str(node.args[1].target))  # type: ignore[union-attr]
        _check_region_writes(region, node)
        with node.graph.inserting_before(node):
            for source in dict.fromkeys(a for a in node.args[2:] if isinstance(a, torch.fx.Node) and _is_float(a)):
                detached = node.graph.call_function(torch.ops.aten.detach.default, (source,))
                detached.meta = {**source.meta, "stack_trace": node.meta.get("stack_trace")}
                node.replace_input_with(source, detached)
    module.recompile()


def _check_region_writes(region: torch.fx.GraphModule, call: torch.fx.Node) -> None:
    """A region may write in place to what it computed and to buffers. A tensor written under ``no_grad`` that
    carries a gradient keeps its old gradient function in eager PyTorch, which no functional graph can say."""
    outer = dict(zip((n for n in region.graph.nodes if n.op == "placeholder"), call.args[2:]))
    root: dict[torch.fx.Node, torch.fx.Node] = {}
    for node in region.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        for argument, value in zip(node.target._schema.arguments, node.args):
            if argument.alias_info is None or not isinstance(value, torch.fx.Node):
                continue
            base = root.get(value, value)
            root[node] = base
            origin = outer.get(base)
            if not argument.alias_info.is_write or not isinstance(origin, torch.fx.Node) or not _is_float(origin):
                continue
            if not (origin.op == "placeholder" and origin.name.startswith(("b_", "c_"))):
                raise ExportError(
                    f"{node.target} writes under torch.no_grad() to a tensor that may carry a gradient"
                    f"{_source(node)}: compute a new tensor instead"
                )
