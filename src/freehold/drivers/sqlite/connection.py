"""
Opening SQLite connections: where the database is, and what is set on every one of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import apsw

from freehold.drivers.sqlite import checksums, pragmas

_STATEMENT_CACHE: Final = 1_000
BUSY_TIMEOUT_MS: Final = 5_000
_CACHE_KIB: Final = 16_384
_LOG_BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """
    Where the database is.

    Args:
        path: The file.
        storage: The VFS to use, None for the system's; a test puts a faulty disk here.
        is_lasting: It is to outlive the process; a database in memory is not.
        checksums: A new one gets a checksum on every page.
    """

    path: str
    storage: str | None = None
    is_lasting: bool = True
    checksums: bool = True

    @property
    def vfs(self) -> str | None:
        """What SQLite opens it through: every opener the same, or checksums would go wrong."""
        if self.storage is not None or not self.is_lasting:
            return self.storage
        return checksums.shim()


def open_connection(place: Place, *, may_create: bool = False) -> apsw.Connection:
    """A connection with everything set that readers and the writer share."""
    flags = apsw.SQLITE_OPEN_READWRITE
    is_new = may_create and _is_empty(place.path)
    if may_create:
        flags |= apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(
        place.path, flags=flags, vfs=place.vfs, statementcachesize=_STATEMENT_CACHE
    )
    try:
        if is_new and place.storage is None:
            # The log and its index get the database's own modes, so this is the moment.
            os.chmod(place.path, 0o600)
        if may_create and place.checksums and place.is_lasting:
            _prepare_new(connection)
        settle(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(path: str) -> bool:
    """Nothing was ever written; a power cut while it was made may leave a file all the same."""
    try:
        return os.stat(path).st_size == 0
    except FileNotFoundError:
        return True


def _prepare_new(connection: apsw.Connection) -> None:
    """What can only be done before the first page is written, if none was."""
    pragmas.busy_timeout(connection, milliseconds=BUSY_TIMEOUT_MS)
    # SQLite is asked, and not the file: one that was being made is first taken back.
    if connection.pragma("page_count") == 0:
        checksums.turn_on(connection)


def settle(connection: apsw.Connection, place: Place) -> None:
    """Set everything; again after somebody else had the connection (a migration)."""
    pragmas.busy_timeout(connection, milliseconds=BUSY_TIMEOUT_MS)
    pragmas.journal_wal(connection)
    if place.is_lasting:
        pragmas.synchronous_full(connection)
    else:
        pragmas.synchronous_off(connection)
    pragmas.foreign_keys(connection)
    pragmas.secure_delete(connection)
    pragmas.untrusted_schema(connection)
    pragmas.strict_quotes(connection)
    pragmas.check_cells(connection)
    pragmas.temp_in_memory(connection)
    pragmas.no_mmap(connection)
    pragmas.page_cache(connection, kibibytes=_CACHE_KIB)
    pragmas.log_size(connection, bytes_max=_LOG_BYTES_MAX)
    pragmas.own_checkpoints(connection)
    pragmas.checkpoint_on_close(connection, wanted=False)
