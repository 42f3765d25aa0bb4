"""
Workloads of a stock on a disk that loses power: drawn from a seed, each by its number.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.clock import ManualClock
from freehold.ids import SeededIds
from tests.faults.power.judge import History
from tests.faults.power.model import Ask
from tests.faults.power.recording import RecordedDisk
from tests.faults.power.service import Heard, Service

NAME: Final = "stock.db"
#: How often each kind of call comes.
_METHODS: Final = {
    "add": 24, "take": 14, "grow": 10, "remove": 8, "attach": 8, "detach": 4, "refuse": 4,
    "roll_back": 3, "explode": 1, "answer_too_much": 1, "cancel": 1,
}  # fmt: skip
_BATCH_SIZES: Final = (1, 1, 1, 2, 2, 3, 5, 8)
_PAGE_SIZES: Final = (4096, 4096, 1024, 512)
_FIRST: Final = Ask("begin", {}, "first")


@dataclass
class Played:
    """A workload that was played."""

    number: int
    disk: RecordedDisk
    history: History
    #: How many changes there were when it began to serve.
    first: int


def asks(draw: random.Random, *, batches: int) -> Iterator[list[Ask]]:
    """Batches of calls, most of which may succeed."""
    keys = 0
    earlier: list[Ask] = []
    for _ in range(batches):
        batch = []
        for _ in range(draw.choice(_BATCH_SIZES)):
            keys += 1
            ask = _ask(draw, keys, earlier)
            batch.append(ask)
            if ask.key is not None:
                earlier.append(ask)
        yield batch


def _ask(draw: random.Random, number: int, earlier: list[Ask]) -> Ask:
    if earlier and draw.random() < 0.06:
        again = draw.choice(earlier)
        if draw.random() < 0.2:
            return Ask(again.method, another(draw, again.method), again.key)
        return Ask(again.method, again.args, again.key)
    (method,) = draw.choices(list(_METHODS), list(_METHODS.values()))
    key = f"key-{number}" if draw.random() < 0.9 else None
    return Ask(method, another(draw, method), key, is_withdrawn=draw.random() < 0.02)


def another(draw: random.Random, method: str) -> dict[str, Any]:
    """Arguments for a method."""
    name = f"item-{draw.randrange(12)}"
    size = draw.choice((5, 20, 200, 200, 1_500, 9_000))
    match method:
        case "add":
            return {"name": name, "amount": draw.randrange(-1, 20), "size": size}
        case "take":
            return {"name": name, "amount": draw.randrange(12)}
        case "grow":
            return {"name": name, "size": size}
        case "attach":
            return {"part": f"part-{draw.randrange(8)}", "name": name}
        case "detach":
            return {"part": f"part-{draw.randrange(8)}"}
        case "remove":
            return {"name": name}
        case _:
            return {"name": f"never-{draw.randrange(3)}"}


def play(number: int, folder: Path, *, seed: int, batches: int = 16) -> Played:
    """Play the workload of that number in an empty folder."""
    draw = random.Random(f"{seed} {number}")
    path = folder / NAME
    history = History()
    heard: list[Heard] = []
    with RecordedDisk(folder, seed=draw.getrandbits(32)) as disk, quiet():
        _with_pages(path, disk, draw.choice(_PAGE_SIZES))
        clock, ids = ManualClock(), SeededIds(number)
        pages = draw.choice((8, 20, 60, 4_000))

        def told(each: Heard) -> None:
            heard.append(each)
            disk.mark(("told", len(history.batches)))

        def served() -> Service:
            service = Service(
                path, storage=disk.name, clock=clock, ids=ids, checkpoint_pages=pages,
                on_answer=told,
            )  # fmt: skip
            service.open()
            return service

        service = served()
        first = len(disk.changes)
        for batch in ([_FIRST], *asks(draw, batches=batches)):
            if draw.random() < 0.05:
                service.close()
                service = served()
            heard.clear()
            disk.mark(("begun", len(history.batches)))
            for ask in batch:
                service.ask(ask)
            service.turn()
            history.take(heard)
            clock.advance(seconds=draw.choice((0, 0.001, 5)))
        service.close()
    return Played(number, disk, history, first)


def _with_pages(path: Path, disk: RecordedDisk, size: int) -> None:
    """A new file has SQLite's own size of pages; smaller ones are torn in other places."""
    if size != 4096:
        connection = apsw.Connection(str(path), vfs=disk.name)
        connection.pragma("page_size", size)
        connection.pragma("journal_mode", "wal")
        connection.close()


@contextmanager
def quiet() -> Iterator[None]:
    """What breaks on purpose is not logged."""
    levels = [(log, log.level) for log in map(logging.getLogger, _LOGS)]
    for log, _ in levels:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in levels:
            log.setLevel(level)


_LOGS: Final = ("freehold.rpc", "freehold.sqlite")
