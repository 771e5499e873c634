"""Regimen: training plans from PyTorch models.

``regimen.compile`` makes a model whose forward and backward are plans, in a PyTorch loop like any other::

    model = regimen.compile(module, (x, labels))
    optimizer = regimen.optim.AdamW(model.parameters(), lr=1e-3)
    for x, labels in data:
        loss = model(x, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

``regimen.export`` writes the marked ``.pt2`` archives that ``regimen-compile`` reads.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regimen import export, optim
    from regimen._clip import clip_grad_norm_
    from regimen._config import Config
    from regimen._errors import CompileError
    from regimen._export import ExportError
    from regimen._model import CompiledModule, compile

__version__ = "0.1.0"

__all__ = ["CompileError", "CompiledModule", "Config", "ExportError", "__version__", "clip_grad_norm_", "compile", "export", "optim"]

#: Where names come from, when they are asked for: the tools start without waiting for torch.
_PLACES = {
    "CompileError": "_errors", "CompiledModule": "_model", "Config": "_config", "ExportError": "_export", "clip_grad_norm_": "_clip",
    "compile": "_model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("export", "optim"):
        return importlib.import_module(f"regimen.{name}")
    if name in _PLACES:
        value = globals()[name] = getattr(importlib.import_module(f"regimen.{_PLACES[name]}"), name)
        return value
    raise AttributeError(f"module 'regimen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
