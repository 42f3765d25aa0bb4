"""
The note beside the database: what callers were told is there, or the start is refused.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.witness import Witness
from freehold.errors import StorageBroken
from tests.drivers.ledger import SCHEMA, adding, entries, ledger

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P14")]


@pytest.fixture
def path(ram: Path) -> Path:
    """A ledger with its total, closed."""
    with ledger(ram / "a.db"):
        return ram / "a.db"


def test_an_older_copy_in_its_place_is_noticed(path: Path) -> None:
    """As one from before a crash would be, or a log that was removed."""
    older = path.with_name("older")
    shutil.copy(path, older)
    with SqliteDatabase(path, SCHEMA).opened() as database:
        for name in "abc":
            database.write(adding(name))
        last = database.seq
    shutil.copy(older, path)

    with pytest.raises(StorageBroken, match=f"told of commit {last}") as refused:
        SqliteDatabase(path, SCHEMA).open()

    assert refused.value.exit_code == 74
    note = Path(f"{path}.witness")
    assert str(note) in refused.value.hint
    assert note.stat().st_mode & 0o777 == 0o600
    # As the hint says: it is gone on with what is there.
    note.unlink()
    with SqliteDatabase(path, SCHEMA).opened() as database:
        assert database.read(entries) == []
        database.write(adding("d"))
    with SqliteDatabase(path, SCHEMA).opened() as database:
        assert database.read(entries) == ["d"]


def test_another_database_in_its_place_is_not_compared(path: Path) -> None:
    """Somebody who begins anew is not asked about the old one."""
    with SqliteDatabase(path, SCHEMA).opened() as database:
        database.write(adding("a"))
    path.unlink()

    with ledger(path) as database:
        assert database.read(entries) == []


@pytest.mark.parametrize("byte", range(24))
def test_a_flip_in_the_note_is_no_loss(path: Path, byte: int) -> None:
    """Whichever byte it is, in its number or beside it."""
    with SqliteDatabase(path, SCHEMA).opened() as database:
        database.write(adding("a"))
    note = Path(f"{path}.witness")
    raw = bytearray(note.read_bytes())
    raw[byte] ^= 0x40
    note.write_bytes(raw)

    with SqliteDatabase(path, SCHEMA).opened() as database:
        assert database.read(entries) == ["a"]


def test_a_place_that_takes_no_note_stops_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only less is noticed, and the log says so."""
    note = Path(f"{path}.witness")
    note.unlink()
    note.mkdir()
    with (
        caplog.at_level(logging.WARNING),
        SqliteDatabase(path, SCHEMA).opened() as database,
    ):
        database.write(adding("a"))
        assert database.read(entries) == ["a"]
    assert "not noted" in caplog.text


def test_it_is_noted_before_it_is_told(path: Path) -> None:
    """A kill between the two must not leave a caller who knows more than the note."""
    order: list[str] = []
    with SqliteDatabase(path, SCHEMA).opened() as database:
        noted = database.commits.noted
        assert noted is not None

        def note(seq: int) -> None:
            order.append(f"noted, callers know {database.seq}")
            noted(seq)

        database.commits.noted = note
        before = database.seq
        database.write(adding("a"))
        order.append(f"told {database.seq}")
    assert order == [f"noted, callers know {before}", f"told {before + 1}"]
    assert Witness(path).path.exists()
