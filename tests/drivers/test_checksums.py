"""
Page checksums: on for new files, kept by every opener, and what is damaged is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from freehold.db import update
from freehold.drivers.sqlite import SqliteDatabase, shim
from freehold.drivers.sqlite.checksums import MARK
from freehold.drivers.sqlite.rewrite import rewrite
from freehold.drivers.sqlite.scrub import open_pages
from freehold.errors import OwnerLocked, StorageBroken, StorageDamaged
from freehold.migrate.snapshot import take_snapshot
from freehold.testing.checksums import checksummed
from freehold.testing.faults import FaultyDisk
from tests.drivers.ledger import SCHEMA, THE_TOTAL, Entry, Total, adding, entries

pytestmark = pytest.mark.promise("P14")
PAGE = 4096
_RELABEL = update(Entry).values(label=None)
_SEVEN = update(Total).where(Total.c.id == THE_TOTAL).values(amount=7)


def made(path: Path, *, rows: int = 0, has_checksums: bool = True) -> SqliteDatabase:
    """A ledger with so many entries, closed."""
    database = SqliteDatabase(path, SCHEMA, has_checksums=has_checksums)
    with database.opened():
        with database.writing() as db:
            db.insert(Total(id=THE_TOTAL))
        with database.writing() as db:
            for number in range(rows):
                adding(f"entry {number:06}")(db)
    return database


def damaged(path: Path) -> list[int]:
    """The damaged pages."""
    with open_pages(path) as pages:
        assert pages is not None
        return pages.damaged(1, pages.pages)


def flip(path: Path, bit: int) -> None:
    """One bit of a file, as a disk forgets it."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ (1 << bit % 8)]))


def page_of(path: Path, text: str) -> int:
    """The first page that holds a text, counted from 1."""
    return path.read_bytes().index(text.encode()) // PAGE + 1


def test_a_new_file_has_them_and_an_old_one_stays_as_it_is(ram: Path) -> None:
    """Whichever way it is opened later."""
    new, old = ram / "new.db", ram / "old.db"
    made(new, rows=100)
    made(old, rows=100, has_checksums=False)

    for path, has in ((new, True), (old, False)):
        database = SqliteDatabase(path, SCHEMA)
        with database.opened():
            assert database.has_checksums is has
            assert len(database.read(entries)) == 100
        with open_pages(path) as pages:
            assert pages is not None
            assert pages.has_checksums is has
            assert pages.damaged(1, pages.pages) == []


def test_a_database_in_memory_has_none() -> None:
    """There is no disk that could forget."""
    database = SqliteDatabase(None, SCHEMA)
    with database.opened():
        assert database.has_checksums is False


def test_they_are_in_the_bytes_that_a_tests_disk_sees(ram: Path) -> None:
    """And two such disks at once do not disturb each other, nor the system's."""
    paths = [ram / "a.db", ram / "b.db"]
    with contextlib.ExitStack() as stack:
        disks = [stack.enter_context(FaultyDisk()) for _ in paths]
        for path, disk in zip(paths, disks, strict=True):
            database = SqliteDatabase(path, SCHEMA, storage=disk.name)
            with database.opened():
                database.write(lambda db: db.insert(Total(id=THE_TOTAL)))
                assert database.has_checksums
            assert disk.count("write", where="database") > 0
    made(ram / "c.db")
    for path in (*paths, ram / "c.db"):
        assert damaged(path) == []
        assert apsw_value(path, "PRAGMA application_id") == MARK


def test_a_damaged_page_is_refused_and_the_others_are_served(ram: Path) -> None:
    """To a query, to a mutation, to the operator's SQL; and `/health` shows it."""
    path = ram / "a.db"
    made(path, rows=2_000)
    page = page_of(path, "entry 000042")
    flip(path, (page - 1) * PAGE * 8 + 20_000)
    database = SqliteDatabase(path, SCHEMA)
    with database.opened():
        assert str(database.storage) == "ok"
        assert database.read(lambda db: db.get(Total, THE_TOTAL).amount) == 2_000
        with pytest.raises(StorageDamaged) as refused:
            database.read(entries)
        assert refused.value.outcome == "failed"
        assert refused.value.retryable is False
        assert str(database.storage) == "damaged"
        with pytest.raises(StorageDamaged, match="nothing was written"):
            database.write(lambda db: db.execute(_RELABEL))
        # What needs other pages goes on, for reading and for writing.
        database.write(lambda db: db.execute(_SEVEN))
        assert database.read(lambda db: db.get(Total, THE_TOTAL).amount) == 7
        assert database.state == "ok"
        assert database.gauges["damaged_reads"] == 2
    assert damaged(path) == [page]


def test_a_function_cannot_swallow_it(ram: Path) -> None:
    """What it makes of half of the rows is not served either."""
    path = ram / "a.db"
    made(path, rows=2_000)
    flip(path, (page_of(path, "entry 000042") - 1) * PAGE * 8 + 20_000)
    database = SqliteDatabase(path, SCHEMA)

    def swallow(db: object) -> str:
        try:
            entries(db)  # type: ignore[arg-type]
        except BaseException:
            return "all is well"
        return "read"

    with database.opened():
        with pytest.raises(StorageDamaged):
            database.read(swallow)
        with pytest.raises(StorageDamaged):
            database.write(swallow)


def test_a_header_that_denies_them_is_refused(ram: Path) -> None:
    """One bit turns them off for the whole file; without the mark nobody would notice."""
    path = ram / "a.db"
    made(path, rows=100)
    flip(path, 20 * 8 + 3)
    with pytest.raises(StorageBroken, match="its header denies it"), _opened(path):
        pass
    flip(path, 20 * 8 + 3)
    with _opened(path) as database:
        assert database.has_checksums


def test_a_header_torn_by_a_power_cut_is_mended_from_the_log(ram: Path) -> None:
    """The log was being moved, and has the first page; the file's own header may be anything."""
    path = ram / "a.db"
    made(path, rows=100)
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        # Left as a cut leaves it: what was done last is in the log only.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT")
    whole = path.read_bytes()
    path.write_bytes(bytes(512) + whole[512:])
    with _opened(path) as database:
        assert database.has_checksums
    assert damaged(path) == []


def test_a_file_that_a_power_cut_left_empty_is_a_new_one(ram: Path) -> None:
    """It was made, and nothing was written to it."""
    path = ram / "a.db"
    path.touch()
    made(path, rows=10)
    with _opened(path) as database:
        assert database.has_checksums
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_copy_from_before_a_migration_has_right_checksums(ram: Path) -> None:
    """Its pages come out of the log, where they have none yet."""
    path, copy = ram / "a.db", ram / "copy.db"
    made(path, rows=500)
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        connection.execute("UPDATE entries SET label = id")
        take_snapshot(connection, copy)
    assert damaged(copy) == []
    with open_pages(copy) as pages:
        assert pages is not None
        assert pages.has_checksums


def test_an_old_file_is_written_anew_with_them(ram: Path) -> None:
    """With the same rows; what lies in its log is not forgotten."""
    path = ram / "a.db"
    made(path, rows=3_000, has_checksums=False)
    with closing(apsw.Connection(str(path))) as connection:
        # Left as a kill leaves it: the last commit is in the log only.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("UPDATE totals SET amount = 2999")
        connection.execute("UPDATE totals SET amount = 3000")
    told: list[tuple[int, int]] = []

    assert rewrite(path, on_progress=lambda done, expected: told.append((done, expected)))

    assert path.stat().st_mode & 0o777 == 0o600
    assert told
    assert damaged(path) == []
    with _opened(path) as database:
        assert database.has_checksums
        assert len(database.read(entries)) == 3_000
        assert database.seq == 2
    assert not rewrite(path, on_progress=lambda *_: None)
    assert sorted(each.name for each in ram.iterdir()) == ["a.db", "a.db.lock", "a.db.witness"]


def test_a_file_that_is_served_is_not_written_anew(ram: Path) -> None:
    """Its owner would go on with the old one."""
    path = ram / "a.db"
    made(path, has_checksums=False)
    with _opened(path), pytest.raises(OwnerLocked):
        rewrite(path, on_progress=lambda *_: None)


def test_what_another_program_wrote_is_refused_until_it_is_accepted(ram: Path) -> None:
    """`sqlite3` knows nothing of checksums; what it wrote looks like damage, and is one."""
    path = ram / "a.db"
    made(path, rows=10)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE totals SET amount = 11")
        connection.execute("INSERT INTO entries VALUES ('by hand', 'all', 10, NULL)")
    with _opened(path) as database, pytest.raises(StorageDamaged) as refused:
        database.read(entries)
    assert "doctor --scrub" in refused.value.hint
    assert damaged(path)

    assert rewrite(path, accept=True, on_progress=lambda *_: None)

    assert damaged(path) == []
    with _opened(path) as database:
        assert len(database.read(entries)) == 11


def test_a_scrub_names_the_pages(ram: Path) -> None:
    """Also those that no query reads."""
    path = ram / "a.db"
    made(path, rows=1_000)
    with open_pages(path) as pages:
        assert pages is not None
        count = pages.pages
    for page in (3, count):
        flip(path, (page - 1) * PAGE * 8 + 77)
    assert damaged(path) == [3, count]


def test_a_name_for_a_disk_is_used_again(ram: Path) -> None:
    """Thousands of tests do not load thousands of libraries."""
    with FaultyDisk() as first:
        name = first.name
    with FaultyDisk() as second:
        assert second.name == name
        with checksummed("unix") as other:
            assert other != name
    assert SqliteDatabase(ram / "a.db", SCHEMA).has_checksums is False


def apsw_value(path: Path, sql: str) -> object:
    """One value, past the data layer."""
    with closing(apsw.Connection(str(path), vfs=shim())) as connection:
        return connection.execute(sql).get


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(path, SCHEMA).opened() as database:
        yield database
