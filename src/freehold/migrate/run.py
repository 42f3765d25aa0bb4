"""
Running the statements of a migration, and the watch over what they must not do.

Statements of a file stay inside the transaction that `apply` has opened: an authorizer
refuses those that would end it, attach another file, turn a pragma or write Freehold's own
tables. A table that is rebuilt is counted, with its children, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import apsw

from freehold.errors import MigrationFailed
from freehold.migrate.engine import count_rows, in_memory, rows
from freehold.migrate.files import Migration, Statement
from freehold.migrate.sealing import Sealer, seal_column
from freehold.migrate.shape import shape_of
from freehold.schema import SYSTEM_PREFIX

#: The last words of every refusal, after which there is nothing to repair.
AS_IT_WAS: Final = "The database is as it was."

_REFUSED: Final = {
    apsw.SQLITE_TRANSACTION: "a transaction statement",
    apsw.SQLITE_SAVEPOINT: "a savepoint",
    apsw.SQLITE_ATTACH: "ATTACH",
    apsw.SQLITE_DETACH: "DETACH",
    apsw.SQLITE_PRAGMA: "PRAGMA",
    apsw.SQLITE_CREATE_TEMP_TRIGGER: "a temporary trigger",
}
_WRITES: Final = {
    apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE, apsw.SQLITE_CREATE_TABLE,
    apsw.SQLITE_DROP_TABLE, apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_CREATE_INDEX,
    apsw.SQLITE_CREATE_TRIGGER,
}  # fmt: skip
#: The engine asks these of itself, in ADD COLUMN and in full-text tables; they change nothing.
_HARMLESS_PRAGMAS: Final = {"quick_check", "data_version"}


@dataclass(frozen=True)
class Progress:
    """Where a run stands: before statement `number` of `count`, or at a `phase` of its own."""

    phase: str
    migration: str
    number: int
    count: int


OnProgress = Callable[[Progress], None]


def run_migration(
    connection: apsw.Connection,
    migration: Migration,
    on_progress: OnProgress | None,
    *,
    sealer: Sealer | None = None,
) -> None:
    """
    Run all statements of one migration inside the open transaction.

    Args:
        sealer: Seals the values of columns that are to be sealed.

    Raises:
        MigrationFailed: The engine refused a statement, or a rebuild lost something, or a
            value could not be sealed.
        KeysMissing: Values are to be sealed, and there is no key.
    """
    watch: _Watch | None = None
    for number, statement in enumerate(migration.statements, start=1):
        if watch and watch.table != statement.rebuild:
            watch.verify(connection, migration)
            watch = None
        if statement.rebuild and watch is None:
            watch = _Watch.begin(connection, statement.rebuild)
        if on_progress:
            count = len(migration.statements)
            on_progress(Progress("statement", migration.name, number, count))
        if statement.seal:
            seal_column(connection, statement.seal, sealer)
        else:
            _run_statement(connection, migration, statement)
    if watch:
        watch.verify(connection, migration)


@contextmanager
def scratch(migrations: Sequence[Migration]) -> Iterator[apsw.Connection]:
    """
    An in-memory database that all the migrations have built from nothing.

    Raises:
        MigrationFailed: A statement is refused.
    """
    with in_memory() as connection:
        with connection:
            for migration in migrations:
                run_migration(connection, migration, None)
        yield connection


def _run_statement(connection: apsw.Connection, migration: Migration, statement: Statement) -> None:
    refused: list[str] = []
    outer = connection.authorizer
    connection.authorizer = _guard(refused)
    try:
        # Never from the cache: a statement that was prepared before is not asked about again.
        connection.execute(statement.sql, can_cache=False).fetchall()
    except apsw.Error as error:
        reason = f"a migration may not contain {refused[0]}" if refused else str(error)
        raise MigrationFailed(
            f"{where(migration, statement)}: {reason}.", hint=AS_IT_WAS
        ) from error
    finally:
        connection.authorizer = outer
    if not connection.in_transaction:
        raise MigrationFailed(
            f"{where(migration, statement)}: the statement ended the transaction.", hint=AS_IT_WAS
        )


def where(migration: Migration, statement: Statement) -> str:
    """`0002_topics, line 12 (CREATE TABLE …)`"""
    said = f"seal {statement.seal}" if statement.seal else statement.sql
    first, *rest = said.splitlines()
    line = f", line {statement.line}" if statement.line else ""
    return f"{migration.name}{line} ({first}{' …' if rest else ''})"


def _guard(refused: list[str]) -> Callable[..., int]:
    """An authorizer that writes down what it refuses."""

    def _authorize(
        operation: int, first: str | None, second: str | None, _db: str | None, by: str | None
    ) -> int:
        what = _REFUSED.get(operation)
        if what == "PRAGMA" and first in _HARMLESS_PRAGMAS:
            return apsw.SQLITE_OK
        # What Freehold's own triggers write when a row changes is their business.
        if operation in _WRITES and not _is_system(by):
            own = next((name for name in (first, second) if _is_system(name)), None)
            what = f"a change of {own}, which is Freehold's own" if own else what
        if operation == apsw.SQLITE_FUNCTION and second == "load_extension":
            what = "load_extension"
        if what is None:
            return apsw.SQLITE_OK
        named = what in ("PRAGMA", "a transaction statement") and first
        refused.append(f"{what} ({first})" if named else what)
        return apsw.SQLITE_DENY

    return _authorize


def _is_system(name: str | None) -> bool:
    return name is not None and name.lower().startswith(SYSTEM_PREFIX)


@dataclass(frozen=True)
class _Watch:
    """What was there before a table was rebuilt, and must be there after."""

    table: str
    rows: dict[str, int]
    pieces: frozenset[tuple[str, str]]

    @classmethod
    def begin(cls, connection: apsw.Connection, table: str) -> _Watch:
        family = [table, *_children(connection, table)]
        rows = {name: _count(connection, name) for name in family}
        return cls(table, rows, _pieces(connection))

    def verify(self, connection: apsw.Connection, migration: Migration) -> None:
        """
        Compare with what is there now.

        Raises:
            MigrationFailed: Rows, children, an index or a trigger are missing.
        """
        for name, before in self.rows.items():
            after = _count(connection, name)
            if after != before:
                raise MigrationFailed(
                    f"{migration.name}: {name} had {before} rows before {self.table} was rebuilt "
                    f"and would have {after} after.",
                    hint=f"Change rows before the rebuild, not within. {AS_IT_WAS}",
                )
        lost = sorted(self.pieces - _pieces(connection))
        if lost:
            kind, name = lost[0]
            raise MigrationFailed(
                f"{migration.name}: the {kind} {name} is gone after {self.table} was rebuilt.",
                hint=f"Make it again within the rebuild, or drop it before. {AS_IT_WAS}",
            )


def _children(connection: apsw.Connection, table: str) -> list[str]:
    tables = shape_of(connection).tables
    return [
        name
        for name, shape in tables.items()
        if name.lower() != table.lower()
        and any(key.table == table.lower() for key in shape.foreign_keys)
    ]


def _count(connection: apsw.Connection, table: str) -> int:
    try:
        return count_rows(connection, table)
    except apsw.SQLError as error:
        raise MigrationFailed(f"{table} cannot be counted: {error}.", hint=AS_IT_WAS) from error


def _pieces(connection: apsw.Connection) -> frozenset[tuple[str, str]]:
    """Every index, trigger and view that a statement made."""
    found = rows(
        connection,
        "SELECT type, name FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL",
    )
    return frozenset((kind, name) for kind, name in found)
