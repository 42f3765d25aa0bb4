"""
Undoing migrations on PostgreSQL: in place, where nothing was thrown away.

The rows are put aside in temporary tables, the tables are built anew by the files up to the
wanted one, and the rows are put back: all in one transaction, under the lock of all who
migrate. No copy from before is kept on a server, so what was dropped does not come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from freehold.errors import MigrationFailed
from freehold.migrate.differences import differences
from freehold.migrate.files import Migration
from freehold.migrate.history import HISTORY_TABLE
from freehold.migrate.postgres.connection import SqlConnection, number
from freehold.migrate.postgres.history import entries, pending
from freehold.migrate.postgres.rehearse import fill, references_rest
from freehold.migrate.postgres.shape import built, shape_of
from freehold.migrate.postgres.transaction import Bounds, stop_writers, transact
from freehold.migrate.reverse import (
    AS_IT_WAS,
    Moved,
    Undone,
    UndoRefused,
    additions,
    moves,
    names,
    obstacles,
    refuse_losses,
    refuse_seals,
    target_of,
)
from freehold.migrate.run import OnProgress
from freehold.migrate.shape import Shape
from freehold.schema.sqltext import quoted

_FUNCTIONS: Final = """
SELECT DISTINCT p.oid::regprocedure::text FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
  AND p.pronamespace = current_schema()::regnamespace AND c.relname NOT LIKE '\\_freehold%'
"""


def undo(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    *,
    to: str | None = None,
    discard_since: bool = False,
    on_progress: OnProgress | None = None,
    bounds: Bounds | None = None,
) -> Undone:
    """
    Bring the database back to a migration that it has had, or leave it as it is.

    Args:
        connection: One of one's own, outside of a transaction; nobody serves the database.
        to: The migration that is to be the last one; left out, the one before the last.
        discard_since: What was written since, and has no place in the old tables, may go.

    Raises:
        UndoRefused: It cannot be undone, or something would be lost.
        DatabaseTooNew, MigrationFailed: The files are not those that were applied.
    """
    return transact(
        connection,
        lambda: _undo(connection, migrations, to, discard_since=discard_since),
        on_progress=on_progress,
        bounds=bounds,
    )


def _undo(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    to: str | None,
    *,
    discard_since: bool,
) -> Undone:
    pending(connection, migrations)
    had = entries(connection)
    target = target_of(had, migrations, to)
    undone = list(migrations[target : len(had)])
    refuse_seals(undone)
    statements = [s.sql for each in migrations[:target] for s in each.statements if s.sql]
    then, now = built(connection, statements), shape_of(connection)
    hindered = obstacles(then, now, undone)
    if hindered:
        raise UndoRefused(
            f"{names(undone)} cannot be undone: {'; '.join(hindered)}, and a server keeps no copy "
            f"from before.",
            hint=f"Restore a backup, or write the next migration. {AS_IT_WAS}",
        )
    stay = moves(then, now, undone)
    lost = list(_losses(connection, then, now, stay))
    refuse_losses(undone, lost, may_lose=discard_since)
    stop_writers(connection)
    counters = {each.then: dict(_counters(connection, each)) for each in stay}
    _put_aside(connection, now, stay)
    for sql in statements:
        connection.run(sql)
    _put_back(connection, then, stay, counters)
    left = differences(shape_of(connection), then)
    if left:
        raise MigrationFailed(
            f"The database would not be what it was: {' '.join(left)}", hint=AS_IT_WAS
        )
    connection.rows(f'DELETE FROM "{HISTORY_TABLE}" WHERE number > $1::bigint', target)  # noqa: S608
    told = tuple(migration.name for migration in reversed(undone))
    return Undone(told, target, tuple(lost))


def _put_aside(connection: SqlConnection, now: Shape, stay: Sequence[Moved]) -> None:
    """All rows into temporary tables; then all tables and their functions go."""
    for place, moved in enumerate(stay):
        table = quoted(moved.now)
        connection.run(f"CREATE TEMP TABLE freehold_aside_{place} ON COMMIT DROP AS TABLE {table}")
    functions = [name for (name,) in connection.rows(_FUNCTIONS)]
    if now.tables:
        # Not CASCADE: a view of somebody else's is named, and nothing happens.
        connection.run(f"DROP TABLE {', '.join(map(quoted, now.tables))}")
    for name in functions:
        connection.run(f"DROP FUNCTION {name}")


def _put_back(
    connection: SqlConnection,
    then: Shape,
    stay: Sequence[Moved],
    counters: dict[str, dict[str, int]],
) -> None:
    with references_rest(connection):
        for place, moved in enumerate(stay):
            aside = f"freehold_aside_{place}"
            into = ", ".join(map(quoted, moved.columns))
            types = then.tables[moved.then].columns
            come_from = ", ".join(
                f"CAST({quoted(now)} AS {types[old].type})" for old, now in moved.columns.items()
            )
            fill(connection, moved.then, listed=into, select=f"SELECT {come_from} FROM {aside}")  # noqa: S608
            before = number(connection, f"SELECT count(*) FROM {aside}")  # noqa: S608
            if number(connection, f"SELECT count(*) FROM {quoted(moved.then)}") != before:  # noqa: S608
                raise MigrationFailed(f"{moved.then} would lose rows.", hint=AS_IT_WAS)
            for column, last in counters[moved.then].items():
                sequence = _sequence(connection, moved.then, column)
                if sequence:
                    connection.run(f"ALTER SEQUENCE {sequence} RESTART WITH {last}")


def _counters(connection: SqlConnection, moved: Moved) -> Iterator[tuple[str, int]]:
    """The next number of each column that counts up by itself."""
    for old, now in moved.columns.items():
        sequence = _sequence(connection, moved.now, now)
        if sequence:
            sql = f"SELECT last_value + is_called::int FROM {sequence}"  # noqa: S608 - the engine's
            yield old, number(connection, sql)


def _sequence(connection: SqlConnection, table: str, column: str) -> str | None:
    sql = "SELECT pg_get_serial_sequence($1::text, $2::text)"
    ((name,),) = connection.rows(sql, quoted(table), column)
    return name if name is None else str(name)


def _losses(
    connection: SqlConnection, then: Shape, now: Shape, stay: Sequence[Moved]
) -> Iterator[str]:
    """What has no place in the old tables, counted; a default that nobody changed is nothing."""
    for table, column, said in additions(then, now, stay):
        sql = f"SELECT count(*) FROM {quoted(table)}"  # noqa: S608 - quoted
        if said is None:
            count = number(connection, sql)
            if count:
                yield f"{count} rows of {table}"
            continue
        name = quoted(column)
        differs = f" AND {name} IS DISTINCT FROM ({said.default})" if said.default else ""
        count = number(connection, f"{sql} WHERE {name} IS NOT NULL{differs}")
        if count:
            yield f"{count} values of {table}.{column}"
