"""
Bringing a database to its schema without files: for development, tests and small starts.

The plan is made against the database itself and applied at once, under the same promises
as `apply`. What would lose data is refused unless the caller says so. A database that has
had migration files is theirs, and is not touched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from freehold.errors import MigrationNeeded
from freehold.migrate.apply import transact
from freehold.migrate.engine import has_row, number, rows
from freehold.migrate.files import Migration
from freehold.migrate.history import Entry, entries
from freehold.migrate.plan import plan
from freehold.migrate.run import OnProgress
from freehold.migrate.sealed import known_without_files, with_sealing
from freehold.migrate.sealing import Sealer
from freehold.migrate.shape import shape_of, table_names
from freehold.migrate.steps import (
    DropColumn,
    DropTable,
    Plan,
    RebuildTable,
    RenameColumn,
    RenameTable,
    SealColumn,
)
from freehold.schema import Schema
from freehold.schema.sqltext import quoted


@dataclass(frozen=True)
class Synced:
    """What was done, and the copy from before where one was kept."""

    plan: Plan
    snapshot: Path | None


def sync(
    connection: apsw.Connection,
    schema: Schema,
    *,
    snapshot_to: Path | None = None,
    may_lose: bool = False,
    on_progress: OnProgress | None = None,
    sealer: Sealer | None = None,
) -> Synced:
    """
    Plan and apply in one go, or leave the database as it is.

    Args:
        may_lose: Tables and columns that no record says any more may go with their data.
        sealer: Seals the values of columns that are sealed now and were not before.

    Raises:
        MigrationNeeded: A step cannot be planned, or would lose data, or the database is
            kept by migration files.
        MigrationFailed: The engine refused a step; the database is as it was.
    """
    refuse_kept(entries(connection))
    empty = frozenset(name for name in table_names(connection) if not has_row(connection, name))
    planned = plan(connection, schema, empty_tables=empty)
    before = shape_of(connection)
    known = known_without_files(
        schema, planned, before=before, has_plain=lambda *it: _has_plain(connection, *it)
    )
    planned = with_sealing(planned, schema, known=known, before=before)
    if planned.refusals:
        raise MigrationNeeded(" ".join(str(refusal) for refusal in planned.refusals))
    if planned.is_empty:
        return Synced(planned, None)
    if not may_lose:
        refuse_losses(losses(connection, planned))
    # What is only added or renamed needs no copy, and development would collect many.
    is_deep = any(isinstance(s, RebuildTable) or s.is_destructive for s in planned.steps)
    # One from before sealing would hold in clear what is sealed now.
    is_deep &= not any(isinstance(step, SealColumn) for step in planned.steps)
    snapshot = transact(
        connection,
        [Migration.of_plan(planned, number=0, slug="sync")],
        expected=schema,
        snapshot_to=snapshot_to if is_deep else None,
        finish=lambda: None,
        on_progress=on_progress,
        sealer=sealer,
    )
    return Synced(planned, snapshot)


def _has_plain(connection: apsw.Connection, table: str, column: str) -> bool:
    name = quoted(column)
    sql = f"SELECT 1 FROM {quoted(table)} WHERE {name} NOT GLOB 'fh[0-9]*.*' LIMIT 1"  # noqa: S608
    return bool(rows(connection, sql))


def refuse_kept(had: Sequence[Entry]) -> None:
    """
    Leave a database alone that is kept by files.

    Raises:
        MigrationNeeded: It has a history.
    """
    if had:
        raise MigrationNeeded(
            "This database is kept by migration files, and the application has none.",
            hint="Bring the migrations folder back, or start with another database.",
        )


def refuse_losses(lost: Sequence[str]) -> None:
    """
    Refuse to throw away what is there.

    Raises:
        MigrationNeeded: Something would be lost.
    """
    if lost:
        raise MigrationNeeded(
            f"The schema no longer says what the database holds: {', '.join(lost)}.",
            hint='If it was renamed, say was="…" or Was("…"). If it may go, drop it in a migration '
            "file, or start with a new database.",
        )


def losses(connection: apsw.Connection, planned: Plan) -> list[str]:
    """What a plan would lose in this database, counted; nothing where there is nothing."""
    lost = []
    for table, what, said, unit in renamed_losses(planned):
        sql = f"SELECT count({what}) FROM {quoted(table)}"  # noqa: S608 - quoted
        count = number(connection, sql)
        lost += [f"{said} ({unit}: {count})"] if count else []
    return lost


def renamed_losses(planned: Plan) -> list[tuple[str, str, str, str]]:
    """
    What a plan takes away, by the names that it has before the plan.

    Returns:
        Table, what to count in it, how to say it, and what is counted.
    """
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    found = []
    for step in planned.steps:
        table = tables.get(step.table, step.table)
        match step:
            case RenameTable():
                tables[step.table] = step.old
            case RenameColumn():
                columns[step.table, step.column] = step.old
            case DropTable():
                found.append((table, "*", f"table {table}", "rows"))
            case DropColumn() | RebuildTable():
                dropped = (step.column,) if isinstance(step, DropColumn) else step.dropped
                for name in dropped:
                    old = columns.get((step.table, name), name)
                    found.append((table, quoted(old), f"{table}.{old}", "values"))
    return found
