"""
Queries: held connections, a worker task on each, and what waits for one.

A query that asks once runs as that one statement, which sees the state of one moment. One
that asks more is run again inside a read-only snapshot (REPEATABLE READ), and its method is
remembered. The `seq` of a snapshot is read inside it and exact. The `seq` of a lone
statement is the last commit known when it was sent: it has seen that one, and maybe later ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg

from freehold.clock import Clock
from freehold.db import Context, Reader
from freehold.db.ports import Call
from freehold.drivers.postgres.batch import SEQ_SQL, Known
from freehold.drivers.postgres.bridge import Bridge, wait
from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.links import ReadLink, shut
from freehold.drivers.postgres.pauses import Pauses
from freehold.drivers.postgres.refusals import (
    Again,
    Lost,
    TimeUp,
    Wait,
    gone,
    refused,
)
from freehold.drivers.stops import NeedsSnapshot, Stopped
from freehold.drivers.unheard import not_reached, too_late
from freehold.errors import CallError, DeadlineExceeded, Overloaded
from freehold.wire.limits import Limits

_LOG = logging.getLogger("freehold.postgres")
_MS: Final = 1_000_000
_MANY: Final = 1 << 30
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
#: A query is run anew on another connection so often.
_TRIES: Final = 3
#: How long a call waits for a server that is away; a restart takes about a second.
PATIENCE_NS: Final = 10 * 1_000_000_000


class Queries:
    """
    Runs a query on a line that it is given.

    Args:
        context: What handles share.
        known: The commits known here.
        clock: For deadlines.
        limits: How long a query may take.
    """

    def __init__(self, context: Context, known: Known, *, clock: Clock, limits: Limits) -> None:
        self._context = context
        self._known = known
        self._clock = clock
        self._time_ms = limits.statement_time_ms_max
        #: Methods that ask more than once.
        self._long: set[str] = set()

    def run(self, line: Line, call: Call, wait: Wait) -> tuple[int, Any]:
        """
        The commit that it saw, and what the function returned.

        Raises:
            Lost: The connection is gone.
            Exception: What the function raised, or the database's own CallError.
        """
        if call.min_seq > self._known.seq:
            self._refresh(line, wait)
            if call.min_seq > self._known.seq:
                raise not_reached(call.min_seq, self._known.seq)
        try:
            if call.method not in self._long:
                seq = self._known.seq
                try:
                    return seq, self._invoke(line, call, wait, left=1)
                except NeedsSnapshot:
                    self._long.add(call.method)
            return self._in_snapshot(line, call, wait)
        except TimeUp:
            raise DeadlineExceeded(
                f"the query ran longer than {self._time_ms} ms.",
                hint="Ask for less at once, page by page; an index may be missing.",
            ) from None
        except Again as error:
            if isinstance(error.cause, asyncpg.exceptions.InvalidCachedStatementError):
                # The tables were changed under its statements; again, with new ones.
                line.forget()
                raise Lost(error.cause) from None
            raise refused(error.cause) from None

    def _in_snapshot(self, line: Line, call: Call, wait: Wait) -> tuple[int, Any]:
        try:
            self._run(line, _SNAPSHOT, wait)
            seq = self._refresh(line, wait)
            return seq, self._invoke(line, call, wait, left=_MANY)
        finally:
            end(line, wait)

    def _run(self, line: Line, sql: str, wait: Wait) -> None:
        try:
            wait(line.run(sql))
        except LOST as error:
            raise Lost(error) from None
        except asyncpg.PostgresError as error:
            raise refused(error) from None

    def _invoke(self, line: Line, call: Call, wait: Wait, *, left: int) -> Any:
        link = ReadLink(
            line, wait, self._context.records,
            monotonic_ns=self._clock.monotonic_ns,
            stop_at_ns=self._clock.monotonic_ns() + self._time_ms * _MS,
            left=left,
        )  # fmt: skip
        reader = Reader(link, self._context, call.caller, self._clock.wall_ns())
        try:
            value = call.run(reader)
        except Stopped:
            raise
        except BaseException:
            if link.stopped is not None:
                raise link.stopped from None
            raise
        finally:
            stopped = link.stopped
            shut(link)
        if stopped is not None:
            raise stopped
        return value

    def _refresh(self, line: Line, wait: Wait) -> int:
        try:
            ((seq, _),) = wait(line.fetch(SEQ_SQL, ()))
        except LOST as error:
            raise Lost(error) from None
        except asyncpg.PostgresError as error:
            raise refused(error) from None
        self._known.hear(seq)
        return int(seq)


def end(line: Line, wait: Wait) -> None:
    """End a transaction that only read; a connection that cannot do that is cut."""
    if line.is_closed:
        return
    try:
        wait(line.run("ROLLBACK"))
    except (asyncpg.PostgresError, *LOST):
        line.hang_up()


class Readers:
    """
    The held connections of queries, on the event loop.

    Args:
        queries: Runs one.
        connect: Opens a line.
        clock: For deadlines.
        count: Connections.
        waiting_max: Queries that may wait; beyond it `overloaded`.
    """

    def __init__(
        self,
        queries: Queries,
        connect: Callable[[], Awaitable[Line]],
        *,
        clock: Clock,
        count: int,
        waiting_max: int,
        known: Known,
    ) -> None:
        self._queries = queries
        self._connect = connect
        self._clock = clock
        self._count = count
        self._waiting_max = waiting_max
        self._known = known
        self._calls: deque[Call] = deque()
        self._idle: list[asyncio.Future[Call | None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    @property
    def waiting(self) -> int:
        """Queries that no connection has taken yet."""
        return len(self._calls)

    def start(self) -> None:
        """Open the connections; on the event loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._work()) for _ in range(self._count)]

    def put(self, call: Call) -> None:
        """Run it on the next free connection."""
        if self._idle:
            # The last one that rested: its statements are warm, and the others may go cold.
            self._idle.pop().set_result(call)
        elif len(self._calls) >= self._waiting_max or self._is_closing:
            call.failed(
                self._known.seq,
                Overloaded(
                    f"{len(self._calls)} queries wait for a connection already.",
                    hint="Call again in a second.",
                ),
            )
        else:
            self._calls.append(call)

    async def close(self) -> None:
        """Finish what runs and hang up."""
        self._is_closing = True
        for resting in self._idle:
            resting.set_result(None)
        self._idle.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._calls:
            self._calls.popleft().failed(self._known.seq, gone())

    async def _work(self) -> None:
        line: Line | None = None
        bridge = Bridge()
        try:
            with suppress(*LOST, asyncpg.PostgresError):
                line = await self._connect()
            while (call := await self._next()) is not None:
                try:
                    line = await self._run(line, call, bridge)
                except Exception as error:
                    _LOG.exception("a query ended by a defect")
                    call.failed(self._known.seq, error)
                    if line is not None:
                        line.hang_up()
        finally:
            if line is not None:
                await line.close()

    async def _next(self) -> Call | None:
        if self._calls:
            return self._calls.popleft()
        if self._is_closing:
            return None
        resting: asyncio.Future[Call | None] = asyncio.get_running_loop().create_future()
        self._idle.append(resting)
        return await resting

    async def _run(self, line: Line | None, call: Call, bridge: Bridge) -> Line | None:
        for _ in range(_TRIES):
            if self._clock.monotonic_ns() >= call.deadline_ns:
                call.failed(self._known.seq, too_late())
                return line
            if line is None or line.is_closed:
                try:
                    line = await self._patiently(call.deadline_ns)
                except CallError as error:
                    call.failed(self._known.seq, error)
                    return None
            try:
                await bridge.run(self._ask, line, call)
            except Lost:
                line.hang_up()
            else:
                return line
        call.failed(self._known.seq, gone())
        return line

    def _ask(self, line: Line, call: Call) -> None:
        try:
            seq, value = self._queries.run(line, call, wait)
        except Lost:
            raise
        except BaseException as error:
            call.failed(self._known.seq, error)
        else:
            call.done(seq, value)

    async def _patiently(self, deadline_ns: int) -> Line:
        """
        A line; tried for again while the server is away, for a while.

        Raises:
            Overloaded: The server takes no more connections.
            Unavailable: It does not answer.
        """
        until_ns = min(deadline_ns, self._clock.monotonic_ns() + PATIENCE_NS)
        pauses = Pauses()
        while True:
            try:
                return await self._connect()
            except asyncpg.exceptions.TooManyConnectionsError as error:
                raise refused(error) from None
            except (*LOST, asyncpg.PostgresError):
                if self._is_closing or self._clock.monotonic_ns() >= until_ns:
                    raise gone() from None
            await pauses.rest()
