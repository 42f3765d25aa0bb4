"""
A small database for the driver's tests, its mutations, and the model they are held against.

A mutation is told by a number. It adds one row that says how many there were before it, and
counts up one row that all share: so rows tell the order, and running twice shows.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import apsw
import sqlalchemy as sa

from freehold.db import IN_PROCESS, Caller, Reader, Writer, select, statement, update
from freehold.drivers.sqlite import Pending, SqliteDatabase
from freehold.ids import SeededIds
from freehold.schema import Check, PrimaryKey, Record, References, Schema, Trigger, Unique

#: No test waits longer for a thread.
LONG_S = 20.0
NEVER_NS = 1 << 62


class Total(
    Record,
    table="totals",
    checks=[Check("amount < 1000000", name="not_too_much")],
):
    """One row that every mutation counts up."""

    id: Annotated[str, PrimaryKey()]
    amount: int = 0


class Entry(
    Record,
    table="entries",
    triggers=[
        Trigger(
            name="refuse_negative",
            when="before",
            event="insert",
            condition="NEW.place = -1",
            refuse="a place is never negative",
        )
    ],
):
    """One row of each mutation."""

    id: Annotated[str, PrimaryKey()]
    total_id: Annotated[str, References("totals.id")]
    place: int
    label: Annotated[str | None, Unique()] = None


SCHEMA = Schema([Total, Entry])
THE_TOTAL = "all"

_ADD = update(Total).where(Total.c.id == THE_TOTAL).values(amount=Total.c.amount + 1)
_ALL = select(Entry).order_by(Entry.c.place)


def sql(text: str) -> Any:
    """Raw SQL as a statement that a function can run."""
    return statement(sa.text(text), into=int)


def sql_value(text: str) -> Any:
    """Raw SQL that selects one column."""
    return statement(sa.text(text).columns(sa.column("value")), into=int)


def add(db: Writer, name: str) -> str:
    """The everyday mutation."""
    place = db.get(Total, THE_TOTAL).amount
    db.insert(Entry(id=name, total_id=THE_TOTAL, place=place))
    db.execute(_ADD)
    return name


def adding(name: str) -> Callable[[Writer], str]:
    """The everyday mutation of that name."""
    return lambda db: add(db, name)


def entries(db: Reader) -> list[str]:
    """The names of all entries, in the order of their places, which must have no gap."""
    rows = db.all(_ALL)
    assert [row.place for row in rows] == list(range(len(rows)))
    assert db.get(Total, THE_TOTAL).amount == len(rows)
    return [row.id for row in rows]


class Asked:
    """A call of `db.ports`, with what it was told."""

    def __init__(
        self,
        run: Callable[[Any], Any],
        *,
        method: str = "Ledger.call",
        min_seq: int = 0,
        deadline_ns: int = NEVER_NS,
        caller: Caller = IN_PROCESS,
        told: Callable[[Asked], None] | None = None,
    ) -> None:
        self.run = run
        self.method = method
        self.min_seq = min_seq
        self.deadline_ns = deadline_ns
        self.caller = caller
        self.answers: list[tuple[int, Any, BaseException | None]] = []
        self._told = told

    def done(self, seq: int, value: Any, /) -> None:
        self._answer(seq, value, None)

    def failed(self, seq: int, error: BaseException, /) -> None:
        self._answer(seq, None, error)

    def _answer(self, seq: int, value: Any, error: BaseException | None) -> None:
        self.answers.append((seq, value, error))
        assert len(self.answers) == 1, "a call is answered once"
        if self._told is not None:
            self._told(self)

    @property
    def is_answered(self) -> bool:
        return bool(self.answers)

    @property
    def seq(self) -> int:
        return self.answers[0][0]

    @property
    def value(self) -> Any:
        _, value, error = self.answers[0]
        if error is not None:
            raise error
        return value

    @property
    def error(self) -> BaseException | None:
        return self.answers[0][2]


class Loop:
    """An event loop's thread without an event loop: what threads hand over waits here."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.wake_ups = 0

    def call_soon(self, run: Callable[[], None]) -> None:
        """From any thread."""
        self._queue.put(run)

    def turn(self, *, until: Callable[[], bool]) -> None:
        """Run what is handed over until that is so; fails after a long time."""
        end = time.monotonic() + LONG_S
        while not until():
            left = end - time.monotonic()
            assert left > 0, "it never came"
            try:
                run = self._queue.get(timeout=min(left, 0.05))
            except queue.Empty:
                continue
            self.wake_ups += 1
            run()

    def answered(self, *calls: Asked) -> None:
        """Run until all of these are answered."""
        self.turn(until=lambda: all(call.is_answered for call in calls))


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for another thread; fails after a long time."""
    end = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < end, "it never came"
        threading.Event().wait(0.001)


def pending(run: Callable[[Any], Any], *, deadline_ns: int = NEVER_NS) -> Pending:
    """A mutation for `step`, outside any thread."""
    return Pending(
        Asked(run, deadline_ns=deadline_ns), now_ns=1_800_000_000_000_000_000, seed=b"s" * 32
    )


def step(database: SqliteDatabase, runs: Sequence[Callable[[Any], Any]]) -> list[Pending]:
    """Run these as one batch; each is told its outcome, exactly once."""
    batch = [pending(run) for run in runs]
    database.commits.step(batch)
    for each in batch:
        each.tell()
    return batch


def create(connection: apsw.Connection, *more: str) -> None:
    """What `open(prepare)` takes: the schema, then raw DDL."""
    for ddl in [*SCHEMA.ddl("sqlite"), *more]:
        connection.execute(ddl)


@contextmanager
def ledger(
    path: Path | None = None, *more: str, begin: bool = True, **options: Any
) -> Iterator[SqliteDatabase]:
    """
    An open ledger with its total.

    Args:
        path: Its file, None for memory.
        *more: DDL beside the schema.
        begin: It is new, so the total is added.
        **options: For `SqliteDatabase`.
    """
    options.setdefault("ids", SeededIds())
    database = SqliteDatabase(path, SCHEMA, **options)
    if begin:
        database.open(lambda connection: create(connection, *more))
    else:
        database.open()
    try:
        if begin:
            database.write(lambda db: db.insert(Total(id=THE_TOTAL)))
        yield database
    finally:
        database.close()


@contextmanager
def served(database: SqliteDatabase) -> Iterator[Loop]:
    """The same with its threads; `ledger` closes it."""
    loop = Loop()
    database.start(loop.call_soon)
    yield loop


@contextmanager
def without_guard(connection: apsw.Connection) -> Iterator[None]:
    """The connection may be told anything, for a moment; for tests that set a pragma."""
    guard = connection.authorizer
    connection.authorizer = None
    try:
        yield
    finally:
        connection.authorizer = guard
