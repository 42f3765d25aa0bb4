"""A mutation and a query that take too long: ended or moved, and nobody else is hurt."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any

import pytest
import sqlalchemy as sa

from freehold import PrimaryKey, Record, Schema, Writer, statement
from freehold.db import IN_PROCESS, Reader
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import DeadlineExceeded, SeqNotReached
from freehold.wire.limits import Limits

pytestmark = pytest.mark.attack("A29")


class Row(Record, table="rows"):
    """One row."""

    id: Annotated[int, PrimaryKey()]


ENDLESS = statement(
    sa.text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
    .columns(sa.column("i", sa.Integer)),
    into=int,
)  # fmt: skip
ENDLESS_INSERT = statement(
    sa.text(
        "INSERT INTO rows (id) WITH RECURSIVE n(i) AS "
        "(SELECT 1000 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    ),
    into=int,
)


class Asked:
    """A call that keeps its outcome."""

    caller = IN_PROCESS
    method = "Rows.ask"
    deadline_ns = 1 << 62

    def __init__(self, run: Any, *, min_seq: int = 0, method: str = "Rows.ask") -> None:
        self.run = run
        self.min_seq = min_seq
        self.method = method
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.thread = 0

    def done(self, seq: int, value: Any, /) -> None:
        self.ended.set()

    def failed(self, seq: int, error: BaseException, /) -> None:
        self.error = error
        self.ended.set()


def opened(**limits: int) -> SqliteDatabase:
    database = SqliteDatabase(None, Schema([Row]), limits=Limits(**limits))
    database.open()
    database.start(lambda run: run())
    return database


def add(number: int) -> Any:
    def run(db: Writer) -> None:
        db.insert(Row(id=number))

    return run


@pytest.mark.attack("A29")
def test_an_endless_mutation_is_ended_and_only_it() -> None:
    """Whether it reads or writes for ever; those before and behind it are durable."""
    database = opened(mutation_time_ms_max=50)
    try:
        calls = [
            Asked(add(1)),
            Asked(lambda db: db.first(ENDLESS)),
            Asked(add(2)),
            Asked(lambda db: db.execute(ENDLESS_INSERT)),
            Asked(add(3)),
        ]
        for call in calls:
            database.submit(call)
        for call in calls:
            assert call.ended.wait(20)

        assert [type(call.error) for call in calls] == [
            type(None), DeadlineExceeded, type(None), DeadlineExceeded, type(None)
        ]  # fmt: skip
        assert database.read(lambda db: [row.id for row in db.all(Row)]) == [1, 2, 3]
        assert database.state == "ok"
    finally:
        database.close()


@pytest.mark.attack("A29")
def test_a_query_that_is_slow_in_python_leaves_the_loop() -> None:
    """The budget cannot interrupt Python, but it can learn: once seen, once measured, moved."""
    database = opened(inline_budget_ms=1)
    threads = []

    def slow(db: Reader) -> None:
        threads.append(threading.get_ident())
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass

    try:
        for _ in range(3):
            call = Asked(slow, method="Rows.slow")
            database.run_query(call)
            assert call.ended.wait(10)
    finally:
        database.close()

    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, True, False]


def test_a_mutation_asks_for_the_commit_it_must_see() -> None:
    """A caller ahead of the database, after a restore say, writes nothing."""
    database = opened()
    try:
        call = Asked(add(1), min_seq=7)
        database.submit(call)
        assert call.ended.wait(10)

        assert isinstance(call.error, SeqNotReached)
        assert database.seq == 0
    finally:
        database.close()
