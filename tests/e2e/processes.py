"""
Real server processes for the end-to-end tests: started on a folder, asked, killed, stopped.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOTMETAL = ROOT / "apps" / "hotmetal" / "hotmetal" / "app.py"
START_S = 30.0
STOP_S = 20.0


class ServerProcess:
    """
    `freehold serve` on a folder of its own.

    Args:
        folder: Where its database, secrets and socket are.
        more: Further options of the command. `dev` of HotMetal starts its data layer alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        app: Path = HOTMETAL,
        command: str = "serve",
        more: Sequence[str] = (),
    ) -> None:
        if command == "dev" and app == HOTMETAL:
            more = ("--only", "data-layer", *more)
        self.folder = folder
        self.socket = folder / "freehold.sock"
        self._arguments = [
            sys.executable, "-m", "freehold", command, str(app),
            "--data-dir", str(folder), "--port", "0", *more,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        #: The lines of its standard error.
        self.said: list[str] = []
        self._rest = ""
        self._started_at = 0

    @property
    def address(self) -> str:
        """Where its Unix socket is, as a client takes it."""
        return f"unix:{self.socket}"

    def start(self) -> None:
        """Start it and wait until it says where it listens."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            self._arguments, stderr=subprocess.PIPE, bufsize=0, env=environment
        )
        self._started_at = len(self.said)
        self.wait_for("listens on")

    def wait_for(self, text: str) -> str:
        """The line that holds the text, once it is said since the last start."""
        seen = self._started_at
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            for line in self.said[seen:]:
                seen += 1
                if text in line:
                    return line
            if not self._listen() and self._running().poll() is not None:
                break
        raise AssertionError(f"the server did not say {text!r}: {''.join(self.said)}")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        return self._end(number)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def _listen(self) -> bool:
        """Take in what it says within a tenth of a second; False when it said nothing."""
        pipe = self._running().stderr
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], 0.1)
        heard = os.read(pipe.fileno(), 65_536) if ready else b""
        *lines, self._rest = (self._rest + heard.decode()).split("\n")
        self.said.extend(f"{line}\n" for line in lines)
        return bool(heard)

    def _end(self, number: int) -> int:
        process = self._running()
        if process.poll() is None:
            process.send_signal(number)
        code = process.wait(STOP_S)
        while self._listen():
            pass
        assert process.stderr is not None
        process.stderr.close()
        self.process = None
        return code


@contextmanager
def serving(
    folder: Path, *, app: Path = HOTMETAL, command: str = "serve", more: Sequence[str] = ()
) -> Iterator[ServerProcess]:
    """A server for the time of a block; killed when the block ends, if it still runs."""
    server = ServerProcess(folder, app=app, command=command, more=more)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            server.kill()
