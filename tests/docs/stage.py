"""
Where a page's steps are done: a folder, a shell, an interpreter, real processes.

The page's ports 8791 to 8796 become free ones in what is run, and 8791 to 8796 again in what
was said, so that pages can run beside each other and beside a data layer of the reader's. In
the same way the page's PostgreSQL, `postgresql://notes@db.internal/notes`, becomes a database
of its own on the private server of the tests.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from freehold.drivers.postgres import Address
from freehold.testing.cluster import Cluster, cluster
from tests.docs.pages import ROOT, Step

#: The data layer's, and those of HotMetal's services, which move with it.
PORTS: Final = tuple(str(port) for port in range(8791, 8797))
SERVER: Final = "postgresql://notes@db.internal/notes"
_DEADLINE_S: Final = 30.0
#: How long a process that listens may take to say the rest.
_SAID_S: Final = 60.0
_BETWEEN_LOOKS_S: Final = 0.02
_SERVES: Final = re.compile(r"\bfreehold (dev|serve)\b(?!.*--(?:port|no-tcp))")
_EXPORT: Final = re.compile(r"^export ([A-Z_]+)=", re.MULTILINE)
_GO: Final = re.compile(r"^cd (\S+)$", re.MULTILINE)


class PageBroken(AssertionError):
    """A page says something that is not so."""


class Interpreter:
    """One Python for all blocks of a page."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", str(Path(__file__).with_name("interpreter.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=environ,
            text=True,
        )

    def run(self, step: Step, text: str, *, environ: dict[str, str]) -> tuple[bool, str]:
        """Whether the block ended without an error, and what it printed."""
        said = {"name": step.where, "text": "\n" * (step.line - 1) + text, "environ": environ}
        pipe, answers = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert answers is not None
        pipe.write(json.dumps(said) + "\n")
        pipe.flush()
        answer: dict[str, Any] = json.loads(answers.readline())
        return answer["ok"], answer["output"]

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=_DEADLINE_S)


class Background:
    """A process that a page has started and not yet stopped."""

    def __init__(self, command: str, *, folder: Path, environ: dict[str, str]) -> None:
        self._log: IO[bytes] = (folder / f"started-{time.monotonic_ns()}.log").open("w+b")
        self._seen = 0
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def said(self) -> str:
        """What it has said since it was started, or since `forget`."""
        text = Path(self._log.name).read_bytes()[self._seen :]
        return text.decode()

    def forget(self) -> None:
        """What was said is said."""
        self._seen = len(Path(self._log.name).read_bytes())

    def stop(self) -> int:
        """Press Ctrl-C; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(_DEADLINE_S)
        finally:
            self.process.kill()
            self._log.close()


class Stage:
    """
    Does the steps of one page, in order.

    Args:
        folder: Where the page's reader is; empty.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: What the page says, and what is there instead.
        self._instead = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self._output = ""
        #: The output is one long line, which a page breaks where it likes.
        self._is_sentence = False
        self._interpreter: Interpreter | None = None
        self._background: list[Background] = []
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FREEHOLD_")}
        self._environ = clean | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "COLUMNS": "100",
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",
            # A file that a page writes twice within a second would be taken for the first one.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def play(self, step: Step) -> None:
        """
        Do one step.

        Raises:
            PageBroken: What the page says is not what happens.
        """
        match step.verb:
            case "file":
                path = self._folder / step.rest
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._there(step.text) + "\n")
            case "shown":
                self._compare(step, (self._folder / step.rest).read_text())
            case "run":
                self._run(step)
            case "start":
                self._start(step)
            case "stop":
                self._stop(step)
            case "output":
                self._expect(step)
            case "raises":
                self._python(step, is_well=False)
            case "" if step.language == "python":
                self._python(step, is_well=True)
            case "" if step.language == "sh":
                raise PageBroken(f"{step.where}: say whether this is run.")

    def close(self) -> None:
        """End what is still going on."""
        if self._interpreter is not None:
            self._interpreter.close()
        for each in self._background:
            each.stop()

    def _there(self, text: str) -> str:
        if SERVER in text and SERVER not in self._instead:
            server = private_server()
            self._instead[SERVER] = server.tcp_url(server.new_database())
        for shown, real in self._instead.items():
            text = text.replace(shown, real)
        return text

    def _here(self, text: str) -> str:
        for shown, real in self._instead.items():
            text = text.replace(real, shown)
            if shown == SERVER:
                text = text.replace(Address.parse(real).shown, shown)
        return text

    def _run(self, step: Step) -> None:
        expected = int(step.rest.removeprefix("exit ") or 0)
        names = _EXPORT.findall(step.text)
        kept = self._folder / "exported.txt"
        keep = [f'printf "%s\\0" "${name}" >> {kept}' for name in names]
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([self._there(step.text), *keep])],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_DEADLINE_S,
            check=False,
        )
        self._output = self._here(done.stdout.decode())
        if done.returncode != expected:
            raise PageBroken(f"{step.where}: exit code {done.returncode}.\n{self._output}")
        if names:
            values = kept.read_text().split("\0")
            kept.unlink()
            self._environ |= dict(zip(names, values, strict=False))
        for folder in _GO.findall(step.text):
            self._folder /= folder

    def _start(self, step: Step) -> None:
        command = step.text.strip()
        if command == "make run":
            command = recipe_of_run()
            shutil.copytree(ROOT / "apps" / "hotmetal" / "hotmetal",
                            self._folder / "apps" / "hotmetal" / "hotmetal")  # fmt: skip
        command = _SERVES.sub(rf"freehold \1 --port {self._instead[PORTS[0]]}", command)
        background = Background(self._there(command), folder=self._folder, environ=self._environ)
        self._background.append(background)
        self._output = ""
        self._wait(step, background, "listens on")

    def _wait(self, step: Step, background: Background, text: str) -> None:
        until = time.monotonic() + _DEADLINE_S
        while text not in background.said():
            if background.process.poll() is not None or time.monotonic() > until:
                raise PageBroken(f"{step.where}: it did not start.\n{background.said()}")
            time.sleep(_BETWEEN_LOOKS_S)

    def _stop(self, step: Step) -> None:
        background = self._background.pop()
        background.forget()
        code = background.stop()
        self._output = self._here(background.said())
        if code != 0:
            raise PageBroken(f"{step.where}: Ctrl-C ended it with {code}.\n{self._output}")

    def _expect(self, step: Step) -> None:
        """The output of the step before; a process that was just started may need a moment."""
        if self._is_sentence:
            one_line = replace(step, text=" ".join(step.text.split()))
            self._is_sentence = False
            self._compare(one_line, " ".join(self._output.split()))
            return
        if self._output or not self._background:
            self._compare(step, self._output)
            return
        until = time.monotonic() + _SAID_S
        while not fits(step.text, said := self._here(self._background[-1].said())):
            if time.monotonic() > until:
                self._compare(step, said)
            time.sleep(_BETWEEN_LOOKS_S)

    def _python(self, step: Step, *, is_well: bool) -> None:
        if self._interpreter is None:
            self._interpreter = Interpreter(self._folder, self._environ)
        ended_well, output = self._interpreter.run(
            step, self._there(step.text), environ=self._environ
        )
        self._output = self._here(output)
        if ended_well != is_well:
            raise PageBroken(f"{step.where}: {self._output or 'no error was raised'}")
        if not is_well:
            self._output = self._output.rstrip().splitlines()[-1]
            self._is_sentence = True

    def _compare(self, step: Step, said: str) -> None:
        if not fits(step.text, said):
            raise PageBroken(
                f"{step.where}: the page says\n\n{step.text}\n\nand it is\n\n{said.strip()}\n"
            )


def fits(expected: str, said: str) -> bool:
    """
    Whether what was said is what the page shows.

    `…` stands for anything within a line, and alone on its line for any lines.
    """
    parts = []
    for line in expected.strip().splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            pieces = (re.escape(piece) for piece in line.rstrip().split("…"))
            parts.append(".*?".join(pieces) + r"[ ]*\n")
    return re.fullmatch("".join(parts), said.strip() + "\n") is not None


def free_ports(count: int) -> list[str]:
    """Ports behind each other that nobody listens on, and that do not look like a page's."""
    # Below those that the system hands out: beside them, connections come and go.
    for first in range(20_000 + time.monotonic_ns() // 1000 % 10_000, 32_000, 16):
        with ExitStack() as held:
            found = [str(first + number) for number in range(count)]
            if any(shown in port for shown in PORTS for port in found):
                continue
            try:
                # Pages name a few more of their own, which move with these.
                for port in range(first, first + 16):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except (OSError, OverflowError):
                continue
            return found
    raise PageBroken("there are no free ports")


_SERVERS: Final[list[Cluster]] = []


def private_server() -> Cluster:
    """The PostgreSQL of all pages, as a reader's would be set: `doctor` finds nothing wrong."""
    if not _SERVERS:
        stack = ExitStack()
        _SERVERS.append(stack.enter_context(cluster(tcp=True, durable=True)))
        atexit.register(stack.close)
    return _SERVERS[0]


def recipe_of_run() -> str:
    """What `make run` starts once everything is installed, from the Makefile itself."""
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^run:.*\n\t@?\$\(BIN\)/(freehold dev .+)$", makefile, re.MULTILINE)
    app = re.search(r"^APP := (\S+)$", makefile, re.MULTILINE)
    assert recipe is not None
    assert app is not None
    return recipe[1].replace("$(APP)", app[1])
