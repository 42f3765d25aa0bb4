"""
A batch of eight in which one goes wrong, in every way and in every place: the others do not
notice, and the guilty one hears what it would hear on SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from freehold.db import Writer
from freehold.drivers.postgres.bridge import wait
from freehold.errors import (
    AlreadyExists,
    CallError,
    DeadlineExceeded,
    ReferenceBroken,
    RuleBroken,
    SeqNotReached,
    StatementError,
    Unavailable,
)
from tests.drivers.ledger import THE_TOTAL, Entry, Total, add, adding, sql, sql_value
from tests.drivers_postgres.ledger import Waited, batch, mutate, names, outsider, served

BATCH = 8


class Refusal(CallError):
    """An application's own error."""


def raise_before_a_write(db: Writer) -> None:
    raise Refusal("not today")


def raise_after_a_write(db: Writer) -> None:
    add(db, "never")
    raise Refusal("on second thoughts")


def break_a_defect(db: Writer) -> None:
    add(db, "never")
    raise ZeroDivisionError("a defect")


def raise_an_os_error(db: Writer) -> None:
    add(db, "never")
    raise FileNotFoundError("no lost connection")


def insert_the_same_key(db: Writer) -> None:
    db.insert(Total(id=THE_TOTAL))


def insert_the_same_key_after_a_write(db: Writer) -> None:
    add(db, "never")
    db.insert(Total(id=THE_TOTAL))


def break_a_reference(db: Writer) -> None:
    db.insert(Entry(id="x", total_id="nobody", place=0))


def break_a_check(db: Writer) -> None:
    db.insert(Total(id="rich", amount=1_000_000))


def break_a_trigger(db: Writer) -> None:
    db.insert(Entry(id="x", total_id=THE_TOTAL, place=-1))


def write_nonsense(db: Writer) -> None:
    db.execute(sql("UPDATE nothing SET here = 1"))


def divide_by_zero(db: Writer) -> None:
    add(db, "never")
    db.execute(sql("UPDATE totals SET amount = 1 / 0"))


GUILTY: list[tuple[Callable[[Writer], Any], type[BaseException]]] = [
    (raise_before_a_write, Refusal),
    (raise_after_a_write, Refusal),
    (break_a_defect, ZeroDivisionError),
    (raise_an_os_error, FileNotFoundError),
    (insert_the_same_key, AlreadyExists),
    (insert_the_same_key_after_a_write, AlreadyExists),
    (break_a_reference, ReferenceBroken),
    (break_a_check, RuleBroken),
    (break_a_trigger, RuleBroken),
    (write_nonsense, StatementError),
    (divide_by_zero, Exception),
]


@pytest.mark.parametrize(("guilty", "expected"), GUILTY)
def test_one_goes_wrong_in_every_place_of_a_batch(
    url: str, guilty: Callable[[Writer], Any], expected: type[BaseException]
) -> None:
    """The seven others are there, in order, with their seqs; the guilty one left nothing."""

    async def run() -> None:
        async with served(url) as database:
            wanted: list[str] = []
            for place in range(BATCH):
                good = [f"{place}.{number}" for number in range(BATCH - 1)]
                runs: list[Any] = [adding(name) for name in good]
                runs.insert(place, guilty)

                # Another method each time: one that is known as guilty takes the other way.
                calls = await batch(database, runs, method=f"Ledger.way{place}")

                bad = calls.pop(place)
                assert isinstance(bad.error, expected), bad.answers
                assert [call.value for call in calls] == good
                first = 2 + len(wanted)
                assert [call.seq for call in calls] == list(range(first, first + len(good)))
                wanted += good
                assert await names(database) == wanted

                # Again, now that the driver remembers.
                (again,) = await batch(database, [guilty], method=f"Ledger.way{place}")
                assert isinstance(again.error, expected), again.answers
            assert database.seq == 1 + len(wanted)

    asyncio.run(run())


def catches_it(name: str) -> Callable[[Writer], str]:
    """A function that tries, is refused, and goes another way."""

    def run(db: Writer) -> str:
        try:
            db.insert(Total(id=THE_TOTAL))
        except AlreadyExists:
            return add(db, name)
        raise AssertionError("it must have been refused")

    return run


def swallows_everything(name: str) -> Callable[[Writer], str]:
    """A function that does not want to know."""

    def run(db: Writer) -> str:
        with contextlib.suppress(BaseException):
            db.insert(Total(id=THE_TOTAL))
        return add(db, name)

    return run


@pytest.mark.parametrize("caught", [catches_it, swallows_everything])
def test_a_refusal_that_the_function_catches_is_only_a_branch(
    url: str, caught: Callable[[str], Callable[[Writer], str]]
) -> None:
    """As on SQLite it goes on after it, wherever it is in its batch."""

    async def run() -> None:
        async with served(url) as database:
            wanted: list[str] = []
            for place in range(BATCH):
                good = [f"{place}.{number}" for number in range(BATCH)]
                runs = [adding(name) for name in good]
                runs[place] = caught(good[place])
                calls = await batch(database, runs, method=f"Ledger.way{place}")
                assert [call.value for call in calls] == good
                wanted += good
                assert [call.seq for call in calls] == list(
                    range(len(wanted) - BATCH + 2, len(wanted) + 2)
                )
            assert await names(database) == wanted

    asyncio.run(run())


DEFERRED = """
    CREATE TABLE parents (id INT PRIMARY KEY);
    CREATE TABLE children (
        id INT PRIMARY KEY, parent INT REFERENCES parents DEFERRABLE INITIALLY DEFERRED
    )
"""


def test_a_constraint_that_waits_for_the_end_refuses_only_its_own(url: str) -> None:
    """A deferred key fails at COMMIT, which is everybody's; it is found out whose it was."""

    def orphan(db: Writer) -> None:
        add(db, "never")
        db.execute(sql("INSERT INTO children VALUES (1, 99)"))

    def child_first(name: str) -> Callable[[Writer], str]:
        def run(db: Writer) -> str:
            number = int(name.replace(".", ""))
            db.execute(sql(f"INSERT INTO children VALUES ({number + 1000}, {number})"))
            db.execute(sql(f"INSERT INTO parents VALUES ({number})"))
            return add(db, name)

        return run

    async def run() -> None:
        async with served(url) as database, outsider(url) as beside:
            await beside.execute(DEFERRED)
            wanted: list[str] = []
            for place in range(BATCH):
                good = [f"{place}.{number}" for number in range(BATCH - 1)]
                runs: list[Any] = [child_first(name) for name in good]
                runs.insert(place, orphan)
                calls = await batch(database, runs, method=f"Ledger.way{place}")
                bad = calls.pop(place)
                assert isinstance(bad.error, ReferenceBroken), bad.answers
                assert [call.value for call in calls] == good
                wanted += good
            assert isinstance((await mutate(database, orphan)).error, ReferenceBroken)
            assert await names(database) == wanted

    asyncio.run(run())


def test_all_of_a_batch_go_wrong(url: str) -> None:
    """Eight mistakes of eight kinds in one batch: each hears of its own, and nothing is there."""

    async def run() -> None:
        async with served(url) as database:
            calls = await batch(database, [guilty for guilty, _ in GUILTY])
            for call, (_, expected) in zip(calls, GUILTY, strict=True):
                assert isinstance(call.error, expected), call.answers
            assert await names(database) == []
            assert database.seq == 1

    asyncio.run(run())


def test_an_aborted_transaction_is_never_answered_ok(url: str) -> None:
    """COMMIT of an aborted transaction is no error to the server; here nobody hears `ok` of it."""

    async def spoil(connection: Any) -> None:
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await connection.execute("SELECT 1 / 0")

    def behind_our_back(db: Writer) -> str:
        """Past the handle, so that nothing of it is seen but at the end."""
        add(db, "spoiled")
        wait(spoil(db._link._line.connection))  # type: ignore[attr-defined]
        return "spoiled"

    async def run() -> None:
        async with served(url) as database:
            calls = await batch(database, [adding("a"), behind_our_back])
            assert [type(call.error) for call in calls] == [Unavailable, Unavailable]
            assert (await mutate(database, adding("b"))).seq == 2
            assert await names(database) == ["b"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT", "ROLLBACK", "END", "ABORT", "BEGIN", "SAVEPOINT fh_mutation",
        "RELEASE SAVEPOINT fh_statement", "/* a remark */ COMMIT", "PREPARE TRANSACTION 'x'",
        "COMMIT AND CHAIN", "ROLLBACK AND CHAIN",
    ],
)  # fmt: skip
def test_a_function_cannot_end_the_transaction(url: str, text: str) -> None:
    """What a function says of transactions is refused, and its neighbours do not notice."""

    def ends_it(db: Writer) -> str:
        add(db, "never")
        db.execute(sql(text))
        return add(db, "never either")

    async def run() -> None:
        async with served(url) as database:
            calls = await batch(database, [adding("a"), ends_it, adding("b")])
            assert [call.error is None for call in calls] == [True, False, True], [
                call.answers for call in calls
            ]
            assert [calls[0].seq, calls[2].seq] == [2, 3]
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


@pytest.mark.parametrize("text", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN"])
def test_a_function_cannot_end_the_transaction_by_reading(url: str, text: str) -> None:
    """The same by a text that says it has columns."""

    def ends_it(db: Writer) -> str:
        add(db, "never")
        db.scalar(sql_value(text))
        return add(db, "never either")

    async def run() -> None:
        async with served(url) as database:
            calls = await batch(database, [adding("a"), ends_it, adding("b")])
            assert [call.error is None for call in calls] == [True, False, True]
            assert await names(database) == ["a", "b"]

    asyncio.run(run())


def test_a_call_whose_time_is_up_is_not_begun(url: str) -> None:
    """In every place of a batch; the others keep their seqs."""

    async def run() -> None:
        async with served(url) as database:
            for place in range(BATCH):
                calls = [Waited(adding(f"{place}.{number}")) for number in range(BATCH)]
                calls[place].deadline_ns = 0
                for call in calls:
                    database.submit(call)
                for call in calls:
                    await call.answered()
                late = calls.pop(place)
                assert isinstance(late.error, DeadlineExceeded)
                first = 2 + place * (BATCH - 1)
                assert [call.seq for call in calls] == list(range(first, first + BATCH - 1))
            assert len(await names(database)) == BATCH * (BATCH - 1)

    asyncio.run(run())


def test_a_mutation_that_asks_for_a_commit_to_come_is_refused_alone(url: str) -> None:
    """`SeqNotReached`, unless its own neighbours in the batch reach the commit."""

    async def run() -> None:
        async with served(url) as database:
            calls = [
                Waited(adding("a")),
                Waited(adding("b"), min_seq=2),
                Waited(adding("c"), min_seq=4),
                Waited(adding("d"), min_seq=3),
            ]
            for call in calls:
                database.submit(call)
            a, b, c, d = [await call.answered() for call in calls]
            assert (a.seq, b.seq, d.seq) == (2, 3, 4)
            assert isinstance(c.error, SeqNotReached)
            assert await names(database) == ["a", "b", "d"]

    asyncio.run(run())
