"""The ranks of a data-parallel run: who they are, and where they meet."""

from __future__ import annotations

import dataclasses
import itertools
import socket
from typing import Any

import torch.distributed as dist

from regimen import _environment
from regimen._errors import CompileError

_numbers = itertools.count()
_found: list[World] = []


@dataclasses.dataclass(frozen=True)
class World:
    """A process's place among the ranks, and the store where they meet."""

    rank: int
    size: int
    address: str
    port: int
    generation: int  # how often the launcher has started the ranks anew; its store remembers
    server: Any = None  # rank 0's, if no launcher serves the store

    def meeting(self, model: str) -> dict[str, Any]:
        """What a model's connections need. The ranks make their models in one order, so the number is the same on all."""
        return {"rank": self.rank, "size": self.size, "address": self.address, "port": self.port, "generation": self.generation,
                "name": f"regimen/{next(_numbers)}/{model}"}  # fmt: skip


def current() -> World | None:
    """The ranks of ``torch.distributed``, if it is initialised, else those that a launcher such as torchrun describes; None
    for a process alone."""
    if not _found:
        initialised = dist.is_available() and dist.is_initialized()
        world = _of_process_group() if initialised else _of_launcher()
        if world is None:
            return None
        _found.append(world)
    return _found[0]


def _of_process_group() -> World | None:
    rank, size = dist.get_rank(), dist.get_world_size()
    if size == 1:
        return None
    meeting: list[Any] = [None, None]
    server = None
    if rank == 0:
        address = _environment.variable("MASTER_ADDR") or _host()
        server = _store(address, 0)
        meeting = [address, server.port]
    dist.broadcast_object_list(meeting, src=0)
    return World(rank, size, meeting[0], meeting[1], 0, server)


def _store(address: str, port: int, **options: Any) -> Any:
    return dist.TCPStore(address, port, is_master=True, wait_for_workers=False, **options)  # type: ignore[attr-defined]


def _host() -> str:
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return "127.0.0.1"
    return name


def _of_launcher() -> World | None:
    if _environment.variable("RANK") is None and _environment.variable("WORLD_SIZE") is None:
        return None
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    if size == 1:
        return None
    if rank >= size:
        raise CompileError(f"the environment variable RANK is {rank}, but WORLD_SIZE is {size}")
    address, port = _environment.variable("MASTER_ADDR"), _number("MASTER_PORT")
    if address is None:
        raise CompileError("the environment variable MASTER_ADDR is not set: start the script with torchrun, or set it")
    server = None
    if rank == 0 and _environment.variable("TORCHELASTIC_USE_AGENT_STORE") != "True":
        server = _store(address, port, multi_tenant=True)
    generation = _number("TORCHELASTIC_RESTART_COUNT", 0)
    return World(rank, size, address, port, generation, server)


def _number(name: str, default: int | None = None) -> int:
    text = _environment.variable(name)
    if text is None:
        if default is not None:
            return default
        raise CompileError(f"the environment variable {name} is not set: start the script with torchrun, or set it")
    if not text.isdecimal():
        raise CompileError(f"the environment variable {name} is '{text}', a number is needed")
    return int(text)
