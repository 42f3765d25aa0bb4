"""
HotMetal as `make run` starts it: `freehold dev` on free ports and a folder of its own, offline.

Its processes can be killed one by one; `dev` starts them again.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from hotmetal.clients.hotmetal import DataLayerSync

from freehold.errors import Unavailable
from tests.e2e.processes import HOTMETAL, ROOT

T = TypeVar("T")

PATIENCE_S: Final = 90.0
#: Nothing of the machine's own may lead a test to a provider.
_OUTSIDE: Final = ("HOTMETAL_", "OPENAI_", "ANTHROPIC_", "BRAVE_", "LINKEDIN_", "CMS_", "NEWS_")
_SAID: Final = re.compile(r"^  (listens on|key|[a-z-]+)\s+(http\S+|fh_\S+)\s*$", re.MULTILINE)
SERVICES: Final = ("writer", "scout", "publisher", "cms", "news")


def until(is_so: Callable[[], T | None], what: str = "it", *, seconds: float = PATIENCE_S) -> T:
    """What the function gives, once it gives something true; a lost connection is not yet it."""
    end = time.monotonic() + seconds
    while True:
        with suppress(httpx.HTTPError, Unavailable):
            if value := is_so():
                return value
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.03)


class HotMetal:
    """
    One `freehold dev`.

    Args:
        folder: Its data folder.
        more: Further variables for all services.
    """

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder = folder
        self._log = folder.with_suffix(".log")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(_OUTSIDE)}
        self._environment = {
            **plain,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT / "src"), str(ROOT / "apps/hotmetal"), plain.get("PYTHONPATH", "")]
            ),
            "PYTHONUNBUFFERED": "1",
            # What a developer's own .env file may say is not for a test.
            **dict.fromkeys(("HOTMETAL_MODEL", "BRAVE_API_KEY", "LINKEDIN_CLIENT_ID"), ""),
            "SCOUT_HURRY": "100",
            **more,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.addresses: dict[str, str] = {}
        self.key = ""
        self._faces: dict[str, httpx.Client] = {}

    def start(self) -> None:
        """Start it, and wait until it says that everything is ready."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "freehold", "dev", str(HOTMETAL),
                    "--data-dir", str(self.folder), "--port", "0", "--no-reload",
                ],
                stdout=log, stderr=log, env=self._environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        until(lambda: "ready in" in self.log, "ready")
        for name, value in _SAID.findall(self.log):
            # A page's address may go on, with the key that signs its reader in.
            self.addresses[name] = "/".join(value.split("/")[:3])
        self.key = self.addresses.pop("key")
        words = json.loads((self.folder / "services" / "secrets.json").read_text())
        self.words: dict[str, str] = words.get("words", words)

    @property
    def log(self) -> str:
        """What all of them said since the start."""
        return self._log.read_text(errors="replace")

    def pid(self, name: str) -> int:
        """The process of a service, or of the data layer; 0 while there is none."""
        if name == "data-layer":
            wanted = str(self.folder).encode()
            return next(
                (pid for pid, said in _processes("cmdline") if b"--in-crew" in said
                 and wanted in said.split(b"\0")),
                0,
            )  # fmt: skip
        wanted = b"DATA_DIR=%s" % str(self.folder / "services" / name).encode()
        return next((pid for pid, said in _processes("environ") if wanted in said.split(b"\0")), 0)

    def kill(self, name: str) -> None:
        """kill -9 of one of them; `dev` starts it again."""
        pid = until(lambda: self.pid(name), f"{name} to be there")
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid(name) != pid, f"{name} to be gone")

    def dal(self) -> DataLayerSync:
        """A binding with the developer's key."""
        return DataLayerSync.connect(self.addresses["listens on"], key=self.key, timeout_s=30)

    def face(self, name: str) -> httpx.Client:
        """A client of a service, with the key that it wants."""
        if name not in self._faces:
            word = self.words[f"{name.upper()}_API_KEY"]
            headers = {"X-API-Key": word, "Authorization": f"Bearer {word}"}
            self._faces[name] = httpx.Client(
                base_url=self.addresses[name], headers=headers, timeout=30
            )
        return self._faces[name]

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(30)
        self._process = None
        return code

    def close(self) -> None:
        """End it however it stands."""
        for face in self._faces.values():
            face.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self.interrupt()
                return
            assert self._process is not None
            self._process.kill()
            self._process.wait()


@contextmanager
def running(folder: Path, **more: str) -> Iterator[HotMetal]:
    """HotMetal, started; ended at the end, and its log shown when the test fails."""
    house = HotMetal(folder, **more)
    try:
        house.start()
        yield house
    except BaseException:
        sys.stdout.write(house.log[-20_000:])
        raise
    finally:
        house.close()


def _processes(file: str) -> Iterator[tuple[int, bytes]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                yield int(path.name), (path / file).read_bytes()


def stored(client: httpx.Client, path: str, **params: Any) -> Any:
    """What a good GET answers; None for one that fails, which is asked again."""
    answer = client.get(path, params=params)
    return answer.json() if answer.status_code == 200 else None
