"""
What one action of an ALTER TABLE does to a paper's table.
"""

from __future__ import annotations

from typing import Protocol

from freehold.migrate.postgres import reading
from freehold.migrate.postgres.lexing import mentions, renamed
from freehold.migrate.postgres.parts import (
    IDENTITY,
    SERIAL,
    Constraint,
    Table,
    chosen_name,
)
from freehold.migrate.postgres.reading import Cursor, Unread
from freehold.migrate.shape import IndexShape


class Tables(Protocol):
    """The paper, as far as it is needed here."""

    tables: dict[str, Table]


def alter_table(paper: Tables, name: str, cursor: Cursor) -> None:
    """
    Do one action to the table.

    Raises:
        Unread: It is not read here.
    """
    table = paper.tables[name]
    match cursor.one_of("add", "drop", "alter", "disable", "enable", "owner", "validate"):
        case "add":
            _add(paper, name, cursor)
        case "drop" if cursor.take("constraint"):
            is_soft = cursor.take("if", "exists")
            dropped = cursor.name()
            if dropped not in table.constraints and not is_soft:
                raise Unread(f"there is no constraint {dropped}")
            table.constraints.pop(dropped, None)
            cursor.one_of("cascade", "restrict")
        case "drop":
            cursor.take("column")
            is_soft = cursor.take("if", "exists")
            dropped = cursor.name()
            if dropped not in table.columns and not is_soft:
                raise Unread(f"there is no column {dropped}")
            drop_column(table, dropped)
            cursor.one_of("cascade", "restrict")
        case "alter":
            cursor.take("column")
            _alter_column(table, cursor)
        case "validate" if cursor.take("constraint"):
            table.constraints[cursor.name()].clause = ""
        case "disable" | "enable" | "owner":
            cursor.rest()
        case _:
            raise Unread("this change of a table is not read here")
    cursor.end()


def _add(paper: Tables, name: str, cursor: Cursor) -> None:
    table = paper.tables[name]
    if reading.starts_constraint(cursor):
        said, constraint = reading.constraint_of(cursor)
        _add_constraint(paper, name, said, constraint)
        return
    cursor.take("column")
    is_soft = cursor.take("if", "not", "exists")
    column_name, column, constraints = reading.column_of(cursor)
    if column_name in table.columns:
        if is_soft:
            return
        raise Unread(f"there is a column {column_name} already")
    table.columns[column_name] = column
    for said, constraint in constraints:
        _add_constraint(paper, name, said, constraint)


def _add_constraint(paper: Tables, name: str, said: str | None, constraint: Constraint) -> None:
    table = paper.tables[name]
    match constraint.kind:
        case "p":
            chosen = said or chosen_name((name,), "pkey", taken=table.constraints)
            for column in constraint.columns:
                table.columns[column].is_nullable = False
        case "u":
            chosen = said or chosen_name(
                (name, *constraint.columns), "key", taken=table.constraints
            )
        case "f":
            chosen = said or chosen_name(
                (name, *constraint.columns), "fkey", taken=table.constraints
            )
            if not constraint.targets:
                constraint.targets = paper.tables[constraint.table].key
        case _:
            chosen = said or chosen_name(
                (name, *constraint.columns), "check", taken=table.constraints
            )
    if chosen in table.constraints:
        raise Unread(f"there is a constraint {chosen} already")
    table.constraints[chosen] = constraint


def _alter_column(table: Table, cursor: Cursor) -> None:
    name = cursor.name()
    if name not in table.columns:
        raise Unread(f"there is no column {name}")
    column = table.columns[name]
    if cursor.take("set", "data", "type") or cursor.take("type"):
        column.type, _ = reading.type_of(cursor.until("collate", "using"))
        column.collation = cursor.name() if cursor.take("collate") else ""
        cursor.rest()
    elif cursor.take("set", "default"):
        column.default = reading.default_of(cursor.rest())
        if column.default and column.default.startswith("nextval ("):
            column.default, column.counts = None, SERIAL
    elif cursor.take("drop", "default"):
        column.default = None
        column.counts = "" if column.counts == SERIAL else column.counts
    elif cursor.take("set", "not", "null"):
        column.is_nullable = False
    elif cursor.take("drop", "not", "null"):
        column.is_nullable = True
    elif cursor.take("add", "generated"):
        cursor.rest()
        column.counts = IDENTITY
    elif cursor.take("drop", "identity"):
        cursor.take("if", "exists")
        column.counts = ""
    elif cursor.take("set", "statistics") or cursor.take("set", "storage"):
        cursor.rest()
    else:
        raise Unread("this change of a column is not read here")


def drop_column(table: Table, name: str) -> None:
    """The column goes, and the constraints and indexes over it."""
    table.columns.pop(name, None)
    for constraint, said in list(table.constraints.items()):
        if name in said.columns or (said.kind == "c" and mentions(said.text, name)):
            del table.constraints[constraint]
    for index, shape in list(table.indexes.items()):
        parts = [*shape.columns, shape.where or ""]
        if any(mentions(part, name) for part in parts):
            del table.indexes[index]


def rename_column(paper: Tables, table_name: str, *, old: str, new: str) -> None:
    """
    The column's name, everywhere but in the bodies of functions.

    Raises:
        Unread: It is not there.
    """
    table = paper.tables[table_name]
    if old not in table.columns:
        raise Unread(f"there is no column {old}")
    table.columns = {(new if n == old else n): column for n, column in table.columns.items()}
    for said in table.constraints.values():
        said.columns = tuple(new if column == old else column for column in said.columns)
        if said.kind == "c":
            said.text = renamed(said.text, old, new)
    for other in paper.tables.values():
        for said in other.of_kind("f").values():
            if said.table == table_name:
                said.targets = tuple(new if column == old else column for column in said.targets)
    table.indexes = {
        name: IndexShape(
            tuple(renamed(part, old, new) for part in shape.columns),
            shape.is_unique,
            renamed(shape.where, old, new) if shape.where else None,
        )
        for name, shape in table.indexes.items()
    }
    for trigger in table.triggers.values():
        trigger.text = renamed(trigger.text, old, new)
