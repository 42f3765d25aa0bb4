"""
Rehearsing on PostgreSQL: what waits is applied to a copy in a schema of its own, then undone.

All of it is one transaction that is rolled back: the copy is one snapshot of the data, nobody
else ever sees it, and nothing is left of it, whoever dies. The application's tables are only
read; their locks are those of any report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from freehold.clock import Clock
from freehold.errors import FreeholdError, MigrationFailed
from freehold.migrate.differences import differences
from freehold.migrate.files import Migration
from freehold.migrate.looks import (
    CHUNK,
    Children,
    ColumnDigests,
    Look,
    Rehearsal,
    children_of,
    compared,
    references_of,
)
from freehold.migrate.postgres.apply import require_arrival
from freehold.migrate.postgres.connection import NOT_ALLOWED, SqlConnection, namespace, sqlstate
from freehold.migrate.postgres.history import pending
from freehold.migrate.postgres.run import run_migration
from freehold.migrate.postgres.shape import shape_of
from freehold.migrate.sealing import Sealer
from freehold.migrate.shape import TableShape
from freehold.schema import Schema
from freehold.schema.sqltext import quoted

_NS_PER_S: Final = 1_000_000_000
_STAGE: Final = "freehold_rehearsal"
_REFERENCES: Final = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)::text
FROM pg_constraint c
WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace ORDER BY c.conname
"""
_PIECES: Final = """
SELECT x.relname::text, 'index', c.relname::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
WHERE x.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
UNION ALL
SELECT t.tgname::text, 'trigger', c.relname::text
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal
ORDER BY 1
"""


def rehearse(
    connection: SqlConnection,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    expected: Schema | None = None,
    sealer: Sealer | None = None,
) -> Rehearsal:
    """
    Apply what waits to a copy of the schema, and say what came of it.

    Args:
        connection: One of one's own, outside of a transaction.
        expected: The schema that must be there afterwards.
        sealer: Seals the values of columns that are to be sealed.

    Raises:
        DatabaseTooNew, MigrationNeeded, MigrationFailed, KeysMissing: As `apply` would.
    """
    connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
    try:
        waiting = pending(connection, migrations)
        if not waiting:
            return Rehearsal()
        _stage(connection, migrations[: len(migrations) - len(waiting)])
        before = look(connection)
        begun = clock.monotonic_ns()
        for migration in waiting:
            run_migration(connection, migration, None, sealer=sealer)
        if expected is not None:
            require_arrival(connection, expected, waiting[-1].name)
        took = clock.monotonic_ns() - begun
        after = look(connection)
    except FreeholdError:
        raise
    except Exception as error:
        raise _told(error) from error
    finally:
        with suppress(Exception):
            connection.run("ROLLBACK")
    lost, changed = compared(before, after, waiting)
    names = tuple(migration.name for migration in waiting)
    return Rehearsal(names, before, after, took / _NS_PER_S, tuple(lost), tuple(changed))


def look(connection: SqlConnection) -> Look:
    """Count and hash everything, inside the open transaction."""
    shape = shape_of(connection)
    digests = {name: _digests(connection, name, table) for name, table in shape.tables.items()}
    children: dict[tuple[str, tuple[str, ...], str], Children] = {}
    broken = 0
    for child, columns, parent, targets in references_of(shape):
        counted, lost = _children(connection, child, columns, parent, targets)
        children[child, columns, parent] = counted
        broken += lost
    return Look(
        rows={name: each.rows for name, each in digests.items()},
        columns={name: each.columns for name, each in digests.items()},
        children=children,
        broken=broken,
        pieces={name: (kind, table) for name, kind, table in connection.rows(_PIECES)},
        shape=shape,
    )


def _stage(connection: SqlConnection, had: Sequence[Migration]) -> None:
    """A schema of its own with the tables as they are, and all their rows."""
    live = quoted(namespace(connection))
    here = shape_of(connection)
    connection.run(f"CREATE SCHEMA {_STAGE}; SET LOCAL search_path = {_STAGE}")
    for migration in had:
        for statement in migration.statements:
            if statement.sql:
                connection.run(statement.sql)
    left = differences(here, shape_of(connection))
    if left:
        raise MigrationFailed(
            f"The database is not what its migrations built: {' '.join(left)}",
            hint="Somebody changed it past them; put that right first.",
        )
    with references_rest(connection):
        for name, said in here.tables.items():
            listed = ", ".join(map(quoted, said.columns))
            fill(
                connection,
                name,
                listed=listed,
                select=f"SELECT {listed} FROM {live}.{quoted(name)}",  # noqa: S608
            )


@contextmanager
def references_rest(connection: SqlConnection) -> Iterator[None]:
    """Tables may be filled in any order; at the end every reference is looked at."""
    references = [tuple(row) for row in connection.rows(_REFERENCES)]
    for table, name, _ in references:
        connection.run(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    for table, name, text in references:
        connection.run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {text}")
    # Deferred ones are checked now, and not in the middle of an ALTER TABLE.
    connection.run("SET CONSTRAINTS ALL IMMEDIATE")


def fill(connection: SqlConnection, name: str, *, listed: str, select: str) -> None:
    """The rows of a table that was just built; its triggers rest."""
    table = quoted(name)
    connection.run(
        f"ALTER TABLE {table} DISABLE TRIGGER USER; DELETE FROM {table}; "  # noqa: S608 - quoted
        f"INSERT INTO {table} ({listed}) OVERRIDING SYSTEM VALUE {select}; "
        f"ALTER TABLE {table} ENABLE TRIGGER USER"
    )


def _digests(connection: SqlConnection, name: str, table: TableShape) -> ColumnDigests:
    columns = list(table.columns)
    keys = [(said.key, column) for column, said in table.columns.items() if said.key]
    key = [column for _, column in sorted(keys)]
    listed = ", ".join(map(quoted, columns))
    order = ", ".join(map(quoted, key or columns))
    digests = ColumnDigests(columns, key)
    sql = f"SELECT {listed} FROM {quoted(name)} ORDER BY {order}"  # noqa: S608 - quoted
    connection.run(f"DECLARE freehold_look NO SCROLL CURSOR FOR {sql}")
    while chunk := connection.rows(f"FETCH {CHUNK} FROM freehold_look"):
        digests.add([tuple(row) for row in chunk])
    connection.run("CLOSE freehold_look")
    return digests


def _children(
    connection: SqlConnection,
    child: str,
    columns: tuple[str, ...],
    parent: str,
    targets: tuple[str, ...],
) -> tuple[Children, int]:
    """The children of each parent, and those that have none."""
    listed = ", ".join(f"c.{quoted(each)}" for each in columns)
    there = " AND ".join(f"c.{quoted(each)} IS NOT NULL" for each in columns)
    same = " AND ".join(
        f"p.{quoted(t)} = c.{quoted(c)}" for c, t in zip(columns, targets, strict=True)
    )
    table = quoted(child)
    found = connection.rows(
        f"SELECT {listed}, count(*) FROM {table} c WHERE {there} GROUP BY {listed}"  # noqa: S608
    )
    ((lost,),) = connection.rows(
        f"SELECT count(*) FROM {table} c WHERE {there} "  # noqa: S608 - quoted
        f"AND NOT EXISTS (SELECT 1 FROM {quoted(parent)} p WHERE {same})"
    )
    return children_of([tuple(row) for row in found]), int(lost)


def _told(error: Exception) -> Any:
    if sqlstate(error) == NOT_ALLOWED:
        return MigrationFailed(
            "This role may not make the schema in which a copy is rehearsed on.",
            hint="GRANT CREATE ON DATABASE … TO …, or rehearse on a restored backup. "
            "Nothing was changed.",
        )
    return MigrationFailed(f"{error}.", hint="Nothing was changed; it was a rehearsal.")
