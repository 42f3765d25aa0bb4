"""
The writer's thread: one batch of what waits, one commit, one wake-up, and nobody forgotten.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.db import Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import (
    AlreadyExists,
    DeadlineExceeded,
    OutcomeUnknown,
    Overloaded,
    Unavailable,
)
from freehold.testing.faults import FaultyDisk
from freehold.wire.limits import Limits
from tests.drivers.ledger import (
    LONG_S,
    Asked,
    adding,
    entries,
    ledger,
    served,
)


class Held:
    """A mutation that keeps the writer until it is let go, so that others wait behind it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()
        self.call = Asked(self._run)

    def _run(self, db: Writer) -> str:
        self.begun.set()
        assert self.open.wait(LONG_S)
        return adding("held")(db)

    def submit(self, database: SqliteDatabase) -> None:
        """Hand it over and wait until the writer is in it."""
        database.submit(self.call)
        assert self.begun.wait(LONG_S)


def submit_all(database: SqliteDatabase, *calls: Asked) -> None:
    for call in calls:
        database.submit(call)


def test_what_waits_is_one_batch_one_commit_and_one_wake_up(ram: Path) -> None:
    """Two hundred callers behind one: two batches, two fsyncs, two turns of the loop."""
    with (
        FaultyDisk() as disk,
        ledger(ram / "ledger.db", storage=disk.name) as database,
        served(database) as loop,
    ):
        held = Held()
        batches = database.commits.batches
        disk.forget()
        held.submit(database)
        calls = [Asked(adding(str(number))) for number in range(200)]
        submit_all(database, *calls)
        held.open.set()
        loop.answered(held.call, *calls)

        assert loop.wake_ups == 2
        assert disk.count("sync", where="log") == 2
        assert database.commits.batches == batches + 2
        assert [call.seq for call in calls] == list(range(3, 203))
        assert database.read(entries) == ["held", *(call.value for call in calls)]


@pytest.mark.parametrize("waiting", [7, 8, 9, 16, 17])
def test_no_batch_is_larger_than_the_limit(ram: Path, waiting: int) -> None:
    """At the limit it is one batch, one past it is two."""
    limits = Limits(batch_size_max=8)
    with ledger(ram / "ledger.db", limits=limits) as database, served(database) as loop:
        held = Held()
        held.submit(database)
        calls = [Asked(adding(str(number))) for number in range(waiting)]
        submit_all(database, *calls)
        held.open.set()
        loop.answered(held.call, *calls)

        assert loop.wake_ups == 1 + -(-waiting // 8)
        assert [call.value for call in calls] == [str(number) for number in range(waiting)]


def test_the_calls_of_a_batch_are_told_in_their_order(ram: Path) -> None:
    """Those that failed in between, too."""
    with ledger(ram / "ledger.db") as database, served(database) as loop:
        order: list[Asked] = []
        held = Held()
        held.submit(database)
        names = ["a", "b", "a", "c", "b", "d"]
        calls = [Asked(adding(name), told=order.append) for name in names]
        submit_all(database, *calls)
        held.open.set()
        loop.answered(*calls)

        assert order == calls
        assert [type(call.error) for call in calls] == [
            type(None),
            type(None),
            AlreadyExists,
            type(None),
            AlreadyExists,
            type(None),
        ]
        assert [call.seq for call in calls] == [3, 4, 6, 5, 6, 6]


def test_too_many_waiting_are_refused_at_once(ram: Path) -> None:
    """At the limit they wait, one past it is told to come again; those that wait are done."""
    limits = Limits(queue_length_max=5)
    with ledger(ram / "ledger.db", limits=limits) as database, served(database) as loop:
        held = Held()
        held.submit(database)
        calls = [Asked(adding(str(number))) for number in range(5)]
        submit_all(database, *calls)
        refused = Asked(adding("refused"))
        database.submit(refused)

        assert isinstance(refused.error, Overloaded)
        assert refused.error.retryable
        assert refused.error.retry_after_s >= 1
        assert not any(call.is_answered for call in calls)
        held.open.set()
        loop.answered(held.call, *calls)
        assert all(call.error is None for call in calls)
        assert "refused" not in database.read(entries)


def test_a_deadline_is_looked_at_before_the_start(ram: Path) -> None:
    """Too late is never run; and later in the same batch time goes by too."""
    clock = ManualClock()
    with ledger(ram / "ledger.db", clock=clock) as database, served(database) as loop:
        held = Held()
        held.submit(database)

        def takes_long(db: Writer) -> str:
            clock.advance(seconds=10)
            return adding("slow")(db)

        second = 1_000_000_000
        in_time = Asked(adding("in time"), deadline_ns=clock.monotonic_ns() + second)
        slow = Asked(takes_long, deadline_ns=clock.monotonic_ns() + second)
        late = Asked(adding("late"), deadline_ns=clock.monotonic_ns() + 10 * second)
        withdrawn = Asked(adding("withdrawn"))
        later = Asked(adding("later"), deadline_ns=clock.monotonic_ns() + 10 * second + 1)
        submit_all(database, in_time, slow, late, withdrawn, later)
        withdrawn.deadline_ns = 0
        held.open.set()
        loop.answered(in_time, slow, late, withdrawn, later)

        for call in (late, withdrawn):
            assert isinstance(call.error, DeadlineExceeded)
            assert call.error.outcome == "failed"
        assert database.read(entries) == ["held", "in time", "slow", "later"]


def test_a_caller_that_goes_away_while_it_runs_changes_nothing(ram: Path) -> None:
    """Once begun it goes its way: it is committed, and told."""
    with ledger(ram / "ledger.db") as database, served(database) as loop:
        held = Held()
        held.submit(database)
        held.call.deadline_ns = 0
        held.open.set()
        loop.answered(held.call)

        assert held.call.value == "held"


def test_closing_drains_what_waits(ram: Path) -> None:
    """Also more than one batch of it."""
    limits = Limits(batch_size_max=8)
    with ledger(ram / "ledger.db", limits=limits) as database, served(database) as loop:
        held = Held()
        held.submit(database)
        calls = [Asked(adding(str(number))) for number in range(50)]
        submit_all(database, *calls)
        closing = threading.Thread(target=database.close)
        closing.start()
        held.open.set()
        closing.join(LONG_S)
        loop.answered(held.call, *calls)

        assert [call.value for call in calls] == [str(number) for number in range(50)]
    with ledger(ram / "ledger.db", begin=False) as database:
        assert len(database.read(entries)) == 51


# --- the writer stops -------------------------------------------------------------------


def test_a_failed_commit_stops_the_writer_and_everybody_hears(ram: Path) -> None:
    """The batch is unknown; who waits behind it, comes later, or waits in process: refused."""
    with (
        FaultyDisk() as disk,
        ledger(ram / "ledger.db", storage=disk.name) as database,
        served(database) as loop,
    ):
        stopped: list[BaseException] = []
        database.broken = stopped.append
        held, behind = Held(), Asked(adding("behind"))
        held.submit(database)
        database.submit(behind)
        disk.fail("sync", where="log")
        held.open.set()
        loop.answered(held.call, behind)
        later = Asked(adding("later"))
        database.submit(later)
        with pytest.raises(Unavailable):
            database.write(adding("in process"))

        assert isinstance(held.call.error, OutcomeUnknown)
        assert [type(call.error) for call in (behind, later)] == [Unavailable] * 2
        assert len(stopped) == 1
        assert database.state == "stopped"
        reading = Asked(entries)
        database.run_query(reading)
        assert reading.value == []


@pytest.mark.parametrize("point", ["before commit", "after commit"])
def test_a_writer_that_dies_of_a_defect_leaves_nobody_waiting(ram: Path, point: str) -> None:
    """Whatever was raised: the batch and all behind it are answered, and the owner is told."""
    armed: list[str] = []

    def crash(reached: str) -> None:
        if reached in armed:
            raise SystemError("a defect of ours")

    with ledger(ram / "ledger.db", crash=crash) as database, served(database) as loop:
        stopped: list[BaseException] = []
        database.broken = stopped.append
        held = Held()
        held.submit(database)
        calls = [Asked(adding(str(number))) for number in range(3)]
        submit_all(database, *calls)
        armed.append(point)
        held.open.set()
        loop.answered(held.call, *calls)

        expected = type(None) if point == "after commit" else Unavailable
        assert type(held.call.error) is expected
        assert [type(call.error) for call in calls] == [Unavailable] * 3
        assert [type(error) for error in stopped] == [SystemError]
        with pytest.raises(Unavailable):
            database.write(adding("later"))
        assert database.read(entries) == (["held"] if point == "after commit" else [])


def test_an_owner_that_cannot_be_told_changes_nothing(ram: Path) -> None:
    """A defect in the callback must not hide the first one."""

    def fails(_: BaseException) -> None:
        raise ZeroDivisionError

    with (
        FaultyDisk() as disk,
        ledger(ram / "ledger.db", storage=disk.name) as database,
        served(database) as loop,
    ):
        database.broken = fails
        disk.fail("sync", where="log")
        calls = [Asked(adding(str(number))) for number in range(3)]
        submit_all(database, *calls)
        loop.answered(*calls)

        assert all(call.error is not None for call in calls)


def test_one_caller_that_cannot_be_told_does_not_cost_the_others_their_answer(
    ram: Path,
) -> None:
    """Neither of `done` and `failed` raises; should one, the rest of the batch is told."""

    class Deaf(Asked):
        def done(self, seq: int, value: Any, /) -> None:
            raise ZeroDivisionError

    with ledger(ram / "ledger.db") as database, served(database) as loop:
        held, deaf, good = Held(), Deaf(adding("deaf")), Asked(adding("good"))
        held.submit(database)
        submit_all(database, deaf, good)
        held.open.set()
        loop.answered(held.call, good)

        assert good.value == "good"
        assert database.write(adding("next")) == "next"


def test_a_writer_with_nothing_to_do_does_nothing(ram: Path) -> None:
    """It waits in its queue; no turn of a loop, no look at a clock."""

    class CountingClock(ManualClock):
        looks = 0

        def monotonic_ns(self) -> int:
            self.looks += 1
            return super().monotonic_ns()

    clock = CountingClock()
    with ledger(ram / "ledger.db", clock=clock) as database, served(database):
        database.write(adding("a"))
        looks, used = clock.looks, time.process_time()
        threading.Event().wait(0.3)

        assert clock.looks == looks
        assert time.process_time() - used < 0.1


def test_the_order_of_arrival_is_the_order_of_commits(ram: Path) -> None:
    """Over many batches, from one thread that submits as fast as it can."""
    with ledger(ram / "ledger.db") as database, served(database) as loop:
        told: list[Asked] = []
        calls = [Asked(adding(str(number)), told=told.append) for number in range(2_000)]
        submit_all(database, *calls)
        loop.answered(*calls)

        assert told == calls
        assert [call.seq for call in calls] == list(range(2, 2_002))
