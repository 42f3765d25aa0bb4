"""Real servers to attack: where they are, a key for them, and what they hold in memory."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.e2e.processes import ROOT, ServerProcess, serving
from tests.server.toy import Client, HttpAnswer

APPS: Final = {name: ROOT / "apps" / name / name / "app.py" for name in ("hotmetal", "linkie_claw")}
#: What `*` does not let a key do.
SCOPES: Final = {
    "hotmetal": ["connection_tokens"],
    "linkie_claw": ["linkedin_tokens", "scheduler", "sign_in"],
}
_LISTENS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")
_RSS: Final = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
_PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass
class Served:
    """A running server: its process, its port, a key that may call everything."""

    name: str
    process: ServerProcess
    port: int
    key: str

    @property
    def contract(self) -> dict[str, Any]:
        """What it serves."""
        answer = self.ask(
            f"GET /contract.json HTTP/1.1\r\nHost: localhost\r\n{self.authorization}\r\n".encode()
        )
        found: dict[str, Any] = answer.json
        return found

    @property
    def openapi(self) -> dict[str, Any]:
        """The same as OpenAPI."""
        answer = self.ask(
            f"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n{self.authorization}\r\n".encode()
        )
        found: dict[str, Any] = answer.json
        return found

    @property
    def authorization(self) -> str:
        """The header line that shows the key."""
        return f"Authorization: Bearer {self.key}\r\n"

    def methods(self) -> dict[str, list[str]]:
        """The names of each method's arguments."""
        return {
            f"{entrypoint}.{wire}": [each["wire"] for each in method["params"]]
            for entrypoint, said in self.contract["entrypoints"].items()
            for wire, method in said["methods"].items()
        }

    def open(self, *, unix: bool = False) -> Client:
        """A new connection, for the caller to close."""
        if not unix:
            return Client(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        raw.settimeout(20)
        raw.connect(str(self.process.socket))
        return Client(raw)

    def client(self, *, unix: bool = False) -> closing[Client]:
        """A new connection for the length of a block."""
        return closing(self.open(unix=unix))

    def frames(self) -> closing[Client]:
        """The same, on the Unix socket, with the hello said and answered."""
        client = self.open(unix=True)
        client.hello(None)
        client.message()
        return closing(client)

    def ask(self, request: bytes, *, unix: bool = False) -> HttpAnswer:
        """The answer to one request on a connection of its own."""
        with self.client(unix=unix) as client:
            client.send(request)
            return client.answer()

    def call(self, method: str, body: bytes, codec: str = "json") -> bytes:
        """The bytes of a call."""
        path = method.replace(".", "/")
        head = (
            f"POST /rpc/{path} HTTP/1.1\r\nHost: localhost\r\n{self.authorization}"
            f"Content-Type: application/{codec}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def rss_kb(self) -> int:
        """What it holds in memory now."""
        return self._told(_RSS)

    def peak_kb(self) -> int:
        """The most that it has held since the start or the last `forget_peak`."""
        return self._told(_PEAK)

    def forget_peak(self) -> None:
        """From here on."""
        assert self.process.process is not None
        Path(f"/proc/{self.process.process.pid}/clear_refs").write_text("5")

    def _told(self, line: re.Pattern[str]) -> int:
        assert self.process.process is not None
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        found = line.search(status)
        assert found is not None
        return int(found[1])

    def is_well(self) -> bool:
        """Whether it still answers, and lives."""
        answer = self.ask(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return answer.status == 200 and json.loads(answer.body)["writer"] == "ok"


@contextmanager
def served_app(name: str, folder: Path, *, more: Sequence[str] = ()) -> Iterator[Served]:
    """A server of the application on a new folder, for the length of the block."""
    folder.chmod(0o700)
    scopes = [word for scope in ("*", *SCOPES[name]) for word in ("--scope", scope)]
    made = subprocess.run(
        [
            sys.executable, "-m", "freehold", "keys", "create", "hostile", *scopes,
            "--app", str(APPS[name]), "--data-dir", str(folder),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    key = next(word for word in made.stdout.split() if word.startswith("fh_"))
    with serving(folder, app=APPS[name], more=more) as process:
        port = _LISTENS.search(process.wait_for("listens on"))
        assert port is not None
        yield Served(name, process, int(port[1]), key)
