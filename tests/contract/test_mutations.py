"""Mutations: all or nothing, what was refused is undone, a function that catches goes on."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from freehold import delete, param, statement, update
from freehold.db import Reader, Writer
from freehold.errors import (
    AlreadyExists,
    InvalidArgument,
    ReferenceBroken,
    RuleBroken,
    StatementError,
)
from freehold.testing import TestDatabase
from tests.contract.world import Arrival, Egg, Hen, Person, Task, Team, Visit, Word

W: Any = Word.c


def _all(database: TestDatabase, record: type[Any]) -> list[Any]:
    with database.read() as db:
        return db.all(record)


def test_what_is_written_is_there_for_the_next(database: TestDatabase) -> None:
    """And for the mutation itself at once."""
    with database.write() as db:
        db.insert(Word(id=1, text="one"))
        assert db.get(Word, 1).text == "one"
        db.update(Word, 1, {"text": "uno"})
        assert db.find(Word, text="one") is None

    assert _all(database, Word) == [Word(id=1, text="uno")]


def test_a_mutation_knows_its_own_number(database: TestDatabase) -> None:
    """Those that follow each other count up by one."""
    told: list[int] = []
    for _ in range(3):
        with database.write() as db:
            db.insert(Word(id=len(told), text=str(len(told))))
            told.append(db.own_seq)

    assert told == [told[0], told[0] + 1, told[0] + 2]


def test_an_error_undoes_all(database: TestDatabase) -> None:
    """Inserts, updates, removals, counted keys."""
    with database.write() as db:
        db.insert_many([Word(id=1, text="one"), Word(id=2, text="two")])
    with pytest.raises(ZeroDivisionError), database.write() as db:  # noqa: PT012
        db.insert(Word(id=3, text="three"))
        db.update(Word, 1, {"text": "x"})
        db.delete(Word, 2)
        db.execute(update(Word).values(rank=1))
        raise ZeroDivisionError

    assert _all(database, Word) == [Word(id=1, text="one"), Word(id=2, text="two")]


def test_a_refusal_at_the_end_undoes_all(database: TestDatabase) -> None:
    """What came before it is gone with it."""
    with pytest.raises(AlreadyExists), database.write() as db:  # noqa: PT012
        db.insert(Word(id=1, text="one"))
        db.insert(Word(id=1, text="again"))

    assert _all(database, Word) == []


CAUGHT: dict[str, tuple[Any, type[Exception]]] = {
    "a key that is taken": (lambda db: db.insert(Team(id="t", name="x")), AlreadyExists),
    "many rows, one of them taken": (
        lambda db: db.insert_many([Team(id="x", name="X"), Team(id="t", name="Y")]),
        AlreadyExists,
    ),
    "a row that is pointed at": (lambda db: db.delete(Team, "t"), ReferenceBroken),
    "a reference to no row": (
        lambda db: db.insert(Person(id="x", nick="x", team_id="no")), ReferenceBroken),
    "a check": (lambda db: db.update(Person, "a", {"age": -1}), RuleBroken),
    "a check in some rows": (
        lambda db: db.execute(update(Person).values(age=Person.c.age - 25)), RuleBroken),
    "a trigger": (lambda db: db.delete(Person, "z"), RuleBroken),
    "a value": (lambda db: db.insert(Team(id="x", name="a\0b")), InvalidArgument),
    "a number past 64 bits": (lambda db: db.find(Word, 2**64), InvalidArgument),
    "a mistake in the code": (lambda db: db.update(Word, 1, {"no": 1}), StatementError),
    "a table that is not there": (
        lambda db: db.execute(statement(sa.text("DELETE FROM nowhere"), into=int)),
        StatementError,
    ),
    "put": (lambda db: db.put(Team(id="u", name="Tea"), at=("id",)), AlreadyExists),
}  # fmt: skip


@pytest.mark.parametrize("name", CAUGHT)
def test_a_function_that_catches_goes_on(database: TestDatabase, name: str) -> None:
    """What it wrote before stays, what was refused left nothing, what it writes after is there."""
    act, kind = CAUGHT[name]
    with database.write() as db:
        db.insert(Team(id="t", name="Tea"))
        db.insert(Person(id="a", nick="ada", team_id="t", age=20))
        db.insert(Person(id="z", nick="boss", age=90))
        before = db.insert(Word(id=1, text="before"))
        with pytest.raises(kind):
            act(db)
        after = db.insert(Word(id=2, text="after"))
        assert db.all(Word) == [before, after]

    assert _all(database, Word) == [before, after]
    assert _all(database, Team) == [Team(id="t", name="Tea")]
    assert [(person.id, person.age) for person in _all(database, Person)] == [("a", 20), ("z", 90)]
    assert [arrival.id for arrival in _all(database, Arrival)] == ["a", "z"]


def test_many_refusals_in_one_mutation(database: TestDatabase) -> None:
    """Every second insert is refused; the others are there."""
    with database.write() as db:
        for number in range(40):
            try:
                db.insert(Word(id=number // 2, text=str(number)))
            except AlreadyExists:
                db.update(Word, number // 2, {"rank": number})

    assert [(word.id, word.text, word.rank) for word in _all(database, Word)] == [
        (number, str(2 * number), 2 * number + 1) for number in range(20)
    ]


def test_two_mutations_one_of_which_fails(database: TestDatabase) -> None:
    """The other one is not touched."""
    with database.write() as db:
        db.insert(Word(id=1, text="one"))
    with pytest.raises(RuleBroken), database.write() as db:  # noqa: PT012
        db.update(Word, 1, {"text": "x"})
        db.insert(Person(id="a", nick="a", age=-1))
    with database.write() as db:
        db.insert(Word(id=2, text="two"))

    assert [word.text for word in _all(database, Word)] == ["one", "two"]


def test_an_error_that_is_raised_after_a_refusal_is_the_answer(database: TestDatabase) -> None:
    """A function may make another error of it."""
    with pytest.raises(KeyError), database.write() as db:  # noqa: PT012
        db.insert(Word(id=1, text="one"))
        try:
            db.insert(Word(id=1, text="again"))
        except AlreadyExists:
            raise KeyError from None

    assert _all(database, Word) == []


def test_a_snapshot_does_not_see_what_comes_later(database: TestDatabase) -> None:
    """A query reads one state."""
    with database.write() as db:
        db.insert(Word(id=1, text="one"))
    with database.read() as reader:
        before = len(reader.all(Word))
        with database.write() as db:
            db.insert(Word(id=2, text="two"))
        within = len(reader.all(Word))

    assert (before, within, len(_all(database, Word))) == (1, 1, 2)


def test_each_commit_has_the_next_number(database: TestDatabase) -> None:
    """One that failed has none."""
    start = database.database.seq
    with database.write() as db:
        db.insert(Word(id=1, text="one"))
    first = database.database.seq
    with pytest.raises(ZeroDivisionError), database.write() as db:  # noqa: PT012
        db.insert(Word(id=2, text="two"))
        raise ZeroDivisionError
    with database.write() as db:
        db.insert(Word(id=3, text="three"))

    assert (first - start, database.database.seq - first) == (1, 1)


def test_a_ring_of_references(db: Writer) -> None:
    """One side first, then the other; to be removed again it is opened."""
    db.insert(Hen(id="h"))
    db.insert(Egg(id="e", hen_id="h"))
    db.update(Hen, "h", {"egg_id": "e"})
    with pytest.raises(ReferenceBroken):
        db.delete(Egg, "e")
    db.update(Hen, "h", {"egg_id": None})

    assert db.delete(Egg, "e") is True
    assert db.delete(Hen, "h") is True


def test_many_rows_by_one_statement(db: Writer) -> None:
    """A thousand, changed and removed."""
    db.insert_many([Word(id=n, text=str(n % 7), rank=n) for n in range(1000)])

    assert (
        db.execute(update(Word).where(W.rank >= 500).values(rank=W.rank - param("n")), n=500) == 500
    )
    assert db.scalar(statement(sa.select(sa.func.sum(W.rank)), into=int)) == 2 * sum(range(500))
    assert db.execute(delete(Word).where(W.text == "3")) == 143
    assert len(db.all(Word)) == 857


def test_a_key_that_moves_takes_its_own_along_in_one_mutation(database: TestDatabase) -> None:
    """And back, when the mutation fails."""
    move = statement(
        sa.update(Team.__table__).where(Team.c.id == param("at")).values({"id": param("to")}),
        into=int,
    )
    with database.write() as db:
        db.insert(Team(id="t", name="Tea"))
        db.insert(Task(team_id="t", number=1))
    with pytest.raises(ZeroDivisionError), database.write() as db:  # noqa: PT012
        db.execute(move, at="t", to="n")
        raise ZeroDivisionError

    assert [task.team_id for task in _all(database, Task)] == ["t"]


def test_counted_keys_of_a_mutation_that_went_on(database: TestDatabase) -> None:
    """They go up; a number that was once there is never given again."""
    with database.write() as db:
        first = db.insert(Visit(note="a")).id
        with pytest.raises(AlreadyExists):
            db.insert(Visit(note="a"))
        second = db.insert(Visit(note="b")).id
        db.delete(Visit, second)
    with database.write() as db:
        third = db.insert(Visit(note="c")).id

    assert first < second < third


def test_a_handle_is_gone_with_its_block(database: TestDatabase) -> None:
    """A reader and a writer both."""
    with database.write() as db:
        kept: list[Reader] = [db]
    with database.read() as reader:
        kept.append(reader)

    for handle in kept:
        with pytest.raises(StatementError, match="the handle is gone"):
            handle.all(Word)
