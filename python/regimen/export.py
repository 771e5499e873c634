"""Writes the ``.pt2`` archive of a training graph.

A training graph takes the batch and returns the loss, alone or among other outputs. It is exported with
``torch.export`` and decomposed with an empty table: functional ATen, composite operators kept. Two things
are done beyond that, and the archive is marked so that the compiler knows it:

* ``torch.no_grad()`` regions become ``detach``. Decomposing alone drops them, and gradients would flow
  where eager PyTorch stops them.
* Which parameters are one tensor under several names, and how the outputs are nested, is recorded in an
  extra entry, ``regimen.json``.

Use it from Python::

    from regimen.export import export, save
    save(export(model, (x, labels)), "model.pt2")

or from the command line (see ``python -m regimen.export --help``).
"""

from __future__ import annotations

import sys

from regimen._export import MARK_ENTRY, MARK_VERSION, ExportError, export, find_problems, mark, prepare, save

__all__ = ["MARK_ENTRY", "MARK_VERSION", "ExportError", "export", "find_problems", "mark", "prepare", "save"]

if __name__ == "__main__":
    from regimen._export_cli import main

    sys.exit(main())
