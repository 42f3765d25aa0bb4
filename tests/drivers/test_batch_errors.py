"""
Each way in which one caller can fail, in each position of a batch of eight: only it fails.

The table is reliability 4.4 and its neighbours. Half of these take the whole transaction
away from everybody; nobody may notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from freehold.db import Writer
from freehold.drivers.sqlite import SqliteDatabase
from freehold.drivers.sqlite.memory import make_folder, remove_folder
from freehold.errors import (
    AlreadyExists,
    CallError,
    Conflict,
    DeadlineExceeded,
    ReferenceBroken,
    RuleBroken,
    StatementError,
    StorageFull,
    TooLarge,
    Unavailable,
)
from freehold.testing.faults import FaultyDisk
from tests.drivers.ledger import (
    SCHEMA,
    THE_TOTAL,
    Entry,
    Total,
    add,
    adding,
    entries,
    ledger,
    sql,
    sql_value,
    step,
    without_guard,
)

pytestmark = pytest.mark.promise("P2")

BATCH = 8
#: Rows that the small page cache of these databases cannot hold, so they are written at once.
_MUCH = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO bulk (number, body) SELECT i, randomblob(2000) FROM n
"""
_ENDLESS = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
"""
_DDL = (
    "CREATE TABLE bulk (number INTEGER, body BLOB) STRICT",
    "CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT",
    """CREATE TABLE children (id INTEGER PRIMARY KEY,
       parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED) STRICT""",
    "CREATE TABLE tripwires (id INTEGER PRIMARY KEY) STRICT",
    "CREATE TRIGGER trip BEFORE INSERT ON tripwires BEGIN SELECT RAISE(ROLLBACK, 'tripped'); END",
    "CREATE TABLE failures (id INTEGER PRIMARY KEY) STRICT",
    "CREATE TRIGGER fail BEFORE INSERT ON failures BEGIN SELECT RAISE(FAIL, 'failed'); END",
)


@dataclass
class World:
    """What a guilty function may use to do its worst."""

    database: SqliteDatabase
    disk: FaultyDisk

    @property
    def connection(self) -> apsw.Connection:
        return self.database.commits.connection


Guilty = Callable[[World, Writer], Any]


def insert_the_same_key(_: World, db: Writer) -> None:
    db.insert(Total(id=THE_TOTAL))


def break_a_reference(_: World, db: Writer) -> None:
    db.insert(Entry(id="x", total_id="nobody", place=0))


def break_a_check(_: World, db: Writer) -> None:
    db.insert(Total(id="rich", amount=1_000_000))


def break_a_trigger(_: World, db: Writer) -> None:
    db.insert(Entry(id="x", total_id=THE_TOTAL, place=-1))


def store_a_wrong_type(_: World, db: Writer) -> None:
    db.execute(sql("INSERT INTO totals (id, amount) VALUES ('x', 'many')"))


def raise_an_exception(_: World, db: Writer) -> None:
    raise ZeroDivisionError("a defect")


def refuse(_: World, db: Writer) -> None:
    raise Conflict("not now.")


def recurse_for_ever(world: World, db: Writer) -> None:
    recurse_for_ever(world, db)


def leave_the_process(_: World, db: Writer) -> None:
    raise SystemExit(1)


def be_interrupted_by_a_key(_: World, db: Writer) -> None:
    raise KeyboardInterrupt


def be_cancelled(_: World, db: Writer) -> None:
    raise asyncio.CancelledError


def insert_or_roll_back(_: World, db: Writer) -> None:
    db.execute(sql("INSERT OR ROLLBACK INTO totals (id, amount) VALUES ('all', 1)"))


def update_or_roll_back(_: World, db: Writer) -> None:
    db.execute(sql("UPDATE OR ROLLBACK totals SET amount = 1000000"))


def trip_a_rollback_trigger(_: World, db: Writer) -> None:
    db.execute(sql("INSERT INTO tripwires (id) VALUES (1)"))


def trip_a_fail_trigger(_: World, db: Writer) -> None:
    """Rows before the failing one stay: FAIL does not undo its own statement."""
    db.execute(sql("INSERT INTO failures (id) VALUES (1), (2)"))


@contextmanager
def interrupted(world: World) -> Iterator[None]:
    world.connection.set_progress_handler(lambda: True, 1_000)
    try:
        yield
    finally:
        world.connection.set_progress_handler(None)


def be_interrupted_while_writing(world: World, db: Writer) -> None:
    with interrupted(world):
        db.execute(sql(_MUCH))


def be_interrupted_while_deleting(world: World, db: Writer) -> None:
    db.execute(sql(_MUCH))
    with interrupted(world):
        db.execute(sql(f"{_ENDLESS} DELETE FROM bulk WHERE number = (SELECT max(i) FROM n)"))


def be_interrupted_while_reading(world: World, db: Writer) -> None:
    with interrupted(world):
        db.scalar(sql_value(f"{_ENDLESS} SELECT max(i) FROM n"))


def meet_a_full_disk(world: World, db: Writer) -> None:
    with world.disk.failing("write", "ENOSPC"):
        db.execute(sql(_MUCH))


def meet_a_disk_that_is_half_full(world: World, db: Writer) -> None:
    with world.disk.failing("write", "short"):
        db.execute(sql(_MUCH))


def be_larger_than_the_database_may_be(world: World, db: Writer) -> None:
    for _ in range(100):
        db.execute(sql(_MUCH))


def meet_a_disk_that_cannot_write(world: World, db: Writer) -> None:
    with world.disk.failing("write"):
        db.execute(sql(_MUCH))


def meet_a_disk_that_cannot_read(world: World, db: Writer) -> None:
    db.execute(sql(_MUCH))
    with world.disk.failing("read"):
        db.execute(sql("UPDATE bulk SET number = number + 1"))


@contextmanager
def little_memory() -> Iterator[None]:
    """A limit for all of SQLite; the soft limit comes along with the hard one."""
    apsw.hard_heap_limit(apsw.memory_used() + 300_000)
    try:
        yield
    finally:
        apsw.hard_heap_limit(0)
        apsw.soft_heap_limit(0)


def take_all_memory(_: World, db: Writer) -> None:
    """SQLite has nothing for this: sometimes it can go on, sometimes all is rolled back."""
    with little_memory():
        db.scalar(
            sql_value(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
                "SELECT length(group_concat(hex(randomblob(1000)))) FROM n"
            )
        )


def take_all_memory_while_writing(_: World, db: Writer) -> None:
    with little_memory():
        db.execute(sql("INSERT INTO bulk (number, body) VALUES (1, randomblob(9000000))"))


def saying(text: str) -> Guilty:
    """A function that says a statement which is the writer's, or nobody's, to say."""
    return lambda _, db: db.execute(sql(text))


def asking(text: str) -> Guilty:
    """The same for one that gives rows."""
    return lambda _, db: db.all(sql_value(text))


def defer_a_broken_reference(_: World, db: Writer) -> None:
    db.execute(sql("INSERT INTO children (id, parent) VALUES (1, 77)"))


def leave_a_cursor_open(_: World, db: Writer) -> None:
    """Not possible through the handle; so through what is behind it."""
    link: Any = db._link
    link._execute("INSERT INTO bulk (number) VALUES (1), (2), (3) RETURNING number")


def swallow_and_go_on(inner: Guilty) -> Guilty:
    """Whatever happens, it carries on as if nothing had; with more writes, of course."""

    def guilty(world: World, db: Writer) -> str:
        for _ in range(2):
            try:
                inner(world, db)
                add(db, "half done")
            except BaseException:
                continue
        return "all is well"

    return guilty


TABLE: dict[str, tuple[Guilty, type[BaseException]]] = {
    "unique": (insert_the_same_key, AlreadyExists),
    "reference": (break_a_reference, ReferenceBroken),
    "check": (break_a_check, RuleBroken),
    "trigger": (break_a_trigger, RuleBroken),
    "type": (store_a_wrong_type, RuleBroken),
    "exception": (raise_an_exception, ZeroDivisionError),
    "refusal": (refuse, Conflict),
    "recursion": (recurse_for_ever, RecursionError),
    "exit": (leave_the_process, SystemExit),
    "key": (be_interrupted_by_a_key, KeyboardInterrupt),
    "cancel": (be_cancelled, asyncio.CancelledError),
    "or rollback": (insert_or_roll_back, AlreadyExists),
    "update or rollback": (update_or_roll_back, RuleBroken),
    "raise rollback": (trip_a_rollback_trigger, RuleBroken),
    "raise fail": (trip_a_fail_trigger, RuleBroken),
    "interrupt write": (be_interrupted_while_writing, DeadlineExceeded),
    "interrupt delete": (be_interrupted_while_deleting, DeadlineExceeded),
    "interrupt read": (be_interrupted_while_reading, DeadlineExceeded),
    "disk full": (meet_a_full_disk, StorageFull),
    "disk full, short": (meet_a_disk_that_is_half_full, StorageFull),
    "database full": (be_larger_than_the_database_may_be, StorageFull),
    "write error": (meet_a_disk_that_cannot_write, Unavailable),
    "read error": (meet_a_disk_that_cannot_read, Unavailable),
    "memory": (take_all_memory, Unavailable),
    "memory while writing": (take_all_memory_while_writing, Unavailable),
    "commit": (saying("COMMIT"), StatementError),
    "commit;": (saying("commit;"), StatementError),
    "end": (saying("END TRANSACTION"), StatementError),
    "rollback": (saying("ROLLBACK"), StatementError),
    "begin": (saying("BEGIN"), StatementError),
    "savepoint": (saying("SAVEPOINT mine"), StatementError),
    "release": (saying("RELEASE mutation"), StatementError),
    "rollback to": (saying("ROLLBACK TO mutation"), StatementError),
    "attach": (saying("ATTACH ':memory:' AS other"), StatementError),
    "detach": (saying("DETACH main"), StatementError),
    "pragma": (saying("PRAGMA foreign_keys = OFF"), StatementError),
    "pragma function": (asking("SELECT name FROM pragma_table_list"), StatementError),
    "vacuum": (saying("VACUUM"), StatementError),
    "create": (saying("CREATE TABLE more (id INTEGER)"), StatementError),
    "drop": (saying("DROP TABLE bulk"), StatementError),
    "reindex": (saying("REINDEX"), StatementError),
    "no such table": (saying("DELETE FROM nothing"), StatementError),
    "wrong key": (saying("INSERT INTO parents (id) VALUES ('x')"), RuleBroken),
    "too long": (saying("INSERT INTO bulk (body) VALUES (zeroblob(1000000001))"), TooLarge),
    "own table": (saying("UPDATE _freehold_meta SET seq = 0"), StatementError),
    "deferred reference": (defer_a_broken_reference, ReferenceBroken),
    "open cursor": (leave_a_cursor_open, StatementError),
    "swallowed rollback": (swallow_and_go_on(insert_or_roll_back), AlreadyExists),
    "swallowed interrupt": (swallow_and_go_on(be_interrupted_while_writing), DeadlineExceeded),
    "swallowed interrupted read": (
        swallow_and_go_on(be_interrupted_while_reading),
        DeadlineExceeded,
    ),
    "swallowed full disk": (swallow_and_go_on(meet_a_full_disk), StorageFull),
    "swallowed reference": (swallow_and_go_on(defer_a_broken_reference), Conflict),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One ledger for the whole table: what a case leaves behind, the next would stumble over."""
    folder = make_folder("batch")
    with FaultyDisk() as disk, ledger(folder / "ledger.db", *_DDL, storage=disk.name) as database:
        connection = database.commits.connection
        with without_guard(connection):
            connection.pragma("cache_size", 5)
            connection.pragma("max_page_count", 3_000)
        yield World(database, disk)
    remove_folder(folder)


@pytest.mark.parametrize("position", range(BATCH))
@pytest.mark.parametrize("case", TABLE)
def test_only_the_guilty_one_fails(world: World, case: str, position: int) -> None:
    """The other seven are durable, once each and in order; the sequence has no gap."""
    guilty, expected = TABLE[case]
    database = world.database
    before, seq = database.read(entries), database.seq
    names = [f"{case} {position} {number}" for number in range(BATCH)]
    runs: list[Callable[[Writer], Any]] = [adding(name) for name in names]

    def run(db: Writer) -> Any:
        add(db, "half done")
        return guilty(world, db)

    runs[position] = run
    batch = step(database, runs)

    innocent = [each for number, each in enumerate(batch) if number != position]
    told = batch[position].error
    assert isinstance(told, expected)
    assert not isinstance(told, CallError) or told.outcome == "failed"
    assert [each.error for each in innocent] == [None] * 7
    assert [each.seq for each in innocent] == list(range(seq + 1, seq + 8))
    assert [each.value for each in innocent] == names[:position] + names[position + 1 :]
    assert database.seq == seq + 7
    assert database.read(entries) == before + [each.value for each in innocent]
    assert database.state == "ok"


def test_all_may_be_guilty(world: World) -> None:
    """Eight who each lose the transaction for all: eight errors, no commit, nothing written."""
    before, seq = world.database.read(entries), world.database.seq

    batch = step(world.database, [lambda db: insert_or_roll_back(world, db) for _ in range(BATCH)])

    assert all(isinstance(each.error, AlreadyExists) for each in batch)
    assert (world.database.read(entries), world.database.seq) == (before, seq)


def test_many_may_be_guilty() -> None:
    """Beyond a bound of lost transactions the rest run one by one, and all come right."""
    with ledger() as database:
        runs: list[Callable[[Writer], Any]] = []
        for number in range(32):
            runs.append(
                lambda db: db.execute(sql("INSERT OR ROLLBACK INTO totals VALUES ('all', 1)"))
            )
            runs.append(adding(f"good {number}"))

        batch = step(database, runs)

        assert all(isinstance(each.error, AlreadyExists) for each in batch[::2])
        assert database.read(entries) == [f"good {number}" for number in range(32)]
        assert [each.seq for each in batch[1::2]] == list(range(2, 34))


def test_a_deferred_reference_costs_its_neighbours_nothing(ram: Path) -> None:
    """It is found at its own RELEASE, not at the COMMIT of all: one fsync for the batch."""
    with FaultyDisk() as disk, ledger(ram / "ledger.db", *_DDL, storage=disk.name) as database:
        disk.forget()

        batch = step(
            database,
            [adding("a"), saying_plainly("INSERT INTO children VALUES (1, 77)"), adding("b")],
        )

        assert isinstance(batch[1].error, ReferenceBroken)
        assert database.read(entries) == ["a", "b"]
        assert disk.count("sync", where="log") == 1


def test_a_commit_that_was_prepared_before_is_refused_too(ram: Path) -> None:
    """
    The authorizer is asked when a statement is prepared, and a cached one is not prepared
    again. So texts that a migration used must be refused to functions all the same.
    """
    texts = ["COMMIT", "ROLLBACK", "BEGIN IMMEDIATE", "SAVEPOINT mutation", "RELEASE mutation"]
    database = SqliteDatabase(ram / "ledger.db", SCHEMA)

    def prepare(connection: apsw.Connection) -> None:
        for ddl in SCHEMA.ddl("sqlite"):
            connection.execute(ddl)
        for text in ("BEGIN IMMEDIATE", "SAVEPOINT mutation", "RELEASE mutation", "COMMIT"):
            connection.execute(text)
        for text in ("BEGIN IMMEDIATE", "ROLLBACK"):
            connection.execute(text)

    database.open(prepare)
    try:
        database.write(lambda db: db.insert(Total(id=THE_TOTAL)))
        runs: list[Callable[[Writer], Any]] = [saying_plainly(text) for text in texts]

        batch = step(database, [adding("first"), *runs, adding("last")])

        assert all(isinstance(each.error, StatementError) for each in batch[1:-1])
        assert database.read(entries) == ["first", "last"]
    finally:
        database.close()


def saying_plainly(text: str) -> Callable[[Writer], Any]:
    """The exact text, as the handle's link takes it."""
    return lambda db: db._link.change(text, ())


def test_a_refusal_that_is_caught_stays_the_functions_own_affair() -> None:
    """A default constraint undoes its statement only; who catches it may go on."""

    def insert_or_look(db: Writer) -> str:
        try:
            db.insert(Total(id=THE_TOTAL))
        except AlreadyExists:
            add(db, "went on")
        return "done"

    with ledger() as database:
        batch = step(database, [adding("first"), insert_or_look, adding("last")])

        assert [each.error for each in batch] == [None, None, None]
        assert database.read(entries) == ["first", "went on", "last"]


def test_a_function_that_is_run_again_gives_the_same() -> None:
    """Time, ids and random bytes are the call's, not the run's."""
    runs: list[tuple[Any, ...]] = []

    def draw(db: Writer) -> tuple[Any, ...]:
        runs.append((db.now_ms, db.new_id(), db.new_id(), db.random_bytes(8)))
        return runs[-1]

    with ledger() as database:
        batch = step(database, [draw, saying_rollback])

        assert len(runs) == 2
        assert runs[0] == runs[1] == batch[0].value


def saying_rollback(db: Writer) -> None:
    """Takes the transaction from everybody."""
    db.execute(sql("INSERT OR ROLLBACK INTO totals VALUES ('all', 1)"))


def test_a_failed_fsync_inside_a_statement_is_the_last_one(ram: Path) -> None:
    """
    After it pages count as clean, and the next fsync would succeed with data lost; so the
    writer stops, and the rest of the batch hears that nothing was done.
    """
    with FaultyDisk() as disk:
        path = ram / "ledger.db"
        with ledger(path, *_DDL, storage=disk.name) as database:
            with without_guard(database.commits.connection):
                database.commits.connection.pragma("cache_size", 5)
                database.commits.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

            def spill(db: Writer) -> None:
                disk.fail("sync", where="log")
                db.execute(sql(_MUCH))

            batch = step(database, [adding("before"), spill, adding("after")])

            assert disk.struck == 1
            assert [type(each.error) for each in batch] == [Unavailable] * 3
            assert database.state == "stopped"
            assert database.read(entries) == []
            assert isinstance(step(database, [adding("later")])[0].error, Unavailable)
        with ledger(path, begin=False) as database:
            assert database.read(entries) == []


def test_a_handle_is_gone_with_its_function() -> None:
    """Who keeps `db` cannot write into somebody else's savepoint with it."""
    kept: list[Writer] = []

    def misuse(db: Writer) -> None:
        add(kept[0], "smuggled")

    with ledger() as database:
        batch = step(database, [kept.append, misuse])

        assert batch[0].error is None
        assert isinstance(batch[1].error, StatementError)
        assert database.read(entries) == []
