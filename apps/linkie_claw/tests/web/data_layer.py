"""
Linkie Claw's data layer in a process of its own, with a clock that a test can move on.

The process is `freehold serve`, whole; only its wall clock adds what stands in a file. Nothing
here says which engine: without an address it is the embedded file.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LINKIE: Final = Path(__file__).resolve().parents[2] / "linkie_claw" / "app.py"
_START_S: Final = 30.0
_STOP_S: Final = 20.0

_SHIFTED = """
import pathlib, sys, time
from freehold.clock import SystemClock
file = pathlib.Path(sys.argv.pop(1))
SystemClock.wall_ns = staticmethod(lambda: time.time_ns() + int(file.read_text()) * 10**9)
from freehold.cli import main
main()
"""


class DataLayer:
    """
    The process and its clock.

    Args:
        folder: Where its files and its socket are.
        database: The address of its database; None for a file in the folder.
    """

    def __init__(self, folder: Path, database: str | None) -> None:
        self._folder = folder
        self._database = database
        self._offset = folder / "clock-offset"
        self._shift = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "data-layer.log"

    @property
    def address(self) -> str:
        """Where its Unix socket is, as a client takes it."""
        return f"unix:{self._folder / 'freehold.sock'}"

    @property
    def port_address(self) -> str:
        """Where its port is; there it asks for a key."""
        return next(word for word in self.said.split() if word.startswith("http://"))

    @property
    def said(self) -> str:
        """What it has said since its last start."""
        return self._log.read_text()

    @property
    def now(self) -> float:
        """What its clock says, in epoch seconds."""
        return time.time() + self._shift

    def wait(self, *, seconds: int) -> None:
        """Let time pass for the data layer."""
        self._shift += seconds
        fresh = self._offset.with_suffix(".new")
        fresh.write_text(str(self._shift))
        fresh.replace(self._offset)

    def start(self) -> None:
        """Start it and wait until it says where it listens."""
        self.wait(seconds=0)
        arguments = [
            sys.executable, "-c", _SHIFTED, str(self._offset), "serve", str(LINKIE),
            "--data-dir", str(self._folder), "--port", "0",
        ]  # fmt: skip
        if self._database is not None:
            arguments += ["--database", self._database]
        # A file and no pipe: nobody reads along while a test runs, and a full pipe stops a writer.
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(arguments, stderr=log)
        until = time.monotonic() + _START_S
        while "listens on" not in self.said:
            is_running = self._process.poll() is None
            if not is_running or time.monotonic() > until:
                raise AssertionError(f"the data layer did not start: {self.said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


@contextmanager
def data_layer(folder: Path, database: str | None) -> Iterator[DataLayer]:
    """A data layer for the time of a block."""
    running = DataLayer(folder, database)
    try:
        running.start()
        yield running
    finally:
        running.stop()
