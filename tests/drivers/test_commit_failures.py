"""
What callers hear when COMMIT itself fails, and that no later look contradicts it.

A COMMIT that failed can be there all the same after a crash (reliability 4.2). So after each
fault the files are looked at twice: as a kill would leave them, and after a close.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.db import Reader, Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.files import give_free
from freehold.errors import (
    CallError,
    Conflict,
    OutcomeUnknown,
    StartError,
    StorageBroken,
    StorageFull,
    Unavailable,
)
from freehold.ids import SeededIds
from freehold.testing.faults import FaultyDisk, Kind
from tests.drivers.ledger import SCHEMA, THE_TOTAL, Total, adding, entries, ledger, pending, step

pytestmark = pytest.mark.promise("P3")


def as_killed(path: Path, to: Path) -> Path:
    """The files as they would be had the process been killed now."""
    to.mkdir()
    # The copy drops SQLite's locks, which is the reason for the ban; nobody else is here.
    give_free(path)
    for suffix in ("", "-wal"):
        file = Path(f"{path}{suffix}")
        if file.exists():
            shutil.copyfile(file, to / file.name)
    return to / path.name


def names_in(path: Path) -> list[str]:
    """What a new owner finds in the file, after its recovery."""
    with ledger(path, begin=False) as database:
        return database.read(entries)


# --- refused before the disk was touched ----------------------------------------------


def test_a_refusal_at_commit_meets_the_one_it_belongs_to(ram: Path) -> None:
    """A commit hook refuses whatever one caller did: the others are committed without it."""
    with ledger(ram / "ledger.db") as database:
        connection = database.commits.connection
        begun: list[str] = []

        def noted(name: str) -> Callable[[Writer], str]:
            def run(db: Writer) -> str:
                begun.append(name)
                return adding(name)(db)

            return run

        connection.set_commit_hook(lambda: begun[-1] == "bad")
        batch = step(database, [noted(name) for name in ("a", "b", "c", "bad")])
        connection.set_commit_hook(None)

        assert [each.error for each in batch[:3]] == [None] * 3
        assert isinstance(batch[3].error, Conflict)
        assert [each.seq for each in batch[:3]] == [2, 3, 4]
        assert database.read(entries) == ["a", "b", "c"]
        assert database.state == "ok"


# --- no space ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ENOSPC", "short"])
@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
def test_a_disk_that_is_full_for_a_moment_fails_nobody(ram: Path, kind: Kind, at: int) -> None:
    """The batch is fenced off and run again one by one; each is there once."""
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, storage=disk.name) as database:
            disk.fail("write", kind, at=at, where="log")

            batch = step(database, [adding(name) for name in "abcd"])

            assert disk.struck == 1
            assert [each.error for each in batch] == [None] * 4
            assert [each.seq for each in batch] == [2, 3, 4, 5]
            killed = as_killed(path, ram / "killed")
        assert names_in(killed) == names_in(path) == ["a", "b", "c", "d"]


def test_who_does_not_fit_fails_and_never_comes_back(ram: Path) -> None:
    """`failed` is said behind a durable fence: a crash right after it does not bring it back."""
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, storage=disk.name) as database:

            def large(db: Writer) -> None:
                adding("large")(db)
                # Strikes in the COMMIT that holds this one, not in the fence after it.
                disk.fail("write", "short", at=4, where="log")

            batch = step(database, [adding("a"), large, adding("b")])

            assert [type(each.error) for each in batch] == [type(None), StorageFull, type(None)]
            assert disk.struck == 2
            killed = as_killed(path, ram / "killed")
        assert names_in(killed) == names_in(path) == ["a", "b"]


def test_a_disk_that_stays_full_refuses_writes_and_serves_reads(ram: Path) -> None:
    """
    Without a fence the first batch is `unknown`; later callers hear that the disk is full,
    and when it is not any more the writer goes on by itself.
    """
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, storage=disk.name) as database:
            step(database, [adding("before")])
            with disk.failing("write", "ENOSPC"):
                first = step(database, [adding("a"), adding("b"), refusing])
                later = step(database, [adding("c")])
                read = database.read(entries)
            again = step(database, [adding("d")])

            assert [type(each.error) for each in first] == [
                OutcomeUnknown,
                OutcomeUnknown,
                Unavailable,
            ]
            assert isinstance(later[0].error, StorageFull)
            assert read == ["before"]
            assert again[0].error is None
            assert database.read(entries) == ["before", "d"]
            killed = as_killed(path, ram / "killed")
        assert names_in(killed) == ["before", "d"]


def refusing(db: Writer) -> None:
    """Refused for the state that its neighbours made."""
    raise Conflict(f"there are {len(entries(db))} already.")


# --- the disk fails ---------------------------------------------------------------------


def test_after_a_failed_fsync_nobody_is_told_what_may_not_be_so(ram: Path) -> None:
    """
    Callers hear `unknown`, one refused for what may never have been hears that nothing was
    done, the writer has stopped, and the next owner finds all of the batch or nothing.
    """
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, storage=disk.name) as database:
            step(database, [adding("before")])
            disk.fail("sync", where="log")

            batch = step(database, [adding("a"), refusing, adding("b")])
            later = step(database, [adding("c")])

            unknown = batch[0].error
            assert isinstance(unknown, OutcomeUnknown)
            assert unknown.outcome == "unknown"
            assert isinstance(batch[2].error, OutcomeUnknown)
            assert type(batch[1].error) is Unavailable
            assert type(later[0].error) is Unavailable
            assert later[0].error.retryable
            assert database.state == "stopped"
            assert database.read(entries) == ["before"]
            killed = as_killed(path, ram / "killed")
        # The frames reached the file, though not for certain the disk: so it came back.
        assert names_in(killed) == names_in(path) == ["before", "a", "b"]


def test_no_checkpoint_follows_a_failed_commit(ram: Path) -> None:
    """Closing leaves the log to the recovery of the next start, and syncs nothing again."""
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, storage=disk.name) as database:
            disk.fail("sync", where="log")
            step(database, [adding("a")])
            disk.forget()
        assert disk.count("sync") == 0
        assert Path(f"{path}-wal").stat().st_size > 0


def test_recovery_is_made_durable_before_it_is_served(ram: Path) -> None:
    """What recovery read may sit in the page cache only: it is fsynced into the database."""
    path = ram / "ledger.db"
    with ledger(path) as database:
        step(database, [adding("a")])
        killed = as_killed(path, ram / "killed")
    with FaultyDisk() as disk, ledger(killed, begin=False, storage=disk.name) as database:
        assert disk.count("sync", where="database") >= 1
        assert Path(f"{killed}-wal").stat().st_size == 0
        assert database.read(entries) == ["a"]


def test_a_disk_that_fails_recovery_stops_the_start(ram: Path) -> None:
    """It is said in a sentence, and nothing stays open."""
    path = ram / "ledger.db"
    with ledger(path) as database:
        step(database, [adding("a")])
        killed = as_killed(path, ram / "killed")
    with FaultyDisk() as disk:
        disk.fail("sync", where="database")
        with (
            pytest.raises(StorageBroken, match="cannot be recovered"),
            ledger(killed, begin=False, storage=disk.name),
        ):
            pass
    assert names_in(killed) == ["a"]


def test_a_mutation_by_hand_hears_the_same(ram: Path) -> None:
    """A `with` block is told `unknown` too, and the next one that the writer has stopped."""
    with FaultyDisk() as disk, ledger(ram / "ledger.db", storage=disk.name) as database:
        disk.fail("write", where="log", at=2)
        with pytest.raises(OutcomeUnknown), database.writing() as db:
            adding("a")(db)
        with pytest.raises(Unavailable), database.writing() as db:
            adding("b")(db)


def test_a_defect_in_the_step_leaves_nobody_without_an_answer(ram: Path) -> None:
    """Something of ours raises: all outcomes are set, honestly, and the writer has stopped."""
    for point, expected in (
        ("before release", [Unavailable, Unavailable]),
        ("before commit", [Unavailable, Unavailable]),
        ("after commit", [type(None), type(None)]),
    ):
        armed: list[str] = []

        def crash(reached: str, armed: list[str] = armed) -> None:
            if reached in armed and reached != "before release":
                raise MemoryError(reached)

        with ledger(None, crash=crash) as database:
            armed.append(point)
            batch = [pending(adding("a")), pending(adding("b"))]
            if point == "before release":
                database.commits.step(batch)
                assert [each.error for each in batch] == [None, None]
                continue
            with pytest.raises(MemoryError):
                database.commits.step(batch)

            assert [type(each.error) for each in batch] == expected
            assert database.state == "stopped"
            assert database.read(entries) == (["a", "b"] if point == "after commit" else [])


# --- every write and every sync, one after the other -----------------------------------


class Sweep:
    """One workload, once without a fault to count, then with each change failing in turn."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0
        self.unknown = 0
        self.came_back = 0

    def run(self, number: int | None, kind: Kind, *, times: int | None = 1) -> int:
        """
        The workload with its n-th change failing.

        Returns:
            How many changes there were.
        """
        self.runs += 1
        folder = self.folder / str(self.runs)
        folder.mkdir()
        path = folder / "ledger.db"
        with FaultyDisk() as disk:
            if number is not None:
                disk.fail_change(number, kind, times=times)
            outcomes = self._work(path, disk)
            changes = disk.changes
            disk.heal()
        self._look(path, outcomes)
        self._look(folder / "killed" / path.name, outcomes)
        shutil.rmtree(folder)
        return changes

    def _work(self, path: Path, disk: FaultyDisk) -> dict[str, BaseException | None]:
        """Batches, a checkpoint in the middle, and a kill; what each caller heard."""
        outcomes: dict[str, BaseException | None] = {}
        database = SqliteDatabase(path, SCHEMA, storage=disk.name, ids=SeededIds())
        try:
            database.open()
        except StartError:
            as_killed(path, path.parent / "killed")
            return outcomes
        try:
            step(database, [lambda db: db.insert(Total(id=THE_TOTAL))])
            for number, names in enumerate((["a", "b", "c"], ["d"], ["e", "f"], ["g", "h"])):
                runs: list[Callable[[Writer], Any]] = [adding(name) for name in names]
                batch = step(database, runs)
                outcomes |= {name: each.error for name, each in zip(names, batch, strict=True)}
                if number == 1 and database.commits.broken is None:
                    self._checkpoint(database)
            as_killed(path, path.parent / "killed")
        finally:
            database.close()
        return outcomes

    def _checkpoint(self, database: SqliteDatabase) -> None:
        try:
            database.commits.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.FullError:
            pass
        except apsw.IOError as error:
            # As the writer's thread does: it is never tried again.
            database.commits.broken = error

    def _look(self, path: Path, outcomes: dict[str, BaseException | None]) -> None:
        """No answer is contradicted by what is there."""
        database = SqliteDatabase(path, SCHEMA, ids=SeededIds())
        with database.opened():
            found = database.read(all_entries)
            assert database.seq == len(found) + (1 if database.read(has_total) else 0)
        for name, error in outcomes.items():
            if error is None:
                assert name in found, f"{name} was acknowledged"
            elif isinstance(error, OutcomeUnknown):
                self.unknown += 1
                self.came_back += name in found
            else:
                assert isinstance(error, CallError)
                assert name not in found, f"{name} had failed: {error}"


def has_total(db: Reader) -> bool:
    return db.find(Total, THE_TOTAL) is not None


def all_entries(db: Reader) -> Sequence[str]:
    return entries(db) if has_total(db) else []


@pytest.mark.fault
@pytest.mark.parametrize("times", [1, None], ids=["once", "for good"])
@pytest.mark.parametrize("kind", ["EIO", "ENOSPC", "short"])
def test_no_failing_write_or_sync_makes_an_answer_untrue(
    ram: Path, kind: Kind, times: int | None
) -> None:
    """Every n-th change of a workload, from opening to closing, fails: 0 contradictions."""
    sweep = Sweep(ram)
    changes = sweep.run(None, kind)
    assert changes > 50

    for number in range(1, changes + 1):
        sweep.run(number, kind, times=times)

    assert sweep.runs == changes + 1
    # The sweep is worth something only if it met what it is about.
    assert sweep.unknown > 0
    assert kind != "EIO" or times is None or sweep.came_back > 0
