"""
Rehearsing on SQLite: what waits is applied to a copy, which is counted before and after.

The copy is made by the engine's own backup on a connection that can only read, in one
snapshot; whoever serves the file goes on, and nothing of it is changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from freehold.clock import Clock
from freehold.errors import MigrationFailed
from freehold.migrate.apply import apply
from freehold.migrate.engine import refuse_text_in_double_quotes, rows
from freehold.migrate.files import Migration
from freehold.migrate.history import pending, reading
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
from freehold.migrate.sealing import Sealer
from freehold.migrate.shape import TableShape, shape_of
from freehold.schema import Schema
from freehold.schema.sqltext import quoted

_NS_PER_S = 1_000_000_000
_OTHERS_MS = 5_000


def rehearse(
    database: Path,
    migrations: Sequence[Migration],
    *,
    clock: Clock,
    expected: Schema | None = None,
    sealer: Sealer | None = None,
) -> Rehearsal:
    """
    Apply what waits to a copy of the file, and say what came of it. The copy is gone afterwards.

    Args:
        database: The file; it may be served meanwhile, by another process.
        expected: The schema that must be there afterwards.
        sealer: Seals the values of columns that are to be sealed.

    Raises:
        DatabaseTooNew, MigrationNeeded, MigrationFailed, KeysMissing: As `apply` would.
    """
    # Beside the database: there is room for one, so perhaps for two, and no other disk sees it.
    folder = Path(tempfile.mkdtemp(prefix=f"{database.stem}.rehearsal-", dir=database.parent))
    try:
        copy = folder / database.name
        with reading(database) as source:
            source.set_busy_timeout(_OTHERS_MS)
            waiting = pending(source, migrations)
            if not waiting:
                return Rehearsal()
            _copy(source, copy)
        with closing(apsw.Connection(str(copy))) as connection:
            refuse_text_in_double_quotes(connection)
            connection.execute("PRAGMA temp_store = MEMORY").fetchall()
            # Nobody else has it, and nobody will miss it after a power cut.
            connection.execute("PRAGMA synchronous = OFF").fetchall()
            before = look(connection)
            begun = clock.monotonic_ns()
            apply(connection, migrations, clock=clock, expected=expected, sealer=sealer)
            took = clock.monotonic_ns() - begun
            after = look(connection)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    lost, changed = compared(before, after, waiting)
    names = tuple(migration.name for migration in waiting)
    return Rehearsal(names, before, after, took / _NS_PER_S, tuple(lost), tuple(changed))


def look(connection: apsw.Connection) -> Look:
    """Count and hash everything."""
    shape = shape_of(connection)
    digests = {name: _digests(connection, name, table) for name, table in shape.tables.items()}
    found = rows(
        connection,
        "SELECT name, type, tbl_name FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL "
        "AND name NOT LIKE '\\_freehold\\_%' ESCAPE '\\' ORDER BY name",
    )
    children = {
        (child, columns, parent): _children(connection, child, columns)
        for child, columns, parent, _ in references_of(shape)
    }
    return Look(
        rows={name: each.rows for name, each in digests.items()},
        columns={name: each.columns for name, each in digests.items()},
        children=children,
        broken=len(rows(connection, "PRAGMA foreign_key_check")),
        pieces={name: (kind, table) for name, kind, table in found},
        shape=shape,
    )


def _copy(source: apsw.Connection, path: Path) -> None:
    path.touch(0o600)
    try:
        with closing(apsw.Connection(str(path))) as copy:
            with copy.backup("main", source, "main") as backup:
                # In one step it is one snapshot, whatever is written meanwhile.
                backup.step(-1)
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    except apsw.Error as error:
        raise MigrationFailed(
            f"No copy could be made to rehearse on: {error}.",
            hint="It needs as much room as the database; nothing was changed.",
        ) from error


def _digests(connection: apsw.Connection, name: str, table: TableShape) -> ColumnDigests:
    columns = list(table.columns)
    keys = [(said.key, column) for column, said in table.columns.items() if said.key]
    key = [column for _, column in sorted(keys)]
    # As bytes, so that a text which is not UTF-8 is compared like any other.
    listed = ", ".join(
        f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END"
        for name in map(quoted, columns)
    )
    order = ", ".join(map(quoted, key)) or "rowid"
    digests = ColumnDigests(columns, key)
    cursor: Any = connection.execute(f"SELECT {listed} FROM {quoted(name)} ORDER BY {order}")  # noqa: S608
    while chunk := _some(cursor):
        digests.add(chunk)
    return digests


def _some(cursor: Any) -> list[tuple[Any, ...]]:
    found = []
    for row in cursor:
        found.append(row)
        if len(found) == CHUNK:
            break
    return found


def _children(connection: apsw.Connection, child: str, columns: tuple[str, ...]) -> Children:
    listed = ", ".join(map(quoted, columns))
    there = " AND ".join(f"{quoted(each)} IS NOT NULL" for each in columns)
    sql = f"SELECT {listed}, count(*) FROM {quoted(child)} WHERE {there} GROUP BY {listed}"  # noqa: S608
    return children_of(rows(connection, sql))
