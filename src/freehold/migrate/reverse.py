"""
Whether migrations can be undone, and what that would cost: the same for both engines.

A migration is undone from where its files lead, before and after it; there is no second
file for the way back that nobody ever ran. What it added goes; what it renamed gets its old
name; what it rewrote is written as it was declared before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from freehold.errors import MigrationFailed
from freehold.migrate.files import Migration, Statement
from freehold.migrate.history import Entry, refuse_edited, refuse_newer
from freehold.migrate.looks import Said, name_of
from freehold.migrate.shape import ColumnShape, Shape
from freehold.migrate.sqltext import tokens

AS_IT_WAS: Final = "The database is as it was."
_ROWS: Final = ("insert", "delete", "replace", "with", "truncate", "merge", "do", "copy")


class UndoRefused(MigrationFailed):
    """A migration is not undone; the database is as it was."""

    exit_code = 1


@dataclass(frozen=True)
class Undone:
    """
    What was done.

    Args:
        migrations: What was undone, the last one first.
        version: The number of the last migration that the database has now.
        lost: What went with it, in words with counts.
        restored: The copy from before that the application's tables were taken from, if any.
        kept: The copy of the database as it was before the undoing, if one was kept.
    """

    migrations: tuple[str, ...]
    version: int
    lost: tuple[str, ...] = ()
    restored: Path | None = None
    kept: Path | None = None


@dataclass(frozen=True)
class Moved:
    """A table that stays, by both names, and the columns that stay: old name to present name."""

    then: str
    now: str
    columns: dict[str, str]


def target_of(had: Sequence[Entry], migrations: Sequence[Migration], to: str | None) -> int:
    """
    The number of the migration that is to be the last one.

    Args:
        to: Its name or number; left out, the one before the last. `0` is none at all.

    Raises:
        UndoRefused: There is none of that name, or nothing to undo.
        DatabaseTooNew, MigrationFailed: The files are not those that were applied.
    """
    refuse_newer(had, migrations)
    refuse_edited(had, migrations)
    if not had:
        raise UndoRefused("The database has had no migration.", hint="There is nothing to undo.")
    if to is None:
        return len(had) - 1
    for entry in had:
        if to in (entry.name, str(entry.number), f"{entry.number:04}"):
            if entry.number == len(had):
                raise UndoRefused(f"The database is at {entry.name}.", hint="Nothing to undo.")
            return entry.number
    if to.strip("0") == "" and to:
        return 0
    raise UndoRefused(
        f"The database has had no migration {to!r}.",
        hint=f"It has had {', '.join(entry.name for entry in had)}.",
    )


def moves(then: Shape, now: Shape, undone: Sequence[Migration]) -> list[Moved]:
    """The tables that were there before the migrations and are there after them."""
    said = Said.of(undone)
    found = []
    for table, shape in then.tables.items():
        name = said.table(table)
        if name in now.tables:
            columns = {column: said.column(table, column) for column in shape.columns}
            there = now.tables[name].columns
            found.append(Moved(table, name, {o: n for o, n in columns.items() if n in there}))
    return found


def obstacles(then: Shape, now: Shape, undone: Sequence[Migration]) -> list[str]:
    """Why the way back cannot be gone with what the database holds; nothing when it can."""
    stay = {each.then: each for each in moves(then, now, undone)}
    said = [f"the table {name} was dropped" for name in then.tables if name not in stay]
    for table, shape in then.tables.items():
        if table in stay:
            gone = [column for column in shape.columns if column not in stay[table].columns]
            said += [f"the column {table}.{column} was dropped" for column in gone]
    old = {each.now.lower(): {n.lower() for n in each.columns.values()} for each in stay.values()}
    old |= {name.lower(): {c.lower() for c in shape.columns} for name, shape in then.tables.items()}
    for migration in undone:
        for statement in migration.statements:
            if not statement.seal and _changes_rows(statement, old):
                said.append(f"{migration.name}, line {statement.line}, changed rows by hand")
    return said


def refuse_seals(undone: Sequence[Migration]) -> None:
    """
    Refuse to write in clear what was sealed.

    Raises:
        UndoRefused: One of them sealed values.
    """
    for migration in undone:
        for statement in migration.statements:
            if statement.seal:
                raise UndoRefused(
                    f"{migration.name} sealed the values of {statement.seal.name}, and no "
                    f"migration writes secrets in clear.",
                    hint=f"Go forward: write the next migration. {AS_IT_WAS}",
                )


def additions(
    then: Shape, now: Shape, stay: Sequence[Moved]
) -> Iterator[tuple[str, str, ColumnShape | None]]:
    """What goes: tables (with no column) and columns, by their present names."""
    tables = {each.now: each for each in stay}
    for table, shape in now.tables.items():
        if table not in tables:
            yield table, "", None
            continue
        kept = set(tables[table].columns.values())
        for column, said in shape.columns.items():
            if column not in kept:
                yield table, column, said


def refuse_losses(undone: Sequence[Migration], lost: Sequence[str], *, may_lose: bool) -> None:
    """
    Refuse to throw away what was written since.

    Raises:
        UndoRefused: Something would be lost, and nobody said that it may.
    """
    if lost and not may_lose:
        raise UndoRefused(
            f"Undoing {names(undone)} would lose what was written since: {', '.join(lost)}.",
            hint=f"Say --discard-since if it may go. {AS_IT_WAS}",
        )


def names(undone: Sequence[Migration]) -> str:
    """`0004_tags, 0003_colours`: the last one first."""
    return ", ".join(migration.name for migration in reversed(undone))


def _changes_rows(statement: Statement, old: dict[str, set[str]]) -> bool:
    """Rows that were there before; what fills a new column or a new table goes with it."""
    text = tokens(statement.sql)
    first = text[0].normal if text else ""
    if first == "update":
        said = Said()
        said.read(text, is_rebuild=False)
        return any(column in old.get(table, ()) for table, column in said.set)
    if first not in _ROWS:
        return False
    skipped = {"into", "from", "or", "ignore", "table", "only"}
    target = next((name_of(t) for t in text[1:] if t.normal not in skipped), "").lower()
    if statement.rebuild is not None and target.endswith(("__new", "sqlite_sequence")):
        return False
    return first in ("with", "merge", "do", "copy") or target in old
