"""
Alembic's comparison of a database with a schema: the tables and columns that come and go.

Alembic needs an engine of SQLAlchemy, which for SQLite is the standard library's `sqlite3`.
A second SQLite library must never open the live file (closing it would drop the first one's
locks), so it gets an empty copy in memory, made from the text of the tables. What reads
otherwise within a table is left to `shape`, which also sees what Alembic does not: checks,
triggers, STRICT, WITHOUT ROWID, parts of indexes.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from freehold.errors import MigrationFailed
from freehold.migrate.sqltext import without_strict
from freehold.schema import Schema

_STRICT_SINCE = (3, 37, 0)


@dataclass
class Changes:
    """
    What comes and goes, by table.

    Args:
        new: Tables to create.
        gone: Tables to drop.
        columns_new: Columns to add to tables that are there.
        columns_gone: Columns to drop from tables that stay.
    """

    new: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    columns_new: dict[str, list[str]] = field(default_factory=dict)
    columns_gone: dict[str, list[str]] = field(default_factory=dict)


def compare(ddl: Sequence[str], schema: Schema) -> Changes:
    """
    Compare the tables that these statements make with the schema.

    Raises:
        MigrationFailed: The standard library's SQLite cannot read one of the statements.
    """
    if not ddl:
        return Changes(new=set(schema.metadata.tables))
    # Loaded here: a database that is as it should be never needs it.
    from alembic.autogenerate import produce_migrations
    from alembic.migration import MigrationContext

    with closing(_copy(ddl)) as copy, warnings.catch_warnings():
        # SQLAlchemy warns of types and indexes it cannot name; `shape` sees those.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        engine = sa.create_engine("sqlite://", creator=lambda: copy, poolclass=sa.StaticPool)
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "target_metadata": schema.metadata,
                    "compare_type": True,
                    "compare_server_default": True,
                },
            )
            found = produce_migrations(context, schema.metadata).upgrade_ops
    return _read(found.ops if found else ())


def _copy(ddl: Sequence[str]) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:")
    for statement in ddl:
        is_old = sqlite3.sqlite_version_info < _STRICT_SINCE
        try:
            copy.execute(without_strict(statement) if is_old else statement)
        except sqlite3.Error as error:
            copy.close()
            raise MigrationFailed(
                f"SQLite {sqlite3.sqlite_version}, which this Python has for comparing schemas, "
                f"cannot read `{statement.splitlines()[0]} …`: {error}.",
                hint="Plan with a newer Python; applying a migration does not need it.",
            ) from None
    return copy


def _read(operations: Sequence[Any]) -> Changes:
    from alembic.operations import ops

    changes = Changes()
    for operation in operations:
        match operation:
            case ops.CreateTableOp():
                changes.new.add(operation.table_name)
            case ops.DropTableOp():
                changes.gone.add(operation.table_name)
            case ops.ModifyTableOps():
                for part in operation.ops:
                    _read_part(part, operation.table_name, changes)
    return changes


def _read_part(part: Any, table: str, changes: Changes) -> None:
    from alembic.operations import ops

    match part:
        case ops.AddColumnOp():
            changes.columns_new.setdefault(table, []).append(part.column.name)
        case ops.DropColumnOp():
            changes.columns_gone.setdefault(table, []).append(part.column_name)
