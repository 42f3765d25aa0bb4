"""
The log that is recovered from is durable first: a copy takes its place.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from freehold.drivers.sqlite.renewal import renew_log
from tests.drivers.ledger import adding, entries, ledger

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P3")]
_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM entries").fetchall()
print("in it", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def killed(ram: Path) -> Path:
    """A ledger as `kill -9` leaves it: what was done last is in its log only."""
    path, left = ram / "ledger.db", ram / "left.db"
    with ledger(path) as database:
        database.write(adding("a"))
        # Another process may read the files that are open in this one.
        for suffix in ("", "-wal"):
            subprocess.run(["cp", f"{path}{suffix}", f"{left}{suffix}"], check=True)
    return left


def test_a_copy_takes_the_place_of_the_log(killed: Path) -> None:
    """The same bytes in another file, for its owner alone; and it is recovered from as before."""
    log = Path(f"{killed}-wal")
    log.chmod(0o600)
    data, number = log.read_bytes(), log.stat().st_ino
    assert len(data) > 0
    renew_log(killed)
    assert log.read_bytes() == data
    assert log.stat().st_ino != number
    assert log.stat().st_mode & 0o777 == 0o600
    assert not Path(f"{log}.renewed").exists()
    with ledger(killed, begin=False) as database:
        assert database.read(entries) == ["a"]


def test_where_there_is_no_log_there_is_nothing_to_do(ram: Path) -> None:
    """A file that is new, or was closed."""
    renew_log(ram / "none.db")
    (ram / "empty.db-wal").touch()
    renew_log(ram / "empty.db")
    assert sorted(path.name for path in ram.iterdir()) == ["empty.db-wal"]


def test_a_log_that_another_program_is_in_stays(
    killed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It would go on with the old one; and what it has open was recovered by it already."""
    log = Path(f"{killed}-wal")
    number = log.stat().st_ino
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(killed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"in it\n"
        with caplog.at_level(logging.WARNING, logger="freehold.sqlite"):
            renew_log(killed)
        assert log.stat().st_ino == number
        assert "is recovered from without a copy" in caplog.text
        other.kill()


def test_without_room_for_a_copy_the_log_stays(
    killed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must not keep a database from being opened: recovery needs no more room."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with ledger(killed, begin=False) as database:
        assert database.read(entries) == ["a"]
    assert "No space left" in caplog.text
    assert not os.path.exists(f"{killed}-wal.renewed")
    assert apsw.Connection(str(killed)).pragma("quick_check") == "ok"
