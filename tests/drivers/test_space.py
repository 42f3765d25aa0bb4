"""
Room on the disk, on real small disks: refused in time, nothing lost, and back by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.space import Ballast
from freehold.errors import CallError, StorageFull
from freehold.wire.limits import Limits
from tests.drivers.ledger import SCHEMA, THE_TOTAL, Asked, Loop, Total, adding, entries, served

pytestmark = [
    pytest.mark.promise("P15"),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("mkfs.ext4") is None, reason="mounting needs root"
    ),
]

#: Back to writable within this, once there is room.
BACK_S = 5.0
DISKS = ("tmpfs 600k", "tmpfs 8m", "ext4 8m")


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A real file system, mounted for the test."""
    kind, size = request.param.split()
    place = tmp_path / "disk"
    place.mkdir()
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    else:
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-b", "4096", str(image)], check=True)
        mount = ["mount", "-o", "loop", str(image), str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip(f"this system mounts no {kind}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def database_on(disk: Path) -> SqliteDatabase:
    """A ledger with its total, closed."""
    database = SqliteDatabase(disk / "a.db", SCHEMA)
    with database.opened(), database.writing() as db:
        db.insert(Total(id=THE_TOTAL))
    return SqliteDatabase(disk / "a.db", SCHEMA)


def call(database: SqliteDatabase, loop: Loop, name: str) -> CallError | None:
    """One mutation; answers with its refusal."""
    asked = Asked(adding(name))
    database.submit(asked)
    loop.answered(asked)
    error = asked.answers[0][2]
    assert error is None or isinstance(error, CallError), error
    return error


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Somebody else's file takes what is free."""
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file:
        for size in (65_536, 4_096, 512):
            try:
                while _free(disk) - size >= leave:
                    file.write(b"x" * size)
            except OSError:
                continue
    return hog


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def until_writable(database: SqliteDatabase, loop: Loop, name: str) -> float:
    """Seconds until a mutation goes through."""
    began = time.monotonic()
    while (error := call(database, loop, name)) is not None:
        assert isinstance(error, StorageFull), error
        assert time.monotonic() - began < BACK_S
        time.sleep(0.05)
    return time.monotonic() - began


def wait_until(is_so: Callable[[], bool]) -> None:
    """It becomes so in time."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < BACK_S
        time.sleep(0.05)


def test_a_disk_that_grows_full_is_refused_in_time_and_comes_back(disk: Path) -> None:
    """Low water: refused before anything fails; queries go on; back by itself."""
    database = database_on(disk)
    with database.opened(), served(database) as loop:
        assert call(database, loop, "before") is None
        ballast = Path(f"{database.path}.ballast")
        assert ballast.stat().st_blocks * 512 >= ballast.stat().st_size > 0
        assert ballast.stat().st_mode & 0o777 == 0o600
        hog = fill(disk, leave=ballast.stat().st_size // 2)
        time.sleep(1.1)

        refused = call(database, loop, "refused")

        assert isinstance(refused, StorageFull)
        assert (refused.outcome, refused.retryable) == ("failed", True)
        assert database.storage == "full"
        assert database.gauges["is_short_of_space"]
        assert database.read(entries) == ["before"]
        assert database.state == "ok"
        hog.unlink()
        until_writable(database, loop, "after")
        assert database.read(entries) == ["before", "after"]


def test_a_disk_that_is_full_at_once_loses_nothing_and_comes_back(disk: Path) -> None:
    """Between two looks somebody takes all: the ballast is given up, the log is moved."""
    database = database_on(disk)
    told: list[str] = []
    with database.opened(), served(database) as loop:
        hog = disk / "hog"
        for number in range(2_000):
            if number == 30:
                fill(disk)
            name = f"entry {number:06}"
            error = call(database, loop, name)
            if error is None:
                told.append(name)
            else:
                assert isinstance(error, StorageFull), error
                break
        else:
            pytest.fail("the disk was never full")
        assert len(told) >= 30
        assert database.read(entries) == told
        # What follows the answer: the log is moved and empty, though the disk was full.
        wait_until(lambda: Path(f"{database.path}-wal").stat().st_size == 0)
        assert database.storage == "full"
        assert database.state == "ok"
        assert not Path(f"{database.path}.ballast").exists()
        hog.unlink()
        until_writable(database, loop, "after")
        assert Path(f"{database.path}.ballast").exists()
        assert str(database.storage) == "ok"
        assert database.read(entries) == [*told, "after"]
    with SqliteDatabase(database.path, SCHEMA).opened() as again:
        assert again.read(entries) == [*told, "after"]


def test_without_ballast_the_log_cannot_be_moved(disk: Path) -> None:
    """The control: with nothing to give up there is no way out from inside."""
    database_on(disk)
    limits = Limits(ballast_bytes=1, disk_free_min_bytes=1)
    database = SqliteDatabase(disk / "a.db", SCHEMA, limits=limits)
    told: list[str] = []
    with database.opened(), served(database) as loop:
        fill(disk, leave=150_000)
        while call(database, loop, name := f"entry {len(told):06}") is None:
            told.append(name)
        assert len(told) > 20
        time.sleep(1.5)
        assert Path(f"{database.path}-wal").stat().st_size > 0
        # Not even then is anything lost.
        assert database.read(entries) == told


def test_a_disk_filled_by_the_database_itself_stays_readable(disk: Path) -> None:
    """No way out from inside; but nothing is lost, and there is one as soon as there is room."""
    database = database_on(disk)
    told: list[str] = []
    hog = fill(disk, leave=300_000)
    with database.opened(), served(database) as loop:
        for number in range(20_000):
            name = f"entry {number:06}"
            error = call(database, loop, name)
            if error is not None:
                assert isinstance(error, StorageFull), error
                break
            told.append(name)
        else:
            pytest.fail("the disk was never full")
        assert database.read(entries) == told
        assert database.state == "ok"
        hog.unlink()
        until_writable(database, loop, "after")
        assert database.read(entries) == [*told, "after"]


def test_health_comes_back_without_a_call(disk: Path) -> None:
    """Nobody has to write for the ballast to be made again."""
    database = database_on(disk)
    with database.opened(), served(database) as loop:
        hog = fill(disk)
        time.sleep(1.1)
        assert isinstance(call(database, loop, "refused"), StorageFull)
        hog.unlink()
        wait_until(lambda: database.storage == "ok")
        assert call(database, loop, "after") is None


def test_limits_can_turn_it_off(disk: Path) -> None:
    """A byte of each is as good as none."""
    limits = Limits(ballast_bytes=1, disk_free_min_bytes=1)
    database_on(disk)
    database = SqliteDatabase(disk / "a.db", SCHEMA, limits=limits)
    with database.opened(), served(database) as loop:
        fill(disk, leave=40_000)
        time.sleep(1.1)
        assert call(database, loop, "goes on") is None


def test_a_ballast_is_made_of_real_blocks_or_not_at_all(disk: Path) -> None:
    """A file with a hole would promise room that is not there."""
    ballast = Ballast(disk / "ballast", 128 * 1024)
    before = _free(disk)
    assert ballast.make()
    assert ballast.is_there
    assert before - _free(disk) >= ballast.size
    assert ballast.make()
    assert ballast.free()
    assert not ballast.free()
    fill(disk, leave=60_000)
    assert not ballast.make()
    assert not ballast.path.exists()
