"""
What is done beside the calls while an application is served: kept answers are forgotten and
counted, it is kept when each service key was last used, the pages of files are looked at, and the
wall clock is watched.

What writes goes the way of every mutation, and what reads that of every query, so that neither
holds anybody up for longer than a batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import apsw

from freehold.access import note_uses
from freehold.app.clock_watch import LOOK_EVERY_S
from freehold.app.page_watch import PageWatch
from freehold.clock import SystemClock
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import CallError
from freehold.rpc.idempotency import sweep
from freehold.rpc.live_keys import count_keys

if TYPE_CHECKING:
    from freehold.app.opening import OpenApp

_LOG = logging.getLogger("freehold.app")
EVERY_S: Final = 60.0
#: Rows that one mutation forgets; there are as many of them as it takes.
ROWS_MAX: Final = 1_000
#: Counting may take so much of the time; a long count is the rarer for it.
COUNTING_SHARE: Final = 0.001


@asynccontextmanager
async def kept_house(running: OpenApp, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """Keep house for the length of the block."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_work(running, every_s)), loop.create_task(_watch(running))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await _note_uses(running)


async def _watch(running: OpenApp) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        running.clock_watch.look()


async def _work(running: OpenApp, every_s: float) -> None:
    now_ns = SystemClock().monotonic_ns
    count_at_ns = dict.fromkeys(running.databases, 0)
    watches = [
        (database, PageWatch(database.path))
        for database in running.databases.values()
        if isinstance(database, SqliteDatabase) and database.path is not None
    ]
    while True:
        for name in running.databases:
            began_ns = now_ns()
            if began_ns >= count_at_ns[name]:
                await _count(name, running)
                count_at_ns[name] = began_ns + int((now_ns() - began_ns) / COUNTING_SHARE)
        await asyncio.sleep(every_s)
        await _note_uses(running)
        for database in running.databases.values():
            await _sweep(database)
        for file, watch in watches:
            await _look_at_pages(file, watch)


async def _look_at_pages(database: SqliteDatabase, watch: PageWatch) -> None:
    try:
        database.commits.damages += await asyncio.to_thread(watch.look)
    except (OSError, apsw.Error) as error:
        _LOG.warning("the pages of %s were not looked at: %s", database.path, error)


async def _sweep(database: Any) -> None:
    try:
        # It waits for the writer, which the event loop must not.
        swept = ROWS_MAX
        while swept >= ROWS_MAX:
            swept = await asyncio.to_thread(database.write, lambda db: sweep(db, ROWS_MAX))
    except CallError as error:
        _LOG.warning("kept answers were not swept: %s", error)


async def _count(name: str, running: OpenApp) -> None:
    live = running.dispatcher.live_keys[name]
    before = live.since()
    try:
        counted = await asyncio.to_thread(running.databases[name].read, count_keys)
    except CallError as error:
        _LOG.warning("kept answers were not counted: %s", error)
        return
    live.was_counted(counted, before=before)


async def _note_uses(running: OpenApp) -> None:
    uses = running.authenticator.uses()
    if not uses:
        return
    try:
        await asyncio.to_thread(running.first.write, lambda db: note_uses(db, uses))
    except CallError as error:
        _LOG.warning("when keys were last used was not kept: %s", error)
