"""
How a SQLite connection is set, one small function for each setting, with its reason.

Also the version gate: which SQLite may open a file at all.
"""

from __future__ import annotations

import apsw

from freehold.errors import EngineTooOld, StartError

#: Up to 3.51.2, a writer and a checkpoint at the same instant can corrupt a WAL database.
OLDEST_SQLITE = (3, 51, 3)


def check_engine(version: str | None = None) -> None:
    """
    Refuse a SQLite that has the WAL-reset bug (sqlite.org/wal.html#walresetbug).

    Raises:
        EngineTooOld: This one has it.
    """
    version = apsw.sqlite_lib_version() if version is None else version
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        raise EngineTooOld(
            f"SQLite {version} can corrupt a database (the WAL-reset bug).",
            hint="Install apsw 3.51.3 or newer; its wheel brings a SQLite of its own.",
        )


def busy_timeout(connection: apsw.Connection, *, milliseconds: int) -> None:
    """First of all: without it, switching to WAL fails while another connection closes."""
    connection.set_busy_timeout(milliseconds)


def journal_wal(connection: apsw.Connection) -> None:
    """Readers and the writer do not wait for each other."""
    mode = connection.pragma("journal_mode", "wal")
    if mode not in ("wal", "memory"):
        raise StartError(
            f"the database cannot use a write-ahead log (journal mode is {mode}).",
            hint="Put it on a local file system; network shares cannot hold it.",
        )


def synchronous_full(connection: apsw.Connection) -> None:
    """COMMIT returns after the fsync. NORMAL lost acknowledged commits in 5 of 8 power cuts."""
    connection.pragma("synchronous", "full")


def synchronous_off(connection: apsw.Connection) -> None:
    """For a database in memory only: there is no disk to wait for."""
    connection.pragma("synchronous", "off")


def foreign_keys(connection: apsw.Connection) -> None:
    """References are enforced; SQLite's default is not to."""
    connection.pragma("foreign_keys", 1)


def secure_delete(connection: apsw.Connection) -> None:
    """What was deleted or sealed leaves no plaintext in free pages."""
    connection.pragma("secure_delete", 1)


def untrusted_schema(connection: apsw.Connection) -> None:
    """A hostile file cannot run functions through its views and triggers."""
    connection.pragma("trusted_schema", 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


def strict_quotes(connection: apsw.Connection) -> None:
    """A misspelt column in double quotes is an error and not a text."""
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)


def temp_in_memory(connection: apsw.Connection) -> None:
    """Sorting never writes rows into a temporary file."""
    connection.pragma("temp_store", "memory")


def no_mmap(connection: apsw.Connection) -> None:
    """A mapped file is slower beside a live writer, and was part of corruptions in the field."""
    connection.pragma("mmap_size", 0)


def check_cells(connection: apsw.Connection) -> None:
    """A damaged page is refused when it is read, and not followed out of its bounds."""
    connection.pragma("cell_size_check", 1)


def page_cache(connection: apsw.Connection, *, kibibytes: int) -> None:
    """Above SQLite's 2 MB: reads are 6 to 19 % faster."""
    connection.pragma("cache_size", -kibibytes)


def read_only(connection: apsw.Connection) -> None:
    """A query cannot write, whatever its function does."""
    connection.pragma("query_only", 1)


def own_checkpoints(connection: apsw.Connection) -> None:
    """No checkpoint inside COMMIT: the writer makes them after its callers are answered."""
    connection.wal_autocheckpoint(0)


def log_size(connection: apsw.Connection, *, bytes_max: int) -> None:
    """A log that a long reader let grow is cut back when it starts again from its beginning."""
    connection.pragma("journal_size_limit", bytes_max)


def checkpoint_on_close(connection: apsw.Connection, *, wanted: bool) -> None:
    """
    Whether the last connection to close moves the log into the database and removes it.

    Only the writer's may, and not after a failed COMMIT: what the log holds is then for the
    recovery of the next start to decide.
    """
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0 if wanted else 1)
