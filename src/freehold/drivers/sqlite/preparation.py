"""
What happens to a database file between its lock and its first call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.checksums import is_fault
from freehold.errors import StartError, StorageBroken
from freehold.ids import Ids
from freehold.schema import Schema

#: How long another program may take to leave the file.
_OTHERS_MS: Final = 1_000
_META: Final = (
    "CREATE TABLE IF NOT EXISTS _freehold_meta ("
    "id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, "
    "fence INTEGER NOT NULL, cursor_key BLOB NOT NULL) STRICT"
)


def make_recovered_durable(connection: apsw.Connection) -> None:
    """
    Move the whole log into the database, before anything is read from it for a caller.

    What recovery found may sit in the system's page cache only; this fsyncs it.

    Raises:
        StartError: Another program is in the file.
    """
    pragmas.busy_timeout(connection, milliseconds=_OTHERS_MS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        raise StartError(
            "another program has the database open, past the owner lock.",
            hint="Close it: sqlite3, a browser of databases, a backup.",
        ) from None


def create_schema(connection: apsw.Connection, schema: Schema) -> None:
    """Build the schema in a new database; used where nobody migrates (tests, memory)."""
    tables: Any = connection.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_freehold\\_%' ESCAPE '\\'"
    ).get
    if tables == 0:
        with _transaction(connection):
            for sql in schema.ddl("sqlite"):
                connection.execute(sql)


def ensure_meta(connection: apsw.Connection, ids: Ids) -> None:
    """The row that holds the commit sequence and the key of page cursors."""
    with _transaction(connection):
        connection.execute(_META)
        connection.execute(
            "INSERT OR IGNORE INTO _freehold_meta (id, seq, fence, cursor_key) VALUES (1, 0, 0, ?)",
            (ids.seed(),),
        )


def cursor_key(connection: apsw.Connection) -> bytes:
    """What page cursors of this database are signed with."""
    key: Any = connection.execute("SELECT cursor_key FROM _freehold_meta WHERE id = 1").get
    return bytes(key)


@contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    """apsw's own block hides a failed disk behind a rollback that has nothing to roll back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")
        raise


@contextmanager
def refusals_at_start(path: Path | None) -> Iterator[None]:
    """
    Says as a sentence why a database cannot be opened.

    Raises:
        StartError: The file cannot be had, or is no database.
        StorageBroken: The disk failed, or what is on it is damaged.
    """
    try:
        yield
    except (apsw.CantOpenError, apsw.PermissionsError, apsw.ReadOnlyError) as error:
        raise StartError(
            f"the database {path} cannot be opened for writing: {error}.",
            hint="Check its path and the rights of its folder.",
        ) from None
    except apsw.NotADBError:
        raise StartError(
            f"{path} is no SQLite database.", hint="Give the path of another file."
        ) from None
    except apsw.BusyError:
        raise StartError(
            f"another program holds {path} locked.", hint="Close it, then start again."
        ) from None
    except (apsw.CorruptError, apsw.IOError, apsw.FullError) as error:
        if is_fault(error):
            raise StorageBroken(
                f"a page of the database {path} is not what was written: {error}.",
                hint="`freehold doctor --scrub` names the pages; restore a backup. When another "
                "program wrote into the file: `freehold checksums --accept`.",
            ) from None
        raise StorageBroken(
            f"the database {path} cannot be recovered: {type(error).__name__}: {error}.",
            hint="Look after the disk first; then start again, or restore a backup.",
        ) from None
