"""Clipping by the global gradient norm."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from regimen._session import Session, owners


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scales gradients in place so that their norm, all together, is at most `max_norm`; returns the norm before.

    As ``torch.nn.utils.clip_grad_norm_``, except that the sum of squares is exact and rounded once: it depends on no
    order of parameters, and on no partition over ranks, who all call it together. Parameters may belong to several compiled
    models, or to none. Other norms than the 2-norm are PyTorch's.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    own: list[Tensor] = []
    shared: dict[Session, list[int]] = {}  # of models on several ranks
    owner: Session | None = None
    for parameter in given:
        if parameter.grad is None:
            continue
        found = owners.find(parameter)
        owner = found[0] if found else owner
        if found and found[0].ranks > 1:
            shared.setdefault(found[0], []).append(found[1])
        else:
            own.append(parameter.grad)
    if owner is None or float(norm_type) != 2.0:
        return torch.nn.utils.clip_grad_norm_(given, max_norm, norm_type, error_if_nonfinite)
    sums = [owner.core.sum_of_squares(own)] + [session.core.gradient_squares(indices) for session, indices in shared.items()]
    norm = owner.core.root_of_squares(sums)
    if error_if_nonfinite and not torch.isfinite(norm):
        raise RuntimeError(
            f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    factor = torch.clamp(float(max_norm) / (norm + 1e-6), max=1.0)
    if float(factor) != 1.0:  # a NaN counts: it shows in the gradients, as in PyTorch
        with torch.no_grad():
            if own:
                torch._foreach_mul_(own, factor)
        for session, indices in shared.items():
            session.core.scale_gradients(indices, factor)
    return norm
