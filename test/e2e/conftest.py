from __future__ import annotations

import os
import pathlib
import sys

import pytest
import torch

# The sources beside the test are tested, whatever else is installed.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True, warn_only=True)


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    from toolchain import Toolchain

    folder = os.environ.get("REGIMEN_BIN")
    if not folder:
        pytest.fail("REGIMEN_BIN names no folder with the tools; ctest sets it")
    bin_folder = pathlib.Path(folder).resolve()
    for tool in ("regimen-compile", "regimen-run", "regimen-plan", "regimen-opt"):
        if not (bin_folder / tool).exists():
            pytest.fail(f"{bin_folder / tool} does not exist")
    return Toolchain(bin_folder, tmp_path_factory.mktemp("line"))
