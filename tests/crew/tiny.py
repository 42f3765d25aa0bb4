"""
A small application with small services, in a folder of the test's own, and `freehold dev` on it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

SERVICE = '''\
"""Answers /health and /environ, and does what its file `wish` says."""
import http.server, json, os, pathlib, signal, subprocess, sys

WISH = pathlib.Path(__file__).with_name("{name}.wish")
wish = WISH.read_text().strip() if WISH.exists() else ""
print("{name} starts: " + wish, flush=True)
if wish == "crash":
    sys.exit(3)
if wish == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "300"])
else:
    signal.signal(signal.SIGTERM, lambda *_: (print("{name} ends", flush=True), os._exit(0)))
if wish == "flood":
    for n in range(20000):
        print("flood", n, "x" * 60)


class Face(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(9)
        said = dict(os.environ) if self.path == "/environ" else {{"pid": os.getpid()}}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Face).serve_forever()
'''

APP = '''\
"""Notes, with two services and somebody who plays the CMS."""

from typing import Annotated

from freehold import App, Database, Entrypoint, PrimaryKey, Reader, Record, Service, Writer


class Note(Record, table="notes"):
    """Something to remember."""

    id: Annotated[str, PrimaryKey()]
    text: str


def list_notes(db: Reader) -> list[Note]:
    """Every note."""
    return db.all(Note)


def add_note(db: Writer, text: str) -> Note:
    """Remember something."""
    return db.insert(Note(id=db.new_id(), text=text))


class Notes(Entrypoint):
    """What may be called."""

    list_notes = list_notes
    add_note = add_note


app = App(
    "notes",
    databases=[Database("main", [Note])],
    entrypoints=[Notes],
    service="data-layer",
    services=[
        Service("cms", "cms", port=8795, stands_in_for="CMS_URL", secrets=["CMS_KEY"]),
        Service(
            "writer",
            "writer",
            port=8792,
            page="/page",
            binding="DAL",
            scopes=["Notes.listNotes"],
            addresses={"CMS_URL": "cms"},
            secrets=["CMS_KEY", "WORD"],
            environ={"MOOD": "good"},
        ),
        Service(
            "scout",
            "scout",
            port=8793,
            binding="NOTES",
            scopes=["Notes.*"],
            addresses={"WRITER_URL": "writer"},
            secrets=["WORD"],
        ),
    ],
)
'''
NAMES = ("cms", "writer", "scout")
START_S = 30.0
_LOOK_S = 0.02


def write_application(folder: Path) -> Path:
    """The application and its services as files."""
    folder.mkdir(parents=True, exist_ok=True)
    app = folder / "notes.py"
    app.write_text(APP)
    for name in NAMES:
        (folder / f"{name}.py").write_text(SERVICE.format(name=name))
    return app


class Dev:
    """
    `freehold dev` in a session of its own, as a terminal would start it.

    Args:
        folder: Where the application is.
        more: Further arguments.
        environ: Further variables.
    """

    def __init__(self, folder: Path, *more: str, **environ: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_")}
        self.folder = folder
        self.log = folder / f"dev-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "freehold", "dev", "notes.py", *more],
                cwd=folder,
                env={**kept, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All that was said so far."""
        return self.log.read_text()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Until it was said so often."""
        self.until(lambda: self.said.count(text) >= times, text)

    def until(self, condition: Any, what: str) -> None:
        """Until it is so; fails with all that was said."""
        ends = time.monotonic() + START_S
        while not condition():
            assert time.monotonic() < ends, f"not {what!r}:\n{self.said}"
            assert self.process.poll() is None or condition(), f"not {what!r}:\n{self.said}"
            time.sleep(_LOOK_S)

    def address(self, name: str) -> str:
        """Where the service listens, as the welcome says it."""
        [line] = [line for line in self.said.splitlines() if line.startswith(f"  {name} ")]
        return line.split()[1]

    def ask(self, name: str, path: str) -> dict[str, Any]:
        """What the service answers."""
        address = self.address(name).removesuffix("/page")
        with urllib.request.urlopen(f"{address}{path}", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def die(self, name: str) -> None:
        """Have the service end itself."""
        with suppress(OSError):
            self.ask(name, "/die")

    def processes(self) -> set[int]:
        """The processes that this command started and that still run, the warden among them."""
        found = set()
        for link in Path("/proc").glob("[0-9]*/cwd"):
            # All of them work in this folder, and nobody else does.
            with suppress(OSError):
                if link.readlink() == self.folder:
                    found.add(int(link.parent.name))
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C, which reaches its whole group; its exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(START_S)


@contextmanager
def dev(folder: Path, *more: str, **environ: str) -> Iterator[Dev]:
    """The command for the time of a block; killed at its end."""
    running = Dev(folder, *more, **environ)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def order(said: str, parts: Sequence[str]) -> list[int]:
    """Where the parts stand in what was said."""
    return [said.index(part) for part in parts]


def free_ports() -> int:
    """The first of ten free ports, below those that the system hands out to connections."""
    for first in range(20_000 + time.monotonic_ns() // 1000 % 10_000, 32_000, 10):
        with ExitStack() as held, suppress(OSError):
            for port in range(first, first + 10):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("there are no free ports")
