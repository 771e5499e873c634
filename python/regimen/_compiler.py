"""Runs regimen-compile over archives, and keeps what it made in a cache.

The cache holds a folder a graph, named by the graph's digest: ``model.pt2`` and, by the digest of configuration and
compiler, plans. Everything in it appears complete or not at all, so that processes may share it; it may be deleted
whenever nothing runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from regimen import _capture
from regimen._errors import CompileError

ARCHIVE = "model.pt2"


class Compiler:
    """A compiler with its cache."""

    def __init__(self, tool: pathlib.Path, cache: pathlib.Path) -> None:
        self.tool, self.cache = tool, cache
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CompileError(f"{cache}: {error.strerror or error}; name another folder with cache_dir") from error
        facts = tool.stat()
        # What a plan depends on beside graph and configuration. A compiler built again is another compiler.
        self._version = f"{facts.st_size} {facts.st_mtime_ns} {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[pathlib.Path]:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tmp-", dir=self.cache))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def archive(self, captured: _capture.Capture) -> pathlib.Path:
        """The archive of a graph. Of two processes that write the same, the first one's stays."""
        with self._scratch() as scratch:
            ours = scratch / "graph"
            ours.mkdir()
            target = self.cache / _capture.save(captured, ours / ARCHIVE)
            # Renaming a folder onto one that is not empty fails, by POSIX.
            with contextlib.suppress(OSError):
                ours.rename(target)
        if not (target / ARCHIVE).is_file():
            raise CompileError(f"{target / ARCHIVE} cannot be written; name another folder with cache_dir")
        return target / ARCHIVE

    def is_cached(self, archive: pathlib.Path, config: Mapping[str, Any]) -> bool:
        return self._plan(archive, config).is_file()

    def _plan(self, archive: pathlib.Path, config: Mapping[str, Any]) -> pathlib.Path:
        key = f"{json.dumps(config, sort_keys=True)}\n{self._version}"
        return archive.parent / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.plan"

    def plan(self, archive: pathlib.Path, config: Mapping[str, Any], what: str) -> pathlib.Path:
        """The plan of an archive, compiled unless the cache has it. Raises CompileError with the compiler's message."""
        plan = self._plan(archive, config)
        if plan.is_file():
            return plan
        # Ranks on one machine want the same plan at the same time: one makes it, the others wait.
        with _locked(archive.parent), self._scratch() as scratch:
            if plan.is_file():
                return plan
            file = scratch / "config.json"
            file.write_text(json.dumps(config))
            # The plan names the archive relative to itself, so it is written where it will be.
            part = archive.parent / f"{plan.stem}.{os.getpid()}.part"
            command = [os.fspath(self.tool), os.fspath(archive), "-o", os.fspath(part), "--config", os.fspath(file)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, errors="replace")
                if done.returncode:
                    raise CompileError(f"{what}: {_message(done.stderr, self.tool.name, archive, file)}")
                part.replace(plan)
            except OSError as error:
                raise CompileError(f"{what}: {error}") from error
            finally:
                part.unlink(missing_ok=True)
        return plan


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """Held by one process at a time, where the file system can do it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _message(text: str, tool: str, archive: pathlib.Path, file: pathlib.Path) -> str:
    """The compiler's message without what only its command line explains."""
    text = text.strip().removeprefix(f"{tool}: ").removeprefix("error: ")
    for path, plain in ((archive, "the graph"), (file, "the configuration")):
        text = text.replace(f"'{path}'", plain).replace(f"{path}: ", "").replace(os.fspath(path), plain)
    return text or f"{tool} failed without a message"
