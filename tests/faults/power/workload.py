"""
Workloads of a stock on a disk that loses power: drawn from a seed, each by its number.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.clock import ManualClock
from freehold.drivers.sqlite.checksums import turn_on
from freehold.errors import StartError
from freehold.ids import SeededIds
from freehold.testing.checksums import checksummed
from tests.faults.power.judge import History
from tests.faults.power.model import Ask
from tests.faults.power.recording import Fault, RecordedDisk
from tests.faults.power.service import Heard, Service

NAME: Final = "stock.db"
#: How often each kind of call comes.
METHODS: Final = {
    "add": 24, "take": 14, "grow": 10, "remove": 8, "attach": 8, "detach": 4, "refuse": 4,
    "undo": 3, "explode": 1, "ramble": 1, "cancel": 1,
}  # fmt: skip
_BATCH_SIZES: Final = (1, 1, 1, 2, 2, 3, 5, 8)
_PAGE_SIZES: Final = (4096, 4096, 1024, 512)
FIRST: Final = Ask("begin", {}, "first")


@dataclass
class Played:
    """A workload that was played."""

    number: int
    disk: RecordedDisk
    has_checksums: bool
    history: History = field(default_factory=History)
    #: How many changes there were when it began to serve, and when it was stopped.
    first: int = 0
    last: int = 0
    #: How many there were after each batch.
    told_after: list[int] = field(default_factory=list)


def asks(
    draw: random.Random, *, batches: int, methods: Mapping[str, int] = METHODS,
    sizes: Sequence[int] = _BATCH_SIZES,
) -> Iterator[list[Ask]]:  # fmt: skip
    """
    Batches of calls.

    Args:
        draw: Where they are drawn from.
        batches: How many.
        methods: How often each kind of call comes; most may succeed, when it is not said.
        sizes: How large batches are.
    """
    keys = 0
    earlier: list[Ask] = []
    for _ in range(batches):
        batch = []
        for _ in range(draw.choice(sizes)):
            keys += 1
            ask = _ask(draw, keys, earlier, methods)
            batch.append(ask)
            if ask.key is not None:
                earlier.append(ask)
        yield batch


def _ask(draw: random.Random, number: int, earlier: list[Ask], methods: Mapping[str, int]) -> Ask:
    if earlier and draw.random() < 0.06:
        again = draw.choice(earlier)
        if draw.random() < 0.2:
            return Ask(again.method, another(draw, again.method), again.key)
        return Ask(again.method, again.args, again.key)
    (method,) = draw.choices(list(methods), list(methods.values()))
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


def play(
    number: int, folder: Path, *, seed: int, batches: int = 16, fault: Fault | None = None,
    fails_from_nothing: bool = False,
) -> Played:  # fmt: skip
    """
    Play the workload of that number in an empty folder.

    Args:
        number: What it does is drawn from this and the seed.
        folder: Empty.
        seed: See `number`.
        batches: How long it is.
        fault: What the disk does to one of its changes, or to all from there on; the first one
            is that after it was opened.
        fails_from_nothing: The first one is that of making the database.
    """
    draw = random.Random(f"{seed} {number}")
    with RecordedDisk(folder, seed=draw.getrandbits(32)) as disk, quiet(), ExitStack() as stack:
        has_checksums = draw.random() < 0.5
        player = _Player(number, folder / NAME, disk, draw, has_checksums=has_checksums)
        if has_checksums:
            player.storage = stack.enter_context(checksummed(disk.name))
        player.prepare()
        if fails_from_nothing:
            disk.fail(fault)
        player.serve()
        if not fails_from_nothing:
            disk.fail(fault)
        player.played.first = len(disk.changes)
        for batch in ([FIRST], *asks(draw, batches=batches)):
            player.batch(batch)
        player.played.last = len(disk.changes)
        player.close()
    return player.played


class _Player:
    """Serves a stock, batch after batch; started again when its writer stopped."""

    def __init__(
        self, number: int, path: Path, disk: RecordedDisk, draw: random.Random, *,
        has_checksums: bool,
    ) -> None:  # fmt: skip
        self.played = Played(number, disk, has_checksums=has_checksums)
        self.storage = disk.name
        self._path = path
        self._draw = draw
        self._page_size = draw.choice(_PAGE_SIZES)
        self._checkpoint_pages = draw.choice((8, 20, 60, 4_000))
        self._clock, self._ids = ManualClock(), SeededIds(number)
        self._heard: list[Heard] = []
        self._service: Service | None = None

    def prepare(self) -> None:
        """A new file has SQLite's own size of pages; smaller ones are torn in other places."""
        if self._page_size == 4096:
            return
        connection = apsw.Connection(str(self._path), vfs=self.storage)
        if self.played.has_checksums:
            turn_on(connection)
        connection.pragma("page_size", self._page_size)
        connection.pragma("journal_mode", "wal")
        connection.close()

    def serve(self) -> None:
        """Start; where the disk does not let it, nobody is told anything any more."""
        service = Service(
            self._path, storage=self.storage, clock=self._clock, ids=self._ids,
            checkpoint_pages=self._checkpoint_pages, on_answer=self._told,
            has_checksums=self.played.has_checksums,
        )  # fmt: skip
        try:
            service.open()
        except StartError:
            self._service = None
        else:
            self._service = service

    def close(self) -> None:
        """Stop."""
        if self._service is not None:
            self._service.close()

    def batch(self, batch: list[Ask]) -> None:
        """One batch, told; now and then the data layer is stopped before it, and started."""
        is_over = self._service is not None and self._service.database.state == "stopped"
        if self._draw.random() < 0.05 or is_over:
            self.close()
            self.serve()
        service, played = self._service, self.played
        self._clock.advance(seconds=self._draw.choice((0, 0.001, 5)))
        if service is None:
            return
        self._heard.clear()
        played.disk.mark(("begun", len(played.history.batches)))
        for ask in batch:
            service.ask(ask)
        service.turn()
        played.history.take(self._heard)
        played.told_after.append(len(played.disk.changes))

    def _told(self, heard: Heard) -> None:
        self._heard.append(heard)
        self.played.disk.mark(("told", len(self.played.history.batches)))


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
