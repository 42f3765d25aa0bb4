"""One process owns a database file, and the next one hears who."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from freehold.drivers.sqlite import Owner, OwnerLock, SqliteDatabase, owner_of
from freehold.errors import OwnerLocked, StartError
from tests.drivers.ledger import SCHEMA, entries, ledger
from tests.drivers.test_kill import child


@pytest.fixture
def path(ram: Path) -> Path:
    """A ledger, closed."""
    with ledger(ram / "ledger.db"):
        return ram / "ledger.db"


def test_a_second_process_hears_who_owns_it(path: Path) -> None:
    """The error names the pid and the socket; and a kill gives the lock back at once."""
    with child("hold", str(path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        owner = owner_of(path)

        with pytest.raises(OwnerLocked) as refusal:
            SqliteDatabase(path, SCHEMA).open()
        process.kill()
        process.wait()
        with ledger(path, begin=False) as database:
            assert database.read(entries) == []

    assert owner == Owner(pid=process.pid, socket=f"{path}.sock", address="http://127.0.0.1:8791")
    assert f"process {process.pid}, which listens on {path}.sock" in str(refusal.value)
    assert refusal.value.exit_code == 73


def test_the_same_process_is_refused_too(path: Path) -> None:
    """Two writers in one process are two writers; the first one is not disturbed."""
    with ledger(path, begin=False) as database:
        with pytest.raises(OwnerLocked, match=f"process {os.getpid()}"):
            SqliteDatabase(path, SCHEMA).open()

        assert database.read(entries) == []


def test_a_link_leads_to_the_same_lock(path: Path) -> None:
    """Two names of one file are one database."""
    link = path.with_name("other.db")
    link.symlink_to(path)
    with ledger(path, begin=False), pytest.raises(OwnerLocked):
        SqliteDatabase(link, SCHEMA).open()


def test_a_lock_file_that_was_left_behind_is_harmless(path: Path) -> None:
    """It is the kernel's lock that counts, not the file, whatever stands in it."""
    for text in ('{"pid": 1}', '{"pid":', ""):
        path.with_name("ledger.db.lock").write_text(text)
        assert owner_of(path) is None
        with ledger(path, begin=False):
            assert owner_of(path) == Owner(pid=os.getpid())
    assert owner_of(path) is None


def test_an_owner_that_has_not_said_who_it_is_is_another_process(path: Path) -> None:
    """Between the lock and the first line in its file there is a moment."""
    with path.with_name("ledger.db.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OwnerLocked, match="owned by another process"):
            OwnerLock(path).acquire()


def test_who_only_looks_is_not_taken_for_an_owner(path: Path) -> None:
    """A look takes the lock for a moment; an owner that comes just then waits for it."""
    looking = os.open(path.with_name("ledger.db.lock"), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    ends = threading.Timer(0.02, os.close, [looking])
    ends.start()

    with ledger(path, begin=False) as database:
        assert database.read(entries) == []
    ends.join()


def test_a_folder_that_cannot_be_written_is_said_so() -> None:
    """A sentence instead of a traceback."""
    with pytest.raises(StartError, match="cannot be opened"):
        OwnerLock(Path("/proc/ledger.db")).acquire()


def test_the_folder_of_a_new_database_is_made(ram: Path) -> None:
    """`freehold dev` in an empty folder just works; only its user may read the lock."""
    path = ram / "new" / "folder" / "ledger.db"
    with ledger(path):
        assert path.with_name("ledger.db.lock").stat().st_mode & 0o777 == 0o600
