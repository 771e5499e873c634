"""The examples run, learn, and are what the README shows."""

from __future__ import annotations

import difflib
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(name: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(EXAMPLES / name), *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def losses(text: str) -> list[float]:
    return [float(x) for x in re.findall(r"loss (\d+\.\d+)", text)]


def test_the_loop_learns_as_in_pytorch() -> None:
    want, have = losses(run("train_pytorch.py")), losses(run("train_regimen.py"))
    assert len(have) == len(want) > 5
    assert have[0] == pytest.approx(want[0], rel=1e-5)
    assert have[-1] == pytest.approx(want[-1], rel=1e-2) and have[-1] < 0.6 * have[0]


def lines_changed() -> list[str]:
    before, after = ((EXAMPLES / name).read_text().splitlines() for name in ("train_pytorch.py", "train_regimen.py"))
    return [x for x in difflib.unified_diff(before, after, n=0, lineterm="") if not x.startswith(("---", "+++", "@@"))]


def test_the_readme_shows_the_difference() -> None:
    changed = lines_changed()
    assert len([x for x in changed if x.startswith("+")]) <= 3
    shown = re.search(r"```diff\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None, "README.md has no diff"
    assert shown.group(1).splitlines() == changed, "README.md: the diff of examples/train_{pytorch,regimen}.py is another by now"


def test_supervised_fine_tuning() -> None:
    text = run("sft.py", "--steps", "40")
    before, after = map(float, re.findall(r"(\d+\.\d+) (?:before|after)", text))
    assert after < 0.8 * before


def test_vision_and_language() -> None:
    text = run("vision_language.py", "--steps", "60")
    rows = [line.split() for line in text.splitlines() if re.match(r"\s+\d+ +\d+\.\d+ ", line)]
    assert float(rows[-1][1]) < 0.5 * float(rows[0][1])
    assert all(float(cell) > 0 for row in rows for cell in row[2:]), "both models get gradients"
    assert "captions of new images are right" in text
