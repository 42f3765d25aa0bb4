"""
The SQL of single steps on PostgreSQL: columns that change their type, constraints, keys.

A value is converted as SQLite's STRICT tables do it: what cannot be converted without a
loss is refused, and with it the whole migration.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint, CreateColumn

from freehold.errors import invariant
from freehold.migrate.postgres.parts import IDENTITY, SERIAL, Column, Constraint
from freehold.schema import DIALECTS, Schema, create_indexes
from freehold.schema.sqltext import literal, quoted, tidy

_POSTGRES: Final = DIALECTS["postgresql"]
_WHOLE: Final = ("bigint", "integer", "smallint")
_FLOATS: Final = ("double precision", "real")
_BYTES: Final = "bytea"
_NUMBER: Final = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


def of_schema(schema: Schema) -> list[str]:
    """
    Every statement that builds the schema from nothing, in an order in which each can run.

    An index comes right behind its table: a reference may stand on a unique one.
    """
    indexes = {table.name: create_indexes(table, "postgresql") for table in schema.tables}
    moved = {sql for each in indexes.values() for sql in each}
    tables = iter(schema.tables)
    statements: list[str] = []
    for sql in schema.ddl("postgresql"):
        if sql not in moved:
            statements.append(sql)
        if sql.startswith("CREATE TABLE "):
            statements += indexes[next(tables).name]
    return statements


def add_column(table: sa.Table, column: sa.Column[Any]) -> str:
    """ALTER TABLE … ADD COLUMN; its constraints are added on their own."""
    return f"ALTER TABLE {quoted(table.name)} ADD COLUMN {_column(column)}"


def add_constraint(table: sa.Table, name: str, said: Constraint) -> str:
    """ALTER TABLE … ADD CONSTRAINT."""
    if said.kind == "p":
        columns = ", ".join(map(quoted, said.columns))
        return (
            f"ALTER TABLE {quoted(table.name)} ADD CONSTRAINT {quoted(name)} "
            f"PRIMARY KEY ({columns})"
        )
    found = [each for each in table.constraints if each.name == name]
    invariant(len(found) == 1, f"the schema has one constraint {name}")
    return tidy(str(AddConstraint(found[0], isolate_from_table=False).compile(dialect=_POSTGRES)))


def drop_constraint(table: str, name: str) -> str:
    """ALTER TABLE … DROP CONSTRAINT."""
    return f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(name)}"


def rename_constraint(table: str, old: str, new: str) -> str:
    """ALTER TABLE … RENAME CONSTRAINT; an index behind it goes along."""
    return f"ALTER TABLE {quoted(table)} RENAME CONSTRAINT {quoted(old)} TO {quoted(new)}"


def change_column(
    table: str, name: str, *, found: Column, wanted: Column, column: sa.Column[Any]
) -> list[str]:
    """The statements that make one column into the other."""
    head = f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(name)}"
    sql: list[str] = []
    if found.counts != wanted.counts and found.counts:
        sql.append(f"{head} {'DROP IDENTITY' if found.counts == IDENTITY else 'DROP DEFAULT'}")
    fills = found.is_nullable and not wanted.is_nullable and wanted.default is not None
    is_rewritten = rewrites(found, wanted)
    if found.default is not None and (is_rewritten or found.default != wanted.default):
        sql.append(f"{head} DROP DEFAULT")
    if is_rewritten:
        sql += _guards(table, name, found.type, wanted.type)
        value = _converted(quoted(name), found.type, wanted.type)
        if fills:
            value = f"coalesce({value}, {_default(column)})"
        sql.append(f"{head} TYPE {_type(column)} USING {value}")
    if wanted.default is not None and (is_rewritten or found.default != wanted.default):
        sql.append(f"{head} SET DEFAULT {_default(column)}")
    if found.is_nullable != wanted.is_nullable:
        sql.append(f"{head} {'DROP' if wanted.is_nullable else 'SET'} NOT NULL")
    if found.counts != wanted.counts and wanted.counts:
        sql += _count(table, name, wanted.counts)
    return sql


def rewrites(found: Column, wanted: Column) -> bool:
    """Every row is written anew: another type or collation, or values where there were none."""
    fills = found.is_nullable and not wanted.is_nullable and wanted.default is not None
    return (found.type, found.collation) != (wanted.type, wanted.collation) or fills


def _converted(value: str, found: str, wanted: str) -> str:
    if found == wanted:
        return value
    if _BYTES in (found, wanted):
        return f"NULL::{wanted}"
    if found in _FLOATS and wanted in _WHOLE:
        # A plain cast would round; the text of a fraction is no whole number.
        exact = f"{value}::{wanted}"
        return f"CASE WHEN {value} = trunc({value}) THEN {exact} ELSE {value}::text::{wanted} END"
    if found == "text" and wanted in (*_WHOLE, *_FLOATS):
        return _read_number(value, wanted)
    if found in _FLOATS and wanted == "text":
        # 3.0 stays 3.0, as SQLite writes it.
        is_whole = f"{value} = trunc({value}) AND abs({value}) < 1e15"
        return f"CASE WHEN {is_whole} THEN {value}::bigint || '.0' ELSE {value}::text END"
    return f"{value}::{wanted}"


def _read_number(value: str, wanted: str) -> str:
    """What SQLite takes for a number; the engine would take more, `nan` and `0x10`."""
    is_number = f"{value} ~ {literal(_NUMBER)}"
    in_quotes = f"'\"' || {value} || '\"'"
    if wanted in _FLOATS:
        return f"(CASE WHEN {is_number} THEN {value} ELSE {in_quotes} END)::{wanted}"
    # `1e3` and `1.0` are whole numbers; the text of any other is refused as one.
    said = f"CASE WHEN {is_number} THEN {value} ELSE {in_quotes} END"
    is_whole = f"CASE WHEN {is_number} THEN {value}::numeric % 1 = 0 ELSE false END"
    return f"CASE WHEN {is_whole} THEN {value}::numeric::{wanted} ELSE ({said})::{wanted} END"


def _guards(table: str, name: str, found: str, wanted: str) -> list[str]:
    """Bytes are no text and no number; the engine would take the one for the other."""
    if found == wanted or _BYTES not in (found, wanted):
        return []
    there = f"SELECT 1 FROM {quoted(table)} WHERE {quoted(name)} IS NOT NULL"  # noqa: S608
    sentence = literal(f"{table}.{name}: {found} cannot become {wanted}")
    refuse = f"RAISE EXCEPTION USING MESSAGE = {sentence}"
    return [f"DO $guard$ BEGIN IF EXISTS ({there}) THEN {refuse}; END IF; END $guard$"]


def _count(table: str, name: str, counts: str) -> list[str]:
    """The column counts up from here, past every number that is there."""
    column = f"{quoted(table)} ALTER COLUMN {quoted(name)}"
    if counts == SERIAL:
        sequence = quoted(f"{table}_{name}_seq"[:63])
        made = [
            f"CREATE SEQUENCE {sequence} OWNED BY {quoted(table)}.{quoted(name)}",
            f"ALTER TABLE {column} SET DEFAULT nextval({literal(sequence)}::regclass)",
        ]
    else:
        made = [f"ALTER TABLE {column} ADD GENERATED BY DEFAULT AS IDENTITY"]
    sequence = f"pg_get_serial_sequence({literal(quoted(table))}, {literal(name)})"
    last = f"SELECT max({quoted(name)}) AS last FROM {quoted(table)}"  # noqa: S608 - quoted
    return [
        *made,
        f"SELECT setval({sequence}, coalesce(last, 1), last IS NOT NULL) FROM ({last}) t",  # noqa: S608
    ]


def _column(column: sa.Column[Any]) -> str:
    return str(CreateColumn(column).compile(dialect=_POSTGRES)).strip()


def _type(column: sa.Column[Any]) -> str:
    """The column's type as a new table would have it, with its collation."""
    bare = sa.Column(column.name, column.type)
    name = _POSTGRES.identifier_preparer.format_column(bare)
    return _column(bare).removeprefix(name).strip()


def _default(column: sa.Column[Any]) -> str:
    said: Any = column.server_default
    return str(said.arg.compile(dialect=_POSTGRES) if hasattr(said.arg, "compile") else said.arg)
