"""
Where server processes come from: one process that has loaded everything and forks.

    with nursery() as start_from:
        start_from.start(["serve", …], said=folder / "said")

A server is then there in some tens of milliseconds, instead of the half second that Python needs
to load it. Each one is a process of its own, with the command line's own `main`; it is killed,
stopped and continued as any other. The nursery ends its children when its own input ends.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: What `serve` loads when it is wanted, on either engine.
_LOADED: Final = (
    "uvloop",
    "structlog",
    "typer._adapters",
    "freehold.app.housekeeping",
    "freehold.app.opening",
    "freehold.app.upgrade",
    "freehold.cli",
    "freehold.cli.serving",
    "freehold.drivers.postgres",
    "freehold.drivers.postgres.database",
    "freehold.drivers.sqlite.database",
    "freehold.generate",
    "freehold.server",
    "tests.faults.errand",
    "tests.faults.ledger",
    "tests.faults.wrong",
)


class Nursery:
    """The tests' side of it; made by `shared`, one for all tests of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ},
        )  # fmt: skip

    @property
    def is_alive(self) -> bool:
        """It still forks."""
        return self._process.poll() is None

    def start(
        self, arguments: list[str], *, said: Path, wrong: str | None = None,
        offset: Path | None = None,
    ) -> int:  # fmt: skip
        """
        Start a server; its number.

        Args:
            arguments: Of the command line; or `errand`, and what a client process is to do.
            said: What it writes goes here.
            wrong: Which promise it breaks, see `wrong`.
            offset: The file that says how far its wall clock is off, see `jumping`.
        """
        return int(
            self._ask(
                {
                    "arguments": arguments,
                    "said": str(said),
                    "wrong": wrong,
                    "offset": None if offset is None else str(offset),
                }
            )
        )

    def reap(self, pid: int) -> None:
        """kill -9, and wait until it is gone."""
        self._ask({"reap": pid})

    def has_ended(self, pid: int) -> bool:
        """Whether it ended by itself."""
        return bool(self._ask({"ended": pid}))

    def end(self) -> None:
        """End it, and with it all that it started."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, what: dict[str, Any]) -> Any:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the nursery is gone"
        return json.loads(answer)


def _child(what: dict[str, Any]) -> None:
    """The forked process: from here on it is `freehold serve`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with open(what["said"], "ab") as said, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if what["offset"] is not None:
        from tests.faults.jumping import jump_by

        jump_by(Path(what["offset"]))
    if what["wrong"] is not None:
        from tests.faults.wrong import KINDS

        KINDS[what["wrong"]]()
    if what["arguments"][0] == "errand":
        from tests.faults.errand import run

        _, address, name, key, answer = what["arguments"]
        run(address, name, key, answer=Path(answer))
        return
    from freehold.cli import main

    sys.argv = ["freehold", *what["arguments"]]
    main()


def _answer(what: dict[str, Any], children: set[int]) -> Any:
    if "reap" in what:
        pid = what["reap"]
        if pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            children.discard(pid)
        return True
    if "ended" in what:
        pid = what["ended"]
        if pid in children and os.waitpid(pid, os.WNOHANG) != (0, 0):
            children.discard(pid)
        return pid not in children
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _child(what)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    children.add(pid)
    return pid


def _serve() -> None:
    for name in _LOADED:
        importlib.import_module(name)
    # What is shared is not touched by the children's collector, and so not copied.
    gc.collect()
    gc.freeze()
    # Ctrl-C is the tests' to handle; the end of the input follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: set[int] = set()
    asked, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(asked, "rb") as lines, os.fdopen(answers, "wb") as out:
        for line in lines:
            out.write(json.dumps(_answer(json.loads(line), children)).encode() + b"\n")
            out.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


_shared: list[Nursery] = []


def shared() -> Nursery:
    """The one of this process; it ends with it."""
    import atexit

    if not _shared or not _shared[0].is_alive:
        _shared[:] = [Nursery()]
        atexit.register(_shared[0].end)
    return _shared[0]


if __name__ == "__main__":
    _serve()
