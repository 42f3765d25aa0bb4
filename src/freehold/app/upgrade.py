"""
A database that is older than its schema: refused, or brought up to date before it serves.

An application with a folder of migrations goes through them. One without is compared with
its schema directly, which is right while it is young.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import apsw

from freehold.app.declaration import Database
from freehold.clock import Clock
from freehold.errors import MigrationNeeded
from freehold.migrate.apply import adopt, apply, require_current
from freehold.migrate.files import Migration, load
from freehold.migrate.history import entries, matches
from freehold.migrate.run import Progress
from freehold.migrate.shape import shape_of, shape_of_schema, table_names
from freehold.migrate.snapshot import snapshot_path
from freehold.migrate.sync import sync

#: `refuse` an old database, `apply` its migrations, or `sync` it where there are none.
#: `adopt` writes down which migrations a database without a history has had.
UpgradeMode = Literal["refuse", "apply", "sync", "adopt"]


def bring_up_to_date(
    connection: apsw.Connection,
    declared: Database,
    path: Path,
    *,
    mode: UpgradeMode,
    clock: Clock,
    on_progress: Callable[[str], None],
) -> None:
    """
    See that the database is what the schema says, or refuse it.

    A new database is always built. An old one is changed as `mode` allows, with a copy from
    before beside it when it holds rows.

    Raises:
        DatabaseTooNew: It was written by a newer application.
        MigrationNeeded: It is older, and `mode` does not allow to change it; or the migrations
            do not lead to the schema.
        MigrationFailed: A step was refused; the database is as it was.
    """

    def tell(progress: Progress) -> None:
        if progress.phase == "snapshot":
            on_progress(f"keeping a copy from before in {progress.migration}")
        elif progress.phase == "statement" and progress.number == 1:
            on_progress(f"applying {progress.migration}, {progress.count} statements")

    is_new = not table_names(connection)
    migrations = load(declared.migrations) if declared.migrations is not None else []
    if migrations:
        if mode == "adopt":
            adopt(connection, migrations, clock=clock)
            return
        if mode == "sync" and _is_without_history(connection, migrations):
            # In development the database was there before its first migration.
            adopt(connection, migrations, clock=clock)
        if mode == "refuse" and not is_new:
            require_current(connection, migrations, expected=declared.schema)
            return
        apply(
            connection,
            migrations,
            clock=clock,
            snapshot_to=snapshot_path(path, connection),
            expected=declared.schema,
            on_progress=tell,
        )
    elif is_new or mode == "sync":
        sync(
            connection,
            declared.schema,
            snapshot_to=snapshot_path(path, connection),
            on_progress=tell,
        )
    elif shape_of(connection) != shape_of_schema(declared.schema) or entries(connection):
        raise MigrationNeeded(
            f"{path} is older than the schema of {declared.name!r}.",
            hint="Write a migration with `freehold migrate plan`, then `freehold migrate apply`.",
        )


def _is_without_history(connection: apsw.Connection, migrations: Sequence[Migration]) -> bool:
    """It was built from the schema, and its shape is that of one of the migrations."""
    has_tables = bool(table_names(connection))
    return has_tables and not entries(connection) and bool(matches(connection, migrations))
