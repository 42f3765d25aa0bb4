"""
What this room asks of the engine: rows of one query read to the end, and a database in memory.

A cursor that is left open would stand in the way of COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import apsw

from freehold.schema.sqltext import quoted


@contextmanager
def in_memory() -> Iterator[apsw.Connection]:
    """An empty database in memory that is as strict as a served one, without foreign keys."""
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        refuse_text_in_double_quotes(connection)
        yield connection


def refuse_text_in_double_quotes(connection: apsw.Connection) -> None:
    """A misspelt column in double quotes is an error and not a text."""
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)


def rows(connection: apsw.Connection, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(sql, values).fetchall()


def number(connection: apsw.Connection, sql: str, *values: str | int) -> int:
    """The one whole number that a query answers with."""
    ((found,),) = rows(connection, sql, *values)
    return int(found)


def count_rows(connection: apsw.Connection, table: str) -> int:
    """How many rows a table has."""
    return number(connection, f"SELECT count(*) FROM {quoted(table)}")  # noqa: S608 - quoted


def has_row(connection: apsw.Connection, table: str) -> bool:
    """A table has at least one row."""
    return bool(rows(connection, f"SELECT 1 FROM {quoted(table)} LIMIT 1"))  # noqa: S608 - quoted
