"""
Applying migrations on PostgreSQL: all that wait, in one transaction, whole or not at all.

The engine undoes changed tables with everything else, so no copy is kept from before;
against a migration that does the wrong thing well there is the provider's backup, or
`pg_dump`.
"""

from __future__ import annotations

from collections.abc import Sequence

from freehold.clock import Clock
from freehold.errors import MigrationFailed
from freehold.migrate.apply import Applied, needs_more, refuse_unsealed, refuse_waiting
from freehold.migrate.differences import differences
from freehold.migrate.files import Migration
from freehold.migrate.postgres.connection import SqlConnection
from freehold.migrate.postgres.history import entries, matches, pending, record
from freehold.migrate.postgres.run import run_migration
from freehold.migrate.postgres.shape import built, shape_of, shape_of_schema
from freehold.migrate.postgres.transaction import Bounds, stop_writers, transact
from freehold.migrate.run import AS_IT_WAS, OnProgress, Progress
from freehold.migrate.sealed import unlike_files
from freehold.migrate.sealing import Sealer
from freehold.schema import Schema


def apply(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    expected: Schema | None = None,
    on_progress: OnProgress | None = None,
    bounds: Bounds | None = None,
    sealer: Sealer | None = None,
) -> Applied:
    """
    Bring the database to the last migration, or leave it as it is.

    Args:
        expected: The schema that must be there afterwards.
        on_progress: Is told each step before it is done; an exception from it ends the run.
        sealer: Seals the values of columns that are to be sealed.

    Raises:
        DatabaseTooNew: The database has had more migrations than these.
        MigrationNeeded: All are applied, but the schema says more than they do.
        MigrationFailed: A migration was refused, or a lock was not to be had; the database
            is as it was.
    """

    return transact(
        connection,
        lambda: apply_waiting(
            connection,
            migrations,
            clock=clock,
            expected=expected,
            on_progress=on_progress,
            sealer=sealer,
        ),
        on_progress=on_progress,
        bounds=bounds,
    )


def apply_waiting(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    expected: Schema | None,
    on_progress: OnProgress | None,
    sealer: Sealer | None = None,
) -> Applied:
    """The same inside the open transaction."""
    waiting = pending(connection, migrations)
    if not waiting:
        require_shape(connection, migrations, expected)
        return Applied((), len(entries(connection)))
    refuse_unsealed(migrations, expected)
    stop_writers(connection)
    for migration in waiting:
        run_migration(connection, migration, on_progress, sealer=sealer)
    last = waiting[-1]
    _tell(on_progress, "verify", last.name)
    if expected is not None:
        require_arrival(connection, expected, last.name)
    record(connection, waiting, clock=clock)
    _tell(on_progress, "commit", last.name)
    warnings = () if expected else ("The shape was not compared with a schema.",)
    return Applied(tuple(m.name for m in waiting), last.number, None, warnings)


def require_current(
    connection: SqlConnection, migrations: Sequence[Migration], *, expected: Schema | None
) -> None:
    """
    Refuse a database that is not at the last migration, inside the open transaction.

    Raises:
        DatabaseTooNew, MigrationFailed: As `apply`.
        MigrationNeeded: Something waits, or the schema says more than the migrations.
    """
    refuse_waiting(pending(connection, migrations))
    require_shape(connection, migrations, expected)


def adopt(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    upto: int | None = None,
) -> Applied:
    """
    Take over a database that has tables and no history: write down what it has had.

    Inside the open transaction. Nothing is run. Its shape must be exactly that after
    migration `upto`; left out, after the only migration that fits.

    Raises:
        MigrationFailed: It has a history, or its shape is another, or several fit.
    """
    if entries(connection):
        raise MigrationFailed("The database has a history already.", hint="Nothing to adopt.")
    fitting = [m for m in matches(connection, migrations) if upto in (None, m.number)]
    if len(fitting) != 1:
        names = ", ".join(migration.name for migration in fitting)
        said = f"The database's shape fits {names}." if fitting else ""
        raise MigrationFailed(
            said or _nearest(connection, migrations),
            hint="Say which one it has had." if fitting else "Bring it to that shape first.",
        )
    had = list(migrations[: fitting[0].number])
    record(connection, had, clock=clock)
    return Applied(tuple(migration.name for migration in had), had[-1].number)


def require_arrival(connection: SqlConnection, expected: Schema, name: str) -> None:
    """
    See that the database is what the schema says, inside the open transaction.

    Raises:
        MigrationFailed: It is not.
    """
    left = differences(shape_of(connection), shape_of_schema(connection, expected))
    if left:
        raise MigrationFailed(
            f"After {name} the database would not be what the schema says: {' '.join(left)}",
            hint=f"Run `freehold migrate plan` for what is missing. {AS_IT_WAS}",
        )


def require_shape(
    connection: SqlConnection, migrations: Sequence[Migration], expected: Schema | None
) -> None:
    """
    See that nothing is left to migrate, inside the open transaction.

    Raises:
        MigrationNeeded: The schema says more.
    """
    if expected is None:
        return
    left = differences(shape_of(connection), shape_of_schema(connection, expected))
    left += unlike_files(expected, migrations)
    if left:
        raise needs_more(left)


def _nearest(connection: SqlConnection, migrations: Sequence[Migration]) -> str:
    statements = [s.sql for migration in migrations for s in migration.statements if s.sql]
    left = differences(shape_of(connection), built(connection, statements))
    return f"The database's shape is not that after any migration: {' '.join(left)}"


def _tell(on_progress: OnProgress | None, phase: str, name: str) -> None:
    if on_progress:
        on_progress(Progress(phase, name, 0, 0))
