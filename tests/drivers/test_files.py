"""The files of an open database are SQLite's alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from freehold.db import IN_PROCESS
from freehold.drivers.sqlite.files import SecondHandle
from tests.drivers.ledger import adding, entries, ledger, served, step

_seen: list[str] = []
_is_watching: list[bool] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _is_watching and event in ("open", "sqlite3.connect"):
        _seen.append(str(arguments[0]))


@contextmanager
def opened_paths() -> Iterator[list[str]]:
    """Every path that Python opens in the block; the hook stays, asleep."""
    if not hasattr(sys, "_freehold_watch"):
        sys._freehold_watch = True  # type: ignore[attr-defined]
        sys.addaudithook(_watch)
    _seen.clear()
    _is_watching.append(True)
    try:
        yield _seen
    finally:
        _is_watching.clear()


def test_nothing_of_ours_opens_them_by_path(ram: Path) -> None:
    """From opening to closing, with writes, reads, threads and checkpoints."""
    path = ram / "ledger.db"
    with opened_paths() as opened, ledger(path) as database, served(database):
        database.write(adding("a"))
        database.announce(socket=None, address="http://127.0.0.1:8791")
        database.read(entries)
        database.inspect("SELECT * FROM entries", 10)
        with database.reading(caller=IN_PROCESS) as db:
            entries(db)

    ours = [found for found in opened if found.startswith(str(ram))]
    assert set(ours) == {f"{path}.lock", f"{path}.witness", f"{path}.ballast"}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_opening_one_is_refused_while_the_database_is_open(ram: Path, suffix: str) -> None:
    """Closing that handle would drop SQLite's locks, and another process could write."""
    path = ram / "ledger.db"
    file = Path(f"{path}{suffix}")
    with ledger(path) as database:
        step(database, [adding("a")])
        with pytest.raises(SecondHandle, match="drop SQLite's locks"):
            file.read_bytes()
        with pytest.raises(SecondHandle):
            os.open(file, os.O_RDONLY)
        with pytest.raises(SecondHandle):
            os.open(os.fsencode(file), os.O_RDONLY)
        with pytest.raises(SecondHandle):
            shutil.copyfile(file, ram / "copy")
        with pytest.raises(SecondHandle):
            (ram / "." / file.name).open("ab")
        (ram / f"other{suffix}").write_bytes(b"of another database")
    if suffix == "":
        assert path.read_bytes().startswith(b"SQLite format 3")


def test_a_second_sqlite_library_is_refused(ram: Path) -> None:
    """The standard library brings its own SQLite, which knows nothing of our locks."""
    path = ram / "ledger.db"
    with ledger(path):
        for name in (str(path), f"file:{path}?mode=ro"):
            with pytest.raises(SecondHandle):
                sqlite3.connect(name, uri=True)
        sqlite3.connect(":memory:").close()


def test_a_link_is_no_way_around(ram: Path) -> None:
    """A name in another folder is looked at when it is a link with the same last part."""
    path = ram / "ledger.db"
    other = ram / "other"
    other.mkdir()
    (other / "ledger.db").symlink_to(path)
    with ledger(path), pytest.raises(SecondHandle):
        (other / "ledger.db").read_bytes()
