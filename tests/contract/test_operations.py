"""Every operation of a handle: what it answers, what it counts, what it changes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.dialects import sqlite

from freehold import Maybe, Patch, any_of, delete, param, select, statement, update
from freehold.db import Caller, Reader, Writer
from freehold.errors import AlreadyExists, InvalidArgument, NotFound, StatementError
from freehold.scalars import Sealed
from freehold.testing import TestDatabase
from tests.contract.world import (
    NOW,
    Diary,
    Person,
    Task,
    Team,
    Thing,
    Visit,
    Word,
    told,
)

W: Any = Word.c
F: Any = sa.func


class WordChanges(Patch):
    """What may be changed of a word."""

    text: Maybe[str] = UNSET
    rank: Maybe[int | None] = UNSET


@pytest.fixture
def words(db: Writer) -> Writer:
    """Three words."""
    db.insert_many([
        Word(id=1, text="one", rank=1), Word(id=2, text="two"), Word(id=3, text="three", rank=1)
    ])  # fmt: skip
    return db


def _texts(found: list[Word]) -> list[str]:
    return [word.text for word in found]


# -- reads ---------------------------------------------------------------------------------


def test_get(words: Writer) -> None:
    """The row, or a `NotFound` that names the table."""
    assert words.get(Word, 2) == Word(id=2, text="two")

    with pytest.raises(NotFound) as refusal:
        words.get(Word, 9)
    assert told(refusal.value) == (
        "NotFound", "not_found", None, "there is no row 9 in words.", {"table": "words"}
    )  # fmt: skip


def test_get_by_a_key_of_two_columns(db: Writer) -> None:
    """In the order of the key; another number of parts is a mistake."""
    db.insert(Team(id="t", name="Tea"))
    db.insert(Task(team_id="t", number=2, text="x"))

    assert db.get(Task, ("t", 2)).text == "x"
    with pytest.raises(NotFound, match=r"\('t', 3\)"):
        db.get(Task, ("t", 3))
    with pytest.raises(StatementError, match="the key of Task is"):
        db.get(Task, "t")


def test_find(words: Writer) -> None:
    """By key, by fields, by both; None when there is none."""
    assert words.find(Word, 1) == Word(id=1, text="one", rank=1)
    assert words.find(Word, text="two") == Word(id=2, text="two")
    assert words.find(Word, 1, text="two") is None
    assert words.find(Word, 9) is None
    assert words.find(Word, None) is None


def test_find_refuses_more_than_one_row(words: Writer) -> None:
    """Which one it would be is nobody's choice."""
    with pytest.raises(StatementError, match="more than one row of words fits rank"):
        words.find(Word, rank=1)


def test_all(words: Writer) -> None:
    """Of a record by key, of a statement in its order."""
    assert _texts(words.all(Word)) == ["one", "two", "three"]
    assert _texts(words.all(select(Word).order_by(W.text))) == ["one", "three", "two"]
    assert words.all(select(Word).where(W.id > 9)) == []


def test_first_and_scalar(words: Writer) -> None:
    """One row and one value, or None."""
    count = statement(sa.select(F.count()).select_from(Word.__table__), into=int)

    assert words.first(select(Word).order_by(W.text.desc())) == Word(id=2, text="two")
    assert words.first(select(Word).where(W.id > 9)) is None
    assert words.scalar(count) == 3
    assert words.scalar(statement(sa.select(W.rank).where(W.id == 2), into=int)) is None
    assert words.scalar(statement(sa.select(W.rank).where(W.id == 9), into=int)) is None


def test_page(words: Writer) -> None:
    """Rows, and where the next ones begin."""
    first = words.page(select(Word).order_by(W.id), limit=2)
    second = words.page(select(Word).order_by(W.id), limit=2, cursor=first.next_cursor)

    assert [_texts(first.items), _texts(second.items)] == [["one", "two"], ["three"]]
    assert second.next_cursor is None


def test_where_given(words: Writer) -> None:
    """A clause takes part when its parameter is there."""
    what = (
        select(Word)
        .where_given(W.rank == param("rank"), W.text.like(param("text")))
        .where_given(any_of(W.id, param("ids")))
        .order_by(W.id)
    )

    assert _texts(words.all(what)) == ["one", "two", "three"]
    assert _texts(words.all(what, rank=1, text=None)) == ["one", "three"]
    assert _texts(words.all(what, text="T%", ids=[2, 3])) == ["two", "three"]
    assert _texts(words.all(what, rank=1, text="t%", ids=[])) == []


def test_open(db: Writer) -> None:
    """The plain text of a sealed value, on any handle."""
    row = db.insert(Thing(id="a", secret=Sealed.of("plain")))

    assert row.secret is not None
    assert db.open(row.secret) == "plain"


def test_now_and_caller(database: TestDatabase) -> None:
    """The clock's time in both units; who calls."""
    caller = Caller(key_id="k", scopes=frozenset(), user="u", trusted=False)
    with database.read(caller=caller) as db:
        assert (db.now, db.now_ms) == (NOW, NOW * 1000)
        assert db.caller is caller


# -- writes --------------------------------------------------------------------------------


def test_insert(db: Writer) -> None:
    """Answers with the row as it is stored; the one given stays as it was."""
    given: Any = Visit(note="x")
    stored = db.insert(given)

    assert stored == Visit(id=1, note="x", at_ms=NOW * 1000)
    assert given.id is UNSET
    assert db.get(Visit, 1) == stored


def test_insert_many(words: Writer) -> None:
    """How many; hundreds of them; none."""
    assert words.insert_many([]) == 0
    assert words.insert_many([Word(id=n, text=str(n)) for n in range(100, 450)]) == 350
    assert words.insert_many([Visit(note=str(n)) for n in range(150)]) == 150
    assert len(words.all(Word)) == 353
    assert [visit.id for visit in words.all(Visit)] == list(range(1, 151))


def test_insert_many_leaves_out_what_is_there(words: Writer) -> None:
    """By its key, by a unique value, and when it stands there twice."""
    rows = [Word(id=3, text="x"), Word(id=4, text="four"), Word(id=4, text="again")]
    words.insert(Team(id="t", name="Tea"))

    assert words.insert_many(rows, on_conflict="ignore") == 1
    assert words.insert_many([Team(id="u", name="Tea")], on_conflict="ignore") == 0
    assert _texts(words.all(Word)) == ["one", "two", "three", "four"]


def test_insert_many_raises_otherwise(words: Writer) -> None:
    """And none of its rows stays."""
    with pytest.raises(AlreadyExists):
        words.insert_many([Word(id=4, text="four"), Word(id=3, text="x")])

    assert len(words.all(Word)) == 3


def test_put(db: Writer) -> None:
    """Adds, overwrites, keeps."""
    added = db.put(Team(id="t", name="Tea"), at=("id",))
    again = db.put(Team(id="t", name="Tee"), at=("id",))
    by_name = db.put(Team(id="other", name="Tee"), at=("name",))
    visit = db.put(Visit(note="x"), at=("note",))
    later = db.put(Visit(note="x", at_ms=10**12), at=("note",), keep=("at_ms",))

    assert (added, again) == (Team(id="t", name="Tea"), Team(id="t", name="Tee"))
    assert by_name == again
    assert (visit.id, later) == (1, visit)


def test_update(words: Writer) -> None:
    """The row as it is now; None when there is none; a plain read when nothing is given."""
    assert words.update(Word, 1, WordChanges(rank=5)) == Word(id=1, text="one", rank=5)
    assert words.update(Word, 1, WordChanges(rank=None)) == Word(id=1, text="one")
    assert words.update(Word, 1, WordChanges()) == Word(id=1, text="one")
    assert words.update(Word, 1, {"text": "uno", "rank": 0}) == Word(id=1, text="uno", rank=0)
    assert words.update(Word, 9, {"text": "x"}) is None
    assert words.update(Word, 9, {}) is None


def test_update_leaves_the_key_alone(words: Writer) -> None:
    """Another key is another row."""
    with pytest.raises(InvalidArgument) as refusal:
        words.update(Word, 1, {"id": 2})

    assert told(refusal.value)[2:4] == ("id", "id is the key of words and does not change.")


def test_delete(words: Writer) -> None:
    """Whether there was one."""
    assert words.delete(Word, 1) is True
    assert words.delete(Word, 1) is False
    assert _texts(words.all(Word)) == ["two", "three"]


def test_execute(words: Writer) -> None:
    """How many rows were changed, also when they are as they were."""
    assert words.execute(update(Word).where(W.rank == 1).values(rank=1)) == 2
    assert words.execute(update(Word).values(rank=W.rank + param("by")), by=2) == 3
    assert words.execute(update(Word).where(W.id == 9).values(rank=1)) == 0
    assert words.execute(delete(Word).where(W.rank == 3)) == 2
    assert words.execute(delete(Word)) == 1


def test_execute_counts_its_own_rows(db: Writer) -> None:
    """Not those that a reference or a trigger takes along."""
    db.insert(Team(id="t", name="Tea"))
    db.insert_many([Task(team_id="t", number=n) for n in range(5)])

    assert db.execute(delete(Team)) == 1
    assert db.all(Task) == []


SETTINGS: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "a value": ({"rank": 7}, {}, 7),
    "None": ({"rank": None}, {}, None),
    "a parameter": ({"rank": param("x")}, {"x": 8}, 8),
    "a parameter that is None": ({"rank": param("x")}, {"x": None}, None),
    "a column": ({"rank": W.id}, {}, 2),
    "an expression": ({"rank": W.id * 10 + 1}, {}, 21),
    "coalesce with a parameter": ({"rank": F.coalesce(W.rank, param("x"))}, {"x": 4}, 4),
    "coalesce of a parameter": ({"rank": F.coalesce(param("x"), W.id)}, {"x": None}, 2),
    "a case": ({"rank": sa.case((W.text == param("t"), 1), else_=0)}, {"t": "two"}, 1),
    "a condition": ({"rank": W.text == "two"}, {}, 1),
    "a subquery": ({"rank": sa.select(F.max(W.id)).scalar_subquery()}, {}, 3),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_statement_sets(words: Writer, name: str) -> None:
    """A value, a parameter, or what is computed."""
    sets, given, rank = SETTINGS[name]

    assert words.execute(update(Word).where(W.id == 2).values(**sets), **given) == 1
    assert words.get(Word, 2).rank == rank


def test_a_condition_is_stored_as_a_bool(db: Writer) -> None:
    """Which reads as one."""
    db.insert(Person(id="a", nick="ada", age=20))
    db.execute(update(Person).values(is_new=Person.c.age > param("age")), age=30)

    assert db.get(Person, "a").is_new is False


def test_returning(words: Writer) -> None:
    """The rows as they are after the change, or columns of them."""
    up = update(Word).where(W.id == param("id")).values(rank=9)
    gone = delete(Word).where(W.id > 1)

    assert words.first(up.returning_record(), id=1) == Word(id=1, text="one", rank=9)
    assert words.first(up.returning_record(), id=8) is None
    assert words.scalar(up.returning(W.rank + 1, into=int), id=2) == 10
    assert sorted(words.all(gone.returning(W.text, into=str))) == ["three", "two"]
    assert _texts(words.all(Word)) == ["one"]


def test_a_check_and_a_change_in_one(words: Writer) -> None:
    """Of two, one finds the row as it wants it."""
    claim = update(Word).where(W.id == param("id"), W.rank.is_(None)).values(rank=1)

    assert words.execute(claim, id=2) == 1
    assert words.execute(claim, id=2) == 0


def test_inserts_by_statement(words: Writer) -> None:
    """Of values, of rows of a select, of what is not yet there."""
    values = sa.insert(Word.__table__).values(id=param("new_id"), text=param("new_text"))
    copied = sa.insert(Word.__table__).from_select(
        ["id", "text"], sa.select(W.id + param("by"), F.upper(W.text)).where(W.id < 3)
    )

    assert words.execute(statement(values, into=int), new_id=7, new_text="seven") == 1
    assert words.execute(statement(copied, into=int), by=10) == 2
    assert [(word.id, word.text) for word in words.all(Word)] == [
        (1, "one"), (2, "two"), (3, "three"), (7, "seven"), (11, "ONE"), (12, "TWO")
    ]  # fmt: skip


def test_an_upsert_by_statement(words: Writer) -> None:
    """SQLAlchemy's own ON CONFLICT, which counts what is there already."""
    row = sqlite.insert(Word.__table__).values(id=param("key"), text="new", rank=1)
    count = row.on_conflict_do_update(index_elements=["id"], set_={"rank": W.rank + 10})
    spare = row.on_conflict_do_nothing()

    assert words.execute(statement(count, into=int), key=1) == 1
    assert words.execute(statement(count, into=int), key=4) == 1
    assert words.execute(statement(spare, into=int), key=4) == 0
    assert [(word.id, word.rank) for word in words.all(Word)] == [
        (1, 11), (2, None), (3, 1), (4, 1)
    ]  # fmt: skip


def test_new_id_and_random_bytes(database: TestDatabase) -> None:
    """From the call's seed, on every engine alike."""
    with database.write() as db:
        ids = [db.new_id(), db.new_id()]
        some = db.random_bytes(8)

    assert ids[0] < ids[1]
    assert len(some) == 8
    assert len(set(ids)) == 2


def test_a_query_cannot_write(database: TestDatabase) -> None:
    """Not by a statement either."""
    with database.read() as db, pytest.raises(StatementError, match="a query cannot write"):
        db.all(delete(Word).returning_record())


def test_owned_by(db: Writer) -> None:
    """The rows of another owner are as if they were not there."""
    db.insert_many([
        Diary(id="a", owner_id="ada", text="A"), Diary(id="b", owner_id="bo", text="B"),
        Diary(id="c", owner_id="ada", text="C", rank=1),
    ])  # fmt: skip
    mine = db.owned_by("ada")
    count = statement(sa.select(F.count()).select_from(Diary.__table__), into=int)

    assert [row.id for row in mine.all(select(Diary).order_by(Diary.c.rank, Diary.c.id))] == [
        "a", "c"
    ]  # fmt: skip
    assert mine.find(Diary, "b") is None
    assert mine.scalar(count) == 2
    assert mine.update(Diary, "b", {"text": "x"}) is None
    assert mine.delete(Diary, "b") is False
    assert mine.execute(update(Diary).values(rank=5)) == 2
    assert [row.id for row in mine.page(select(Diary).order_by(Diary.c.text), limit=9).items] == [
        "a", "c"
    ]  # fmt: skip
    with pytest.raises(NotFound):
        mine.get(Diary, "b")
    assert db.get(Diary, "b") == Diary(id="b", owner_id="bo", text="B")


def test_is_tentative(db: Writer) -> None:
    """A block that is written by hand is never run a second time."""
    assert db.is_tentative is False


WRONG: dict[str, Any] = {
    "a parameter too few": lambda db: db.all(select(Word).where(W.id == param("x"))),
    "a parameter too many": lambda db: db.all(select(Word), x=1),
    "an order that is not there": lambda db: db.all(
        select(Word).orders(best=(W.id,)), order="worst"
    ),
    "find without anything": lambda db: db.find(Word),
    "find with None": lambda db: db.find(Word, text=None),
    "a field that is not there": lambda db: db.update(Word, 1, {"no": 1}),
    "nothing that is unique": lambda db: db.put(Word(id=1, text="x"), at=("text",)),
    "execute of a select": lambda db: db.execute(select(Word)),
    "first of a record": lambda db: db.first(Word),
    "a table that is not there": lambda db: db.execute(
        statement(sa.text("DELETE FROM nowhere"), into=int)
    ),
    "the end of a transaction": lambda db: db.execute(statement(sa.text("COMMIT"), into=int)),
    "a change of the tables": lambda db: db.execute(
        statement(sa.text("DROP TABLE words"), into=int)
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_the_code_is_a_statement_error(words: Writer, name: str) -> None:
    """And the mutation can go on."""
    with pytest.raises(StatementError):
        WRONG[name](words)

    assert len(words.all(Word)) == 3


def test_every_public_method_of_a_handle_has_a_case_here() -> None:
    """A new one is not forgotten."""
    handles = {
        name
        for kind in (Reader, Writer)
        for name, member in vars(kind).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
    }
    folder = Path(__file__).parent
    tried = "".join(path.read_text() for path in folder.glob("test_*.py"))

    assert [name for name in sorted(handles) if f".{name}" not in tried] == []
