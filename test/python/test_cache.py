"""The cache of graphs and plans: found again, apart where it must be, whole at any time."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import torch

import regimen
from twins import REFERENCE, Encoder, batch

EXAMPLE = batch(0)[:1]


def content(folder: pathlib.Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_the_same_call_is_found_again(tmp_path: pathlib.Path) -> None:
    regimen.compile(Encoder(), EXAMPLE, cache_dir=tmp_path, verbose=False)
    first = content(tmp_path)
    assert sorted(pathlib.Path(name).suffix for name in first) == [".plan", ".pt2"]
    regimen.compile(Encoder(), EXAMPLE, cache_dir=tmp_path, verbose=False)  # other weights: the same plan
    assert content(tmp_path) == first
    regimen.compile(Encoder(), EXAMPLE, config=REFERENCE, cache_dir=tmp_path, verbose=False)
    second = content(tmp_path)
    assert len(second) == 3 and {k: second[k] for k in first} == first
    regimen.compile(Encoder().eval(), batch(0, 8)[:1], cache_dir=tmp_path, verbose=False)
    assert len(content(tmp_path)) == 5


def test_the_archive_holds_no_weights(tmp_path: pathlib.Path) -> None:
    regimen.compile(torch.nn.Linear(1000, 1000), (torch.zeros(2, 1000),), cache_dir=tmp_path, verbose=False)
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < 200_000


def test_the_folder_comes_from_the_environment(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIMEN_CACHE", str(tmp_path / "a"))
    regimen.compile(Encoder(), EXAMPLE, verbose=False)
    assert content(tmp_path / "a")
    monkeypatch.delenv("REGIMEN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    regimen.compile(Encoder(), EXAMPLE, verbose=False)
    assert content(tmp_path / "b" / "regimen")


def test_a_failed_compilation_leaves_no_plan(tmp_path: pathlib.Path) -> None:
    with pytest.raises(regimen.CompileError):
        regimen.compile(Encoder(), EXAMPLE, config={"no.such": 1}, cache_dir=tmp_path, verbose=False)
    assert sorted(pathlib.Path(name).suffix for name in content(tmp_path)) == [".pt2"]
    assert not list(tmp_path.glob("tmp-*"))


SCRIPT = """
import sys
import torch
import regimen
from twins import Head, batch
torch.manual_seed(0)
model = regimen.compile(Head(), (torch.zeros(4, 12), batch(0)[1]), cache_dir=sys.argv[1], verbose=False)
loss, _ = model(*batch(0))
loss.backward()
print(loss.item())
"""


def test_processes_share_it(tmp_path: pathlib.Path) -> None:
    here = pathlib.Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parents[1] / 'python'}:{here}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    results = [p.communicate(timeout=300) for p in running]
    assert [p.returncode for p in running] == [0] * 4, results[0][1][-2000:]
    assert len({out for out, _ in results}) == 1 and results[0][0].strip()
    assert len(list(tmp_path.rglob("*.pt2"))) == 1 and not list(tmp_path.glob("tmp-*"))
