"""
Ways to run the same function on PostgreSQL, each with its connections held open.

Jobs come from callers on the event loop and are answered there. What is measured, and in which
order, is `bench_pg_bridge`'s.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import asyncpg
import greenlet
import psycopg

BRIDGE = "def, greenlet, asyncpg"
EACH = "def, a greenlet each, asyncpg"
THREADS = "def, threads, psycopg"
PIPELINE = "def, greenlet, psycopg pipeline"
NATIVE = "async def, asyncpg"

GET = "SELECT id, email, name, created_at, updated_at FROM users WHERE id = $1"
TOUCH = "UPDATE users SET updated_at = updated_at + 1 WHERE id = $1"
INSERT = "INSERT INTO users VALUES ($1, $2, 'New User', 1760000000, 1760000000)"
STATEMENTS = (GET, TOUCH, INSERT)
#: The transaction around a call; one statement runs by itself.
BEGIN = {"one": "", "snapshot": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "write": "BEGIN"}

Row = Any


# The domain functions, once as plain functions and once as coroutines.


def read_one(db: Any, ids: list[str]) -> str:
    """One read."""
    row: Row = db.row(GET, ids[0])
    return str(row[0])


def read_three(db: Any, ids: list[str]) -> str:
    """Three reads, each of which could depend on the one before."""
    first, second, third = db.row(GET, ids[0]), db.row(GET, ids[1]), db.row(GET, ids[2])
    return str(first[0] if second[1] != third[1] or ids[1] == ids[2] else "")


def touch(db: Any, ids: list[str]) -> str:
    """A read, and a change of what was read."""
    row: Row = db.row(GET, ids[0])
    db.row(TOUCH, row[0])
    return str(row[0])


def insert_one(db: Any, ids: list[str]) -> str:
    """A row with an id and an email that nobody has."""
    db.row(INSERT, ids[0], ids[1])
    return ids[0]


async def read_one_async(db: Any, ids: list[str]) -> str:
    """As above."""
    row: Row = await db.row(GET, ids[0])
    return str(row[0])


async def read_three_async(db: Any, ids: list[str]) -> str:
    """As above."""
    first = await db.row(GET, ids[0])
    second = await db.row(GET, ids[1])
    third = await db.row(GET, ids[2])
    return str(first[0] if second[1] != third[1] or ids[1] == ids[2] else "")


async def touch_async(db: Any, ids: list[str]) -> str:
    """As above."""
    row: Row = await db.row(GET, ids[0])
    await db.row(TOUCH, row[0])
    return str(row[0])


async def insert_one_async(db: Any, ids: list[str]) -> str:
    """As above."""
    await db.row(INSERT, ids[0], ids[1])
    return ids[0]


@dataclass(frozen=True)
class Work:
    """A function in both spellings, and the transaction it runs in."""

    name: str
    plain: Callable[[Any, list[str]], str]
    native: Callable[[Any, list[str]], Coroutine[Any, Any, str]]
    kind: str


READ_1 = Work("1 read", read_one, read_one_async, "one")
READ_3 = Work("3 reads", read_three, read_three_async, "snapshot")
MUTATION = Work("read + update", touch, touch_async, "write")
INSERT_1 = Work("insert", insert_one, insert_one_async, "one")
WORKS = (READ_1, READ_3, MUTATION)


@dataclass(slots=True)
class Job:
    """One call: what to run, on which rows, and whom to tell."""

    work: Work
    ids: list[str]
    done: Callable[[str], None]


#: Runs a job's function on one connection.
Runner = Callable[[Work, list[str]], Coroutine[Any, Any, str]]


class Way(ABC):
    """A number of held connections and what feeds them."""

    def __init__(self, url: str, connections: int) -> None:
        self.url = url
        self.connections = connections
        self.failed: BaseException | None = None

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Run a call as soon as a connection is free; tell on the event loop."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect."""


class _Tasks(Way):
    """One task for each connection, which takes calls from one queue."""

    def __init__(self, url: str, connections: int) -> None:
        super().__init__(url, connections)
        self._waiting: deque[Job] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        for _ in range(self.connections):
            call = await self.connect()
            self._tasks.append(asyncio.create_task(self._serve(call)))

    @abstractmethod
    async def connect(self) -> Callable[[Job], Coroutine[Any, Any, str]]:
        """A new connection, as what runs a call on it."""

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        if self._idle:
            self._idle.pop().set_result(None)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, call: Callable[[Job], Coroutine[Any, Any, str]]) -> None:
        loop, waiting = asyncio.get_running_loop(), self._waiting
        while True:
            if not waiting:
                free = loop.create_future()
                self._idle.append(free)
                await free
                continue
            job = waiting.popleft()
            try:
                answer = await call(job)
            except Exception as error:
                self.failed = self.failed or error
                answer = ""
            job.done(answer)


class _AsyncpgLink:
    """A connection with its statements prepared; the handle of an `async def`."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.execute = connection.execute
        self._prepared: dict[str, Any] = {}
        self._connection = connection

    async def prepare(self) -> None:
        """Prepare everything that will be asked for."""
        for sql in STATEMENTS:
            self._prepared[sql] = (await self._connection.prepare(sql)).fetchrow
        # asyncpg prepares without a Sync: a BEGIN with an isolation level would be refused now.
        await self.execute("SELECT 1")

    def row(self, sql: str, *values: Any) -> Coroutine[Any, Any, Row]:
        """The statement, to be awaited."""
        found: Coroutine[Any, Any, Row] = self._prepared[sql](*values)
        return found


class Branch:
    """
    A greenlet for the life of a connection, in which plain functions run one after the other.

    A new one for each call costs 7 µs on CPython 3.11, which gives each its own stack of frames by
    mmap and takes it back by munmap.
    """

    def __init__(self, link: Any) -> None:
        self._link_row = link.row
        self._to_loop = greenlet.getcurrent().switch
        self._is_busy = False
        self._greenlet = greenlet.greenlet(self._live)
        self._greenlet.switch()

    def row(self, sql: str, *values: Any) -> Row:
        """For the function: the statement's coroutine goes to the loop, its row comes back."""
        return self._to_loop(self._link_row(sql, *values))

    async def call(self, function: Callable[[Any, list[str]], str], ids: list[str]) -> str:
        """For the loop: run a function, and await for it what it asks for."""
        branch = self._greenlet
        wanted = branch.switch((function, ids))
        while self._is_busy:
            try:
                row = await wanted
            except BaseException as error:
                wanted = branch.throw(error)
            else:
                wanted = branch.switch(row)
        if isinstance(wanted, Exception):
            raise wanted
        return str(wanted)

    def _live(self) -> None:
        answer: Any = None
        while True:
            function, ids = self._to_loop(answer)
            self._is_busy = True
            try:
                answer = function(self, ids)
            except Exception as error:
                answer = error
            finally:
                self._is_busy = False


class _OneCall:
    """The handle of a function in a greenlet of its own."""

    __slots__ = ("_row", "_to_loop")

    def __init__(self, link: Any, to_loop: Callable[[Any], Row]) -> None:
        self._row = link.row
        self._to_loop = to_loop

    def row(self, sql: str, *values: Any) -> Row:
        """The statement, done."""
        return self._to_loop(self._row(sql, *values))


async def across(function: Callable[[Any, list[str]], str], link: Any, ids: list[str]) -> str:
    """Run a plain function in a new greenlet, and await for it what it asks for."""
    here = greenlet.getcurrent()
    branch = greenlet.greenlet(function, here)
    wanted = branch.switch(_OneCall(link, here.switch), ids)
    while not branch.dead:
        try:
            row = await wanted
        except BaseException as error:
            wanted = branch.throw(error)
        else:
            wanted = branch.switch(row)
    return str(wanted)


async def _connect_asyncpg(url: str) -> _AsyncpgLink:
    link = _AsyncpgLink(await asyncpg.connect(url))
    await link.prepare()
    return link


class _OnAsyncpg(_Tasks):
    """A call on asyncpg: its transaction around its function, run in one of three ways."""

    async def connect(self) -> Callable[[Job], Coroutine[Any, Any, str]]:
        link = await _connect_asyncpg(self.url)
        execute, run = link.execute, self.runner(link)

        async def call(job: Job) -> str:
            begin = BEGIN[job.work.kind]
            if not begin:
                return await run(job.work, job.ids)
            await execute(begin)
            answer = await run(job.work, job.ids)
            await execute("COMMIT")
            return answer

        return call

    @abstractmethod
    def runner(self, link: _AsyncpgLink) -> Runner:
        """What runs a function on this connection."""


class Bridge(_OnAsyncpg):
    """Plain functions, in a greenlet that is as old as the connection."""

    def runner(self, link: _AsyncpgLink) -> Runner:
        branch = Branch(link)
        return lambda work, ids: branch.call(work.plain, ids)


class BridgeEach(_OnAsyncpg):
    """Plain functions, in a new greenlet for each call."""

    def runner(self, link: _AsyncpgLink) -> Runner:
        return lambda work, ids: across(work.plain, link, ids)


class Native(_OnAsyncpg):
    """Coroutines: the limit."""

    def runner(self, link: _AsyncpgLink) -> Runner:
        return lambda work, ids: work.native(link, ids)


class _PipelineLink:
    """A psycopg connection that stays in pipeline mode; `is_last` sends the Sync along."""

    def __init__(self, cursor: Any, pipeline: Any, entered: Any) -> None:
        self._cursor = cursor
        self._pipeline = pipeline
        self._entered = entered
        self.is_last = False

    async def row(self, sql: str, *values: Any) -> Row:
        """The statement, flushed with whatever was queued before it."""
        cursor = self._cursor
        await cursor.execute(sql, values, prepare=True)
        if self.is_last:
            await self._pipeline.sync()
        return await cursor.fetchone() if sql == GET else None


class Pipeline(_Tasks):
    """Plain functions over psycopg in pipeline mode: BEGIN travels with the first statement."""

    async def connect(self) -> Callable[[Job], Coroutine[Any, Any, str]]:
        connection = await psycopg.AsyncConnection.connect(
            self.url, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )
        entered = connection.pipeline()  # held below: when it is collected, the mode ends
        pipeline = await entered.__aenter__()
        execute = connection.cursor().execute
        link = _PipelineLink(connection.cursor(), pipeline, entered)
        branch = Branch(link)

        async def call(job: Job) -> str:
            begin = BEGIN[job.work.kind]
            link.is_last = not begin
            if not begin:
                return await branch.call(job.work.plain, job.ids)
            await execute(begin, prepare=True)
            answer = await branch.call(job.work.plain, job.ids)
            await execute("COMMIT", prepare=True)
            await pipeline.sync()
            return answer

        return call


class _ThreadLink:
    """A blocking connection; the handle of a plain `def` in a thread."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def row(self, sql: str, *values: Any) -> Row:
        """The statement, done."""
        self._cursor.execute(sql, values, prepare=True)
        return self._cursor.fetchone() if sql == GET else None


class Threads(Way):
    """Plain functions in threads, each with a blocking psycopg connection."""

    def __init__(self, url: str, connections: int) -> None:
        super().__init__(url, connections)
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self.connections):
            connection = psycopg.connect(
                self.url, autocommit=True, cursor_factory=psycopg.RawCursor
            )
            thread = threading.Thread(target=self._serve, args=(connection, loop), daemon=True)
            thread.start()
            self._threads.append(thread)

    def submit(self, job: Job) -> None:
        self._waiting.put(job)

    async def close(self) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _serve(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        cursor = connection.cursor()
        link = _ThreadLink(cursor)
        while (job := self._waiting.get()) is not None:
            try:
                answer = self._call(job, link, cursor)
            except Exception as error:
                self.failed = self.failed or error
                answer = ""
            loop.call_soon_threadsafe(job.done, answer)
        connection.close()

    def _call(self, job: Job, link: _ThreadLink, cursor: Any) -> str:
        begin = BEGIN[job.work.kind]
        if not begin:
            return job.work.plain(link, job.ids)
        cursor.execute(begin, prepare=True)
        answer = job.work.plain(link, job.ids)
        cursor.execute("COMMIT", prepare=True)
        return answer


WAYS: dict[str, type[Way]] = {
    BRIDGE: Bridge, EACH: BridgeEach, THREADS: Threads, PIPELINE: Pipeline, NATIVE: Native,
}  # fmt: skip


async def closed_loop(
    way: Way, work: Work, wanted: Iterator[list[str]], *, callers: int, seconds: float
) -> tuple[list[int], float]:
    """So many callers, each with one call in flight, for so long: latencies in ns, seconds."""
    everybody_done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    latencies: list[int] = []
    left, now_ns = callers, time.perf_counter_ns

    def send() -> None:
        ids, sent_ns = next(wanted), now_ns()

        def received(answer: str) -> None:
            nonlocal left
            if answer != ids[0]:
                if not everybody_done.done():
                    everybody_done.set_exception(way.failed or AssertionError("another row"))
                return
            answered_ns = now_ns()
            latencies.append(answered_ns - sent_ns)
            if answered_ns < deadline_ns:
                send()
                return
            left -= 1
            if not left:
                everybody_done.set_result(None)

        way.submit(Job(work, ids, received))

    began_ns = now_ns()
    deadline_ns = began_ns + int(seconds * 1e9)
    for _ in range(callers):
        send()
    await everybody_done
    return latencies, (now_ns() - began_ns) / 1e9
