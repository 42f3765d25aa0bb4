"""Faults on purpose strike where they were told to, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from freehold.testing.faults import FaultyDisk


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    """A disk that does as it is told."""
    with FaultyDisk() as opened:
        yield opened


@pytest.fixture
def connection(disk: FaultyDisk, tmp_path: Path) -> Iterator[apsw.Connection]:
    """A connection on it, with a table and a log."""
    opened = apsw.Connection(str(tmp_path / "a.db"), vfs=disk.name)
    opened.pragma("journal_mode", "wal")
    opened.pragma("synchronous", "full")
    opened.wal_autocheckpoint(0)
    opened.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
    disk.forget()
    yield opened
    disk.heal()
    opened.close()


def write(connection: apsw.Connection) -> None:
    connection.execute("INSERT INTO notes (body) VALUES ('x')")


def test_without_a_fault_it_is_a_disk_that_keeps_count(
    disk: FaultyDisk, connection: apsw.Connection
) -> None:
    """A commit writes frames to the log, and syncs it once."""
    write(connection)

    assert disk.count("sync") == disk.count("sync", where="log") == 1
    assert disk.count("write", where="database") == 0
    assert disk.count("write") == disk.changes - 1 > 0
    assert disk.struck == 0
    assert [done.operation for done in disk.trace][-1] == "sync"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_nth_operation_fails_once(
    disk: FaultyDisk, connection: apsw.Connection, at: int
) -> None:
    """Before it and after it all goes well."""
    disk.fail("sync", at=at)
    for _ in range(at - 1):
        write(connection)
    with pytest.raises(apsw.IOError) as error:
        write(connection)
    write(connection)

    assert getattr(error.value, "extendedresult", 0) == apsw.SQLITE_IOERR_FSYNC
    assert disk.struck == 1


def test_a_full_disk_is_full_until_it_is_healed(
    disk: FaultyDisk, connection: apsw.Connection
) -> None:
    """And says so as SQLite does."""
    with disk.failing("write", "ENOSPC"):
        for _ in range(3):
            with pytest.raises(apsw.FullError):
                write(connection)
    write(connection)

    assert disk.struck == 3


def test_a_short_write_leaves_half_of_it(
    disk: FaultyDisk, connection: apsw.Connection, tmp_path: Path
) -> None:
    """As POSIX allows when the space ends in the middle."""
    before = (tmp_path / "a.db-wal").stat().st_size
    disk.fail("write", "short", at=2)
    with pytest.raises(apsw.FullError):
        write(connection)

    assert (tmp_path / "a.db-wal").stat().st_size - before == 24 + 4096 // 2


def test_a_fault_may_be_for_one_file_only(disk: FaultyDisk, connection: apsw.Connection) -> None:
    """The log goes on while the database itself cannot be written."""
    disk.fail("write", where="database")
    write(connection)
    with pytest.raises(apsw.IOError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    disk.fail("truncate", where="log")
    with pytest.raises(apsw.IOError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def test_any_change_can_be_the_nth(disk: FaultyDisk, connection: apsw.Connection) -> None:
    """Writes, syncs and truncations are counted together."""
    write(connection)
    changes = disk.changes
    for number in range(1, changes + 1):
        disk.forget()
        disk.fail_change(number, "ENOSPC")
        with pytest.raises((apsw.FullError, apsw.IOError)):
            write(connection)
        assert [done.is_failed for done in disk.trace if done.operation != "read"].index(True) == (
            number - 1
        )


def test_a_read_can_fail(disk: FaultyDisk, connection: apsw.Connection, tmp_path: Path) -> None:
    """A page that the device does not give back."""
    write(connection)
    other = apsw.Connection(str(tmp_path / "a.db"), vfs=disk.name)
    try:
        with disk.failing("read"), pytest.raises(apsw.IOError):
            other.execute("SELECT * FROM notes").fetchall()
        assert len(other.execute("SELECT * FROM notes").fetchall()) == 1
    finally:
        other.close()


def test_what_cannot_be_is_refused(disk: FaultyDisk) -> None:
    """An fsync is not short."""
    with pytest.raises(ValueError, match="sync does not fail with short"):
        disk.fail("sync", "short")


@pytest.mark.parametrize(("time", "lines"), [(1, 0), (2, 1), (4, 3), (5, 4)])
def test_a_process_is_killed_at_a_point(time: int, lines: int) -> None:
    """At the time it is told, and without a word."""
    program = (
        "import os, sys\n"
        "from freehold.testing.faults import kill_at\n"
        f"crash = kill_at('here', time={time})\n"
        "for _ in range(4):\n"
        "    crash('elsewhere')\n"
        "    crash('here')\n"
        "    os.write(1, b'x')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=False, env=os.environ
    )

    assert done.stdout == b"x" * lines
    assert done.returncode == (0 if time > 4 else -9)
