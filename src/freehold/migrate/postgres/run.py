"""
Running the statements of a migration on PostgreSQL, and the watch over what they must not do.

They stay inside the transaction that `transact` has opened, and leave Freehold's own tables
alone. A table that is rewritten is counted, with its children, before and after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from freehold.errors import FreeholdError, MigrationFailed
from freehold.migrate.files import Migration, Statement
from freehold.migrate.postgres.connection import (
    DEADLOCK,
    LOCK_NOT_AVAILABLE,
    NOT_ALLOWED,
    SqlConnection,
    number,
    sqlstate,
)
from freehold.migrate.postgres.lexing import tokens
from freehold.migrate.postgres.sealing import seal_column
from freehold.migrate.run import AS_IT_WAS, OnProgress, Progress, where
from freehold.migrate.sealing import Sealer
from freehold.schema import SYSTEM_PREFIX
from freehold.schema.sqltext import quoted

_ENDS: Final = "a transaction statement"
_STAYS: Final = "a setting that stays"
_REFUSED: Final = {
    **dict.fromkeys(("begin", "start", "commit", "end", "rollback", "abort", "prepare"), _ENDS),
    **dict.fromkeys(("savepoint", "release"), "a savepoint"),
    **dict.fromkeys(("set", "reset", "discard"), _STAYS),
}
_CHILDREN: Final = """
SELECT DISTINCT c.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_class r ON r.oid = k.confrelid
WHERE k.contype = 'f' AND r.relname = $1::text AND c.relname <> r.relname
  AND r.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
ORDER BY 1
"""


def run_migration(
    connection: SqlConnection,
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
        MigrationFailed: The engine refused a statement, or a rewrite lost rows, or a value
            could not be sealed.
        KeysMissing: Values are to be sealed, and there is no key.
    """
    watch: _Watch | None = None
    for place, statement in enumerate(migration.statements, start=1):
        if watch and watch.table != statement.rebuild:
            watch.verify(connection, migration)
            watch = None
        if statement.rebuild and watch is None:
            watch = _Watch.begin(connection, statement.rebuild)
            if on_progress:
                count = watch.rows[statement.rebuild]
                on_progress(Progress("rows", statement.rebuild, count, count))
        if on_progress:
            count = len(migration.statements)
            on_progress(Progress("statement", migration.name, place, count))
        _run_statement(connection, migration, statement, sealer)
    if watch:
        watch.verify(connection, migration)


def _run_statement(
    connection: SqlConnection, migration: Migration, statement: Statement, sealer: Sealer | None
) -> None:
    refused = _refused(statement.sql)
    if refused:
        raise MigrationFailed(
            f"{where(migration, statement)}: a migration may not contain {refused}.",
            hint=AS_IT_WAS,
        )
    try:
        if statement.seal:
            seal_column(connection, statement.seal, sealer)
        else:
            connection.run(statement.sql)
    except FreeholdError:
        raise
    except Exception as error:
        state = sqlstate(error)
        if state is None or state in (LOCK_NOT_AVAILABLE, DEADLOCK, NOT_ALLOWED):
            raise
        raise MigrationFailed(f"{where(migration, statement)}: {error}.", hint=AS_IT_WAS) from error


def _refused(sql: str) -> str | None:
    """What the statement must not do, where it does."""
    text = tokens(sql)
    first = text[0].normal if text else ""
    if first in _REFUSED and not (first == "set" and text[1].is_word("local", "constraints")):
        return f"{_REFUSED[first]} ({first.upper()})"
    own = next((t.name for t in text if t.is_name and t.name.startswith(SYSTEM_PREFIX)), None)
    return f"a change of {own}, which is Freehold's own" if own else None


@dataclass(frozen=True)
class _Watch:
    """How many rows there were before a table was rewritten, and must be there after."""

    table: str
    rows: dict[str, int]

    @classmethod
    def begin(cls, connection: SqlConnection, table: str) -> _Watch:
        children = [name for (name,) in connection.rows(_CHILDREN, table)]
        return cls(table, {name: _count(connection, name) for name in [table, *children]})

    def verify(self, connection: SqlConnection, migration: Migration) -> None:
        """
        Compare with what is there now.

        Raises:
            MigrationFailed: Rows are missing, or there are more.
        """
        for name, before in self.rows.items():
            after = _count(connection, name)
            if after != before:
                raise MigrationFailed(
                    f"{migration.name}: {name} had {before} rows before {self.table} was rebuilt "
                    f"and would have {after} after.",
                    hint=f"Change rows before the rebuild, not within. {AS_IT_WAS}",
                )


def _count(connection: SqlConnection, table: str) -> int:
    return number(connection, f"SELECT count(*) FROM {quoted(table)}")  # noqa: S608 - quoted
