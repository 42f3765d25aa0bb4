"""
What takes too long ends, alone, with an outcome that is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from freehold.db import Reader, Writer
from freehold.errors import DeadlineExceeded, Overloaded
from freehold.wire.limits import Limits
from tests.drivers.ledger import THE_TOTAL, Asked, Total, add, adding, entries, sql, sql_value
from tests.drivers_postgres.ledger import Waited, batch, mutate, names, outsider, query, served

BATCH = 8
QUICK = Limits(mutation_time_ms_max=300, statement_time_ms_max=300)
_SLEEP = sql_value("SELECT 1 AS value FROM (SELECT pg_sleep(30)) AS slept")
_NAP = sql_value("SELECT 1 AS value FROM (SELECT pg_sleep(0.1)) AS slept")


@asynccontextmanager
async def held(url: str, statement: str) -> AsyncIterator[Any]:
    """A program beside us is in the middle of a transaction."""
    async with outsider(url) as beside:
        await beside.execute(f"BEGIN; {statement}")
        yield beside
        await beside.execute("ROLLBACK")


@pytest.mark.parametrize("place", range(BATCH))
def test_a_mutation_that_sleeps_ends_alone(url: str, place: int) -> None:
    """Its statement is interrupted, it is not run again, and the others do not notice."""
    runs: list[int] = []

    def sleeps(db: Writer) -> None:
        runs.append(1)
        add(db, "never")
        db.scalar(_SLEEP)

    async def run() -> None:
        async with served(url, limits=QUICK) as database:
            good = [str(number) for number in range(BATCH - 1)]
            mutations: list[Any] = [adding(name) for name in good]
            mutations.insert(place, sleeps)
            calls = await batch(database, mutations)
            bad = calls.pop(place)
            assert isinstance(bad.error, DeadlineExceeded)
            assert [call.value for call in calls] == good
            assert [call.seq for call in calls] == list(range(2, BATCH + 1))
            assert await names(database) == good
        # Interrupted once; before, the batch may have been run without knowing of it.
        assert len(runs) <= 2

    asyncio.run(run())


def test_many_short_statements_are_too_long_together(url: str) -> None:
    """The function has its time, however it spends it; catching everything does not help."""

    def naps(db: Writer) -> str:
        with contextlib.suppress(BaseException):
            for _ in range(100):
                db.scalar(_NAP)
        return add(db, "never")

    async def run() -> None:
        async with served(url, limits=QUICK) as database:
            began = time.monotonic()
            calls = await batch(database, [naps, adding("a")])
            assert isinstance(calls[0].error, DeadlineExceeded)
            assert calls[1].value == "a"
            assert time.monotonic() - began < 5
            assert await names(database) == ["a"]

    asyncio.run(run())


def test_the_wait_for_the_writer_s_lock_has_a_bound(url: str) -> None:
    """Another process holds it: `overloaded` and nothing was written; then it goes on."""

    async def run() -> None:
        async with served(url, limits=QUICK) as database:
            lock = 'LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE'
            async with held(url, lock):
                began = time.monotonic()
                calls = await batch(database, [adding("a"), adding("b")])
                assert [type(call.error) for call in calls] == [Overloaded, Overloaded]
                assert time.monotonic() - began < 3
                # Queries wait for no writer.
                assert await names(database) == []
            assert (await mutate(database, adding("c"))).seq == 2
            assert await names(database) == ["c"]

    asyncio.run(run())


def test_the_wait_for_a_row_has_a_bound(url: str) -> None:
    """A program beside us holds a row: only who wants that row hears `deadline_exceeded`."""

    async def run() -> None:
        async with served(url, limits=QUICK) as database:
            await mutate(database, lambda db: db.insert(Total(id="other")).amount)
            async with held(url, "UPDATE totals SET amount = 1 WHERE id = 'other'"):

                def wants_it(db: Writer) -> None:
                    db.execute(sql("UPDATE totals SET amount = 2 WHERE id = 'other'"))

                calls = await batch(database, [adding("a"), wants_it, adding("b")])
                assert isinstance(calls[1].error, DeadlineExceeded)
                assert [calls[0].value, calls[2].value] == ["a", "b"]
            assert (await mutate(database, wants_it)).error is None

    asyncio.run(run())


def test_a_query_that_runs_too_long_is_interrupted(url: str) -> None:
    """With one statement or in a snapshot; its connection serves the next."""

    def two(db: Reader) -> None:
        db.get(Total, THE_TOTAL)
        db.scalar(_SLEEP)

    def naps(db: Reader) -> None:
        for _ in range(100):
            db.scalar(_NAP)

    async def run() -> None:
        limits = Limits(statement_time_ms_max=300, reader_connections_max=1)
        async with served(url, limits=limits) as database:
            for late in (lambda db: db.scalar(_SLEEP), two, naps):
                began = time.monotonic()
                call = await query(database, late, method=f"Ledger.{late.__name__}")
                assert isinstance(call.error, DeadlineExceeded), call.answers
                assert time.monotonic() - began < 3
                assert await names(database) == []

    asyncio.run(run())


def test_a_query_whose_time_is_up_is_not_begun(url: str) -> None:
    """It waits behind a long one, and its caller has given up."""

    async def run() -> None:
        limits = Limits(statement_time_ms_max=300, reader_connections_max=1)
        async with served(url, limits=limits) as database:
            await query(database, entries, method="Ledger.entries")
            ran: list[int] = []
            long = Waited(lambda db: db.scalar(_SLEEP), method="Ledger.long")
            late = Waited(lambda _: ran.append(1), deadline_ns=1)
            database.run_query(long)
            database.run_query(late)
            await late.answered()
            await long.answered()
            assert isinstance(late.error, DeadlineExceeded)
            assert ran == []

    asyncio.run(run())


def test_the_loop_is_free_while_a_statement_runs(url: str) -> None:
    """A slow mutation and slow queries hold up neither the loop nor each other."""

    async def run() -> None:
        async with served(url) as database:
            turns = 0
            calls: list[Asked] = [Waited(lambda db: db.scalar(_NAP)) for _ in range(3)]
            database.submit(calls[0])
            database.run_query(calls[1])
            database.run_query(calls[2])
            while not all(call.is_answered for call in calls):
                turns += 1
                await asyncio.sleep(0.001)
            assert turns > 20

    asyncio.run(run())
