"""The errors that the package raises beside Python's own."""

from __future__ import annotations


class CompileError(RuntimeError):
    """A model cannot be compiled; the message names the operator or key, the model's source line, and what to do."""
