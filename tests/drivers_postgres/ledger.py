"""
The ledger of the SQLite driver's tests on PostgreSQL, served on the event loop of a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.ids import SeededIds
from freehold.wire.limits import Limits
from tests.drivers.ledger import LONG_S, NEVER_NS, SCHEMA, THE_TOTAL, Asked, Total, entries

Run = Callable[[Any], Any]


@asynccontextmanager
async def served(
    url: str, *, limits: Limits | None = None, begin: bool = True, **options: Any
) -> AsyncIterator[PostgresDatabase]:
    """
    A ledger that takes calls on this loop.

    Args:
        url: Where.
        limits: Its limits.
        begin: It is new, so the total is added: commit 1.
        **options: For `PostgresDatabase`.
    """
    options.setdefault("ids", SeededIds())
    database = PostgresDatabase(Address.parse(url), SCHEMA, limits=limits, **options)
    await asyncio.to_thread(database.open)
    try:
        if begin:
            await asyncio.to_thread(
                database.write, lambda db: db.insert(Total(id=THE_TOTAL)).amount
            )
        database.start(lambda run: run())
        try:
            yield database
        finally:
            await database.finish()
    finally:
        await asyncio.to_thread(database.close)


class Waited(Asked):
    """A call that a coroutine may wait for."""

    def __init__(self, run: Run, **options: Any) -> None:
        self.over = asyncio.Event()
        super().__init__(run, told=lambda _: self.over.set(), **options)

    async def answered(self) -> Waited:
        """Wait for its outcome."""
        async with asyncio.timeout(LONG_S):
            await self.over.wait()
        return self


async def batch(database: PostgresDatabase, runs: Sequence[Run], **options: Any) -> list[Waited]:
    """Submit these in one go, so that the writer takes them as one batch; wait for all."""
    calls = [Waited(run, **options) for run in runs]
    for call in calls:
        database.submit(call)
    return [await call.answered() for call in calls]


async def mutate(database: PostgresDatabase, run: Run, **options: Any) -> Waited:
    """One mutation."""
    return (await batch(database, [run], **options))[0]


async def query(database: PostgresDatabase, run: Run, **options: Any) -> Waited:
    """One query."""
    call = Waited(run, **options)
    database.run_query(call)
    return await call.answered()


async def names(database: PostgresDatabase) -> list[str]:
    """All entries in order; that their places and the total fit is looked at too."""
    found: list[str] = (await query(database, entries, method="Ledger.entries")).value
    return found


@asynccontextmanager
async def outsider(url: str) -> AsyncIterator[Any]:
    """A connection of a program that writes beside the data layer."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


__all__ = ["NEVER_NS", "Waited", "batch", "mutate", "names", "outsider", "query", "served"]
