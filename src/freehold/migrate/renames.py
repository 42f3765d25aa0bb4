"""
Renames: which table and column is one that had another name before.

A record says so (`was="old_table"`, `Was("old_column")`) and keeps saying so: the mark
counts only while the old name is there and the new one is not. A name that differs in case
only is a rename too, since SQLite takes both for the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from freehold.migrate.ddl import rename_table
from freehold.migrate.shape import Shape
from freehold.migrate.steps import Refusal, RenameColumn, RenameTable, Step
from freehold.schema import Schema
from freehold.schema.sqltext import quoted


def rename_tables(found: Shape, schema: Schema) -> tuple[list[Step], list[Refusal]]:
    """The tables to rename, and the marks that cannot be followed."""
    steps: list[Step] = []
    refusals: list[Refusal] = []
    taken: set[str] = set()
    wanted = {table.name for table in schema.tables}
    for table in schema.tables:
        record, was = table.info["record"], table.info["was"]
        old = _old_name(table.name, was, found.tables)
        if old is None:
            continue
        if table.name in found.tables:
            if old not in wanted:
                refusals.append(_both_there(record, "table", old, table.name))
        elif old in wanted:
            refusals.append(_still_there(record, "table", old))
        elif old in taken:
            refusals.append(_said_twice(record, "table", old))
        else:
            taken.add(old)
            steps.append(
                RenameTable(
                    table=table.name,
                    old=old,
                    sentence=f"The table {old} becomes {table.name} and keeps its rows.",
                    sql=rename_table(old, table.name),
                )
            )
    return steps, refusals


def rename_columns(found: Shape, schema: Schema) -> tuple[list[Step], list[Refusal]]:
    """The columns to rename in tables that are there, and the marks that cannot be followed."""
    steps: list[Step] = []
    refusals: list[Refusal] = []
    for table in schema.tables:
        if table.name not in found.tables:
            continue
        there = found.tables[table.name].columns
        wanted = {column.name for column in table.columns}
        taken: set[str] = set()
        for column in table.columns:
            where = f"{table.info['record']}.{column.info['field']}"
            old = _old_name(column.name, column.info["was"], there)
            if old is None:
                continue
            if column.name in there:
                if old not in wanted:
                    refusals.append(_both_there(where, "column", old, column.name))
            elif old in wanted:
                refusals.append(_still_there(where, "column", old))
            elif old in taken:
                refusals.append(_said_twice(where, "column", old))
            else:
                taken.add(old)
                steps.append(_rename_column(table.name, old, column.name))
    return steps, refusals


def _rename_column(table: str, old: str, new: str) -> RenameColumn:
    return RenameColumn(
        table=table,
        column=new,
        old=old,
        sentence=f"The column {old} of {table} becomes {new} and keeps its values.",
        sql=(f"ALTER TABLE {quoted(table)} RENAME COLUMN {quoted(old)} TO {quoted(new)}",),
    )


def _old_name(name: str, was: str | None, there: Iterable[str]) -> str | None:
    """The name that the database has instead, None when there is nothing to rename."""
    names = list(there)
    if name not in names:
        for other in names:
            if other.lower() == name.lower():
                return other
    return was if was in names and was != name else None


def _both_there(where: str, kind: str, old: str, new: str) -> Refusal:
    return Refusal(
        f"{where} says it was {old!r}, but the database has both {old} and {new}.",
        f"Move what is worth keeping by hand, then take the mark away; the {kind} {old} is "
        f"dropped after that.",
    )


def _still_there(where: str, kind: str, old: str) -> Refusal:
    return Refusal(
        f"{where} says it was {old!r}, but the schema still has a {kind} {old}.",
        "Take the mark away, or rename the other one.",
    )


def _said_twice(where: str, kind: str, old: str) -> Refusal:
    return Refusal(
        f"{where} says it was {old!r}, and another {kind} says so too.",
        "Only one can take its place.",
    )
