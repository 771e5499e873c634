"""Clipping by the global gradient norm."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from regimen._session import owners


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales gradients in place so that their norm, all together, is at most `max_norm`; returns the norm before.

    As ``torch.nn.utils.clip_grad_norm_``, except that the sum of squares is exact and rounded once: it depends on no
    order of parameters. Parameters may belong to several compiled models, or to none. Other norms than the 2-norm are
    PyTorch's.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with_gradient = [p for p in given if p.grad is not None]
    gradients = [p.grad for p in with_gradient if p.grad is not None]
    owner = next((found[0] for p in with_gradient if (found := owners.find(p)) is not None), None)
    if owner is None or float(norm_type) != 2.0:
        return torch.nn.utils.clip_grad_norm_(given, max_norm, norm_type, error_if_nonfinite)
    norm = owner.core.squared_norm_root(gradients)
    if error_if_nonfinite and not torch.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    factor = torch.clamp(float(max_norm) / (norm + 1e-6), max=1.0)
    if float(factor) != 1.0:  # a NaN counts: it shows in the gradients, as in PyTorch
        with torch.no_grad():
            torch._foreach_mul_(gradients, factor)
    return norm
