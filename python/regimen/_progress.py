"""Says on stderr what takes time: a live line on a terminal, else plain lines."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

#: Seconds between signs of life where there is no terminal.
QUIET_SECONDS = 15.0


class Progress:
    """Announces work. `verbose` off says nothing at all."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose

    def say(self, text: str) -> None:
        if self.verbose:
            print(f"regimen: {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def work(self, text: str) -> Iterator[None]:
        """Shows `text` with the elapsed seconds while the block runs, and once it is done."""
        if not self.verbose:
            yield
            return
        start, done, live = time.monotonic(), threading.Event(), sys.stderr.isatty()
        width = 0

        def show() -> None:
            nonlocal width
            while not done.wait(0.1 if live else QUIET_SECONDS):
                line = f"regimen: {text}, {time.monotonic() - start:.0f} s"
                print(f"\r{line.ljust(width)}" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
                width = max(width, len(line))

        thread = threading.Thread(target=show, name="regimen progress", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            done.set()
            thread.join()
            if live and width:
                print(f"\r{' ' * width}\r", end="", file=sys.stderr, flush=True)
            raise
        done.set()
        thread.join()
        line = f"regimen: {text} ({time.monotonic() - start:.1f} s)"
        print(f"\r{line.ljust(width)}" if live else line, file=sys.stderr, flush=True)
