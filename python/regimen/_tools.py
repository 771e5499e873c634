"""The tools as console scripts of an installed package: each becomes the program of its name."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from regimen import _environment
from regimen._errors import CompileError


def _become(name: str) -> NoReturn:
    try:
        path = os.fspath(_environment.tool(name))
    except CompileError as error:
        sys.exit(f"{name}: {error}")
    os.execv(path, [path, *sys.argv[1:]])


def regimen_compile() -> NoReturn:
    _become("regimen-compile")


def regimen_run() -> NoReturn:
    _become("regimen-run")


def regimen_opt() -> NoReturn:
    _become("regimen-opt")


def regimen_plan() -> NoReturn:
    _become("regimen-plan")
