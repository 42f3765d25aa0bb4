"""
A process of its own that owns a ledger, for tests that kill it.

    python -m tests.drivers.child crash <file> <point> <time>
    python -m tests.drivers.child load <file> <first number>
    python -m tests.drivers.child hold <file>

It says on its standard output what it was told, one line each, as it is told it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from freehold.drivers.sqlite import SqliteDatabase
from freehold.testing.faults import kill_at
from tests.drivers.ledger import Asked, Loop, adding, ledger, served

_IN_FLIGHT = 64


def say(line: str) -> None:
    """At once: a process that is killed does not flush."""
    os.write(1, f"{line}\n".encode())


def crash(path: Path, point: str, time: str) -> None:
    """One batch of three, and one after it; killed at the point."""
    with ledger(path, begin=False, crash=kill_at(point, time=int(time))) as database:
        loop = Loop()
        calls = [Asked(adding(name), told=lambda call: say(call.value)) for name in "abc"]
        database.start(loop.call_soon)
        for call in calls:
            database.submit(call)
        loop.answered(*calls)


def load(path: Path, first: str) -> None:
    """Mutations without end, 64 at a time."""
    with ledger(path, begin=False) as database, served(database) as loop:
        numbers = iter(range(int(first), sys.maxsize))

        def submit(database: SqliteDatabase) -> None:
            database.submit(Asked(adding(str(next(numbers))), told=told))

        def told(call: Asked) -> None:
            say(call.value)
            submit(database)

        for _ in range(_IN_FLIGHT):
            submit(database)
        loop.turn(until=lambda: False)


def hold(path: Path) -> None:
    """Own it, say so, and wait to be killed."""
    with ledger(path, begin=False) as database:
        database.announce(socket=f"{path}.sock", address="http://127.0.0.1:8791")
        say("here")
        sys.stdin.read()


if __name__ == "__main__":
    roles: dict[str, Callable[..., None]] = {"crash": crash, "load": load, "hold": hold}
    roles[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
