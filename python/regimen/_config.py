"""The compiler's configuration, as Python gives it."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from regimen._errors import CompileError

#: What the training loop itself says in Python, and with what.
_LOOP = {
    "optimizer": "make a regimen.optim optimizer, or one of torch.optim",
    "clip_grad_norm": "call regimen.clip_grad_norm_ before the optimizer's step",
    "accumulate": "call backward several times before the optimizer's step",
    "loss": "call backward on whatever the loss is",
}

#: What `regimen.compile` sets.
_OWN = {"driver", "backward", "update", "layout"}


class Config(Mapping[str, Any]):
    """Configuration keys by dotted name (docs/config.md): ``Config({"fuse.enable": False})``, nested
    (``{"fuse": {"enable": False}}``) or read from a JSON file. Which keys exist, and their values, the compiler checks.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self._values = dict(_flat({**(values or {}), **more}))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Config:
        """Reads a JSON file."""
        try:
            content = json.loads(pathlib.Path(path).read_text())
        except OSError as error:
            raise CompileError(f"{os.fspath(path)}: {error.strerror or error}") from error
        except ValueError as error:
            raise CompileError(f"{os.fspath(path)}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise CompileError(f"{os.fspath(path)}: a configuration is a JSON object")
        return Config(content)

    @staticmethod
    def of(value: Config | Mapping[str, Any] | str | os.PathLike[str] | None) -> Config:
        """A configuration from any of its forms; refuses keys that a training loop in Python says itself."""
        if value is None:
            config = Config()
        elif isinstance(value, Config):
            config = value
        elif isinstance(value, Mapping):
            config = Config(value)
        elif isinstance(value, (str, os.PathLike)):
            config = Config.load(value)
        else:
            raise TypeError(f"config is a dict, a path of a JSON file or a regimen.Config, not {type(value).__name__}")
        for key, item in config.items():
            head = key.split(".")[0]
            if head in _LOOP:
                raise CompileError(f"configuration key '{key}' has no effect in Python: {_LOOP[head]}")
            if head in _OWN and (head, item) != ("driver", "python"):
                raise CompileError(f"configuration key '{key}' is set by regimen.compile: leave it out")
        return config

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({self._values})"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if not isinstance(key, str):
            raise TypeError(f"configuration keys are strings, not {key!r}")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
