"""
The whole of HotMetal as processes, for a browser to look at: each can be stopped and started.

The data layer with the sample data, the stand-ins for the CMS and the news, and the three
services, on free ports and in folders of their own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.e2e.processes import ROOT, serving

START_S: Final = 40.0
STOP_S: Final = 10.0
KEYS: Final = {
    name: f"{name.lower().replace('_', '-')}-for-tests"
    for name in ("WRITER_API_KEY", "SCOUT_API_KEY", "PUBLISHER_API_KEY", "CMS_API_KEY")
}
#: Nothing of the machine's own may lead a test to a provider.
OUTSIDE: Final = ("HOTMETAL_", "OPENAI_", "ANTHROPIC_", "BRAVE_", "LINKEDIN_", "GOOGLE_", "GEMINI_")


class Room:
    """
    One service as a process.

    Args:
        module: What `python -m` runs.
        port: Where it listens.
        environ: What it is told besides its port.
    """

    def __init__(self, module: str, port: int, environ: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._module = module
        self._environ = environ | {"PORT": str(port)}
        self._besides: dict[str, str] = {}
        self._log = Path(environ["DATA_DIR"]).with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, without waiting."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env=self._environ | self._besides,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.begin()
        self.wait()

    def restart(self, besides: dict[str, str]) -> None:
        """Stop it and start it, with these variables besides its own from now on."""
        self.end()
        self._besides = besides
        self.start()

    def kill(self) -> None:
        """Kill -9."""
        self.end(signal.SIGKILL)

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError(f"{self._module} did not answer: {self.log()}")

    def end(self, number: int = signal.SIGTERM) -> None:
        """Stop it, and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)
        self._process = None

    def log(self) -> str:
        """What it said so far."""
        return self._log.read_text() if self._log.exists() else ""


class House:
    """
    All of them.

    Args:
        folder: Where each has a folder.
        data_layer: Where the data layer is.
    """

    def __init__(self, folder: Path, data_layer: str) -> None:
        names = ("writer", "scout", "publisher", "cms", "news")
        ports = dict(zip(names, _free_ports(len(names)), strict=True))
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
        told = plain | KEYS | {
            "FREEHOLD_DAL": data_layer,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT / "apps" / "hotmetal"), os.environ.get("PYTHONPATH", "")]
            ),
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        told |= {f"{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in names}
        packages = dict.fromkeys(names, "services") | dict.fromkeys(("cms", "news"), "stand_ins")
        self.data_layer = data_layer
        self.rooms = {
            name: Room(
                f"hotmetal.{packages[name]}.{name}",
                ports[name],
                told | {"DATA_DIR": str(folder / name)},
            )
            for name in names
        }

    @property
    def writer(self) -> Room:
        """The one with the page."""
        return self.rooms["writer"]

    @property
    def sign_in(self) -> str:
        """The link that `freehold dev` prints."""
        return f"{self.writer.url}/sign-in?key={KEYS['WRITER_API_KEY']}"


@contextmanager
def house(folder: Path) -> Iterator[House]:
    """All processes, for the time of a block."""
    with ExitStack() as stack:
        home = folder / "data-layer"
        home.mkdir(mode=0o700)
        data_layer = stack.enter_context(serving(home, command="dev"))
        made = House(folder, data_layer.address)
        for room in made.rooms.values():
            room.begin()
            stack.callback(room.end)
        for room in made.rooms.values():
            room.wait()
        yield made


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]
