"""
Giving an old file its checksums: it is written anew beside itself and takes its own place.

SQLite writes the copy (VACUUM INTO), page by page through the shim, while the owner lock keeps
everybody else out. The copy is checked and on the disk before it is renamed over the file; a
crash before that leaves the old file, and after it the new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.drivers.sqlite import checksums, pragmas
from freehold.drivers.sqlite.connection import Place, open_connection, settle
from freehold.drivers.sqlite.owner import OwnerLock
from freehold.drivers.sqlite.preparation import make_recovered_durable, refusals_at_start
from freehold.drivers.sqlite.renewal import renew_log
from freehold.errors import StartError

#: Steps of SQLite's machine between two looks at how far it is.
_STEPS_BETWEEN_LOOKS: Final = 2_000

#: Told bytes written and bytes expected.
OnProgress = Callable[[int, int], None]


def rewrite(path: Path, *, accept: bool = False, on_progress: OnProgress) -> bool:
    """
    Write a file anew with a checksum on every page.

    Args:
        path: The database; nobody may own it.
        accept: Take every page for right as it is now, also in a file that has checksums: after
            another program has written into it.
        on_progress: Told how far it is.

    Returns:
        False when it has them already, and nothing was done.

    Raises:
        OwnerLocked: Somebody owns it.
        StartError: It cannot be read, or the copy could not be made; it is as it was.
    """
    lock = OwnerLock(path).acquire()
    try:
        with refusals_at_start(path):
            return _rewrite(path.resolve(), accept, on_progress)
    finally:
        lock.release()


def _rewrite(path: Path, accept: bool, on_progress: OnProgress) -> bool:
    if checksums.shim() is None:
        raise StartError(
            "this build of apsw has no cksumvfs, which keeps page checksums.",
            hint="Install apsw's wheel.",
        )
    partial = path.with_name(f"{path.name}.partial")
    renew_log(path)
    connection = _opened(path, accept)
    try:
        # Closing takes the empty log away, so that none is left beside the new file.
        pragmas.checkpoint_on_close(connection, wanted=True)
        if checksums.is_on(connection) and not accept:
            return False
        make_recovered_durable(connection)
        _copy(connection, partial, on_progress)
    except (apsw.FullError, OSError) as error:
        raise StartError(
            f"{path} could not be written anew: {error}.",
            hint="It is as it was. There must be room for a second copy of it.",
        ) from None
    finally:
        connection.close()
    if not _is_alone(path):
        partial.unlink()
        raise StartError(
            f"{path} is open in another program.", hint="It is as it was. Close it first."
        )
    partial.rename(path)
    _sync(path.parent)
    return True


def _opened(path: Path, accept: bool) -> apsw.Connection:
    place = Place(str(path))
    if not accept:
        connection = open_connection(place)
        checksums.check_header(connection, path)
        return connection
    connection = apsw.Connection(place.path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=place.vfs)
    # Before the first page is read: it is the one that every program writes.
    connection.pragma("checksum_verification", "off")
    settle(connection, place)
    return connection


def _is_alone(path: Path) -> bool:
    """No log lies beside the file, which would be taken for the new file's."""
    log = Path(f"{path}-wal")
    return not log.exists() or log.stat().st_size == 0


def _copy(connection: apsw.Connection, partial: Path, on_progress: OnProgress) -> None:
    partial.unlink(missing_ok=True)
    expected = connection.pragma("page_count") * connection.pragma("page_size")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        connection.reserve_bytes(reserve=8)

        def look() -> bool:
            on_progress(partial.stat().st_size, expected)
            return False

        connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
        connection.execute("VACUUM INTO ?", (str(partial),))
        connection.set_progress_handler(None)
        _check(connection, partial)
        _sync(partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _check(connection: apsw.Connection, partial: Path) -> None:
    """The copy has its checksums, and every table as many rows as before."""
    with closing(apsw.Connection(str(partial), vfs=checksums.shim())) as copy:
        checksums.mark(copy)
        found = copy.execute("PRAGMA quick_check(1)").get
        if not checksums.is_on(copy) or found != "ok":
            raise apsw.CorruptError(str(found))
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        for (name,) in names.fetchall():
            if _count(connection, name) != _count(copy, name):
                raise apsw.CorruptError(f"{name} has another number of rows in the copy")


def _count(connection: apsw.Connection, table: Any) -> Any:
    quoted = str(table).replace('"', '""')
    return connection.execute(f'SELECT count(*) FROM "{quoted}"').get  # noqa: S608 - quoted


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
