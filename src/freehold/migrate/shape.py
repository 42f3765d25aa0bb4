"""
The shape of a SQLite database: tables, columns, constraints, indexes and triggers as values.

Two shapes are equal when an application cannot tell the databases apart: the order of
columns and the names of unique and foreign keys, which no answer and no error shows, are
left out. Views, virtual tables and Freehold's own tables are not part of it: no record says
them. How two shapes differ is told in `differences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from freehold.migrate.engine import in_memory, rows
from freehold.migrate.sqltext import (
    checks_of,
    clauses_of,
    condition_of,
    indexed_by,
    normalised,
    tokens,
    without_outer_parentheses,
)
from freehold.schema import SYSTEM_PREFIX, Schema


@dataclass(frozen=True)
class ColumnShape:
    """A column; `key` is its place in the primary key, 0 when it is not in it."""

    type: str
    is_nullable: bool
    default: str | None
    key: int
    collation: str
    is_generated: bool


@dataclass(frozen=True)
class ForeignKeyShape:
    """A reference, all names in lower case."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    on_delete: str
    on_update: str


@dataclass(frozen=True)
class IndexShape:
    """An index; a column reads `name` or `name desc`; one over expressions is a single text."""

    columns: tuple[str, ...]
    is_unique: bool
    where: str | None


@dataclass(frozen=True)
class TableShape:
    """
    A table; `checks` holds name and condition, `clauses` what no pragma shows.

    `names` says what key, unique and references are called, where the engine tells of it.
    """

    columns: Mapping[str, ColumnShape]
    is_strict: bool
    has_rowid: bool
    foreign_keys: frozenset[ForeignKeyShape]
    uniques: frozenset[tuple[str, ...]]
    checks: frozenset[tuple[str, str]]
    clauses: frozenset[str]
    indexes: Mapping[str, IndexShape]
    names: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class TriggerShape:
    """A trigger, its table and its text; `body` is its function's, where it has one."""

    table: str
    sql: str
    body: str = ""


@dataclass(frozen=True)
class Shape:
    """A whole database."""

    tables: Mapping[str, TableShape]
    triggers: Mapping[str, TriggerShape]


def is_own(name: str) -> bool:
    """The table is the engine's or Freehold's, and no business of a schema."""
    return name.lower().startswith(("sqlite_", SYSTEM_PREFIX))


def table_names(connection: apsw.Connection) -> list[str]:
    """The ordinary tables, without the engine's and Freehold's own."""
    found = rows(
        connection,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name",
    )
    return [name for (name,) in found if not is_own(name)]


def shape_of(connection: apsw.Connection) -> Shape:
    """The shape of the database as this connection sees it now."""
    tables = {name: _table(connection, name) for name in table_names(connection)}
    found = rows(
        connection,
        "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name",
    )
    lowered = {name.lower() for name in tables}
    triggers = {
        name: TriggerShape(table.lower(), normalised(sql))
        for name, table, sql in found
        if table.lower() in lowered
    }
    return Shape(tables, triggers)


def shape_of_schema(schema: Schema) -> Shape:
    """The shape of a database that the schema builds from nothing."""
    with in_memory() as connection:
        for statement in schema.ddl("sqlite"):
            connection.execute(statement)
        return shape_of(connection)


def _table(connection: apsw.Connection, name: str) -> TableShape:
    ((without_rowid, strict),) = rows(
        connection,
        "SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?",
        name,
    )
    ((sql,),) = rows(
        connection, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", name
    )
    uniques, indexes = _indexes(connection, name)
    return TableShape(
        columns=_columns(connection, name, has_rowid=not without_rowid),
        is_strict=bool(strict),
        has_rowid=not without_rowid,
        foreign_keys=_foreign_keys(connection, name),
        uniques=uniques,
        checks=frozenset(checks_of(sql)),
        clauses=clauses_of(sql),
        indexes=indexes,
    )


def _columns(connection: apsw.Connection, table: str, *, has_rowid: bool) -> dict[str, ColumnShape]:
    said = rows(
        connection,
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)',
        table,
    )
    keys = sum(1 for row in said if row[4])
    found = {}
    for name, kind, not_null, default, key, hidden in said:
        # The engine never stores NULL in a column that stands for the rowid, said or not.
        is_rowid = has_rowid and keys == 1 and key == 1 and kind.upper() == "INTEGER"
        found[name] = ColumnShape(
            type=" ".join(kind.upper().split()),
            is_nullable=not (not_null or is_rowid),
            default=None if default is None else _expression(default),
            key=key,
            collation=connection.column_metadata("main", table, name)[1].upper(),
            is_generated=hidden in (2, 3),
        )
    return found


def _expression(sql: str) -> str:
    return " ".join(token.normal for token in without_outer_parentheses(tokens(sql)))


def _foreign_keys(connection: apsw.Connection, table: str) -> frozenset[ForeignKeyShape]:
    said = rows(
        connection,
        'SELECT id, "table", "from", "to", on_delete, on_update '
        "FROM pragma_foreign_key_list(?) ORDER BY id, seq",
        table,
    )
    grouped: dict[int, list[tuple[Any, ...]]] = {}
    for row in said:
        grouped.setdefault(row[0], []).append(row)
    found = set()
    for parts in grouped.values():
        _, parent, _, _, on_delete, on_update = parts[0]
        targets = tuple(part[3] for part in parts)
        if targets[0] is None:
            targets = _key(connection, parent)
        columns = tuple(part[2].lower() for part in parts)
        lowered = tuple(target.lower() for target in targets)
        found.add(ForeignKeyShape(columns, parent.lower(), lowered, on_delete, on_update))
    return frozenset(found)


def _key(connection: apsw.Connection, table: str) -> tuple[str, ...]:
    """The primary key's columns: what `REFERENCES users` without columns means."""
    found = rows(
        connection, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table
    )
    return tuple(name for (name,) in found)


def _indexes(
    connection: apsw.Connection, table: str
) -> tuple[frozenset[tuple[str, ...]], dict[str, IndexShape]]:
    """The unique constraints, and the indexes that were made by a statement of their own."""
    uniques, indexes = set(), {}
    said = rows(
        connection,
        'SELECT name, "unique", origin FROM pragma_index_list(?) ORDER BY name',
        table,
    )
    for name, is_unique, origin in said:
        parts = rows(
            connection,
            'SELECT name, "desc", coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno',
            name,
        )
        if origin == "u":
            uniques.add(tuple(part[0].lower() for part in parts))
        elif origin == "c":
            ((sql,),) = rows(
                connection, "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", name
            )
            columns = tuple(_index_column(*part) for part in parts)
            if any(part[0] is None for part in parts):
                columns = (indexed_by(sql),)
            indexes[name] = IndexShape(columns, bool(is_unique), condition_of(sql))
    return frozenset(uniques), indexes


def _index_column(name: str | None, is_descending: int, collation: str) -> str:
    said = "" if collation == "BINARY" else f" collate {collation.lower()}"
    return f"{(name or '').lower()}{said}{' desc' if is_descending else ''}"
