"""Every setting is really set, on the writer's connection and on every reader's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.drivers.sqlite import Place, SqliteDatabase, check_engine, open_connection
from freehold.errors import EngineTooOld, StartError
from tests.drivers.ledger import SCHEMA, create, ledger, without_guard

_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "temp_store": 2,
    "mmap_size": 0,
    "cache_size": -16_384,
    "journal_size_limit": 64 * 1024 * 1024,
    "busy_timeout": 5_000,
    "wal_autocheckpoint": 0,
}
_CONFIGS = {
    apsw.SQLITE_DBCONFIG_DEFENSIVE: 1,
    apsw.SQLITE_DBCONFIG_DQS_DML: 0,
    apsw.SQLITE_DBCONFIG_DQS_DDL: 0,
    apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE: 1,
}


def settings_of(connection: apsw.Connection) -> dict[Any, Any]:
    """What the connection itself says."""
    with without_guard(connection):
        said: dict[Any, Any] = {name: connection.pragma(name) for name in _PRAGMAS}
    return said | {code: connection.config(code, -1) for code in _CONFIGS}


@pytest.mark.attack("A41")
def test_every_setting_is_read_back(ram: Path) -> None:
    """On the writer, on a reader, and only readers are read-only."""
    with ledger(ram / "ledger.db") as database:
        inline = database._inline
        assert inline is not None
        writer, reader = database.commits.connection, inline.connection
        assert settings_of(writer) == _PRAGMAS | _CONFIGS
        assert settings_of(reader) == _PRAGMAS | _CONFIGS
        with without_guard(writer), without_guard(reader):
            assert writer.pragma("query_only") == 0
            assert reader.pragma("query_only") == 1


def test_memory_differs_in_one_setting_only() -> None:
    """It has no disk to wait for."""
    with ledger() as database:
        expected = _PRAGMAS | _CONFIGS | {"synchronous": 0}
        assert settings_of(database.commits.connection) == expected


def test_a_preparation_cannot_leave_the_settings_changed(ram: Path) -> None:
    """A migration turns foreign keys off; should it forget them, they are on all the same."""
    database = SqliteDatabase(ram / "ledger.db", SCHEMA)

    def prepare(connection: apsw.Connection) -> None:
        connection.pragma("foreign_keys", 0)
        connection.pragma("synchronous", 0)
        connection.wal_autocheckpoint(1_000)
        create(connection)

    database.open(prepare)
    try:
        assert settings_of(database.commits.connection) == _PRAGMAS | _CONFIGS
    finally:
        database.close()


def test_a_preparation_cannot_leave_its_transaction_open(ram: Path) -> None:
    """What it did would be committed with the first batch, or never."""
    database = SqliteDatabase(ram / "ledger.db", SCHEMA)

    def prepare(connection: apsw.Connection) -> None:
        connection.execute("BEGIN")

    with pytest.raises(AssertionError, match="left its transaction open"):
        database.open(prepare)

    with ledger(ram / "ledger.db"):
        pass


@pytest.mark.parametrize("version", ["3.51.3", "3.51.10", "3.52.0", "3.54.1", "4.0.0"])
def test_a_sqlite_without_the_bug_may_open_files(version: str) -> None:
    """From 3.51.3 on; versions are numbers and not text."""
    check_engine(version)


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.9.9", "3.51", "2.99.99"])
def test_a_sqlite_with_the_wal_reset_bug_is_refused(version: str) -> None:
    """The error says which one it is and where to get another."""
    with pytest.raises(EngineTooOld, match=f"{version} can corrupt") as refusal:
        check_engine(version)
    assert "apsw" in refusal.value.hint


def test_the_sqlite_that_is_installed_is_fit() -> None:
    """Without an argument the one at hand is asked."""
    check_engine()


def test_a_place_that_has_no_log_is_refused(ram: Path) -> None:
    """A network share cannot hold the shared memory of a log; without WAL nothing is opened."""

    class WithoutSharedMemory(apsw.VFS):
        def __init__(self) -> None:
            super().__init__("without-shared-memory", "unix-none", iVersion=1)

        def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
            return apsw.VFSFile("unix-none", name, flags)

    vfs = WithoutSharedMemory()
    try:
        with pytest.raises(StartError, match="write-ahead log"):
            open_connection(Place(str(ram / "a.db"), "without-shared-memory"), may_create=True)
    finally:
        vfs.unregister()


Refused = tuple[Callable[[Path], None], str]


def _no_database(path: Path) -> None:
    path.write_bytes(b"this is a letter to my aunt, and long enough to be looked at" * 20)


def _a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.attack("A41")
@pytest.mark.parametrize(
    ("prepare", "says"),
    [(_no_database, "is no SQLite database"), (_a_folder, "cannot be opened")],
)
def test_what_is_no_database_is_told_in_a_sentence(
    ram: Path, prepare: Callable[[Path], None], says: str
) -> None:
    """Nothing is changed, and nothing stays open or locked."""
    path = ram / "ledger.db"
    prepare(path)
    for _ in range(2):
        with pytest.raises(StartError, match=says):
            SqliteDatabase(path, SCHEMA).open()
    if path.is_file():
        assert path.read_bytes().startswith(b"this is a letter")
