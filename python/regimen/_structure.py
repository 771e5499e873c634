"""Nested arguments and results: which tensors they hold, how they compare, and how to build them again.

Containers are tuples, lists, mappings, dataclasses and whatever is registered with ``torch.utils._pytree``
(Hugging Face's ``ModelOutput`` among them). Everything else that is no tensor is a constant.
"""

from __future__ import annotations

import copy
import dataclasses
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree


@dataclasses.dataclass(frozen=True, slots=True)
class Slot:
    """Stands for tensor `index` in a template."""

    index: int


class _Context:
    """What a registered container is beside its children; compared by value, hashed by type."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Context) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value))


def describe(value: Any, tensors: list[torch.Tensor]) -> Hashable:
    """Appends the tensors of `value` to `tensors`; returns what decides which specialisation runs: shapes, types,
    constants and structure. Raises TypeError for a constant that cannot be compared."""
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return value.shape, value.dtype
    kind = type(value)
    if value is None or kind in (int, float, bool, str):
        return kind, value
    parts = _parts(value)
    if parts is None:
        return kind, _constant(value)
    children, context = parts
    return kind, context, tuple([describe(child, tensors) for child in children])


def _constant(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"a compiled model takes tensors, containers and constants; a {type(value).__name__} is none of these: "
            "pass its tensors, e.g. in a dict"
        ) from None
    return value  # type: ignore[no-any-return]


def _parts(value: Any) -> tuple[Sequence[Any], Hashable] | None:
    """The children of a container and what else makes it up; None for anything else."""
    kind = type(value)
    if kind is tuple or kind is list:
        return value, None
    if kind is dict:
        return list(value.values()), tuple(value)
    if pytree.is_namedtuple_instance(value):
        return value, None
    if kind in pytree.SUPPORTED_NODES:
        children, context = pytree.SUPPORTED_NODES[kind].flatten_fn(value)
        return children, _Context(context)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return list(vars(value).values()), tuple(vars(value))
    if isinstance(value, Mapping):
        return list(value.values()), tuple(value)
    return None


def _rebuild(value: Any, children: list[Any]) -> Any:
    """The container `value` with other children."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind(children)
    if kind is dict:
        return dict(zip(value, children))
    if pytree.is_namedtuple_instance(value):
        return kind(*children)
    if kind in pytree.SUPPORTED_NODES:
        node = pytree.SUPPORTED_NODES[kind]
        return node.unflatten_fn(children, node.flatten_fn(value)[1])
    if dataclasses.is_dataclass(value):
        result = object.__new__(kind)
        for name, child in zip(vars(value), children):
            object.__setattr__(result, name, child)
        return result
    result = copy.copy(value)
    for key, child in zip(value, children):
        result[key] = child
    return result


def substitute(value: Any, leaves: Iterator[Any]) -> Any:
    """`value` with its tensors, in the order of `describe`, replaced by `leaves`."""
    if isinstance(value, torch.Tensor):
        return next(leaves)
    parts = _parts(value)
    if parts is None:
        return value
    return _rebuild(value, [substitute(child, leaves) for child in parts[0]])


def template(value: Any) -> tuple[Any, list[torch.Tensor]]:
    """`value` with slots in place of its tensors, and the tensors."""
    tensors: list[torch.Tensor] = []
    describe(value, tensors)
    return substitute(value, iter([Slot(i) for i in range(len(tensors))])), tensors


def renumber(value: Any, order: Sequence[int]) -> Any:
    """A template whose slot `i` becomes slot ``order[i]``."""
    if isinstance(value, Slot):
        return Slot(order[value.index])
    parts = _parts(value)
    return value if parts is None else _rebuild(value, [renumber(child, order) for child in parts[0]])


def names(value: Any, prefix: str) -> list[str]:
    """A name for each tensor of `value`, after its place: ``batch_input_ids``, ``x_0``."""
    if isinstance(value, torch.Tensor):
        return [prefix]
    parts = _parts(value)
    if parts is None:
        return []
    children, context = parts
    keys = context.value if isinstance(context, _Context) else context
    if not (isinstance(keys, (tuple, list)) and len(keys) == len(children)):
        keys = range(len(children))
    return [n for key, child in zip(keys, children) for n in names(child, f"{prefix}_{key}")]


def slots(value: Any) -> Iterator[int]:
    """The indices of a template's slots, in the order of `describe`."""
    if isinstance(value, Slot):
        yield value.index
    elif (parts := _parts(value)) is not None:
        for child in parts[0]:
            yield from slots(child)


def builder(value: Any) -> Callable[[Sequence[torch.Tensor]], Any]:
    """A function that builds what the template `value` says from the tensors."""
    if isinstance(value, Slot):
        return operator.itemgetter(value.index)
    parts = _parts(value)
    if parts is None:
        return lambda tensors: value
    children = list(parts[0])
    flat = [child.index for child in children if isinstance(child, Slot)]
    if type(value) is tuple and len(flat) == len(children) > 1:
        return operator.itemgetter(*flat)
    if type(value) is dict and len(flat) == len(children):
        keys = list(value)
        return lambda tensors: {key: tensors[i] for key, i in zip(keys, flat)}
    makers = [builder(child) for child in children]
    return lambda tensors: _rebuild(value, [make(tensors) for make in makers])
