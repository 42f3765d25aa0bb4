"""
Applying migrations: all that wait, in one transaction, whole or not at all.

Around it: foreign keys are off before the transaction begins and it is looked that they
are (inside one the pragma does nothing, and dropping a rebuilt table would delete every
child row); a snapshot is kept when there are rows; before COMMIT all references are
checked and the shape is compared with the schema's. Which files wait is decided in
`history`; a database without files is brought to its schema by `sync`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from freehold.clock import Clock
from freehold.errors import MigrationFailed, MigrationNeeded, StorageBroken, invariant
from freehold.migrate.differences import differences
from freehold.migrate.engine import number
from freehold.migrate.files import Migration
from freehold.migrate.history import entries, matches, pending, record, version
from freehold.migrate.run import AS_IT_WAS, OnProgress, Progress, run_migration, scratch
from freehold.migrate.sealed import has_seals, unlike_files
from freehold.migrate.sealing import Sealer, scrub
from freehold.migrate.shape import shape_of, shape_of_schema
from freehold.migrate.snapshot import has_rows, require_whole, take_snapshot
from freehold.schema import Schema


@dataclass(frozen=True)
class Applied:
    """
    What was done.

    Args:
        migrations: The names of what was applied, in order; nothing when all was there.
        version: The number of the last migration the database has had.
        snapshot: The copy from before, None when there were no rows or no place for it.
        warnings: What was not verified, in sentences.
    """

    migrations: tuple[str, ...]
    version: int
    snapshot: Path | None = None
    warnings: tuple[str, ...] = ()


def apply(
    connection: apsw.Connection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    snapshot_to: Path | None = None,
    expected: Schema | None = None,
    on_progress: OnProgress | None = None,
    sealer: Sealer | None = None,
) -> Applied:
    """
    Bring the database to the last migration, or leave it as it is.

    Args:
        snapshot_to: The file that keeps the database from before, see `snapshot_path`. None
            is kept when values are sealed: it would hold them in clear.
        sealer: Seals the values of columns that are to be sealed.
        expected: The schema that must be there afterwards.
        on_progress: Is told each step before it is done; an exception from it ends the run.

    Raises:
        DatabaseTooNew: The database has had more migrations than these.
        MigrationNeeded: All are applied, but the schema says more than they do.
        MigrationFailed: A migration was refused; the database is as it was.
        StorageBroken: The disk failed in COMMIT; the next start finds either all or nothing.
        KeysMissing: Values are to be sealed, and there is no key.
    """
    waiting = pending(connection, migrations)
    if not waiting:
        _require_shape(connection, migrations, expected)
        return Applied((), version(connection))
    refuse_unsealed(migrations, expected)
    keep = None if has_seals(waiting) else snapshot_to
    if has_rows(connection):
        require_whole(connection, is_copied=keep is not None)
    snapshot = transact(
        connection,
        waiting,
        expected=expected,
        snapshot_to=keep,
        finish=lambda: record(connection, waiting, clock=clock),
        on_progress=on_progress,
        sealer=sealer,
    )
    warnings = () if expected else ("The shape was not compared with a schema.",)
    names = tuple(migration.name for migration in waiting)
    return Applied(names, waiting[-1].number, snapshot, warnings)


def require_current(
    connection: apsw.Connection, migrations: Sequence[Migration], *, expected: Schema | None
) -> None:
    """
    Refuse to serve a database that is not at the last migration; changes nothing.

    Raises:
        DatabaseTooNew, MigrationFailed: As `apply`.
        MigrationNeeded: Something waits, or the schema says more than the migrations.
    """
    refuse_waiting(pending(connection, migrations))
    _require_shape(connection, migrations, expected)


def refuse_waiting(waiting: Sequence[Migration]) -> None:
    """
    Refuse a database that is not at the last migration.

    Raises:
        MigrationNeeded: Something waits.
    """
    if waiting:
        names = ", ".join(migration.name for migration in waiting)
        raise MigrationNeeded(
            f"This database waits for {names}.",
            hint="Run `freehold migrate apply`.",
        )


def refuse_unsealed(migrations: Sequence[Migration], expected: Schema | None) -> None:
    """
    Refuse migrations that leave other columns sealed than the schema says.

    Raises:
        MigrationNeeded: One is not sealed by them, or is.
    """
    left = unlike_files(expected, migrations) if expected else []
    if left:
        raise needs_more(left)


def check(schema: Schema, migrations: Sequence[Migration]) -> list[str]:
    """
    How a database built from nothing by the migrations differs from the schema.

    Nothing when the two roads meet.

    Raises:
        MigrationFailed: A migration does not run on an empty database.
    """
    with scratch(migrations) as built:
        left = differences(shape_of(built), shape_of_schema(schema))
        return left + unlike_files(schema, migrations)


def adopt(
    connection: apsw.Connection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    upto: int | None = None,
) -> Applied:
    """
    Take over a database that has tables and no history: write down what it has had.

    Nothing is run. Its shape must be exactly that after migration `upto`; left out, after
    the only migration that fits.

    Raises:
        MigrationFailed: It has a history, or its shape is another, or several fit.
    """
    if entries(connection):
        raise MigrationFailed("The database has a history already.", hint="Nothing to adopt.")
    fitting = [m for m in matches(connection, migrations) if upto in (None, m.number)]
    if len(fitting) != 1:
        names = ", ".join(migration.name for migration in fitting)
        raise MigrationFailed(
            f"The database's shape fits {names}." if fitting else _nearest(connection, migrations),
            hint="Say which one it has had." if fitting else "Bring it to that shape first.",
        )
    had = list(migrations[: fitting[0].number])
    with whole_or_nothing(connection):
        record(connection, had, clock=clock)
    return Applied(tuple(migration.name for migration in had), had[-1].number)


def transact(
    connection: apsw.Connection,
    migrations: Sequence[Migration],
    *,
    expected: Schema | None,
    snapshot_to: Path | None,
    finish: Callable[[], None],
    on_progress: OnProgress | None,
    sealer: Sealer | None = None,
) -> Path | None:
    """
    Run migrations in one transaction with everything that is verified around it.

    Args:
        finish: The last writes, just before COMMIT.

    Returns:
        The snapshot, None when none was kept.
    """
    if connection.in_transaction:
        raise MigrationFailed("A transaction is open on this connection.", hint=AS_IT_WAS)
    tell = on_progress or _silence
    snapshot = snapshot_to if snapshot_to and has_rows(connection) else None
    if snapshot:
        tell(Progress("snapshot", snapshot.name, 0, 0))
        take_snapshot(connection, snapshot)
    last = migrations[-1].name
    with (
        _dropped_on_failure(snapshot),
        foreign_keys_off(connection),
        whole_or_nothing(connection),
    ):
        for migration in migrations:
            run_migration(connection, migration, on_progress, sealer=sealer)
        tell(Progress("verify", last, 0, 0))
        require_references(connection, last)
        if expected is not None:
            _require_arrival(connection, expected, last)
        finish()
        tell(Progress("commit", last, 0, 0))
    if scrub(connection):
        tell(Progress("sealed", last, 0, 0))
    tell(Progress("done", last, 0, 0))
    return snapshot


def _silence(_: Progress) -> None:
    """Nobody asked."""


@contextmanager
def _dropped_on_failure(snapshot: Path | None) -> Iterator[None]:
    """A database that is as it was needs no copy, and a start in a loop would fill the disk."""
    try:
        yield
    except StorageBroken:
        raise
    except BaseException:
        if snapshot:
            snapshot.unlink(missing_ok=True)
        raise


@contextmanager
def foreign_keys_off(connection: apsw.Connection) -> Iterator[None]:
    """Off while tables are rebuilt, on afterwards; each time looking that it took."""
    connection.execute("PRAGMA foreign_keys = OFF")
    if number(connection, "PRAGMA foreign_keys"):
        raise MigrationFailed("The engine did not turn foreign keys off.", hint=AS_IT_WAS)
    # Both decide what a rebuild does to triggers and rows; these are the engine's defaults.
    connection.execute("PRAGMA legacy_alter_table = OFF")
    connection.execute("PRAGMA ignore_check_constraints = OFF")
    try:
        yield
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
        invariant(number(connection, "PRAGMA foreign_keys"), "foreign keys are on again")


@contextmanager
def whole_or_nothing(connection: apsw.Connection) -> Iterator[None]:
    """One transaction; whatever goes wrong in it, the database is as it was."""
    try:
        connection.execute("BEGIN IMMEDIATE /* migrations */", can_cache=False)
    except apsw.Error as error:
        raise MigrationFailed(
            f"The database cannot be written: {error}.", hint=AS_IT_WAS
        ) from error
    try:
        yield
        _commit(connection)
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK /* migrations */", can_cache=False)
        if isinstance(error, apsw.Error):
            raise MigrationFailed(f"{error}.", hint=AS_IT_WAS) from error
        raise


def _commit(connection: apsw.Connection) -> None:
    try:
        connection.execute("COMMIT /* migrations */", can_cache=False)
    except apsw.IOError as error:
        raise StorageBroken(
            f"The disk failed while the migrations were committed: {error}.",
            hint="The next start finds either all of them or none.",
        ) from error


def require_references(connection: apsw.Connection, name: str) -> None:
    """
    See that every reference points at a row.

    Raises:
        MigrationFailed: One does not.
    """
    broken: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        broken[table, parent] = broken.get((table, parent), 0) + 1
    if broken:
        (table, parent), count = next(iter(broken.items()))
        raise MigrationFailed(
            f"{name}: rows of {table} would point at rows of {parent} that are not there: {count}.",
            hint=f"Repair or delete them first, in a statement of their own. {AS_IT_WAS}",
        )


def _require_arrival(connection: apsw.Connection, expected: Schema, name: str) -> None:
    left = differences(shape_of(connection), shape_of_schema(expected))
    if left:
        raise MigrationFailed(
            f"After {name} the database would not be what the schema says: {' '.join(left)}",
            hint=f"Run `freehold migrate plan` for what is missing. {AS_IT_WAS}",
        )


def _require_shape(
    connection: apsw.Connection, migrations: Sequence[Migration], expected: Schema | None
) -> None:
    if expected is None:
        return
    left = differences(shape_of(connection), shape_of_schema(expected))
    left += unlike_files(expected, migrations)
    if left:
        raise needs_more(left)


def needs_more(left: Sequence[str]) -> MigrationNeeded:
    """The refusal of a schema that says more than the migrations do."""
    return MigrationNeeded(
        f"The schema says what no migration does: {' '.join(left)}",
        hint="Run `freehold migrate plan`, review the file, then `freehold migrate apply`.",
    )


def _nearest(connection: apsw.Connection, migrations: Sequence[Migration]) -> str:
    with scratch(migrations) as built:
        left = differences(shape_of(connection), shape_of(built))
    return f"The database's shape is not that after any migration: {' '.join(left)}"
