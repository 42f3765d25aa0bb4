"""What the tests of this folder build: records, a database of them, and a look at what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import apsw

from freehold.schema import Record, RecordMeta, Schema


def record(name: str, table: str, fields: dict[str, Any], **options: Any) -> type[Record]:
    """A record made at run time; `defaults` in the options are its defaults."""
    body = {"__annotations__": fields, "__module__": __name__, **options.pop("defaults", {})}
    made: type[Record] = RecordMeta(name, (Record,), body, table=table, **options)
    return made


@contextmanager
def built(*records: type[Record]) -> Iterator[apsw.Connection]:
    """The tables of these records in memory, with references enforced, as SQLite has them."""
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in Schema(records).ddl("sqlite"):
            connection.execute(statement)
        yield connection


def rows(connection: apsw.Connection, sql: str, *values: Any) -> list[Any]:
    """All rows of a statement."""
    return list(connection.execute(sql, values).fetchall())


def sql_of(connection: apsw.Connection, name: str) -> str:
    """The statement that a table, an index or a trigger was made with."""
    return str(rows(connection, "SELECT sql FROM sqlite_schema WHERE name = ?", name)[0][0])
