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


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A cache of the session's own, for this process and its children."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["REGIMEN_CACHE"] = str(folder)
    return folder
