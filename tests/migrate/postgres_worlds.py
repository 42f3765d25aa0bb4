"""
What the tests on PostgreSQL share: a blocking connection, and everything a schema holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import asyncpg

from freehold.migrate.differences import differences
from freehold.migrate.files import Migration, parse
from freehold.migrate.postgres.plan import plan_next
from freehold.migrate.postgres.shape import shape_of, shape_of_schema
from freehold.migrate.postgres.transaction import transact
from freehold.schema import Schema
from tests.migrate.worlds import built

T = TypeVar("T")


class Blocking:
    """One connection on an event loop of its own."""

    def __init__(self, runner: asyncio.Runner, connection: Any) -> None:
        self._runner = runner
        self._connection = connection

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of one statement."""
        return list(self._runner.run(self._connection.fetch(sql, *values)))

    def run(self, sql: str) -> None:
        """Run statements without parameters."""
        self._runner.run(self._connection.execute(sql))

    def cut(self) -> None:
        """The connection is gone, without a word to the server."""
        self._connection.terminate()


@contextmanager
def connected(url: str) -> Iterator[Blocking]:
    """A connection for the length of the block."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url, statement_cache_size=0))
        try:
            yield Blocking(runner, connection)
        finally:
            connection.terminate()


def content(connection: Blocking) -> dict[str, Any]:
    """Everything the schema holds: its tables' text and their rows."""
    tables = [
        name
        for (name,) in connection.rows(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
        )
    ]
    text = connection.rows(
        "SELECT c.relname::text, c.relkind::text, pg_get_indexdef(c.oid) FROM pg_class c "
        "WHERE relnamespace = current_schema()::regnamespace ORDER BY 1"
    )
    return {
        "text": [tuple(row) for row in text],
        "rows": {
            name: sorted(repr(tuple(row)) for row in connection.rows(f'SELECT * FROM "{name}"'))
            for name in tables
        },
    }


def run_on(connection: Blocking, work: Callable[[], T]) -> T:
    """Do something as a migrating process does it: in a transaction, under the lock."""
    return transact(connection, work, on_progress=None)


def built_for_postgres(*schemas: Schema) -> list[Migration]:
    """The migrations that lead from nothing through each schema, as `migrate plan` writes them."""
    return built(*schemas, planner=plan_next)


def by_hand(number: int, *statements: str, slug: str = "by_hand") -> Migration:
    """A migration that a person wrote."""
    text = ";\n".join(statements) + ";\n"
    return Migration(number, slug, parse(slug, text, "postgresql"))


def left(connection: Blocking, schema: Schema) -> list[str]:
    """How the database differs from one that the schema built, as the engine itself sees both."""
    return run_on(
        connection,
        lambda: differences(shape_of(connection), shape_of_schema(connection, schema)),
    )


def fill_shop(connection: Blocking) -> None:
    """Two users, three notes, two entries."""
    connection.run(
        """
        INSERT INTO users (id, email, created_at) VALUES ('u1', 'a@x', 1), ('u2', 'b@x', 2);
        INSERT INTO notes (user_id, title, score)
        VALUES ('u1', 'one', 0.5), ('u1', 'two', NULL), ('u2', 'three', 2);
        INSERT INTO entries (id, note_id) VALUES ('e1', 1), ('e2', NULL);
        """
    )
