"""A writer as a process of its own: started, killed and started again on the same folder."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from tests.writer.callers import KEY, Caller

from tests.e2e.processes import ROOT

_START_S = 30.0
_STOP_S = 10.0


class WriterProcess:
    """
    `python -m hotmetal.services.writer`.

    Args:
        folder: Its data.
        environ: What it is told besides.
    """

    def __init__(self, folder: Path, **environ: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        paths = [str(ROOT / "src"), str(ROOT / "apps" / "hotmetal")]
        self._environ = os.environ | environ | {
            "PORT": str(self._port), "DATA_DIR": str(folder), "WRITER_API_KEY": KEY,
            "PYTHONPATH": os.pathsep.join(paths),
        }  # fmt: skip
        self.folder = folder
        self._log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> Caller:
        """Start it; somebody who calls it, once it serves."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotmetal.services.writer"],
                env=self._environ, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            assert self._process.poll() is None, self.said
            try:
                httpx.get(f"{self.address}/health")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return Caller(self.address)
        raise AssertionError(self.said)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, or SIGKILL; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(_STOP_S)
        self._process = None
        return code

    def kill(self) -> None:
        """kill -9, and wait until it is gone; nothing when it does not run."""
        if self._process is not None:
            self.stop(signal.SIGKILL)

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text()
