"""What is said while something takes time: a live line on a terminal, plain lines elsewhere, nothing when asked."""

from __future__ import annotations

import io
import sys
import time

import pytest

from regimen import _progress
from regimen._progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "QUIET_SECONDS", 0.05)
    with Progress(True).work("compiling Model"):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1 and "\r" not in "".join(lines)
    assert lines[0] == "regimen: compiling Model, 0 s" and lines[-1].startswith("regimen: compiling Model (0.")


def test_a_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(True).work("compiling Model"):
        time.sleep(0.3)
    text = terminal.getvalue()
    assert text.count("\n") == 1 and text.startswith("\rregimen: compiling Model, 0 s")
    assert text.rsplit("\r", 1)[1].startswith("regimen: compiling Model (0.")


def test_a_failure_leaves_no_line_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(ValueError), Progress(True).work("compiling Model"):
        time.sleep(0.2)
        raise ValueError
    assert terminal.getvalue().rstrip(" \r").rsplit("\r", 1)[-1] != "" and terminal.getvalue().endswith(" \r")


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Progress(False)
    quiet.say("something")
    with quiet.work("compiling Model"):
        pass
    assert capsys.readouterr().err == ""
