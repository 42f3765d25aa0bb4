"""
A mutation or a query whose function is a `with` block: for tests and the command line.

A block cannot be run again, so a mutation's is careful from the start: a refused statement
takes back only itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from freehold.clock import Clock
from freehold.db import Caller, Context, Reader, Writer
from freehold.drivers.postgres.batch import Batches
from freehold.drivers.postgres.line import Line
from freehold.drivers.postgres.links import ReadLink, shut
from freehold.drivers.postgres.readers import end
from freehold.drivers.postgres.refusals import Again, Lost, TimeUp, Wait, refused
from freehold.errors import DeadlineExceeded

_MS = 1_000_000
_MANY = 1 << 30


@contextmanager
def writing_block(
    commits: Batches, line: Line, wait: Wait, *, caller: Caller, now_ns: int, seed: bytes
) -> Iterator[Writer]:
    """One mutation: durable at the end of the block, undone when it raises."""
    with _told(), commits.by_hand(line, wait) as link:
        try:
            yield Writer(link, commits.context, caller, now_ns, seed)
            if link.stopped is not None:
                raise link.stopped
        finally:
            shut(link)


@contextmanager
def reading_block(
    context: Context, line: Line, wait: Wait, *, caller: Caller, clock: Clock, time_ms: int
) -> Iterator[Reader]:
    """One query over one snapshot."""
    with _told():
        wait(line.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        link = ReadLink(
            line, wait, context.records,
            monotonic_ns=clock.monotonic_ns,
            stop_at_ns=clock.monotonic_ns() + time_ms * _MS,
            left=_MANY,
        )  # fmt: skip
        try:
            yield Reader(link, context, caller, clock.wall_ns())
        finally:
            shut(link)
            end(line, wait)


@contextmanager
def _told() -> Iterator[None]:
    """The driver's own stops, as the call errors that they are to a caller."""
    try:
        yield
    except (Lost, Again) as stop:
        raise refused(stop.cause) from None
    except TimeUp:
        raise DeadlineExceeded("the block was interrupted; nothing was written.") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise refused(error) from None
