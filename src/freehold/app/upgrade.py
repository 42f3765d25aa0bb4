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
from freehold.crypto import KeyRing
from freehold.errors import MigrationNeeded
from freehold.migrate.apply import adopt, apply, require_current
from freehold.migrate.files import Migration
from freehold.migrate.history import entries, matches
from freehold.migrate.pairs import load_all
from freehold.migrate.postgres import apply as postgres_apply
from freehold.migrate.postgres import history as postgres_history
from freehold.migrate.postgres import shape as postgres_shape
from freehold.migrate.postgres import sync as postgres_sync
from freehold.migrate.postgres.connection import SqlConnection
from freehold.migrate.postgres.transaction import transact
from freehold.migrate.run import Progress
from freehold.migrate.sealed import has_seals
from freehold.migrate.sealing import Sealer, scrub
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
    ring: KeyRing | None = None,
) -> None:
    """
    See that the database is what the schema says, or refuse it.

    A new database is always built. An old one is changed as `mode` allows, with a copy from
    before beside it when it holds rows.

    Args:
        ring: Seals columns that stood in clear until now.

    Raises:
        DatabaseTooNew: It was written by a newer application.
        MigrationNeeded: It is older, and `mode` does not allow to change it; or the migrations
            do not lead to the schema.
        MigrationFailed: A step was refused; the database is as it was.
    """

    def tell(progress: Progress) -> None:
        _say(progress, on_progress)

    sealer = Sealer(declared.name, ring)
    if not connection.readonly("main") and scrub(connection):
        # It was sealed by a process that died before the last of it.
        on_progress("what was sealed is not in the file in clear any more")
    is_new = not table_names(connection)
    migrations = load_all(declared.migrations, "sqlite") if declared.migrations else []
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
        done = apply(
            connection,
            migrations,
            clock=clock,
            snapshot_to=snapshot_path(path, connection),
            expected=declared.schema,
            on_progress=tell,
            sealer=sealer,
        )
        if has_seals([each for each in migrations if each.name in done.migrations]):
            _say_what_is_in_clear(path, on_progress)
    elif is_new or mode == "sync":
        sync(
            connection,
            declared.schema,
            snapshot_to=snapshot_path(path, connection),
            on_progress=tell,
            sealer=sealer,
        )
    elif shape_of(connection) != shape_of_schema(declared.schema) or entries(connection):
        raise _too_old(declared, str(path))


def bring_postgres_up_to_date(
    connection: SqlConnection,
    declared: Database,
    *,
    mode: UpgradeMode,
    clock: Clock,
    on_progress: Callable[[str], None],
    ring: KeyRing | None = None,
) -> None:
    """
    The same on PostgreSQL; several processes may call it at once, and take turns.

    The schema of the search path is made when it is missing. Freehold's own tables are left
    to the driver, but for the history of migrations.

    Args:
        connection: A connection of one's own, outside of a transaction.

    Raises:
        DatabaseTooNew, MigrationNeeded, MigrationFailed: As `bring_up_to_date`.
    """
    migrations = load_all(declared.migrations, "postgresql") if declared.migrations else []
    sealer = Sealer(declared.name, ring)

    def tell(progress: Progress) -> None:
        _say(progress, on_progress)

    def work() -> None:
        is_new = not postgres_shape.table_names(connection)
        if not migrations:
            may_change = is_new or mode == "sync"
            _without_files(connection, declared, sealer, may_change=may_change, tell=tell)
        elif mode == "adopt":
            postgres_apply.adopt(connection, migrations, clock=clock)
        elif mode == "refuse" and not is_new:
            postgres_apply.require_current(connection, migrations, expected=declared.schema)
        else:
            had = postgres_history.entries(connection)
            is_young = mode == "sync" and not is_new and not had
            if is_young and postgres_history.matches(connection, migrations):
                # In development the database was there before its first migration.
                postgres_apply.adopt(connection, migrations, clock=clock)
            done = postgres_apply.apply_waiting(
                connection,
                migrations,
                clock=clock,
                expected=declared.schema,
                on_progress=tell,
                sealer=sealer,
            )
            if has_seals([each for each in migrations if each.name in done.migrations]):
                on_progress(
                    "the values that were sealed stay in clear in the server's log until it is "
                    "written over, and in every backup from before"
                )

    transact(connection, work, on_progress=tell)


def _without_files(
    connection: SqlConnection,
    declared: Database,
    sealer: Sealer,
    *,
    may_change: bool,
    tell: Callable[[Progress], None],
) -> None:
    if may_change:
        postgres_sync.sync(connection, declared.schema, on_progress=tell, sealer=sealer)
        return
    here = postgres_shape.shape_of(connection)
    there = postgres_shape.shape_of_schema(connection, declared.schema)
    if here != there or postgres_history.entries(connection):
        raise _too_old(declared, "This database")


def _too_old(declared: Database, what: str) -> MigrationNeeded:
    return MigrationNeeded(
        f"{what} is older than the schema of {declared.name!r}.",
        hint="Write a migration with `freehold migrate plan`, then `freehold migrate apply`.",
    )


def _say_what_is_in_clear(path: Path, on_progress: Callable[[str], None]) -> None:
    """The copies of earlier migrations are named: whoever reads this can delete them."""
    older = sorted(each.name for each in path.parent.glob(f"{path.stem}.before-*{path.suffix}"))
    named = f" ({', '.join(older)})" if older else ""
    on_progress(
        "no copy from before was kept; older ones hold in clear what is sealed now: delete the "
        f"copies beside the database{named} and every backup from before"
    )


def _say(progress: Progress, on_progress: Callable[[str], None]) -> None:
    """A line for the person who waits."""
    match progress:
        case Progress("snapshot", name):
            on_progress(f"keeping a copy from before in {name}")
        case Progress("statement", name, 1, count):
            on_progress(f"applying {name}, {count} statements")
        case Progress("sealed", name):
            on_progress(f"{name}: what was sealed is not in the file in clear any more")
        case Progress("rows", table, count):
            on_progress(f"rewriting {table}, {count} rows")
        case Progress("wait", _, waited_s) if waited_s in (1, 5) or waited_s % 30 == 0:
            on_progress("another process is migrating this database; waiting for it")
        case Progress("locked", why, tried, count):
            on_progress(f"{why}; trying again ({tried} of {count})")


def _is_without_history(connection: apsw.Connection, migrations: Sequence[Migration]) -> bool:
    """It was built from the schema, and its shape is that of one of the migrations."""
    has_tables = bool(table_names(connection))
    return has_tables and not entries(connection) and bool(matches(connection, migrations))
