"""A database from opening to closing: what is kept, what is answered, what is left behind."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.clock import ManualClock
from freehold.db import Reader, Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.memory import make_folder, remove_abandoned, remove_folder
from freehold.errors import (
    AlreadyExists,
    InvalidArgument,
    StartError,
    StatementError,
    Unavailable,
)
from freehold.ids import SeededIds
from tests.drivers.ledger import (
    LONG_S,
    SCHEMA,
    THE_TOTAL,
    Asked,
    Entry,
    Loop,
    add,
    adding,
    create,
    entries,
    ledger,
    served,
    step,
)


@pytest.fixture(params=["file", "memory"])
def path(request: pytest.FixtureRequest, ram: Path) -> Path | None:
    """Both are the same but for where they are."""
    return ram / "ledger.db" if request.param == "file" else None


# --- opening ----------------------------------------------------------------------------


def test_what_was_written_is_there_after_reopening(ram: Path) -> None:
    """And the sequence goes on where it was."""
    with ledger(ram / "ledger.db") as database:
        step(database, [adding("a"), adding("b")])

    with ledger(ram / "ledger.db", begin=False) as database:
        assert database.seq == 3
        assert step(database, [adding("c")])[0].seq == 4
        assert database.read(entries) == ["a", "b", "c"]


def test_a_failed_preparation_leaves_nothing_open(ram: Path) -> None:
    """The lock is given back, the error comes out, and the next try works."""
    database = SqliteDatabase(ram / "ledger.db", SCHEMA)

    def refuse(_: apsw.Connection) -> None:
        raise StartError("this file is too old.")

    with pytest.raises(StartError, match="too old"):
        database.open(refuse)
    database.open(create)
    database.close()


def test_another_program_in_the_file_is_refused(ram: Path) -> None:
    """A lock of ours does not stop a database browser; its open transaction does stop us."""
    path = ram / "ledger.db"
    with ledger(path) as database:
        step(database, [adding("a")])
    browser = apsw.Connection(str(path))
    browser.execute("BEGIN; SELECT * FROM totals").fetchall()
    browser.execute("COMMIT; BEGIN IMMEDIATE; UPDATE totals SET amount = 1; COMMIT")
    browser.execute("BEGIN; SELECT * FROM totals").fetchall()
    late = apsw.Connection(str(path))
    late.execute("UPDATE totals SET amount = 2")

    with pytest.raises(StartError, match="another program"):
        SqliteDatabase(path, SCHEMA).open()

    browser.close()
    late.close()


def test_opening_twice_is_a_mistake(path: Path | None) -> None:
    """And so is starting twice; nothing is lost by it."""
    with ledger(path) as database, served(database):
        with pytest.raises(AssertionError, match="open already"):
            database.open()
        with pytest.raises(AssertionError, match="started already"):
            database.start(lambda run: run())
        assert database.write(adding("a")) == "a"


# --- memory -----------------------------------------------------------------------------


def test_two_memories_are_two_databases() -> None:
    """Of the same name, with the same seeds, at the same time."""
    with ledger(None, ids=SeededIds()) as one, ledger(None, ids=SeededIds()) as other:
        one.write(adding("a"))

        assert one.read(entries) == ["a"]
        assert other.read(entries) == []


def test_a_memory_leaves_nothing_behind() -> None:
    """Its folder is one that only we can enter, and is gone with it."""
    with ledger() as database:
        folder = database._folder
        assert folder is not None
        assert folder.stat().st_mode & 0o777 == 0o700

    assert not folder.exists()


def test_the_name_of_another_process_is_passed_over() -> None:
    """Process numbers come round again, and containers may share the memory."""
    first = make_folder("left")
    number = int(first.name.rsplit("-", 1)[1])
    blocked = first.with_name(f"freehold-memory-left-{os.getpid()}-{number + 1}")
    blocked.mkdir()
    second = make_folder("left")

    assert second not in (first, blocked)

    for folder in (first, blocked, second):
        remove_folder(folder)


def test_what_a_killed_process_left_behind_is_removed(ram: Path) -> None:
    """Its lock went with it; folders that are in use, or are somebody else's, stay."""
    dead, other = ram / "freehold-memory-main-1-1", ram / "of-somebody-else"
    for folder in (dead, other):
        folder.mkdir()
        (folder / "memory.db").write_text("left")
    with ledger() as database:
        alive = database._folder
        assert alive is not None
        remove_abandoned(ram)
        remove_abandoned(alive.parent)

        assert alive.exists()
        assert not dead.exists()
        assert other.exists()
        assert database.write(adding("a")) == "a"


# --- in process -------------------------------------------------------------------------


@pytest.mark.parametrize("has_threads", [False, True])
def test_write_and_read_wait_for_their_outcome(path: Path | None, has_threads: bool) -> None:
    """Values come back, errors are raised, and the next call is not disturbed."""
    with ledger(path) as database:
        if has_threads:
            database.start(Loop().call_soon)

        assert database.write(adding("a")) == "a"
        with pytest.raises(AlreadyExists):
            database.write(adding("a"))
        with pytest.raises(SystemExit):
            database.write(_exit)
        with pytest.raises(ZeroDivisionError):
            database.read(lambda db: 1 // 0)

        assert database.write(adding("b")) == "b"
        assert database.read(entries) == ["a", "b"]
        assert database.seq == 3


def _exit(db: Writer) -> None:
    add(db, "never")
    raise SystemExit


def _twice(db: Writer, name: str) -> None:
    add(db, name)
    add(db, name)


def test_many_threads_may_write_in_process(path: Path | None) -> None:
    """Each waits for its own, and all are there."""
    with ledger(path) as database, served(database):
        names = [f"{thread}-{number}" for thread in range(8) for number in range(20)]

        def work(thread: int) -> None:
            for number in range(20):
                assert database.write(adding(f"{thread}-{number}")) == f"{thread}-{number}"

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(LONG_S)

        assert sorted(database.read(entries)) == sorted(names)


@pytest.mark.parametrize("has_threads", [False, True])
def test_a_mutation_cannot_start_another(path: Path | None, has_threads: bool) -> None:
    """It would wait for itself for ever; so it is told."""
    with ledger(path) as database:
        if has_threads:
            database.start(Loop().call_soon)

        with pytest.raises(StatementError, match="wait for itself"):
            database.write(lambda db: database.write(adding("inner")))
        assert database.read(entries) == []


def test_a_block_cannot_hold_another(path: Path | None) -> None:
    """The inner one is refused, and the outer one is not undone by it."""
    with ledger(path) as database:
        with database.writing() as db:
            add(db, "a")
            with pytest.raises(StatementError, match="wait for itself"), database.writing():
                pass
            with pytest.raises(StatementError, match="wait for itself"):
                database.write(adding("c"))
            add(db, "b")

        assert database.read(entries) == ["a", "b"]


def test_a_block_is_one_mutation(path: Path | None) -> None:
    """Durable at its end; undone, with the usual errors, when it raises."""
    with ledger(path) as database:
        with database.writing() as db:
            add(db, "a")
        with pytest.raises(AlreadyExists), database.writing() as db:
            _twice(db, "b")
        with pytest.raises(SystemExit), database.writing() as db:
            _exit(db)

        assert database.seq == 2
        with database.reading() as read:
            assert entries(read) == ["a"]
        with pytest.raises(StatementError, match="handle is gone"):
            add(db, "d")
        with pytest.raises(StatementError, match="handle is gone"):
            entries(read)


def test_a_block_is_no_way_past_the_thread(path: Path | None) -> None:
    """One connection, one writer at a time."""
    with (
        ledger(path) as database,
        served(database),
        pytest.raises(AssertionError, match="use write"),
        database.writing(),
    ):
        pass


def test_writes_without_threads_keep_the_log_short(ram: Path) -> None:
    """A seed of many mutations moves its log along, as the thread would."""
    with ledger(ram / "ledger.db") as database:
        for number in range(60):
            database.write(lambda db, number=number: _bulky(db, number))  # type: ignore[misc]

        assert database.gauges["checkpoints"] >= 1
        assert database.gauges["wal_pages"] < 8_000


def _bulky(db: Writer, number: int) -> None:
    for part in range(100):
        db.insert(
            Entry(
                id=f"{number}-{part}", total_id=THE_TOTAL, place=0, label=f"{number}-{part}" * 999
            )
        )


# --- closing ----------------------------------------------------------------------------


def test_closing_answers_what_waits(path: Path | None) -> None:
    """Everything handed over before is done; what comes later is refused, and not forgotten."""
    with ledger(path) as database, served(database) as loop:
        calls = [Asked(adding(str(number))) for number in range(200)]
        for call in calls:
            database.submit(call)
        database.close()
        late, read = Asked(adding("late")), Asked(entries)
        database.submit(late)
        database.run_query(read)
        loop.answered(*calls)

        assert [call.value for call in calls] == [str(number) for number in range(200)]
        assert [call.seq for call in calls] == list(range(2, 202))
        for call in (late, read):
            assert isinstance(call.error, Unavailable)
        for run in (lambda: database.write(adding("x")), lambda: database.read(entries)):
            with pytest.raises(Unavailable, match="closed"):
                run()
        database.close()


def test_a_loop_that_is_gone_does_not_stop_the_writer(ram: Path) -> None:
    """At the end of a process the loop may be closed first; what is durable stays so."""

    def gone(_: Callable[[], None]) -> None:
        raise RuntimeError("Event loop is closed")

    with ledger(ram / "ledger.db") as database:
        database.start(gone)
        database.submit(Asked(adding("a")))
        assert database.write(adding("b")) == "b"
        assert database.state == "ok"
    with ledger(ram / "ledger.db", begin=False) as database:
        assert database.read(entries) == ["a", "b"]


def test_a_closed_database_is_one_file(ram: Path) -> None:
    """Log and index are gone after a clean close, so a copy of the file is a copy of all."""
    with ledger(ram / "ledger.db") as database, served(database):
        database.write(adding("a"))

    beside = {"ledger.db.lock", "ledger.db.witness", "ledger.db.ballast"}
    assert {file.name for file in ram.iterdir()} - beside == {"ledger.db"}


def test_nothing_stays_open(ram: Path) -> None:
    """No descriptor, no thread, no warning about one; also after failed starts."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with ledger(ram / "ledger.db", begin=not (ram / "ledger.db").exists()) as database:
            database.start(Loop().call_soon)
            database.write(lambda db: db.now)
            database.read(entries)
            database.inspect("SELECT 1", 1)
            with pytest.raises(InvalidArgument):
                database.inspect("SELEC", 1)
            with pytest.raises(StartError):
                SqliteDatabase(ram / "ledger.db", SCHEMA).open()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()

    assert len(os.listdir("/proc/self/fd")) == before
    assert not [thread.name for thread in threading.enumerate() if "freehold" in thread.name]


def test_it_shows_its_figures(ram: Path) -> None:
    """What `/metrics` and a watchdog need: queue, log, age of what runs."""
    clock = ManualClock()
    with ledger(ram / "ledger.db", clock=clock) as database:
        seen: dict[str, Any] = {}

        def look(db: Reader) -> None:
            clock.advance(seconds=7)
            seen.update(database.gauges)

        step(database, [look])

        assert seen["writer_busy_s"] == 7
        assert database.gauges["writer_busy_s"] == 0
        assert database.gauges["seq"] == 2
        assert database.gauges["wal_pages"] > 0
        assert database.gauges["batches"] == 2
