"""
Real scouts for tests: processes that are started on a folder, asked over HTTP, killed, stopped.

What they talk to is real too: a data layer in a process of its own, stand-ins on sockets.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
from tests.scout.nursery import Child, Nursery

ROOT = Path(__file__).resolve().parents[4]
KEY: Final = "a-scout-key-for-tests"
WRITER_KEY: Final = "a-writer-key-for-tests"
_START_S: Final = 30.0
_WAIT_S: Final = 30.0


def free_port() -> int:
    """A port that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class ScoutProcess:
    """
    `python -m hotmetal.services.scout` on a folder of its own.

    Args:
        folder: Its DATA_DIR.
        nursery: Where it is born; left out, it loads its modules itself.
        module: Another module with a `main`, for a scout with another clock.
        environment: What it is told besides.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nursery: Nursery | None = None,
        module: str = "hotmetal.services.scout.__main__",
        **environment: str,
    ) -> None:
        self._nursery = nursery
        self._module = module
        self.folder = folder
        self.port = free_port()
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT / "src"), str(ROOT / "apps/hotmetal"), os.environ.get("PYTHONPATH", "")]
            ),
            "PORT": str(self.port),
            "DATA_DIR": str(folder),
            "SCOUT_API_KEY": KEY,
            "WRITER_API_KEY": WRITER_KEY,
            # Nobody is there, unless the test says who.
            "WRITER_URL": "http://127.0.0.1:9",
            "NEWS_URL": "http://127.0.0.1:9",
            "SCOUT_HURRY": "100",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | Child | None = None
        self.log = folder.with_suffix(".log")
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
        )

    def start(self) -> None:
        """Start it and wait until it serves."""
        if self._nursery is not None:
            self.process = self._nursery.start(self._environment, self.log, self._module)
        else:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "hotmetal.services.scout"],
                    env=self._environment,
                    stderr=log,
                    cwd=ROOT,
                )
        wait_for(self._serves, "the scout to serve", seconds=_START_S)

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.process = None
        return code

    def restart(self) -> None:
        """kill -9 and start again on the same folder."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process is not None:
            self.kill()
        self.http.close()

    def run(self, publication_id: str, key: str | None = None) -> str:
        """Begin a manual run; its id."""
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self.http.post(
            "/api/scout/run", json={"publicationId": publication_id}, headers=headers
        )
        assert answer.status_code == 202, answer.text
        id: str = answer.json()["id"]
        return id

    def told(self, run_id: str) -> dict[str, Any]:
        """The run as it is told now, with its steps."""
        answer = self.http.get(f"/api/scout/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""
        wait_for(
            lambda: self.told(run_id)["state"] not in ("queued", "running"),
            f"the run to end; {self.told(run_id)}",
        )
        return self.told(run_id)

    def ended_soon(self, run_id: str) -> dict[str, Any]:
        """The run, once it was queued and has ended."""
        path = f"/api/scout/runs/{run_id}"
        wait_for(lambda: self.http.get(path).status_code == 200, f"{run_id} to be queued")
        return self.ended(run_id)

    def runs(self, publication_id: str) -> list[dict[str, Any]]:
        """The runs of a publication, the newest first."""
        answer = self.http.get("/api/scout/runs", params={"publicationId": publication_id})
        assert answer.status_code == 200, answer.text
        data: list[dict[str, Any]] = answer.json()["data"]
        return data


class StandIn:
    """
    How a test tells a stand-in to fail, and asks it what it was asked.

    Args:
        address: Where it is.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def fail(self, **plan: Any) -> None:
        """Plan a failure of the next calls."""
        httpx.post(f"{self.address}/_stand_in/fail", json=plan).raise_for_status()

    def calls(self) -> list[dict[str, Any]]:
        """What it was asked since it was told to forget."""
        data: list[dict[str, Any]] = httpx.get(f"{self.address}/_stand_in/calls").json()["data"]
        return data

    def forget(self) -> None:
        """Drop plans and calls."""
        httpx.post(f"{self.address}/_stand_in/forget", json={}).raise_for_status()


def wait_for(is_so: Callable[[], bool], what: str, *, seconds: float = _WAIT_S) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.1)
