"""
`db.owned_by(owner)`: the rows of one owner, and those of others as if they were not there.

Each operation is tried on an own row, another's row and no row: the last two are alike. How
statements are narrowed, and which are refused, is in `test_scoping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest

from freehold.db import Caller, Reader, Writer, delete, param, select, update
from freehold.errors import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ReferenceBroken,
    SchemaError,
    StatementError,
)
from freehold.scalars import Sealed
from freehold.schema import Column, Owner, PrimaryKey, Record, References, Schema, Unique
from freehold.testing import ENGINES, TestDatabase, engine_database, memory_database


class Person(Record, table="people"):
    """Owns notes; is owned by nobody."""

    id: Annotated[str, PrimaryKey()]


class Note(Record, table="notes"):
    """A row with an owner, under a column name of its own."""

    id: Annotated[str, PrimaryKey()]
    person_id: Annotated[
        str, Column("personId"), Owner(), References("people.id", on_delete="cascade")
    ]
    text: str
    secret: Sealed[str] | None = None


class Setting(Record, table="settings", primary_key=("person_id", "name")):
    """A row whose key begins with the owner."""

    person_id: Annotated[str, Owner()]
    name: str
    value: str


class Profile(Record, table="profiles"):
    """A row whose key is the owner, with one more thing that is unique."""

    id: Annotated[str, PrimaryKey(), Owner()]
    handle: Annotated[str, Unique()]


class Counter(Record, table="counters"):
    """A row whose owner is a number."""

    id: Annotated[int, PrimaryKey()]
    team: Annotated[int, Owner()]


SCHEMA = Schema([Person, Note, Setting, Profile, Counter])


@pytest.fixture(params=ENGINES)
def notes(request: pytest.FixtureRequest) -> Iterator[TestDatabase]:
    with engine_database(request.param, SCHEMA) as database:
        with database.write() as db:
            db.insert_many([Person(id="ada"), Person(id="bo"), Person(id="cy")])
            db.insert_many(
                [
                    Note(id="a1", person_id="ada", text="one"),
                    Note(id="a2", person_id="ada", text="two"),
                    Note(id="b1", person_id="bo", text="one"),
                ]
            )
            db.insert_many(
                [
                    Setting(person_id="ada", name="colour", value="red"),
                    Setting(person_id="bo", name="colour", value="blue"),
                ]
            )
            db.insert_many([Profile(id="ada", handle="@ada"), Profile(id="bo", handle="@bo")])
        yield database


def dump(database: TestDatabase) -> list[Any]:
    with database.read() as db:
        return [db.all(record) for record in SCHEMA.records]


# -- reads --------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["b1", "nothing"])
def test_anothers_row_is_missing_as_one_that_is_not_there(notes: TestDatabase, id: str) -> None:
    """By key and by fields: None, and NotFound in the same words."""
    with notes.read() as db:
        mine = db.owned_by("ada")
        assert mine.find(Note, id) is None
        assert mine.find(Note, id=id) is None
        assert mine.find(Note, id, text="one") is None
        with pytest.raises(NotFound) as missing:
            mine.get(Note, id)

    assert missing.value.detail == f"there is no row {id!r} in notes."
    assert missing.value.data == {"table": "notes"}
    with notes.read() as db, pytest.raises(NotFound) as told_by_the_handle:
        db.get(Note, "nothing")
    assert told_by_the_handle.value.hint == missing.value.hint


def test_the_owner_finds_its_own(notes: TestDatabase) -> None:
    """By key, by fields, and both."""
    with notes.read() as db:
        mine = db.owned_by("ada")
        assert mine.get(Note, "a1").text == "one"
        assert mine.find(Note, "a1", text="one") == mine.find(Note, text="one")
        assert mine.find(Note, "a1", text="two") is None
        assert mine.owner == "ada"


def test_to_name_the_owner_again_changes_nothing(notes: TestDatabase) -> None:
    """And another's name finds nothing."""
    with notes.read() as db:
        mine = db.owned_by("ada")
        found = mine.find(Note, "a1", person_id="ada")
        assert found is not None
        assert mine.find(Note, "b1", person_id="bo") is None
        assert mine.find(Note, person_id="bo") is None


def test_find_alone_is_the_only_row_of_the_owner(notes: TestDatabase) -> None:
    """None without one; of several it does not choose."""
    with notes.read() as db:
        [only] = [db.owned_by("bo").find(Note)]
        assert only is not None
        assert only.id == "b1"
        assert db.owned_by("cy").find(Note) is None
        with pytest.raises(StatementError, match="more than one row of notes"):
            db.owned_by("ada").find(Note)


def test_a_key_that_holds_the_owner_must_hold_this_one(notes: TestDatabase) -> None:
    """A key of several columns, and one that is the owner itself."""
    with notes.read() as db:
        mine = db.owned_by("ada")
        assert mine.get(Setting, ("ada", "colour")).value == "red"
        assert mine.find(Setting, ("ada", "colour"), value="blue") is None
        assert mine.find(Setting, ("bo", "colour")) is None
        assert mine.get(Profile, "ada").handle == "@ada"
        assert mine.find(Profile, "bo") is None
        with pytest.raises(StatementError, match="the key of Setting is"):
            mine.find(Setting, ("ada",))


def test_all_lists_the_owners_rows_by_key(notes: TestDatabase) -> None:
    """Of a record, and of a statement."""
    with notes.read() as db:
        assert [note.id for note in db.owned_by("ada").all(Note)] == ["a1", "a2"]
        assert [note.id for note in db.owned_by("bo").all(select(Note))] == ["b1"]
        assert db.owned_by("cy").all(Note) == []
        with pytest.raises(StatementError, match="takes no 'text'"):
            db.owned_by("ada").all(Note, text="one")  # type: ignore[call-overload]


def test_an_owner_may_be_a_number(notes: TestDatabase) -> None:
    """Whatever type the column has."""
    with notes.write() as db:
        db.insert_many([Counter(id=1, team=7), Counter(id=2, team=8)])
        assert [each.id for each in db.owned_by(7).all(Counter)] == [1]
        assert db.owned_by(7).find(Counter, 2) is None


_BY_ID = select(Note).order_by(Note.c.id)


def test_pages_are_of_one_owner_and_so_is_their_cursor(notes: TestDatabase) -> None:
    """A cursor carried over to another owner is refused."""
    with notes.read() as db:
        page = db.owned_by("ada").page(_BY_ID, limit=1)
        assert [note.id for note in page.items] == ["a1"]
        rest = db.owned_by("ada").page(_BY_ID, limit=1, cursor=page.next_cursor)
        assert ([note.id for note in rest.items], rest.next_cursor) == (["a2"], None)
        with pytest.raises(InvalidArgument):
            db.owned_by("bo").page(_BY_ID, limit=1, cursor=page.next_cursor)
        with pytest.raises(InvalidArgument):
            db.page(_BY_ID, limit=1, cursor=page.next_cursor)


# -- writes -------------------------------------------------------------------------------


_RENAME = update(Note).where(Note.c.id == param("id")).values(text=param("said"))
_REMOVE = delete(Note).where(Note.c.id == param("id"))


@pytest.mark.parametrize("id", ["b1", "nothing"])
@pytest.mark.parametrize(
    ("write", "answer"),
    [
        (lambda mine, id: mine.update(Note, id, {"text": "x"}), None),
        (lambda mine, id: mine.update(Note, id, {}), None),
        (lambda mine, id: mine.delete(Note, id), False),
        (lambda mine, id: mine.execute(_RENAME, id=id, said="x"), 0),
        (lambda mine, id: mine.execute(_REMOVE, id=id), 0),
        (lambda mine, id: mine.first(_RENAME.returning_record(), id=id, said="x"), None),
        (lambda mine, id: mine.all(_REMOVE.returning_record(), id=id), []),
        (lambda mine, id: mine.scalar(_REMOVE.returning(Note.c.id, into=str), id=id), None),
    ],
)
def test_a_write_to_anothers_row_finds_none(
    notes: TestDatabase, write: Callable[[Any, str], Any], answer: object, id: str
) -> None:
    """The same answer as without a row, and nothing is changed."""
    before = dump(notes)

    with notes.write() as db:
        assert write(db.owned_by("ada"), id) == answer

    assert dump(notes) == before


def test_the_owner_changes_its_own(notes: TestDatabase) -> None:
    """By key and by statement."""
    with notes.write() as db:
        mine = db.owned_by("ada")
        changed = mine.update(Note, "a1", {"text": "x", "person_id": "ada"})
        assert changed is not None
        assert changed.text == "x"
        assert mine.execute(_RENAME, id="a2", said="y") == 1
        assert mine.delete(Note, "a1") is True
        assert [note.text for note in mine.all(Note)] == ["y"]


def test_a_statement_without_a_condition_changes_the_owners_rows_alone(
    notes: TestDatabase,
) -> None:
    """What an author forgets most easily."""
    with notes.write() as db:
        assert db.owned_by("ada").execute(update(Note).values(text="x")) == 2
        assert db.owned_by("ada").execute(delete(Note)) == 2

    with notes.read() as db:
        assert [(note.id, note.text) for note in db.all(Note)] == [("b1", "one")]


def test_a_row_is_inserted_for_the_owner_alone(notes: TestDatabase) -> None:
    """A row of another is refused, one or among many; then none is added."""
    own, others = (Note(id=f"n-{who}", person_id=who, text="") for who in ("ada", "bo"))
    with notes.write() as db:
        mine = db.owned_by("ada")
        assert mine.insert(own) == db.find(Note, "n-ada")
        with pytest.raises(PermissionDenied, match="notes would be another owner's"):
            mine.insert(others)
        with pytest.raises(PermissionDenied):
            mine.insert_many([Note(id="n3", person_id="ada", text=""), others])
        assert mine.insert_many([Note(id="n3", person_id="ada", text="")]) == 1
        assert db.find(Note, "n-bo") is None


def test_an_owner_that_does_not_exist_adds_nothing(notes: TestDatabase) -> None:
    """The reference says so."""
    with notes.write() as db, pytest.raises(ReferenceBroken):
        db.owned_by("nobody").insert(Note(id="n", person_id="nobody", text=""))


def test_a_row_keeps_its_owner(notes: TestDatabase) -> None:
    """No update gives it away."""
    with notes.write() as db, pytest.raises(PermissionDenied):
        db.owned_by("ada").update(Note, "a1", {"person_id": "bo"})


def test_a_put_overwrites_the_owners_row_and_never_anothers(notes: TestDatabase) -> None:
    """By whatever is unique; the refusal is that of a taken value."""
    with notes.write() as db:
        mine = db.owned_by("ada")
        mine.put(Setting(person_id="ada", name="colour", value="x"), at=("person_id", "name"))
        mine.put(Note(id="a1", person_id="ada", text="x"), at=("id",))
        with pytest.raises(AlreadyExists, match="notes has another row with the same id"):
            mine.put(Note(id="b1", person_id="ada", text="x"), at=("id",))
        with pytest.raises(AlreadyExists):
            mine.put(Profile(id="ada", handle="@bo"), at=("handle",))
        with pytest.raises(PermissionDenied):
            mine.put(Note(id="b1", person_id="bo", text="x"), at=("id",))
        assert db.get(Setting, ("ada", "colour")).value == "x"
        assert db.get(Setting, ("bo", "colour")).value == "blue"
        assert (db.get(Note, "a1").text, db.get(Note, "b1").text) == ("x", "one")


def test_a_put_seals_for_the_row_that_is_there(notes: TestDatabase) -> None:
    """The key is among what makes the rows the same, so the place of the secret is known."""
    with notes.write() as db:
        mine = db.owned_by("ada")
        for secret in ("first", "second"):
            put = mine.put(
                Note(id="a1", person_id="ada", text="", secret=Sealed.of(secret)), at=("id",)
            )
            assert put.secret is not None
            assert db.open(put.secret) == secret
        kept = mine.put(Note(id="a1", person_id="ada", text="x"), at=("id",), keep=("secret",))
        assert kept.secret is not None
        assert db.open(kept.secret) == "second"


# -- who may ------------------------------------------------------------------------------


def test_a_key_that_is_bound_to_a_user_works_for_that_user_alone(notes: TestDatabase) -> None:
    """For reading and for writing, before anything is looked at."""
    caller = Caller("k1", user="ada")
    with notes.read(caller=caller) as db:
        assert db.owned_by("ada").find(Note, "a1") is not None
        for owner in ("bo", "nobody", ""):
            with pytest.raises(PermissionDenied, match="bound to a user") as refused:
                db.owned_by(owner)
            assert "bo" not in refused.value.detail.replace("bound", "")
    with notes.write(caller=caller) as writer, pytest.raises(PermissionDenied):
        writer.owned_by("bo")
    with notes.read(caller=Caller("k2", user="7")) as db:
        assert db.owned_by(7).all(Counter) == []


def test_nobody_owns_nothing(notes: TestDatabase) -> None:
    """None is refused before it could match anything."""
    nobody: Any = None
    with notes.read() as db, pytest.raises(StatementError, match="None owns no rows"):
        db.owned_by(nobody)


@pytest.mark.parametrize(
    "ask",
    [
        lambda mine: mine.find(Person, "ada"),
        lambda mine: mine.get(Person, "ada"),
        lambda mine: mine.all(Person),
        lambda mine: mine.insert(Person(id="dy")),
        lambda mine: mine.insert_many([Person(id="dy")]),
        lambda mine: mine.put(Person(id="dy"), at=("id",)),
        lambda mine: mine.update(Person, "ada", {}),
        lambda mine: mine.delete(Person, "ada"),
        lambda mine: mine.find(int, 5),
    ],
)
def test_a_record_without_an_owner_is_refused(
    notes: TestDatabase, ask: Callable[[Any], Any]
) -> None:
    """It is not clear whose rows are meant."""
    with notes.write() as db, pytest.raises(StatementError, match="does not say whose"):
        ask(db.owned_by("ada"))


def test_a_query_cannot_write_through_it(notes: TestDatabase) -> None:
    """A reader's handle has no way to, and a statement that writes is refused."""
    with notes.read() as db:
        mine = db.owned_by("ada")
        assert not hasattr(mine, "insert")
        with pytest.raises(StatementError, match="a query cannot write"):
            mine.all(_REMOVE.returning_record(), id="a1")


# -- the mark -----------------------------------------------------------------------------


def test_a_row_has_one_owner() -> None:
    """Two would leave it open whose it is."""
    with pytest.raises(SchemaError, match=r"Owner\(\) stands on 2 fields"):

        class Shared(Record, table="shared"):
            id: Annotated[str, PrimaryKey()]
            a: Annotated[str, Owner()]
            b: Annotated[str, Owner()]


def test_an_owner_is_never_none() -> None:
    """A row of nobody would be seen by nobody."""
    with pytest.raises(SchemaError, match="an owner is never None"):

        class Stray(Record, table="strays"):
            id: Annotated[str, PrimaryKey()]
            owner: Annotated[str | None, Owner()] = None


def two_worlds(reader: Callable[[Reader], Any], writer: Callable[[Writer], Any]) -> list[Any]:
    """What ada sees in two worlds that differ in bo's rows alone."""
    seen = []
    for touch in (False, True):
        with memory_database(SCHEMA) as database:
            with database.write() as db:
                db.insert_many([Person(id="ada"), Person(id="bo")])
                db.insert(Note(id="a1", person_id="ada", text="one"))
                if touch:
                    writer(db)
            with database.read() as reading:
                seen.append(reader(reading))
    return seen


def test_what_another_has_changes_no_answer() -> None:
    """Two worlds that differ in bo's rows look the same to ada."""
    one, other = two_worlds(
        lambda db: [db.owned_by("ada").all(_BY_ID), db.owned_by("ada").page(_BY_ID)],
        lambda db: db.insert_many([Note(id=f"b{n}", person_id="bo", text="") for n in range(9)]),
    )

    assert one == other
