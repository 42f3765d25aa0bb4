"""
A database as SQL that `sqlite3` or `psql` loads into an empty one: tables, rows, rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint

from freehold.schema import Schema, references_of
from freehold.schema.ddl import (
    DIALECTS,
    DialectName,
    create_indexes,
    create_table,
    create_trigger,
)
from freehold.schema.sqltext import literal, quoted, tidy

_BEGIN: Final[dict[str, list[str]]] = {
    "sqlite": ["PRAGMA foreign_keys=OFF", "BEGIN TRANSACTION"],
    "postgresql": [
        "SET client_encoding = 'UTF8'",
        "SET standard_conforming_strings = on",
        "BEGIN",
    ],
}


def opening(schema: Schema, tables: Sequence[str], dialect: DialectName) -> Iterator[str]:
    """The transaction, and the tables without what would slow or refuse their rows."""
    yield from _BEGIN[dialect]
    for table in _chosen(schema, tables):
        # SQLite takes references with the table only, and looks at them when they are turned on.
        apart = references_of(table) if dialect == "postgresql" else []
        yield create_table(table, dialect, without=apart)


def row_writer(table: str, columns: Sequence[str], dialect: DialectName) -> Callable[[Any], str]:
    """From a row as its engine has it to the INSERT of it."""
    listed = ", ".join(map(quoted, columns))
    head = f"INSERT INTO {quoted(table)} ({listed}) VALUES("
    said = _POSTGRESQL if dialect == "postgresql" else _SQLITE
    return lambda row: f"{head}{','.join([said[type(value)](value) for value in row])});\n"


def closing(
    schema: Schema, tables: Sequence[str], dialect: DialectName, *, counters: dict[str, int]
) -> Iterator[str]:
    """Indexes, references, triggers, where counted keys go on, and the end of the transaction."""
    chosen = _chosen(schema, tables)
    for table in chosen:
        yield from create_indexes(table, dialect)
    if dialect == "postgresql":
        for table in chosen:
            for each in references_of(table):
                if each.elements[0].target_fullname.rsplit(".", 1)[0] in tables:
                    yield _added(each)
    for name, trigger in schema.triggers:
        if name in tables:
            yield from create_trigger(name, trigger, dialect)
    for name, last in counters.items():
        if dialect == "sqlite":
            yield f"DELETE FROM sqlite_sequence WHERE name = {literal(name)}"  # noqa: S608
            yield f"INSERT INTO sqlite_sequence VALUES({literal(name)}, {last})"
        elif last:
            (key,) = schema.table(name).primary_key.columns
            where = f"pg_get_serial_sequence({literal(quoted(name))}, {literal(key.name)})"
            yield f"SELECT setval({where}, {last})"
    yield "COMMIT"


def _chosen(schema: Schema, tables: Sequence[str]) -> list[sa.Table]:
    return [table for table in schema.tables if table.name in tables]


def _added(constraint: sa.ForeignKeyConstraint) -> str:
    made = AddConstraint(constraint, isolate_from_table=False)
    return tidy(str(made.compile(dialect=DIALECTS["postgresql"])))


def _null(_: None) -> str:
    return "NULL"


def _real(value: float) -> str:
    return repr(value)


def _bytea(value: bytes) -> str:
    return f"'\\x{value.hex()}'::bytea"


_SQLITE: Final[dict[type, Callable[[Any], str]]] = {
    type(None): _null, int: repr, str: literal, bytes: literal, float: _real,
}  # fmt: skip
_POSTGRESQL: Final = {**_SQLITE, bytes: _bytea}
