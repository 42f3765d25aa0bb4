"""
Rows that are kept back: sent in order and together, and refused as if each had been waited for.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest

from freehold import AlreadyExists, PrimaryKey, Reader, Record, Unique, Writer
from freehold.db import IN_PROCESS
from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.postgres import Address, PostgresDatabase
from freehold.drivers.postgres.outbox import Outbox
from freehold.schema import Schema


class Entry(Record, table="entries"):
    """Something that is added."""

    id: Annotated[str, PrimaryKey()]
    mark: Annotated[str, Unique()]
    big: int = 0


SCHEMA = Schema([Entry])
INSERT = 'INSERT INTO "entries" ("id", "mark", "big") VALUES ($1, $2, $3)'


class Told(InProcessCall):
    """A call that a test waits for."""

    def __init__(self, run: Any) -> None:
        super().__init__(run, IN_PROCESS)
        self.is_told = asyncio.get_running_loop().create_future()

    def done(self, seq: int, value: Any, /) -> None:
        """Keep it, and wake the test."""
        super().done(seq, value)
        self.is_told.set_result(None)

    def failed(self, seq: int, error: BaseException, /) -> None:
        """Keep it, and wake the test."""
        super().failed(seq, error)
        self.is_told.set_result(None)


async def submitted(database: PostgresDatabase, *runs: Any) -> list[Told]:
    """Mutations handed over in one turn of the loop, with their outcomes."""
    database.start(lambda run: run())
    try:
        calls = [Told(run) for run in runs]
        for call in calls:
            database.submit(call)
        await asyncio.gather(*(call.is_told for call in calls))
    finally:
        await database.finish()
    return calls


def adding(number: int, mark: str | None = None) -> Any:
    """A mutation that adds one entry."""

    def add(db: Writer) -> str:
        return db.insert(Entry(id=f"e{number}", mark=mark or f"m{number}")).id

    return add


def ids(db: Reader) -> list[str]:
    """What is there."""
    return [entry.id for entry in db.all(Entry)]


@pytest.fixture
def database(url: str) -> Any:
    """An open database with the table of this file."""
    made = PostgresDatabase(Address.parse(url), SCHEMA)
    with made.opened():
        yield made


def test_a_batch_of_inserts_is_sent_together(database: PostgresDatabase) -> None:
    """All are there, each with a seq of its own, in one transaction."""
    calls = asyncio.run(submitted(database, *(adding(n) for n in range(20))))

    assert [call.outcome() for call in calls] == [f"e{n}" for n in range(20)]
    assert [call.seq for call in calls] == list(range(1, 21))
    assert len(database.read(ids)) == 20
    assert database.commits.batches <= 2


@pytest.mark.parametrize("place", range(8))
def test_a_refused_row_is_only_its_own_caller_s(database: PostgresDatabase, place: int) -> None:
    """In every place of a batch of eight; the seqs of the others have no gap."""
    database.write(adding(100, mark="taken"))
    runs = [adding(n, mark="taken" if n == place else None) for n in range(8)]

    calls = asyncio.run(submitted(database, *runs))

    for number, call in enumerate(calls):
        if number == place:
            with pytest.raises(AlreadyExists) as caught:
                call.outcome()
            assert caught.value.path == "mark"
        else:
            assert call.outcome() == f"e{number}"
    assert sorted(c.seq for n, c in enumerate(calls) if n != place) == list(range(2, 9))


def test_a_function_that_catches_the_refusal_goes_on(database: PostgresDatabase) -> None:
    """It learns of it where it inserted, as on every engine."""
    database.write(adding(1, mark="taken"))

    def second_choice(db: Writer) -> str:
        try:
            return db.insert(Entry(id="a", mark="taken")).mark
        except AlreadyExists:
            return db.insert(Entry(id="a", mark="free")).mark

    calls = asyncio.run(submitted(database, adding(2), second_choice, adding(3)))

    assert [call.outcome() for call in calls] == ["e2", "free", "e3"]


def test_a_read_sees_the_rows_before_it(database: PostgresDatabase) -> None:
    """Its own, and those of the mutations before it in the batch."""

    def count(db: Writer) -> int:
        db.insert(Entry(id="own", mark="own"))
        return len(db.all(Entry))

    calls = asyncio.run(submitted(database, adding(1), adding(2), count))

    assert calls[-1].outcome() == 3


def test_two_rows_of_one_batch_collide(database: PostgresDatabase) -> None:
    """The first one wins, whoever sent it."""
    calls = asyncio.run(submitted(database, adding(1, mark="x"), adding(2, mark="x")))

    assert calls[0].outcome() == "e1"
    with pytest.raises(AlreadyExists):
        calls[1].outcome()
    assert database.read(ids) == ["e1"]


def test_a_mutation_that_fails_after_its_row_leaves_nothing(database: PostgresDatabase) -> None:
    """Alone in its batch, and between others."""

    def broken(db: Writer) -> None:
        db.insert(Entry(id="b", mark="b"))
        raise KeyError("broken")

    calls = asyncio.run(submitted(database, adding(1), broken, adding(2)))

    assert [calls[0].outcome(), calls[2].outcome()] == ["e1", "e2"]
    with pytest.raises(KeyError):
        calls[1].outcome()
    with pytest.raises(KeyError):
        database.write(broken)
    assert database.read(ids) == ["e1", "e2"]


@pytest.mark.parametrize(
    ("sql", "is_taken"),
    [
        (INSERT, True),
        (f"{INSERT} ON CONFLICT DO NOTHING", False),
        (f'{INSERT} RETURNING "id"', False),
        (f"{INSERT}, ($4, $5, $6)", False),
        ('INSERT INTO "entries" ("id") SELECT $1', False),
        ('UPDATE "entries" SET "big" = $1', False),
    ],
)
def test_only_an_insert_of_one_row_has_a_known_answer(sql: str, is_taken: bool) -> None:
    """Every other statement is waited for."""
    outbox: Any = Outbox(None, None, is_open=True)  # type: ignore[arg-type]

    assert outbox.takes(sql) is is_taken
    assert Outbox(None, None, is_open=False).takes(sql) is False  # type: ignore[arg-type]
