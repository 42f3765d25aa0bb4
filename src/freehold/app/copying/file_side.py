"""
A SQLite file as one side of a copy: read on one snapshot, or filled in one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.app.copying.parts import CHUNK, KEYS_TABLE, META_TABLE, Part, Row
from freehold.app.copying.refusals import (
    NOTHING_COPIED,
    CopyFailed,
    CopyRefused,
    has_commits,
    has_rows,
)
from freehold.app.declaration import Database
from freehold.app.opening import Options, prepare_file, private_folder
from freehold.drivers.sqlite import Place, SqliteDatabase, open_connection, owner_of, shim
from freehold.migrate import history
from freehold.migrate.engine import count_rows, has_row, number, rows
from freehold.migrate.shape import table_names
from freehold.schema import SYSTEM_PREFIX

_OTHERS_MS: Final = 5_000


class FileSide:
    """
    A file, as `Source` and as `Target` of a copy.

    Args:
        connection: A connection of its own.
        path: The file, for messages.
    """

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def own_tables(self) -> set[str]:
        """Freehold's own tables that it has."""
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ?"
        return {name for (name,) in rows(self._connection, sql, f"{SYSTEM_PREFIX}*")}

    def count(self, part: Part) -> int:
        """How many rows a table has."""
        with self._told(part):
            return count_rows(self._connection, part.table)

    def rows(self, part: Part) -> Iterator[list[Row]]:
        """All rows of a table in the order of its key, a few at a time."""
        with self._told(part):
            cursor = self._connection.execute(part.select)
            while found := list(islice(cursor, CHUNK)):
                yield found

    def counter(self, part: Part) -> int:
        """The last number that a counted key was given."""
        sql = "SELECT seq FROM sqlite_sequence WHERE name = ?"
        found = rows(self._connection, sql, part.table)
        return int(found[0][0]) if found else 0

    def history(self) -> list[history.Entry]:
        """Which migrations it has had."""
        return history.entries(self._connection)

    def end(self) -> int:
        """Let the snapshot go; the last commit as it is now."""
        with self._told():
            self._connection.execute("ROLLBACK")
            return seq_of(self._connection)

    def begin(self, parts: Sequence[Part]) -> None:
        """Open the transaction on empty tables; references and triggers rest until `settle`."""
        self._connection.execute("PRAGMA foreign_keys = OFF")
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        self._connection.execute("BEGIN IMMEDIATE")
        for part in parts:
            # It was empty when it was looked at; what is there now, its migrations brought.
            self._connection.execute(f"DELETE FROM {part.name}")  # noqa: S608 - quoted

    def add(self, part: Part, rows: Sequence[Row]) -> None:
        """Insert rows."""
        with self._told(part):
            self._connection.executemany(part.insert(["?"] * len(part.columns)), rows)

    def count_from(self, part: Part, last: int) -> None:
        """The next number of a counted key is the one after `last`."""
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (part.table,))
        self._connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (part.table, last))

    def applied(self, number: int, at: int) -> None:
        """When a migration of the history was applied."""
        sql = f"UPDATE {history.HISTORY_TABLE} SET applied_at = ? WHERE number = ?"  # noqa: S608
        self._connection.execute(sql, (at, number))

    def settle(self, parts: Sequence[Part]) -> None:
        """
        References are looked through; they and the triggers are back with the next opening.

        Raises:
            CopyRefused: A row points at none.
        """
        broken = rows(self._connection, "PRAGMA foreign_key_check")
        if broken:
            table, _, parent, _ = broken[0]
            raise CopyRefused(
                f"{table}: {len(broken)} references, one of them to {parent}, point at no row.",
                hint=f"Put them right in the source. {NOTHING_COPIED}",
            )

    def commit(self) -> None:
        """Make it durable, all of it."""
        with self._told():
            self._connection.execute("COMMIT")

    @contextmanager
    def _told(self, part: Part | None = None) -> Iterator[None]:
        """The engine's refusals as sentences."""
        where = f"{self._path}, {part.table}" if part else str(self._path)
        try:
            yield
        except apsw.FullError:
            raise CopyFailed(
                f"no space is left on the disk of {self._path}.",
                hint=f"It needs twice the size of the data. {NOTHING_COPIED}",
            ) from None
        except apsw.ConstraintError as error:
            raise CopyRefused(
                f"{where} refuses a row: {error}.",
                hint=f"Put it right in the source. {NOTHING_COPIED}",
            ) from None
        except UnicodeDecodeError:
            raise CopyRefused(
                f"{where} holds a text that is not UTF-8.",
                hint=f"Put it right in the source. {NOTHING_COPIED}",
            ) from None
        except apsw.Error as error:
            raise CopyFailed(
                f"{where}: {type(error).__name__}: {error}.", hint=NOTHING_COPIED
            ) from None


def seq_of(connection: apsw.Connection) -> int:
    """The last commit."""
    return number(connection, f"SELECT seq FROM {META_TABLE}")  # noqa: S608 - a constant


@contextmanager
def file_source(
    declared: Database, path: Path, options: Options, *, is_first: bool, while_served: bool
) -> Iterator[FileSide]:
    """
    A file on one snapshot.

    While nobody serves it, this process owns it. A served one is read beside its owner, by a
    connection that cannot write: its owner must be another process.

    Raises:
        CopyRefused: There is no such database, or it is served and that was not allowed.
        StartError: It is older or newer than the application.
    """
    if not path.exists():
        raise CopyRefused(
            f"there is no database {path}.", hint="Name the file or the address to copy from."
        )
    owner = owner_of(path)
    if owner is not None and (owner.pid == os.getpid() or not while_served):
        raise CopyRefused(
            f"process {owner.pid} serves {path}: what is written from now on would not be in "
            "the copy.",
            hint="Stop it first. --while-served copies what is there at this moment, to rehearse.",
        )
    if owner is not None:
        with _reading(path) as connection:
            _require_known(connection, path)
            prepare_file(connection, declared, path, options=options, is_first=False)
            connection.execute("BEGIN")
            yield FileSide(connection, path)
        return

    def prepare(connection: apsw.Connection) -> None:
        _require_known(connection, path)
        prepare_file(connection, declared, path, options=options, is_first=is_first)

    with _owned(declared, path, options, prepare), _reading(path) as connection:
        connection.execute("BEGIN")
        yield FileSide(connection, path)


@contextmanager
def file_target(
    declared: Database, path: Path, options: Options, *, is_first: bool
) -> Iterator[FileSide]:
    """
    A file without rows, built when it is not there; owned until the end.

    Raises:
        TargetNotEmpty: It has rows; it was not even migrated.
        StartError: It cannot be opened, or somebody owns it.
    """
    private_folder(path.parent)

    def prepare(connection: apsw.Connection) -> None:
        _require_empty(connection, path)
        prepare_file(connection, declared, path, options=options, is_first=is_first)

    with (
        _owned(declared, path, options, prepare),
        closing(open_connection(Place(str(path.resolve())))) as connection,
    ):
        try:
            yield FileSide(connection, path)
        finally:
            with suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


@contextmanager
def _owned(
    declared: Database,
    path: Path,
    options: Options,
    prepare: Callable[[apsw.Connection], None],
) -> Iterator[None]:
    database = SqliteDatabase(
        path, declared.schema, name=declared.name, clock=options.clock, ids=options.ids
    )
    database.open(prepare)
    try:
        yield
    finally:
        database.close()


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    with history.reading(path, vfs=shim()) as connection:
        connection.set_busy_timeout(_OTHERS_MS)
        yield connection


def _require_known(connection: apsw.Connection, path: Path) -> None:
    if not _has_table(connection, META_TABLE):
        raise CopyRefused(
            f"{path} was never served by a data layer.",
            hint="Name another file, or take this one over with `freehold migrate adopt`.",
        )


def _require_empty(connection: apsw.Connection, path: Path) -> None:
    own = [KEYS_TABLE] if _has_table(connection, KEYS_TABLE) else []
    for table in [*table_names(connection), *own]:
        if has_row(connection, table):
            raise has_rows(str(path), table)
    if _has_table(connection, META_TABLE) and seq_of(connection):
        raise has_commits(str(path))


def _has_table(connection: apsw.Connection, table: str) -> bool:
    found: list[Any] = rows(connection, "SELECT 1 FROM sqlite_schema WHERE name = ?", table)
    return bool(found)
