"""
The copy of a database that is kept from before a migration.

It is made through the engine's own backup on the owner's connection, page by page, and is
there under its name only once it is whole, checked and on the disk. Backups that run while
the application serves are in `backup`, not here.
"""

from __future__ import annotations

import itertools
import os
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from freehold.errors import MigrationFailed
from freehold.migrate.engine import has_row, number, rows
from freehold.migrate.history import version
from freehold.migrate.shape import table_names

_PAGES_A_STEP: Final = 4_096


def has_rows(connection: apsw.Connection) -> bool:
    """At least one table of the application has a row."""
    return any(has_row(connection, name) for name in table_names(connection))


def require_whole(connection: apsw.Connection, *, is_copied: bool) -> None:
    """
    See that every page is there and can be followed, before anything is built on them.

    Args:
        is_copied: A copy is made next, which is looked through as a whole.

    Raises:
        MigrationFailed: The file is damaged; nothing was changed.
    """
    path = connection.filename
    size = os.stat(path).st_size if path else 0
    found = "its last page is not whole" if size % number(connection, "PRAGMA page_size") else ""
    if not found and not is_copied:
        ((said,),) = rows(connection, "PRAGMA quick_check(1)")
        found = "" if said == "ok" else " ".join(str(said).split())
    if found:
        raise MigrationFailed(
            f"The database is damaged: {found}.",
            hint="Nothing was changed. Restore a backup; see `freehold doctor`.",
        )


def snapshot_path(database: Path, connection: apsw.Connection) -> Path:
    """
    A free name beside the database for the copy from before its next migration.

    `app.before-0004.db` for `app.db`; a second one of that number is `app.before-0004-2.db`.
    """
    stem = f"{database.stem}.before-{version(connection) + 1:04}"
    tails = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (database.with_name(f"{stem}{tail}{database.suffix}") for tail in tails)
    return next(path for path in names if not path.exists())


def take_snapshot(connection: apsw.Connection, path: Path) -> None:
    """
    Copy the whole database to a new file that only its owner can read.

    Raises:
        MigrationFailed: The file is there already, or could not be written and read back.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        if path.exists():
            raise FileExistsError("it is there already")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(connection, partial)
        _sync(partial)
        partial.rename(path)
        _sync(path.parent)
    except (OSError, apsw.Error) as error:
        partial.unlink(missing_ok=True)
        raise MigrationFailed(
            f"No snapshot could be kept as {path}: {error}.",
            hint="Nothing was changed. Make room, or choose another place.",
        ) from error


def _copy(connection: apsw.Connection, path: Path) -> None:
    # Through what the source is opened through, so that checksums are right in the copy too.
    with closing(apsw.Connection(str(path), vfs=connection.open_vfs)) as copy:
        with copy.backup("main", connection, "main") as backup:
            while not backup.done:
                backup.step(_PAGES_A_STEP)
        # The source's header asks for a WAL beside the file; a snapshot is one file.
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        found = rows(copy, "PRAGMA quick_check(1)")
        if found != [("ok",)]:
            raise apsw.CorruptError(str(found[0][0]))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
