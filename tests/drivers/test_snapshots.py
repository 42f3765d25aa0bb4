"""
What a query sees: one snapshot, whose number it names, and nothing of it survives the query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.db import Reader, Writer, select
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.snapshots import Snapshots
from freehold.errors import (
    DeadlineExceeded,
    NotFound,
    SeqNotReached,
    StatementError,
)
from freehold.testing.faults import FaultyDisk
from tests.drivers.ledger import (
    NEVER_NS,
    THE_TOTAL,
    Asked,
    Loop,
    Total,
    adding,
    entries,
    ledger,
    served,
    sql_value,
    step,
)
from tests.drivers.share import share

_ENDLESS = sql_value(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
)


class TickingClock:
    """Every look at it costs a millisecond: work is time, and nothing else is."""

    def __init__(self) -> None:
        self.now_ns = 0

    def wall_ns(self) -> int:
        return 1_800_000_000_000_000_000 + self.now_ns

    def monotonic_ns(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns


def amount(db: Reader) -> int:
    """One statement. The total was made by commit 1, and each later commit adds one."""
    return db.get(Total, THE_TOTAL).amount


def amounts(db: Reader) -> tuple[int, int, int]:
    """Several statements."""
    return amount(db), len(db.all(select(Total))) - 1 + amount(db), amount(db)


def ask(database: SqliteDatabase, run: Callable[[Reader], Any], **options: Any) -> Asked:
    """A query that is answered before `run_query` returns."""
    call = Asked(run, **options)
    database.run_query(call)
    return call


def inline(database: SqliteDatabase) -> Snapshots:
    """The connection on which queries run inline."""
    assert database._inline is not None
    return database._inline


def assert_nothing_is_open(database: SqliteDatabase) -> None:
    """No read transaction, and no query that others could be part of."""
    connection = inline(database).connection
    assert connection.get_autocommit()
    assert connection.txn_state() == apsw.SQLITE_TXN_NONE
    call = ask(database, amount)
    assert call.value == call.seq - 1


# --- the number of a snapshot -----------------------------------------------------------


@contextmanager
def writing_all_the_time(database: SqliteDatabase, loop: Loop) -> Iterator[None]:
    """Sixteen callers who write again as soon as they are answered."""
    is_going = [True]

    def again(call: Asked) -> None:
        assert call.value == call.seq - 2
        if is_going[0]:
            database.submit(Asked(count_up, told=again))

    calls = [Asked(count_up, told=again) for _ in range(16)]
    for call in calls:
        database.submit(call)
    yield
    is_going[0] = False


def count_up(db: Writer) -> int:
    before = amount(db)
    db.update(Total, THE_TOTAL, {"amount": before + 1})
    return before


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("where", ["memory", "disk that is slow to sync"])
def test_the_seq_of_a_query_is_its_snapshot(ram: Path, where: str) -> None:
    """
    While a writer commits all the time: commit n leaves n - 1, and every query that says
    `seq` n must have seen n - 1, inline and on threads, in one statement or in several.
    """
    reads, kinds = 0, {"one": amount, "several": amounts, "thread": amount, "threads": amounts}
    with FaultyDisk() as disk:
        slow = where != "memory"
        path, storage = (ram / "ledger.db", disk.name) if slow else (None, None)
        with ledger(path, storage=storage) as database, served(database) as loop:
            disk.slow("sync", seconds=0.002)
            database.always_on_thread("thread")
            database.always_on_thread("threads")
            waiting: list[Asked] = []

            def check(call: Asked) -> None:
                expected = call.seq - 1
                assert call.value in (expected, (expected, expected, expected))
                waiting.remove(call)

            with writing_all_the_time(database, loop):
                while reads < share(20_000, 1_000_000):
                    for kind, run in kinds.items():
                        for _ in range(10):
                            call = Asked(run, method=kind, told=check)
                            waiting.append(call)
                            database.run_query(call)
                            reads += 1
                    loop.turn(until=lambda: len(waiting) < 200)
                assert database.seq > 50
            loop.turn(until=lambda: not waiting and database.gauges["writer_queue_length"] == 0)


def test_a_query_sees_one_snapshot_through_all_its_statements(ram: Path) -> None:
    """The writer commits between two of them, and nothing changes for it."""
    with ledger(ram / "ledger.db") as database, served(database):

        def read(db: Reader) -> tuple[int, int]:
            first = amount(db)
            seq = database.seq
            database.write(count_up)
            assert database.seq == seq + 1
            return first, amount(db)

        call = ask(database, read)

        first, second = call.value
        assert first == second
        # Its first run asked a second time outside a transaction, and was run again inside.
        assert call.seq == first + 1
        assert database.seq == call.seq + 1


def test_a_query_waits_for_no_commit_under_way(ram: Path) -> None:
    """While the disk is busy with a COMMIT, queries see the commit before and say so."""
    with FaultyDisk() as disk, ledger(ram / "ledger.db", storage=disk.name) as database:
        seen: list[tuple[int, int]] = []

        def look(point: str) -> None:
            if point == "before commit":
                database.commits.committing = database.seq + 1
                for _ in range(3):
                    call = ask(database, amount)
                    seen.append((call.seq, call.value))

        database.commits._crash = look
        step(database, [count_up])
        step(database, [count_up])

        assert seen == [(1, 0)] * 3 + [(2, 1)] * 3


def test_a_mutation_sees_its_batch_and_a_query_does_not(ram: Path) -> None:
    """Queries never run on the writer's connection, where what is not durable shows."""
    with ledger(ram / "ledger.db") as database:
        seen: list[int] = []

        def second(db: Writer) -> int:
            seen.append(ask(database, amount).value)
            return amount(db)

        batch = step(database, [count_up, second])

        assert batch[1].value == 1
        assert seen == [0]


@pytest.mark.parametrize("min_seq", [0, 1, 2])
def test_a_commit_that_was_answered_can_be_asked_for(min_seq: int) -> None:
    """Read your writes: `min_seq` is at most what this database has."""
    with ledger() as database:
        step(database, [count_up])

        assert ask(database, amount, min_seq=min_seq).value == 1


@pytest.mark.parametrize("reads", [0, 1, 2])
def test_a_query_that_reads_nothing_names_what_it_was_asked_for(reads: int) -> None:
    """Its number is not the one of the last snapshot, which may be long ago."""
    with ledger() as database:
        for _ in range(2):
            first = ask(database, lambda db: [amount(db) for _ in range(reads)], method="same")
            step(database, [count_up])
            call = ask(database, lambda db: "nothing", method="same", min_seq=database.seq)

            assert (call.value, call.seq) == ("nothing", database.seq)
            assert first.seq == database.seq - 1


def test_a_commit_of_another_database_is_refused() -> None:
    """One past the last: the number comes from elsewhere, or from before a restore."""
    with ledger() as database:
        call = ask(database, amount, min_seq=2)

        assert isinstance(call.error, SeqNotReached)
        assert call.seq == 1
        assert call.error.retryable


def test_a_commit_that_a_query_told_of_may_be_asked_for_at_once() -> None:
    """A query sees a COMMIT a moment before the writer's thread says that it is there."""
    with ledger() as database:
        step(database, [count_up])
        # That moment: the engine has committed, and the writer's next line has not run.
        database.commits.seq = database.commits.committing - 1
        seen = ask(database, amounts)
        assert (seen.seq, seen.value) == (2, (1, 1, 1))

        again = ask(database, amount, min_seq=seen.seq)
        beyond = ask(database, amount, min_seq=seen.seq + 1)

        assert again.error is None
        assert (again.seq, again.value) == (2, 1)
        assert isinstance(beyond.error, SeqNotReached)


# --- what a query may not do ------------------------------------------------------------


@pytest.mark.parametrize("several", [False, True], ids=["first", "second"])
@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO totals (id, amount) VALUES ('x', 1) RETURNING amount",
        "UPDATE totals SET amount = 9 RETURNING amount",
        "DELETE FROM totals RETURNING amount",
        "PRAGMA query_only = 0",
        "PRAGMA query_only",
        "ATTACH ':memory:' AS other",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT mine",
        "CREATE TEMP TABLE mine (id INTEGER)",
        "VACUUM",
    ],
)
def test_a_query_reads_and_nothing_else(text: str, several: bool) -> None:
    """As its first statement, and inside the transaction of several."""
    with ledger() as database:

        def run(db: Reader) -> Any:
            if several:
                entries(db)
            return db.all(sql_value(text))

        call = ask(database, run)

        assert isinstance(call.error, StatementError)
        assert_nothing_is_open(database)
        assert database.read(amount) == 0


def test_a_query_has_no_way_to_change() -> None:
    """Not even through what is behind its handle."""
    with ledger() as database:
        call = ask(database, lambda db: db._link.change("DELETE FROM totals", ()))

        assert isinstance(call.error, StatementError)


def test_a_query_cannot_start_another(ram: Path) -> None:
    """It would read from two snapshots and name one; the outer one is not disturbed."""
    with ledger(ram / "ledger.db") as database, served(database):

        def outer(db: Reader) -> tuple[int, BaseException | None, int]:
            return amount(db), ask(database, amount).error, amount(db)

        first, error, second = ask(database, outer).value

        assert isinstance(error, StatementError)
        assert first == second == 0


def test_an_answer_may_ask_the_next_question() -> None:
    """A query that is asked for from within `done` of another: that one is over."""
    with ledger() as database:
        inner: list[Asked] = []
        ask(database, amount, told=lambda _: inner.append(ask(database, amounts)))

        assert inner[0].value == (0, 0, 0)


def test_a_handle_that_was_kept_is_gone() -> None:
    """It reads nothing, instead of another snapshot than the one it was for."""
    kept: list[Reader] = []
    with ledger() as database:
        ask(database, kept.append)
        with pytest.raises(StatementError, match="handle is gone"):
            amount(kept[0])
        assert_nothing_is_open(database)


# --- how a query ends -------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[[Reader], Any]:
    def run(db: Reader) -> Any:
        amount(db)
        raise error

    return run


def _raise_later(error: BaseException) -> Callable[[Reader], Any]:
    def run(db: Reader) -> Any:
        amounts(db)
        raise error

    return run


def _recurse(db: Reader) -> int:
    return _recurse(db) + amount(db)


@pytest.mark.parametrize("make", [_raise, _raise_later])
@pytest.mark.parametrize(
    "error", [NotFound("no."), ValueError("x"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
)
def test_whatever_a_query_raises_the_connection_is_free(
    error: BaseException, make: Callable[[BaseException], Callable[[Reader], Any]]
) -> None:
    """It comes out as it is, and no transaction stays behind."""
    with ledger() as database:
        call = ask(database, make(error))

        assert call.error is error
        assert_nothing_is_open(database)


def test_a_query_that_recurses_too_deep_is_an_error_like_any_other() -> None:
    """And so is one in SQL that never ends, see below."""
    with ledger() as database:
        assert isinstance(ask(database, _recurse).error, RecursionError)
        assert_nothing_is_open(database)


def test_an_endless_query_is_ended() -> None:
    """Without threads to hand it to, at the longest that a query may run."""
    with ledger(clock=TickingClock()) as database:
        for run in (
            lambda db: db.all(_ENDLESS),
            lambda db: (amount(db), db.all(_ENDLESS)),
        ):
            call = ask(database, run, method=f"Ledger.m{id(run)}")
            assert isinstance(call.error, DeadlineExceeded)
            assert_nothing_is_open(database)


def test_swallowing_what_stops_a_query_does_not_help_it() -> None:
    """Neither an answer from half a query nor a second snapshot comes of it."""

    def stubborn(db: Reader) -> str:
        for _ in range(3):
            try:
                db.all(_ENDLESS)
            except BaseException:
                continue
        return "all is well"

    def careless(db: Reader) -> int:
        first = amount(db)
        try:
            return first + amount(db)
        except BaseException:
            return -1

    with ledger(clock=TickingClock()) as database:
        assert isinstance(ask(database, stubborn, method="a").error, DeadlineExceeded)
        assert ask(database, careless, method="b").value == 0
        assert_nothing_is_open(database)


def test_a_call_whose_time_is_up_is_not_begun() -> None:
    """A caller that went away moves its deadline into the past."""
    ran: list[int] = []
    with ledger() as database:
        call = ask(database, lambda _: ran.append(1), deadline_ns=0)
        assert isinstance(call.error, DeadlineExceeded)
        assert ran == []
        assert ask(database, amount, deadline_ns=NEVER_NS).value == 0


def test_a_long_reader_blocks_no_writer(ram: Path) -> None:
    """Commits go on while a snapshot is held, and it stays what it was."""
    with ledger(ram / "ledger.db") as database, database.reading() as db:
        before = amount(db)
        for number in range(50):
            step(database, [adding(str(number))])

        assert amount(db) == before == 0
        assert database.read(amount) == 50
