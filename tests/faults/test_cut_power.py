"""
The power goes, for real: ext4 and XFS stop at once, under load, and come back.

Clients of the real server write without end; the file system that holds the database is cut off
in the middle, everything that had it open is killed, and the next start finds what was synced.
With the power a processor stops too, so it is stopped first: it would live on for a moment in which
ext4, cut off, says of an fsync in flight that it went well. What the data layer makes of a disk
that fails under it while it lives is shown elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from freehold.drivers.sqlite.owner import OwnerLock
from freehold.testing.cluster import cluster
from tests.faults.disk_image import DiskImage, FileSystem, disk_image
from tests.faults.figures import record
from tests.faults.share import SEED, share
from tests.faults.world import World, serving

CLIENTS = 16
KINDS: tuple[FileSystem, ...] = ("ext4", "xfs")

pytestmark = [pytest.mark.promise("P1"), pytest.mark.promise("P3")]


@contextmanager
def postgres_on(disk: DiskImage, *, wrong: str | None = None, **settings: str) -> Iterator[World]:
    """A data layer on a PostgreSQL whose data is on that disk."""
    with (
        cluster(tcp=True, durable=True, data_in=disk.folder, settings=settings) as server,
        serving(server, 1, wrong=wrong) as here,
    ):
        server.sql("CHECKPOINT")
        disk.sync()
        yield here


def cut_off(disk: DiskImage, pids: Sequence[int]) -> None:
    """Stop the processes where they are, an fsync may be under way, and then the disk."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    while any(is_running(pid) for pid in pids):
        time.sleep(0.000_1)
    disk.cut()


def is_running(pid: int) -> bool:
    """Whether a thread of it may still do something besides its present system call."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            state = (task / "stat").read_text().rpartition(") ")[2][:1]
            if state not in "TtDZX":
                return True
    return False


async def cut_postgres(here: World, disk: DiskImage, chance: random.Random) -> None:
    """Lose power in the middle of the load, and come back."""
    await here.acknowledged(2 * CLIENTS)
    await asyncio.sleep(chance.uniform(0, 0.05))
    await asyncio.to_thread(cut_off, disk, here.server.pids)
    await asyncio.to_thread(here.server.kill)
    await asyncio.to_thread(disk.mount_again)
    await asyncio.to_thread(here.server.start)


async def cut_file(here: World, disk: DiskImage, chance: random.Random) -> None:
    """The same, of the disk that the data layer's own files are on."""
    (process,) = here.processes
    await here.acknowledged(2 * CLIENTS)
    await asyncio.sleep(chance.uniform(0, 0.02))
    await asyncio.to_thread(cut_off, disk, [process.pid])
    await asyncio.to_thread(process.kill)
    await asyncio.to_thread(disk.mount_again)
    await asyncio.to_thread(process.start)


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("kind", KINDS)
def test_sqlite_keeps_what_was_acknowledged(kind: FileSystem) -> None:
    """The data layer's own disk is cut off again and again: what was told is so."""
    chance = random.Random(SEED)
    cuts = share(7, 500)

    async def trouble(here: World) -> None:
        for _ in range(cuts):
            await cut_file(here, disk, chance)
            await here.acknowledged(CLIENTS)

    with disk_image(kind) as disk, serving(None, 1, files_in=disk.folder) as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        here.judge_and_record("P1", f"power cuts of {kind} under SQLite", cuts=cuts)


def test_a_commit_that_is_not_synced_is_found_out_on_sqlite() -> None:
    """Negative control: with `synchronous=NORMAL` acknowledged commits are lost."""
    chance = random.Random(SEED)
    began = time.monotonic()

    async def trouble(here: World) -> None:
        disk.sync()
        await cut_file(here, disk, chance)

    with (
        disk_image("ext4") as disk,
        serving(None, 1, files_in=disk.folder, wrong="careless") as here,
    ):
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        found = here.contradictions()
        record(
            "P1", "negative control: power cuts, SQLite with synchronous=NORMAL",
            seconds=time.monotonic() - began, bad=len(found), cuts=disk.cuts,
            acknowledged=here.history.count("ok"),
        )  # fmt: skip
    assert any("is lost" in each for each in found), f"seed {SEED}: {found[:5]}"


@pytest.mark.fault
@pytest.mark.timeout(share(120, 7_200))
@pytest.mark.parametrize("kind", KINDS)
def test_postgresql_keeps_what_was_acknowledged(kind: FileSystem) -> None:
    """The server's disk is cut off again and again: what was told is so."""
    chance = random.Random(SEED)
    cuts = share(3, 250)

    async def trouble(here: World) -> None:
        for _ in range(cuts):
            await cut_postgres(here, disk, chance)
            await here.acknowledged(CLIENTS)

    # The server would answer early if it could: the data layer does not let it.
    with disk_image(kind) as disk, postgres_on(disk, synchronous_commit="off") as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        here.judge_and_record("P1", f"power cuts of {kind} under PostgreSQL", cuts=cuts)


def test_an_answer_before_the_sync_is_found_out_on_postgresql() -> None:
    """Negative control: without the data layer's word for it, acknowledged commits are lost."""
    chance = random.Random(SEED)
    began = time.monotonic()
    settings = {"synchronous_commit": "off", "wal_writer_delay": "2s"}

    async def trouble(here: World) -> None:
        await cut_postgres(here, disk, chance)

    with disk_image("ext4") as disk, postgres_on(disk, wrong="hurried", **settings) as here:
        asyncio.run(here.load(lambda: trouble(here), clients=CLIENTS))
        found = here.contradictions()
        record(
            "P1", "negative control: power cuts, PostgreSQL answers before it has synced",
            seconds=time.monotonic() - began, bad=len(found), cuts=disk.cuts,
            acknowledged=here.history.count("ok"),
        )  # fmt: skip
    assert any("is lost" in each for each in found), f"seed {SEED}: {found[:5]}"


def test_a_lock_on_a_disk_that_failed_is_given_back() -> None:
    """Ending in order after the disk has failed raises nothing of its own."""
    with disk_image("ext4") as disk:
        lock = OwnerLock(disk.folder / "main.db").acquire()
        disk.cut()
        lock.release()
