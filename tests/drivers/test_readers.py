"""
Queries that take their time: they leave the event loop's thread, and are ended at the last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from freehold.clock import ManualClock
from freehold.db import Reader
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.database import SLOW_FOR_NS
from freehold.errors import DeadlineExceeded, NotFound, Overloaded, Unavailable
from freehold.wire.limits import Limits
from tests.drivers.ledger import (
    LONG_S,
    Asked,
    Loop,
    adding,
    entries,
    ledger,
    served,
    sql_value,
    wait_until,
)
from tests.drivers.test_snapshots import TickingClock, amount

_COUNT_TO = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
_LIGHT = sql_value(_COUNT_TO.format(10) + "SELECT count(*) FROM n")
_MIDDLING = sql_value(_COUNT_TO.format(1_500) + "SELECT count(*) FROM n")
_HEAVY = sql_value(_COUNT_TO.format(300_000) + "SELECT count(*) FROM n")
_ENDLESS = sql_value(_COUNT_TO.format(1 << 62) + "SELECT count(*) FROM n")


def where(db: Reader) -> str:
    """On which thread a query runs."""
    amount(db)
    return threading.current_thread().name


class Gate:
    """A query that holds its snapshot in its function until it is let through."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def run(self, db: Reader) -> int:
        first = amount(db)
        # A second statement: from now on it runs inside a transaction.
        assert amount(db) == first
        self.begun.set()
        # Longer than any test, so that none of them passes because this gave up.
        assert self.open.wait(2 * LONG_S)
        return first


@contextmanager
def on_threads(database: SqliteDatabase) -> Iterator[Loop]:
    """Served, with one method that always runs on threads."""
    with served(database) as loop:
        database.always_on_thread("thread")
        yield loop


def test_a_heavy_query_leaves_the_loop_and_is_answered_from_a_thread() -> None:
    """It is stopped at its budget, run again elsewhere, and others are answered meanwhile."""
    with ledger() as database, served(database) as loop:
        names: list[str] = []

        def run(db: Reader) -> int | None:
            names.append(threading.current_thread().name)
            return db.scalar(_HEAVY)

        heavy, light = Asked(run, method="heavy"), Asked(amount)
        database.run_query(heavy)
        assert not heavy.is_answered
        database.run_query(light)
        assert light.value == 0

        loop.answered(heavy)
        assert heavy.value == 300_000
        assert heavy.seq == 1
        assert names[0] == threading.current_thread().name
        assert names[1].startswith("freehold-reader")


def test_its_method_is_remembered_and_tried_again_after_a_while() -> None:
    """The next call goes straight to a thread; when the time is over, inline it is again."""
    clock = TickingClock()
    with ledger(clock=clock) as database, served(database) as loop:
        first = Asked(lambda db: db.scalar(_HEAVY), method="heavy")
        database.run_query(first)
        second = Asked(where, method="heavy")
        database.run_query(second)
        loop.answered(first, second)
        other = Asked(where, method="other")
        database.run_query(other)
        clock.now_ns += SLOW_FOR_NS
        third = Asked(where, method="heavy")
        database.run_query(third)

        assert second.value.startswith("freehold-reader")
        assert other.value == third.value == threading.current_thread().name


def test_a_method_may_never_run_inline() -> None:
    """However much time goes by."""
    clock = ManualClock()
    with ledger(clock=clock) as database, on_threads(database) as loop:
        clock.advance(seconds=100_000_000)
        call = Asked(where, method="thread")
        database.run_query(call)
        assert not call.is_answered
        loop.answered(call)
        assert call.value.startswith("freehold-reader")


def test_a_small_query_is_not_blamed_for_a_stopped_thread() -> None:
    """Time that goes by while others have the processor is not its own; its steps are few."""
    clock = ManualClock()

    def stopped_for_a_while(db: Reader) -> int | None:
        clock.advance(seconds=1)
        return db.scalar(_LIGHT)

    with ledger(clock=clock) as database, served(database):
        for _ in range(1_000):
            call = Asked(stopped_for_a_while, method="light")
            database.run_query(call)
            assert call.value == 10


def test_a_query_that_is_late_at_its_end_is_answered() -> None:
    """Steps are counted across statements, so the look that comes too late may hit our COMMIT."""
    clock = ManualClock()

    def late_at_the_end(db: Reader) -> int | None:
        found = db.scalar(_MIDDLING)
        amount(db)
        clock.advance(seconds=1)
        return found

    with ledger(clock=clock) as database, served(database):
        for _ in range(200):
            call = Asked(late_at_the_end, method="late")
            database.run_query(call)
            assert call.value == 1_500


def test_a_query_that_runs_too_long_is_ended() -> None:
    """The age of a snapshot is capped, for the log cannot be cut off while it lasts."""
    limits = Limits(statement_time_ms_max=20)
    with ledger(limits=limits) as database, on_threads(database) as loop:
        calls = [Asked(lambda db: db.scalar(_ENDLESS), method="thread") for _ in range(3)]
        for call in calls:
            database.run_query(call)
        loop.answered(*calls)
        after = Asked(where, method="thread")
        database.run_query(after)
        loop.answered(after)

        for call in calls:
            assert isinstance(call.error, DeadlineExceeded)
            assert "20 ms" in call.error.detail
        assert after.value.startswith("freehold-reader")


def test_a_deadline_ends_it_earlier() -> None:
    """Nobody waits for it any more."""
    clock = TickingClock()
    with ledger(clock=clock) as database, on_threads(database) as loop:
        call = Asked(
            lambda db: db.scalar(_ENDLESS), method="thread", deadline_ns=clock.now_ns + 100_000_000
        )
        database.run_query(call)
        loop.answered(call)

        assert isinstance(call.error, DeadlineExceeded)


def test_a_deadline_that_passes_in_the_queue_is_looked_at() -> None:
    """What is withdrawn while it waits is not begun."""
    ran: list[int] = []
    with ledger() as database, on_threads(database) as loop:
        gates = [Gate(), Gate()]
        blocking = [Asked(gate.run, method="thread") for gate in gates]
        withdrawn = Asked(lambda _: ran.append(1), method="thread")
        for call in (*blocking, withdrawn):
            database.run_query(call)
        withdrawn.deadline_ns = 0
        for gate in gates:
            gate.open.set()
        loop.answered(*blocking, withdrawn)

        assert isinstance(withdrawn.error, DeadlineExceeded)
        assert ran == []
        assert [call.value for call in blocking] == [0, 0]


@pytest.mark.parametrize("error", [NotFound("no."), SystemExit(1), KeyboardInterrupt()])
def test_whatever_it_raises_the_thread_goes_on(error: BaseException) -> None:
    """The caller hears it as it is, and the next query finds the threads alive."""

    def fail(db: Reader) -> None:
        entries(db)
        raise error

    with ledger() as database, on_threads(database) as loop:
        calls = [Asked(fail, method="thread") for _ in range(8)]
        for call in calls:
            database.run_query(call)
        loop.answered(*calls)
        after = Asked(where, method="thread")
        database.run_query(after)
        loop.answered(after)

        assert all(call.error is error for call in calls)
        assert after.error is None


def test_too_many_waiting_are_refused() -> None:
    """At the limit they wait, one past it is told to come again."""
    with ledger(limits=Limits(queue_length_max=3)) as database, on_threads(database) as loop:
        gates = [Gate(), Gate()]
        blocking = [Asked(gate.run, method="thread") for gate in gates]
        for call, gate in zip(blocking, gates, strict=True):
            database.run_query(call)
            assert gate.begun.wait(LONG_S)
        waiting = [Asked(amount, method="thread") for _ in range(3)]
        refused = Asked(amount, method="thread")
        for call in (*waiting, refused):
            database.run_query(call)

        assert isinstance(refused.error, Overloaded)
        assert not any(call.is_answered for call in waiting)
        for gate in gates:
            gate.open.set()
        loop.answered(*blocking, *waiting)
        assert all(call.value == 0 for call in waiting)


def test_it_shows_how_old_the_oldest_is() -> None:
    """What holds the log shows in `/metrics`."""
    clock = ManualClock()
    with ledger(clock=clock) as database, on_threads(database) as loop:
        gate = Gate()
        call = Asked(gate.run, method="thread")
        database.run_query(call)
        assert gate.begun.wait(LONG_S)
        clock.advance(seconds=3)

        assert database.gauges["oldest_reader_s"] == 3
        gate.open.set()
        loop.answered(call)
        assert database.gauges["oldest_reader_s"] == 0


def test_closing_answers_the_queries_that_wait() -> None:
    """What runs is finished, what waits is refused at once: nobody waits five seconds each."""
    with ledger() as database, on_threads(database) as loop:
        gates = [Gate(), Gate()]
        running = [Asked(gate.run, method="thread") for gate in gates]
        for call, gate in zip(running, gates, strict=True):
            database.run_query(call)
            assert gate.begun.wait(LONG_S)
        waiting = [Asked(where, method="thread") for _ in range(50)]
        for call in waiting:
            database.run_query(call)
        threads = database._threads
        assert threads is not None
        closing = threading.Thread(target=database.close)
        closing.start()
        wait_until(lambda: threads._is_stopping)
        for gate in gates:
            gate.open.set()
        closing.join(LONG_S)
        loop.answered(*running, *waiting)

        assert [call.value for call in running] == [0, 0]
        assert all(isinstance(call.error, Unavailable) for call in waiting)


def test_writes_go_on_while_queries_are_long() -> None:
    """A thread that holds a snapshot holds up no mutation."""
    with ledger() as database, on_threads(database) as loop:
        gate = Gate()
        long = Asked(gate.run, method="thread")
        database.run_query(long)
        assert gate.begun.wait(LONG_S)

        names = [str(number) for number in range(20)]
        assert [database.write(adding(name)) for name in names] == names
        gate.open.set()
        loop.answered(long)
        assert (long.seq, long.value) == (1, 0)
