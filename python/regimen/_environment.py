"""What the process environment says: where things are, and who launched this. Nothing else in the package reads it."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Iterator

from regimen._errors import CompileError

_PACKAGE = pathlib.Path(__file__).resolve().parent


def _folders(*installed: str, built: str) -> Iterator[pathlib.Path]:
    """Folders in the order of the search: what the environment names, the installed package, the checkout's build."""
    if named := os.environ.get("REGIMEN_BUILD"):
        yield pathlib.Path(named) / built
    yield _PACKAGE.joinpath(*installed)
    yield _PACKAGE.parents[1] / "build" / built


def tool(name: str) -> pathlib.Path:
    """The path of one of the tools, e.g. regimen-compile."""
    for folder in _folders("bin", built="bin"):
        if (folder / name).is_file():
            return folder / name
    raise CompileError(f"{name} not found: build the project (scripts/setup), or name its build folder in REGIMEN_BUILD")


def library() -> pathlib.Path:
    """The path of the runtime library."""
    for folder in _folders("lib", built="lib"):
        if (folder / "libregimen_torch.so").is_file():
            return folder / "libregimen_torch.so"
    raise CompileError("libregimen_torch.so not found: build the project (scripts/setup), or name its build folder in REGIMEN_BUILD")


def cache_folder(given: str | os.PathLike[str] | None) -> pathlib.Path:
    """The cache: `given`, else REGIMEN_CACHE, else the user's cache folder."""
    if given is None:
        given = os.environ.get("REGIMEN_CACHE")
    if given is not None:
        return pathlib.Path(given).expanduser().absolute()
    if sys.platform == "darwin":
        return pathlib.Path.home() / "Library" / "Caches" / "regimen"
    base = os.environ.get("XDG_CACHE_HOME")
    return (pathlib.Path(base) if base and os.path.isabs(base) else pathlib.Path.home() / ".cache") / "regimen"


def variable(name: str) -> str | None:
    """What a launcher says of the ranks."""
    return os.environ.get(name)
