"""
Scouts that are born with their modules loaded, so that a test can kill many of them.

Loading takes a second of CPU, all else a tenth of it. The nursery loads once and forks; what it
forks is a process like any other, on a folder of its own and with nothing open.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]


class Child:
    """A scout as `subprocess.Popen` would have it."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._nursery.exits(self.pid, wait_s=0)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended."""
        code = self._nursery.exits(self.pid, wait_s=timeout)
        assert code is not None, f"{self.pid} did not end"
        return code


class Nursery:
    """The process that forks scouts."""

    def __init__(self) -> None:
        path = [str(ROOT / "src"), str(ROOT / "apps/hotmetal"), str(ROOT)]
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            cwd=ROOT,
        )
        self._exits: dict[int, int] = {}

    def start(self, environment: dict[str, str], log: Path, module: str) -> Child:
        """A new scout: the module's `main` in the environment."""
        asked = {"environment": environment, "log": str(log), "module": module}
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps(asked).encode() + b"\n")
        stdin.flush()
        while True:
            heard = self._heard(30)
            assert heard is not None, "the nursery does not answer"
            if "born" in heard:
                return Child(self, heard["born"])

    def exits(self, pid: int, *, wait_s: float) -> int | None:
        """The exit code of a scout, waited for so long."""
        while pid not in self._exits and self._heard(wait_s) is not None:
            pass
        return self._exits.get(pid)

    def close(self) -> None:
        """End it, and with it whoever still lives."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def _heard(self, wait_s: float) -> dict[str, Any] | None:
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], wait_s)[0]:
            return None
        # One line is one small write, so there is never a half or a second one in the buffer.
        line = os.read(stdout.fileno(), 64)
        assert line, "the nursery has ended"
        heard: dict[str, Any] = json.loads(line)
        if "dead" in heard:
            self._exits[heard["dead"]] = heard["code"]
        return heard


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode().ljust(63) + b"\n")


def _be_born(asked: dict[str, Any]) -> None:
    """The child: everything of the nursery's is let go, then it is a scout."""
    import importlib

    os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(log, 2)
    code = 1
    try:
        code = importlib.import_module(asked["module"]).main()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _keep_nursery() -> None:
    import pydantic_ai.models.openai
    import pydantic_ai.providers.openai  # noqa: F401 - loaded for the children

    alive: set[int] = set()
    lines = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.02)
        while alive and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            alive.discard(ended[0])
            _say(dead=ended[0], code=os.waitstatus_to_exitcode(ended[1]))
        if not ready:
            continue
        heard = os.read(0, 65_536)
        if not heard:
            break
        *asked, lines = (lines + heard).split(b"\n")
        for each in asked:
            pid = os.fork()
            if pid == 0:
                _be_born(json.loads(each))
            alive.add(pid)
            _say(born=pid)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _keep_nursery()
