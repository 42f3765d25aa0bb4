"""The write-ahead log: moved after the answers, bounded whatever readers do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from freehold.db import Reader, Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.testing.faults import FaultyDisk
from freehold.wire.limits import Limits
from tests.drivers.ledger import (
    LONG_S,
    THE_TOTAL,
    Asked,
    Entry,
    Loop,
    adding,
    entries,
    ledger,
    served,
    sql_value,
)
from tests.drivers.test_readers import Gate

_PAGES = 50
_SOME_TIME = sql_value(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
    "SELECT count(*) + (SELECT count(*) FROM totals) FROM n"
)


def bulky(number: int) -> Callable[[Writer], None]:
    """A mutation of some ten pages."""

    def run(db: Writer) -> None:
        label = f"{number} " * 6_000
        db.insert(Entry(id=f"bulk {number}", total_id=THE_TOTAL, place=number, label=label))

    return run


def most_pages(database: SqliteDatabase, writes: int) -> int:
    """The longest that the log was."""
    most = 0
    for number in range(writes):
        database.write(bulky(number))
        most = max(most, int(database.gauges["wal_pages"]))
    return most


def test_the_log_is_moved_when_it_has_grown(ram: Path) -> None:
    """Without readers it stays about as long as it may be."""
    with ledger(ram / "ledger.db", checkpoint_pages=_PAGES) as database, served(database):
        assert most_pages(database, 100) < 2 * _PAGES
        assert database.gauges["checkpoints"] > 5


def test_it_is_moved_after_the_answers(ram: Path) -> None:
    """Callers do not wait for a checkpoint: it begins when they have been told."""
    with (
        FaultyDisk() as disk,
        ledger(ram / "ledger.db", storage=disk.name, checkpoint_pages=1) as database,
    ):
        order: list[str] = []
        told = threading.Event()

        def on_loop(run: Callable[[], None]) -> None:
            order.append(f"told with {disk.count('write', where='database')} pages moved")
            run()
            told.set()

        database.start(on_loop)
        disk.forget()
        database.submit(Asked(adding("a")))
        assert told.wait(LONG_S)
        database.write(adding("b"))

        assert order == ["told with 0 pages moved"]
        assert disk.count("write", where="database") > 0


def test_readers_that_come_and_go_do_not_hold_it(ram: Path) -> None:
    """Small queries between the writes, on the loop's thread."""
    with ledger(ram / "ledger.db", checkpoint_pages=_PAGES) as database, served(database):
        most = 0
        for number in range(100):
            database.write(bulky(number))
            database.run_query(Asked(entries, method=str(number)))
            most = max(most, int(database.gauges["wal_pages"]))
        assert most < 2 * _PAGES


def test_readers_that_overlap_for_ever_do_not_starve_it(ram: Path) -> None:
    """
    On two threads there is always somebody in the log, and SQLite alone would let it grow
    without end. They are asked to rest for a moment, and all of them are answered.
    """
    with ledger(ram / "ledger.db", checkpoint_pages=_PAGES) as database, served(database) as loop:
        database.always_on_thread("long")
        is_going = [True]
        answered: list[int | None] = []

        def again(call: Asked | None = None) -> None:
            if call is not None:
                answered.append(call.value)
            if is_going[0]:
                database.run_query(Asked(_read, method="long", told=again))

        most = _write_beside(database, loop, again, writes=1_500)
        is_going[0] = False

        # Some 14 pages a mutation; without the rest nearly all of them would be in the log.
        assert most < 7_000
        assert set(answered) == {30_001}
        database.write(adding("last"))


def _read(db: Reader) -> int | None:
    return db.scalar(_SOME_TIME)


def _write_beside(
    database: SqliteDatabase, loop: Loop, again: Callable[[], None], *, writes: int
) -> int:
    """Write while four queries are always wanted; the longest that the log was."""
    numbers = iter(range(writes))
    pages: list[float] = [0]
    left = [writes]

    def told(call: Asked | None = None) -> None:
        if call is not None:
            assert call.error is None
            pages.append(database.gauges["wal_pages"])
            left[0] -= 1
        number = next(numbers, None)
        if number is not None:
            database.submit(Asked(bulky(number), told=told))

    for _ in range(4):
        again()
        told()
    loop.turn(until=lambda: left[0] == 0)
    return int(max(pages))


def test_a_long_reader_lets_it_grow_and_then_it_is_cut(ram: Path) -> None:
    """Bounded by the age cap of queries; afterwards the file itself becomes short again."""
    with ledger(ram / "ledger.db", checkpoint_pages=_PAGES) as database, served(database) as loop:
        database.always_on_thread("long")
        gate = Gate()
        long = Asked(gate.run, method="long")
        database.run_query(long)
        assert gate.begun.wait(LONG_S)
        assert most_pages(database, 60) > 4 * _PAGES

        gate.open.set()
        loop.answered(long)
        for number in range(60, 80):
            database.write(bulky(number))

        assert database.gauges["wal_pages"] < 2 * _PAGES
        next_one = Asked(_read, method="long")
        database.run_query(next_one)
        loop.answered(next_one)
        assert next_one.value == 30_001


def test_a_query_that_is_stuck_does_not_keep_the_others_resting(ram: Path) -> None:
    """They wait for it as long as a query may take, and then go on without the log cut."""
    limits = Limits(statement_time_ms_max=30)
    with (
        ledger(ram / "ledger.db", checkpoint_pages=_PAGES, limits=limits) as database,
        served(database) as loop,
    ):
        database.always_on_thread("long")
        gate = Gate()
        stuck = Asked(gate.run, method="long")
        database.run_query(stuck)
        assert gate.begun.wait(LONG_S)
        most_pages(database, 60)
        call = Asked(entries_count, method="long")
        database.run_query(call)
        loop.answered(call)

        assert call.value == 60
        gate.open.set()
        loop.answered(stuck)


def entries_count(db: Reader) -> int:
    """How many there are."""
    return len(db.all(Entry))


def test_a_checkpoint_that_finds_no_space_is_tried_again(ram: Path) -> None:
    """The log still holds everything; nobody hears of it."""
    with (
        FaultyDisk() as disk,
        ledger(ram / "ledger.db", storage=disk.name, checkpoint_pages=_PAGES) as database,
        served(database),
    ):
        with disk.failing("write", "ENOSPC", where="database"):
            most_pages(database, 20)
            assert disk.struck > 0
        for number in range(20, 40):
            database.write(bulky(number))

        assert database.state == "ok"
        assert database.gauges["wal_pages"] < 3 * _PAGES


def test_a_checkpoint_whose_fsync_fails_is_the_last_one(ram: Path) -> None:
    """The writer stops; everything answered is in the log, and the next owner finds it."""
    path = ram / "ledger.db"
    with (
        FaultyDisk() as disk,
        ledger(path, storage=disk.name, checkpoint_pages=1) as database,
        served(database) as loop,
    ):
        stopped: list[BaseException] = []
        database.broken = stopped.append
        disk.fail("sync", where="database")
        assert database.write(adding("a")) == "a"
        loop.turn(until=lambda: bool(stopped))

        assert isinstance(stopped[0], apsw.IOError)
        assert database.state == "stopped"
        assert database.read(entries) == ["a"]
    with ledger(path, begin=False) as database:
        assert database.read(entries) == ["a"]


def test_the_file_of_the_log_does_not_stay_long(ram: Path) -> None:
    """What a long reader made of it is cut back when it starts again."""
    path = ram / "ledger.db"
    with ledger(path, checkpoint_pages=_PAGES) as database:
        with database.reading() as db:
            entries(db)
            for number in range(1_500):
                database.write(bulky(number))
        before = Path(f"{path}-wal").stat().st_size
        for number in range(30):
            database.write(adding(str(number)))

        assert before > 64 * 1024 * 1024
        assert Path(f"{path}-wal").stat().st_size <= 64 * 1024 * 1024
