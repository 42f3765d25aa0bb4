"""
Databases for tests: a real engine, built from the schema, gone at the end of the block.

`memory_database` and `file_database` are SQLite. `engine_database` takes the engine's name, so
that one suite runs on all of them without naming any: `ENGINES` lists the names.
"""

from __future__ import annotations

import asyncio
import atexit
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from freehold.clock import ManualClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller, Reader, Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import StartError
from freehold.ids import SeededIds
from freehold.schema import Schema
from freehold.testing.cluster import Cluster, cluster
from freehold.wire.limits import Limits

if TYPE_CHECKING:
    from freehold.drivers.postgres import PostgresDatabase

#: Every engine that a function must run on unchanged.
ENGINES: Final = ("sqlite-memory", "sqlite-file", "postgresql")
AnyDatabase: TypeAlias = "SqliteDatabase | PostgresDatabase"

#: A column key for tests; never one for data.
TEST_COLUMN_KEY = "00112233445566778899aabbccddeeff" * 2


class TestDatabase:
    """
    A database in a test.

    Args:
        database: The driver's.
        clock: Stands still until the test moves it.
    """

    # pytest collects classes by this prefix; this one is not a test.
    __test__ = False

    def __init__(self, database: AnyDatabase, clock: ManualClock) -> None:
        #: The driver's; which one it is, the engine says.
        self.database: Any = database
        self.clock = clock

    def write(self, *, caller: Caller = IN_PROCESS) -> AbstractContextManager[Writer]:
        """A block that is one mutation: durable at its end, undone when it raises."""
        block: AbstractContextManager[Writer] = self.database.writing(caller=caller)
        return block

    def read(self, *, caller: Caller = IN_PROCESS) -> AbstractContextManager[Reader]:
        """A block that is one query over one snapshot."""
        block: AbstractContextManager[Reader] = self.database.reading(caller=caller)
        return block

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """A block in which calls may be handed over from the event loop that runs it."""
        loop = asyncio.get_running_loop()

        def on_loop(run: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(run)

        self.database.start(on_loop)
        try:
            yield
        finally:
            await self.database.finish()


@contextmanager
def memory_database(
    schema: Schema, *, clock: ManualClock | None = None, ring: KeyRing | None = None
) -> Iterator[TestDatabase]:
    """A new database in memory: about a millisecond."""
    with _opened(None, schema, clock, ring) as database:
        yield database


@contextmanager
def file_database(
    path: Path, schema: Schema, *, clock: ManualClock | None = None, ring: KeyRing | None = None
) -> Iterator[TestDatabase]:
    """A database in a file, new or as a block before left it."""
    with _opened(path, schema, clock, ring) as database:
        yield database


@contextmanager
def engine_database(
    engine: str,
    schema: Schema,
    *,
    clock: ManualClock | None = None,
    ring: KeyRing | None = None,
    limits: Limits | None = None,
) -> Iterator[TestDatabase]:
    """
    A new database of one of the `ENGINES`.

    Raises:
        StartError: There is no such engine.
    """
    if engine == "sqlite-memory":
        with _opened(None, schema, clock, ring, limits) as database:
            yield database
    elif engine == "sqlite-file":
        with (
            tempfile.TemporaryDirectory(prefix="freehold-") as folder,
            _opened(Path(folder) / "test.db", schema, clock, ring, limits) as database,
        ):
            yield database
    elif engine == "postgresql":
        url = shared_cluster().new_schema()
        with postgres_database(url, schema, clock=clock, ring=ring, limits=limits) as database:
            yield database
    else:
        raise StartError(f"{engine!r} is no engine.", hint=f"There are {', '.join(ENGINES)}.")


@contextmanager
def postgres_database(
    url: str,
    schema: Schema,
    *,
    clock: ManualClock | None = None,
    ring: KeyRing | None = None,
    limits: Limits | None = None,
) -> Iterator[TestDatabase]:
    """A database on a server, new or as a block before left it."""
    # Tests on SQLite alone need no driver for a server.
    from freehold.drivers.postgres import Address, PostgresDatabase

    clock = clock or ManualClock()
    database = PostgresDatabase(
        Address.parse(url),
        schema,
        clock=clock,
        ids=SeededIds(),
        ring=ring or KeyRing.from_hex(TEST_COLUMN_KEY),
        limits=limits,
    )
    with database.opened():
        yield TestDatabase(database, clock)


_SHARED: Final[list[Cluster]] = []


def shared_cluster() -> Cluster:
    """The PostgreSQL of this process's tests: started at its first use, stopped at the end."""
    if not _SHARED:
        stack = ExitStack()
        _SHARED.append(stack.enter_context(cluster(tcp=True)))
        atexit.register(stack.close)
    return _SHARED[0]


@contextmanager
def _opened(
    path: Path | None,
    schema: Schema,
    clock: ManualClock | None,
    ring: KeyRing | None,
    limits: Limits | None = None,
) -> Iterator[TestDatabase]:
    clock = clock or ManualClock()
    database = SqliteDatabase(
        path,
        schema,
        clock=clock,
        ids=SeededIds(),
        ring=ring or KeyRing.from_hex(TEST_COLUMN_KEY),
        limits=limits,
    )
    with database.opened():
        yield TestDatabase(database, clock)
