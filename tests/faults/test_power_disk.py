"""
The disk that loses power, by itself: what it writes down, and what a cut leaves of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from freehold.drivers.sqlite.memory import make_folder, remove_folder
from tests.faults.power.crashes import SECTOR, Crash, crashes
from tests.faults.power.recording import Change, RecordedDisk
from tests.faults.share import SEED


@pytest.fixture
def ram() -> Iterator[Path]:
    """A folder in memory, with one for the disk and one for what cuts leave."""
    folder = make_folder("power")
    (folder / "disk").mkdir()
    (folder / "left").mkdir()
    yield folder
    remove_folder(folder)


def write_ten(folder: Path, pragmas: str = "PRAGMA journal_mode = wal") -> RecordedDisk:
    """Ten commits of a row each, each marked when its COMMIT came back."""
    with RecordedDisk(folder, seed=7) as disk:
        connection = apsw.Connection(str(folder / "a.db"), vfs=disk.name)
        connection.execute(pragmas).fetchall()
        connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT)")
        for number in range(10):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, "x" * 300))
            disk.mark(number)
        connection.close()
    return disk


def lost(folder: Path, crash: Crash) -> str:
    """What is wrong with what a cut left; empty when nothing is."""
    crash.restore(folder)
    try:
        connection = apsw.Connection(str(folder / "a.db"))
        try:
            if connection.pragma("integrity_check") != "ok":
                return "damaged"
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
            rows = connection.execute("SELECT n FROM t ORDER BY n").fetchall() if tables else []
        finally:
            connection.close()
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
        return f"damaged: {error}"
    there = [number for (number,) in rows]
    if there != list(range(len(there))):
        return f"holes: {there}"
    return "" if there[: len(crash.marks)] == crash.marks else f"lost: {there}"


@pytest.mark.promise("P21")
def test_the_same_seed_gives_the_same_changes_and_states(ram: Path) -> None:
    """Down to the salts that SQLite draws, and the bytes of garbage."""
    other = ram / "other"
    other.mkdir()
    first, again = write_ten(ram / "disk"), write_ten(other)
    assert first.trace == again.trace

    states = [crash.files for crash in crashes(first, seed=3, per_event=4)]
    assert states == [crash.files for crash in crashes(again, seed=3, per_event=4)]
    assert states != [crash.files for crash in crashes(again, seed=4, per_event=4)]
    only = list(crashes(first, seed=3, per_event=4, only=len(states) - 5))
    assert [crash.files for crash in only] == [states[-5]]


@pytest.mark.parametrize(
    ("pragmas", "is_safe"),
    [
        ("PRAGMA journal_mode = wal; PRAGMA synchronous = full", True),
        ("PRAGMA journal_mode = wal; PRAGMA synchronous = normal", False),
        ("PRAGMA journal_mode = wal; PRAGMA synchronous = off", False),
        ("PRAGMA journal_mode = delete; PRAGMA synchronous = extra", True),
        # The removal of the journal, which is the commit, may come undone.
        ("PRAGMA journal_mode = delete; PRAGMA synchronous = full", False),
        ("PRAGMA journal_mode = delete; PRAGMA synchronous = off", False),
    ],
)
def test_what_sqlite_promises_and_does_not_is_seen(ram: Path, pragmas: str, is_safe: bool) -> None:
    """SQLite's own modes, from those that lose nothing to those that lose what they said."""
    disk = write_ten(ram / "disk", pragmas)
    found = [lost(ram / "left", crash) for crash in crashes(disk, seed=SEED, per_event=6)]
    assert len(found) > 200
    assert any(found) != is_safe, found


def test_what_was_there_before_is_durable(ram: Path) -> None:
    """A disk takes over the files that it opens, and no others."""
    folder = ram / "disk"
    write_ten(folder)
    (ram / "left" / "keys").write_text("mine")
    with RecordedDisk(folder, is_default=True) as disk:
        connection = apsw.Connection(str(folder / "a.db"))
        connection.execute("UPDATE t SET body = 'y'")
        connection.close()

    first = next(crashes(disk, seed=1))
    assert first.at == 0
    assert lost(ram / "left", first) == ""
    assert (ram / "left" / "keys").read_text() == "mine"
    assert disk.names >= {"a.db", "a.db-wal"}


def made(*changes: Change) -> RecordedDisk:
    """A disk whose changes are made by hand."""
    disk = RecordedDisk(Path("/"))
    disk.changes.extend(changes)
    return disk


def left(disk: RecordedDisk, how: str) -> set[tuple[tuple[str, bytes], ...]]:
    """Everything that cuts after the last change may leave in one manner."""
    found: set[tuple[tuple[str, bytes], ...]] = set()
    last = len(disk.changes)
    for seed in range(300):
        for crash in crashes(disk, seed=seed, per_event=3, first=last):
            if crash.how == how:
                found.add(tuple(sorted(crash.files.items())))
    return found


A, B = b"a" * SECTOR, b"b" * SECTOR
MADE = Change("create", 1, "f", is_folder_durable=True)


def contents(found: set[tuple[tuple[str, bytes], ...]]) -> set[bytes]:
    """The bytes of the only file."""
    return {data for ((_, data),) in found}


def test_sectors_that_were_not_synced_come_in_any_choice(ram: Path) -> None:
    """All that was synced stays; of the rest any sectors do, in any mixture."""
    disk = made(
        MADE,
        Change("write", 1, offset=0, data=A + A),
        Change("sync", 1),
        Change("write", 1, offset=0, data=B + B),
    )
    assert contents(left(disk, "dropped")) == {A + A}
    assert contents(left(disk, "kept")) == {B + B}
    assert contents(left(disk, "subset")) == {A + A, A + B, B + A, B + B}
    torn = contents(left(disk, "torn"))
    assert len(torn) > 20
    assert all(set(each) <= set(b"ab") and len(each) == len(A + A) for each in torn)
    assert any(set(each) - set(b"ab") for each in contents(left(disk, "garbage")))


def test_bytes_beside_what_was_written_are_not_harmed(ram: Path) -> None:
    """A log's frames share sectors, and those before were synced."""
    disk = made(
        MADE,
        Change("write", 1, offset=0, data=A),
        Change("sync", 1),
        Change("write", 1, offset=100, data=B[:10]),
    )
    for how in ("dropped", "kept", "prefix", "subset", "torn", "garbage"):
        for each in contents(left(disk, how)):
            assert each[:100] + each[110:] == A[10:]


def test_a_file_cut_off_may_be_long_again(ram: Path) -> None:
    """A truncation is a change as any other."""
    disk = made(
        MADE,
        Change("write", 1, offset=0, data=A + A),
        Change("sync", 1),
        Change("truncate", 1, offset=10),
        Change("truncate", 1, offset=30),
    )
    assert contents(left(disk, "dropped")) == {A + A}
    assert contents(left(disk, "kept")) == {A[:10] + bytes(20)}
    assert contents(left(disk, "subset")) == {A + A, A[:10], A[:30], A[:10] + bytes(20)}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (Change("delete", 0, "f"), [("f",), ("f", "g"), ("g",)]),
        (Change("delete", 0, "f", is_folder_durable=True), [("g",)]),
        (Change("sync", 2, is_folder_durable=True), [("f", "g")]),
        (Change("sync", 1), [("f",), ("f", "g")]),
    ],
)
def test_entries_of_a_folder_become_durable_in_order(
    ram: Path, last: Change, expected: list[tuple[str, ...]]
) -> None:
    """A file that was synced is still lost when its name is; a removal may come undone."""
    disk = made(MADE, Change("create", 2, "g"), last)
    seen: set[tuple[str, ...]] = set()
    for how in ("dropped", "kept", "prefix", "subset", "torn", "garbage"):
        seen |= {tuple(name for name, _ in each) for each in left(disk, how)}
    assert sorted(seen) == expected
