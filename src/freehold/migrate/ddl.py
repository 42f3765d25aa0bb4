"""
The SQL of single steps on SQLite: add a column, rebuild a table.

A rebuild follows the twelve steps of SQLite's own page on ALTER TABLE: make the new table
under another name, copy the rows, drop the old one, rename, make its indexes and triggers
again. Foreign keys must be off while it runs, or the drop would delete every child row;
`apply` sees to that.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from freehold.errors import invariant
from freehold.migrate.draft import Draft
from freehold.migrate.shape import ColumnShape, TableShape
from freehold.migrate.sqltext import mentioned
from freehold.schema import DIALECTS, create_indexes, create_table
from freehold.schema.sqltext import quoted

_SQLITE = DIALECTS["sqlite"]


def add_column(table: sa.Table, column: sa.Column[Any], *, present: set[str]) -> str:
    """
    ALTER TABLE … ADD COLUMN, with the checks and the reference that come with the column.

    Args:
        present: The columns that are there before it, in lower case.
    """
    sql = f"ALTER TABLE {quoted(table.name)} ADD COLUMN {_text(CreateColumn(column))}"
    later = {other.name.lower() for other in table.columns} - present - {column.name.lower()}
    for constraint in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
        if isinstance(constraint, sa.CheckConstraint):
            condition = str(constraint.sqltext)
            names = mentioned(condition)
            # A check over two new columns comes with the second.
            if column.name.lower() in names and not names & later:
                sql += f" CONSTRAINT {quoted(str(constraint.name))} CHECK ({condition})"
        elif _is_reference_of(constraint, column):
            sql += f" {_references(constraint)}"
    return sql


def indexes_by_name(table: sa.Table) -> dict[str, str]:
    """The CREATE INDEX of each index of the table."""
    names = sorted(str(index.name) for index in table.indexes)
    return dict(zip(names, create_indexes(table, "sqlite"), strict=True))


def rename_table(old: str, new: str) -> tuple[str, ...]:
    """RENAME TO; the engine takes a change of case for a clash, so that goes by way of a third."""
    if old.lower() != new.lower():
        return (f"ALTER TABLE {quoted(old)} RENAME TO {quoted(new)}",)
    between = f"{new}__renamed"
    return (*rename_table(old, between), *rename_table(between, new))


def rebuild_table(
    draft: Draft, table: sa.Table, *, before: TableShape, after: TableShape
) -> tuple[str, ...]:
    """The statements that make the table anew and copy its rows."""
    name, fresh = table.name, f"{table.name}__new"
    kept = [column for column in after.columns if column in before.columns]
    values = ", ".join(_copied(c, before.columns[c], after.columns[c]) for c in kept)
    columns = ", ".join(quoted(column) for column in kept)
    dependents = draft.dependents(name)
    source = f"SELECT {values} FROM {quoted(name)}"  # noqa: S608 - quoted
    copy = (f"INSERT INTO {quoted(fresh)} ({columns}) {source}",)
    return (
        *(piece.drop for piece in reversed(dependents)),
        _renamed_create(table, fresh),
        *(copy if kept else ()),
        *_keep_counting(name, fresh, before=before, after=after),
        f"DROP TABLE {quoted(name)}",
        f"ALTER TABLE {quoted(fresh)} RENAME TO {quoted(name)}",
        *(piece.sql for piece in draft.attached(name)),
        *(piece.sql for piece in dependents),
    )


def _copied(name: str, before: ColumnShape, after: ColumnShape) -> str:
    """The value of a column in the copy; STRICT refuses what cannot be converted without loss."""
    if before.is_nullable and not after.is_nullable and after.default is not None:
        return f"coalesce({quoted(name)}, {after.default})"
    return quoted(name)


def _renamed_create(table: sa.Table, name: str) -> str:
    sql = create_table(table, "sqlite")
    said = _SQLITE.identifier_preparer.format_table(table)
    head = f"CREATE TABLE {said} ("
    invariant(sql.startswith(head), f"CREATE TABLE of {table.name} begins otherwise")
    return f"CREATE TABLE {quoted(name)} ({sql[len(head) :]}"


def _keep_counting(old: str, new: str, *, before: TableShape, after: TableShape) -> tuple[str, ...]:
    """A counted key never reuses a number, so the count goes along even past deleted rows."""
    if "autoincrement" not in before.clauses & after.clauses:
        return ()
    count = f"SELECT {_literal(new)}, seq FROM sqlite_sequence"  # noqa: S608 - a literal
    return (
        f"DELETE FROM sqlite_sequence WHERE name = {_literal(new)}",  # noqa: S608 - a literal
        f"INSERT INTO sqlite_sequence (name, seq) {count} WHERE name = {_literal(old)}",
    )


def _is_reference_of(
    constraint: sa.Constraint, column: sa.Column[Any]
) -> TypeGuard[sa.ForeignKeyConstraint]:
    return isinstance(constraint, sa.ForeignKeyConstraint) and [
        part.name for part in constraint.columns
    ] == [column.name]


def _references(constraint: sa.ForeignKeyConstraint) -> str:
    element = constraint.elements[0]
    parent, target = element.target_fullname.rsplit(".", 1)
    sql = (
        f"CONSTRAINT {quoted(str(constraint.name))} REFERENCES {quoted(parent)} ({quoted(target)})"
    )
    if constraint.ondelete:
        sql += f" ON DELETE {constraint.ondelete}"
    if constraint.onupdate:
        sql += f" ON UPDATE {constraint.onupdate}"
    return sql


def _text(element: CreateColumn) -> str:
    return str(element.compile(dialect=_SQLITE)).strip()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
