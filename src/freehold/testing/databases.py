"""
Databases for tests: real SQLite, built from the schema, gone at the end of the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from freehold.clock import ManualClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller, Reader, Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.ids import SeededIds
from freehold.schema import Schema

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

    def __init__(self, database: SqliteDatabase, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock

    def write(self, *, caller: Caller = IN_PROCESS) -> AbstractContextManager[Writer]:
        """A block that is one mutation: durable at its end, undone when it raises."""
        return self.database.writing(caller=caller)

    def read(self, *, caller: Caller = IN_PROCESS) -> AbstractContextManager[Reader]:
        """A block that is one query over one snapshot."""
        return self.database.reading(caller=caller)


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
def _opened(
    path: Path | None, schema: Schema, clock: ManualClock | None, ring: KeyRing | None
) -> Iterator[TestDatabase]:
    clock = clock or ManualClock()
    database = SqliteDatabase(
        path,
        schema,
        clock=clock,
        ids=SeededIds(),
        ring=ring or KeyRing.from_hex(TEST_COLUMN_KEY),
    )
    with database.opened():
        yield TestDatabase(database, clock)
