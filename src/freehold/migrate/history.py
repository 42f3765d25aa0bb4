"""
The history of a database: which migrations it has had, when, and in which words.

It stands in the database itself, in `_freehold_migrations`, and its last number also in
`user_version`. What is waiting is decided here; nothing is run here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import apsw

from freehold.clock import Clock
from freehold.errors import DatabaseTooNew, MigrationFailed
from freehold.migrate.engine import number, rows
from freehold.migrate.files import Migration
from freehold.migrate.run import scratch
from freehold.migrate.shape import shape_of, table_names

HISTORY_TABLE: Final = "_freehold_migrations"

_CREATE = f"""
CREATE TABLE IF NOT EXISTS {HISTORY_TABLE} (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT
"""

State = Literal["applied", "waiting", "edited", "unknown"]


@dataclass(frozen=True)
class Entry:
    """One applied migration; `applied_at` in epoch seconds."""

    number: int
    name: str
    checksum: str
    applied_at: int


@dataclass(frozen=True)
class Status:
    """
    One migration, seen from a database.

    `edited` was applied in other words than its file has now; `unknown` was applied, but
    this application has no such file.
    """

    number: int
    name: str
    state: State
    applied_at: int | None


@contextmanager
def reading(path: Path, *, vfs: str | None = None) -> Iterator[apsw.Connection]:
    """
    A database opened only to be looked at; its owner may go on serving.

    Args:
        path: Its file.
        vfs: What its owner opens it through.
    """
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(str(path), flags=flags, vfs=vfs)) as connection:
        yield connection


def entries(connection: apsw.Connection) -> list[Entry]:
    """What was applied, in order; nothing when there is no history."""
    if not rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = ?", HISTORY_TABLE):
        return []
    sql = f"SELECT number, name, checksum, applied_at FROM {HISTORY_TABLE} "  # noqa: S608
    try:
        return [Entry(*row) for row in rows(connection, f"{sql} ORDER BY number")]
    except apsw.SQLError as error:
        raise MigrationFailed(
            f"The database's history of migrations is not known: {error}.",
            hint="It was written by something else; give the application a database of its own.",
        ) from None


def version(connection: apsw.Connection) -> int:
    """The number of the last applied migration as the file's header has it."""
    return number(connection, "PRAGMA user_version")


def status(connection: apsw.Connection, migrations: Sequence[Migration]) -> list[Status]:
    """Every migration that the database or the application knows; never refuses."""
    return statuses(entries(connection), migrations)


def statuses(had: Sequence[Entry], migrations: Sequence[Migration]) -> list[Status]:
    """What a database has had beside what an application knows."""
    applied = {entry.number: entry for entry in had}
    known = {migration.number: migration for migration in migrations}
    found = []
    for place in sorted({*applied, *known}):
        entry, migration = applied.get(place), known.get(place)
        if entry is None:
            if migration is not None:
                found.append(Status(place, migration.name, "waiting", None))
            continue
        state: State = "applied"
        if migration is None:
            state = "unknown"
        elif not _same(entry, migration):
            state = "edited"
        found.append(Status(place, entry.name, state, entry.applied_at))
    return found


def pending(connection: apsw.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """
    The migrations that the database has not had yet, in order.

    Raises:
        DatabaseTooNew: It has had more than this application knows.
        MigrationFailed: Its history is none of these migrations'.
    """
    applied = entries(connection)
    refuse_newer(applied, migrations)
    _verify(connection, applied, migrations)
    if not applied and migrations and table_names(connection):
        raise _without_history(connection, migrations)
    return list(migrations[len(applied) :])


def record(connection: apsw.Connection, migrations: Sequence[Migration], *, clock: Clock) -> None:
    """Write down that these were applied, inside the open transaction."""
    connection.execute(_CREATE)
    applied_at = clock.wall_ns() // 1_000_000_000
    for migration in migrations:
        connection.execute(
            f"INSERT INTO {HISTORY_TABLE} (number, name, checksum, applied_at) "  # noqa: S608
            "VALUES (?, ?, ?, ?)",
            (migration.number, migration.name, migration.checksum, applied_at),
        )
    connection.execute(f"PRAGMA user_version = {migrations[-1].number}")


def _verify(
    connection: apsw.Connection, applied: Sequence[Entry], migrations: Sequence[Migration]
) -> None:
    numbers = [entry.number for entry in applied]
    header = version(connection)
    if numbers != list(range(1, len(numbers) + 1)) or header != len(numbers):
        raise MigrationFailed(
            f"The database's history of migrations is not known: its header says {header}, its "
            f"list {', '.join(map(str, numbers)) or 'is empty'}.",
            hint="It was written by something else; give the application a database of its own, "
            "or take this one over with `freehold migrate adopt`.",
        )
    refuse_edited(applied, migrations)


def refuse_newer(applied: Sequence[Entry], migrations: Sequence[Migration]) -> None:
    """
    Refuse a database that a newer application has changed.

    Raises:
        DatabaseTooNew: It has had more migrations than there are.
    """
    known = migrations[-1].number if migrations else 0
    if applied and applied[-1].number > known:
        raise DatabaseTooNew(
            f"The database is at migration {applied[-1].name}, and this application knows "
            f"{f'{known:04} at most' if known else 'none'}.",
            hint="Start the version of the application that wrote it, or restore the snapshot "
            "from before.",
        )


def refuse_edited(applied: Sequence[Entry], migrations: Sequence[Migration]) -> None:
    """
    Refuse files that are not what was applied.

    Raises:
        MigrationFailed: One reads otherwise.
    """
    for entry, migration in zip(applied, migrations, strict=False):
        if not _same(entry, migration):
            raise MigrationFailed(
                f"{migration.name} is not what was applied as {entry.name}: the file was edited "
                "or replaced since.",
                hint="Bring the old text back and write the change as the next migration.",
            )


def _same(entry: Entry, migration: Migration) -> bool:
    return (entry.name, entry.checksum) == (migration.name, migration.checksum)


def _without_history(
    connection: apsw.Connection, migrations: Sequence[Migration]
) -> MigrationFailed:
    tables = table_names(connection)
    matching = matches(connection, migrations)
    if matching:
        names = " or ".join(migration.name for migration in matching)
        hint = f"Its shape is that of {names}: take it over with `freehold migrate adopt`."
    else:
        hint = "Its shape is that of none of the migrations, so it belongs to something else."
    return MigrationFailed(
        f"The database holds tables ({', '.join(tables[:3])}"
        f"{', …' if len(tables) > 3 else ''}) and no history of migrations.",
        hint=hint,
    )


def matches(connection: apsw.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """The migrations after which a database built from nothing has this database's shape."""
    here = shape_of(connection)
    found = []
    for count, migration in enumerate(migrations, start=1):
        with scratch(migrations[:count]) as built:
            if shape_of(built) == here:
                found.append(migration)
    return found
