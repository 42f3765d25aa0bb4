"""
Which migrations a PostgreSQL database has had: the same table as on SQLite.

What is waiting is decided here; nothing is run here.
"""

from __future__ import annotations

from collections.abc import Sequence

from freehold.clock import Clock
from freehold.errors import MigrationFailed
from freehold.migrate.files import Migration
from freehold.migrate.history import (
    HISTORY_TABLE,
    Entry,
    Status,
    refuse_edited,
    refuse_newer,
    statuses,
)
from freehold.migrate.postgres.connection import SqlConnection
from freehold.migrate.postgres.shape import built, shape_of, table_names

_CREATE = f"""
CREATE TABLE IF NOT EXISTS "{HISTORY_TABLE}" (
  number BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at BIGINT NOT NULL
)
"""


def entries(connection: SqlConnection) -> list[Entry]:
    """What was applied, in order; nothing when there is no history."""
    there = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1::text"
    if not connection.rows(there, HISTORY_TABLE):
        return []
    sql = f'SELECT number, name, checksum, applied_at FROM "{HISTORY_TABLE}" '  # noqa: S608
    return [Entry(*row) for row in connection.rows(f"{sql} ORDER BY number")]


def status(connection: SqlConnection, migrations: Sequence[Migration]) -> list[Status]:
    """Every migration that the database or the application knows; never refuses."""
    return statuses(entries(connection), migrations)


def pending(connection: SqlConnection, migrations: Sequence[Migration]) -> list[Migration]:
    """
    The migrations that the database has not had yet, in order.

    Raises:
        DatabaseTooNew: It has had more than this application knows.
        MigrationFailed: Its history is none of these migrations'.
    """
    applied = entries(connection)
    refuse_newer(applied, migrations)
    numbers = [entry.number for entry in applied]
    if numbers != list(range(1, len(numbers) + 1)):
        raise MigrationFailed(
            "The database's history of migrations is not known: its list says "
            f"{', '.join(map(str, numbers))}.",
            hint="It was written by something else; give the application a schema of its own.",
        )
    refuse_edited(applied, migrations)
    if not applied and migrations and table_names(connection):
        raise _without_history(connection, migrations)
    return list(migrations[len(applied) :])


def record(connection: SqlConnection, migrations: Sequence[Migration], *, clock: Clock) -> None:
    """Write down that these were applied, inside the open transaction."""
    connection.run(_CREATE)
    applied_at = clock.wall_ns() // 1_000_000_000
    for migration in migrations:
        connection.rows(
            f'INSERT INTO "{HISTORY_TABLE}" (number, name, checksum, applied_at) '  # noqa: S608
            "VALUES ($1, $2, $3, $4)",
            migration.number, migration.name, migration.checksum, applied_at,
        )  # fmt: skip


def matches(connection: SqlConnection, migrations: Sequence[Migration]) -> list[Migration]:
    """
    The migrations after which a database built from nothing has this database's shape.

    Inside the open transaction.

    Raises:
        MigrationFailed: A migration does not run on an empty database.
    """
    here = shape_of(connection)
    found = []
    statements: list[str] = []
    for migration in migrations:
        statements += [statement.sql for statement in migration.statements if statement.sql]
        if built(connection, statements) == here:
            found.append(migration)
    return found


def _without_history(connection: SqlConnection, migrations: Sequence[Migration]) -> MigrationFailed:
    tables = table_names(connection)
    matching = matches(connection, migrations)
    if matching:
        names = " or ".join(migration.name for migration in matching)
        hint = f"Its shape is that of {names}: take it over with `freehold migrate adopt`."
    else:
        hint = (
            "Its shape is that of none of the migrations, so it belongs to something else. "
            "Give the application a schema of its own: ?search_path=name in the address."
        )
    return MigrationFailed(
        f"The database holds tables ({', '.join(tables[:3])}"
        f"{', …' if len(tables) > 3 else ''}) and no history of migrations.",
        hint=hint,
    )
