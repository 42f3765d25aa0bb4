"""
Marks: how a process finds out whether a COMMIT of its own is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from freehold.drivers.postgres.doubt import marking, new_mark, was_committed
from freehold.drivers.postgres.line import Line, connect
from tests.drivers.ledger import adding
from tests.drivers_postgres.ledger import mutate, served

LOCK = 'BEGIN; LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE'


@asynccontextmanager
async def marked(url: str, count: int) -> AsyncIterator[list[Line]]:
    """Connections of as many processes, each with its mark, on a ledger."""
    async with served(url), AsyncExitStack() as stack:
        lines = []
        for _ in range(count):
            line = await connect(url)
            stack.push_async_callback(line.close)
            line.mark = await new_mark(line)
            lines.append(line)
        yield lines


def test_a_commit_is_found_by_who_made_it(url: str) -> None:
    """Not before, and not when another process has made the one of the same number."""

    async def run() -> None:
        async with marked(url, 2) as (a, b):
            assert a.mark != b.mark
            assert not await was_committed(a, 2)
            await b.run(f"{LOCK}; {marking(b.mark, 2)}COMMIT")
            assert not await was_committed(a, 2)
            assert await was_committed(b, 2)
            await a.run(f"{LOCK}; {marking(a.mark, 3)}ROLLBACK")
            assert not await was_committed(a, 3)

    asyncio.run(run())


def test_the_answer_waits_until_the_transaction_has_ended(url: str) -> None:
    """The old connection may still be in its COMMIT: whoever asks is told what came of it."""

    async def run() -> None:
        async with marked(url, 1) as (old,):
            new = await connect(url)
            try:
                new.mark = old.mark
                await old.run(f"{LOCK}; {marking(old.mark, 2)}")
                asked = asyncio.create_task(was_committed(new, 2))
                done, _ = await asyncio.wait([asked], timeout=0.3)
                assert not done
                await old.run("COMMIT")
                assert await asked
            finally:
                await new.close()

    asyncio.run(run())


def test_a_mark_that_was_swept_comes_back_with_the_next_commit(url: str) -> None:
    """Only the marks of processes that are far behind are swept, and none is needed to write."""

    async def run() -> None:
        async with marked(url, 2) as (a, b):
            await a.run('UPDATE "_freehold_meta" SET "seq" = 5000000')
            await new_mark(b)
            assert await a.fetch('SELECT count(*), 0 FROM "_freehold_marks"', ()) == [(1, 0)]
            await a.run(f"{LOCK}; {marking(a.mark, 5_000_001)}COMMIT")
            assert await was_committed(a, 5_000_001)

    asyncio.run(run())


def test_a_lock_that_is_not_to_be_had_leaves_the_doubt(url: str) -> None:
    """Nobody guesses: the one who asks hears an error, and asks again on a new connection."""

    async def run() -> None:
        async with marked(url, 2) as (a, b):
            await b.run(LOCK)
            with pytest.raises(asyncpg.LockNotAvailableError):
                await was_committed(a, 2)

    asyncio.run(run())


def test_one_process_has_one_mark(url: str) -> None:
    """However often it loses its connection."""

    async def run() -> None:
        async with served(url) as database:
            for number in range(3):
                assert (await mutate(database, adding(str(number)))).error is None
                beside = await connect(url)
                await beside.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "application_name = 'freehold' AND pid <> pg_backend_pid() "
                    "AND query LIKE '%_freehold_marks%'"
                )
                await beside.close()
            line = await connect(url)
            assert await line.fetch('SELECT count(*), max("seq") FROM "_freehold_marks"', ()) == [
                (1, 4)
            ]
            await line.close()

    asyncio.run(run())
