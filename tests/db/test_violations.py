"""What the engine refuses, in a sentence: which value of which field, which rule, what next."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import sqlalchemy as sa

from freehold.db import Writer, delete, param, statement, update
from freehold.errors import (
    AlreadyExists,
    CallError,
    Conflict,
    ReferenceBroken,
    RuleBroken,
    problem,
)
from freehold.scalars import Hashed, Sealed
from freehold.schema import PrimaryKey, Record, References, Schema, Unique
from freehold.testing import TestDatabase, memory_database
from freehold.wire.codec import JSON
from tests.db.library import (
    Author,
    Book,
    Copy,
    Drawer,
    Loan,
    Pass,
    Setting,
    Vault,
    a_book,
    an_author,
)


@pytest.fixture
def db(library: TestDatabase) -> Any:
    """A mutation over a few rows that stand in each other's way."""
    with library.write() as handle:
        an_author(handle, "a1")
        an_author(handle, "a2")
        a_book(handle, "b1", title="T", isbn="1")
        a_book(handle, "b2", status="sold", author_id="a2")
        handle.insert(Copy(book_id="b1", number=1))
        handle.insert(Loan(id="l1", book_id="b1", number=1))
        yield handle


def book(**fields: Any) -> Any:
    return Book(**{"id": "b9", "author_id": "a1", "title": "New", **fields})


NO_SUCH_AUTHOR = "Create the row of authors first, or choose one that is there."
TAKEN = "Read that row, or choose another value."
POINTED_AT = "Remove or detach what points at it first."
SOMEWHERE = (
    "a reference points at no row, or a row is still pointed at. "
    "Look at the references of the rows that the statement touches."
)
RAISE_PAGES = update(Book).where(Book.c.id == param("id")).values(pages=param("pages"))

Case = tuple[Any, type[CallError], str, str | None, dict[str, Any]]

CASES: dict[str, Case] = {
    # -- unique
    "insert: the key is taken": (
        lambda db: db.insert(Author(id="a1", email="x", name="X")),
        AlreadyExists, f"authors already has a row with id 'a1'. {TAKEN}", "id",
        {"table": "authors", "columns": ["id"]},
    ),
    "insert: a unique column": (
        lambda db: db.insert(Author(id="a9", email="a1@example.com", name="X")),
        AlreadyExists, f"authors already has a row with email 'a1@example.com'. {TAKEN}", "email",
        {"table": "authors", "columns": ["email"]},
    ),
    "insert: a unique pair": (
        lambda db: db.insert(book(title="T")),
        AlreadyExists, f"books already has a row with author_id 'a1' and title 'T'. {TAKEN}",
        "authorId", {"table": "books", "columns": ["author_id", "title"]},
    ),
    "insert: a key of two columns": (
        lambda db: db.insert(Copy(book_id="b1", number=1)),
        AlreadyExists, f"copies already has a row with book_id 'b1' and number 1. {TAKEN}",
        "bookId", {"table": "copies", "columns": ["book_id", "number"]},
    ),
    "insert: a unique index under another name": (
        lambda db: db.insert(book(isbn="1")),
        AlreadyExists, f"books already has a row with ISBN '1'. {TAKEN}", "isbn",
        {"table": "books", "columns": ["ISBN"]},
    ),
    "update: a unique column": (
        lambda db: db.update(Author, "a2", {"email": "a1@example.com"}),
        AlreadyExists, f"authors already has a row with email 'a1@example.com'. {TAKEN}", "email",
        {"table": "authors", "columns": ["email"]},
    ),
    "update: half of a unique pair": (
        lambda db: db.update(Book, "b2", {"title": "T", "author_id": "a1"}),
        AlreadyExists, f"books already has a row with author_id 'a1' and title 'T'. {TAKEN}",
        "authorId", {"table": "books", "columns": ["author_id", "title"]},
    ),
    "put: another unique column": (
        lambda db: [db.insert(Setting(key="k", value="v")),
                    db.put(Setting(key="l", value="v"), at=("key",))],
        AlreadyExists, f"settings already has a row with value 'v'. {TAKEN}", "value",
        {"table": "settings", "columns": ["value"]},
    ),
    "execute: a unique column": (
        lambda db: db.execute(update(Author).values(email="same")),
        AlreadyExists, f"authors already has a row with that email. {TAKEN}", "email",
        {"table": "authors", "columns": ["email"]},
    ),
    # -- references
    "insert: points at nothing": (
        lambda db: db.insert(book(author_id="nobody")),
        ReferenceBroken, f"author_id 'nobody' points at no row of authors. {NO_SUCH_AUTHOR}",
        "authorId", {"table": "books", "columns": ["author_id"]},
    ),
    "insert: points at nothing by two columns": (
        lambda db: db.insert(Loan(id="l2", book_id="b1", number=7)),
        ReferenceBroken, ("book_id 'b1' and number 7 points at no row of copies. "
        "Create the row of copies first, or choose one that is there."),
        "bookId", {"table": "loans", "columns": ["book_id", "number"]},
    ),
    "insert: points at itself, and at nothing": (
        lambda db: db.insert(Author(id="a9", email="x", name="X", mentor_id="a8")),
        ReferenceBroken, f"mentor_id 'a8' points at no row of authors. {NO_SUCH_AUTHOR}",
        "mentorId", {"table": "authors", "columns": ["mentor_id"]},
    ),
    "update: points at nothing": (
        lambda db: db.update(Book, "b1", {"author_id": "nobody"}),
        ReferenceBroken, f"author_id 'nobody' points at no row of authors. {NO_SUCH_AUTHOR}",
        "authorId", {"table": "books", "columns": ["author_id"]},
    ),
    "update: half of a reference": (
        lambda db: db.update(Loan, "l1", {"number": 7}),
        ReferenceBroken, ("book_id 'b1' and number 7 points at no row of copies. "
        "Create the row of copies first, or choose one that is there."),
        "bookId", {"table": "loans", "columns": ["book_id", "number"]},
    ),
    "delete: still pointed at": (
        lambda db: db.delete(Copy, ("b1", 1)),
        ReferenceBroken, "the row of copies is still referenced by loans.book_id, number. "
        + POINTED_AT, None, {"table": "copies", "referencedBy": "loans.book_id, number"},
    ),
    "delete: what goes along is still pointed at": (
        lambda db: db.delete(Author, "a1"),
        ReferenceBroken, f"the row of authors is still referenced by copies.book_id. {POINTED_AT}",
        None, {"table": "authors", "referencedBy": "copies.book_id"},
    ),
    "execute: still pointed at": (
        lambda db: db.execute(delete(Copy)),
        ReferenceBroken, SOMEWHERE, None, {"table": "copies"},
    ),
    "execute: points at nothing": (
        lambda db: db.execute(update(Book).values(author_id="nobody")),
        ReferenceBroken, SOMEWHERE, None, {"table": "books"},
    ),
    # -- rules
    "insert: a check": (
        lambda db: db.insert(book(pages=-1)),
        RuleBroken, "books refused the row: the rule pages_are_counted does not hold.", None,
        {"table": "books", "columns": []},
    ),
    "insert: a value that is not among them": (
        lambda db: db.insert(book(status="lost")),
        RuleBroken, "books.status must be one of 'draft', 'printed', 'sold'.", "status",
        {"table": "books", "columns": ["status"]},
    ),
    "insert: a number that is not among them": (
        lambda db: db.insert(book(shelf=4)),
        RuleBroken, "books.shelf must be one of 1, 2, 3.", "shelf",
        {"table": "books", "columns": ["shelf"]},
    ),
    "update: a bool that is none": (
        lambda db: db.update(Book, "b1", {"is_new": 2}),
        RuleBroken, "books.is_new must be one of True, False.", "isNew",
        {"table": "books", "columns": ["is_new"]},
    ),
    "update: a null": (
        lambda db: db.update(Book, "b1", {"title": None}),
        RuleBroken, "books.title may not be null. Give it a value.", "title",
        {"table": "books", "columns": ["title"]},
    ),
    "delete: a trigger": (
        lambda db: db.delete(Book, "b2"),
        RuleBroken, "a sold book is never removed.", None, {"table": "books"},
    ),
    "execute: a check": (
        lambda db: db.execute(RAISE_PAGES, id="b1", pages=-1),
        RuleBroken, "books refused the row: the rule pages_are_counted does not hold.", None,
        {"table": "books", "columns": []},
    ),
    "execute: a trigger": (
        lambda db: db.execute(delete(Book)),
        RuleBroken, "a sold book is never removed.", None, {"table": "books"},
    ),
    "all: a change that answers": (
        lambda db: db.all(update(Book).values(status="lost").returning_record()),
        RuleBroken, "books.status must be one of 'draft', 'printed', 'sold'.", "status",
        {"table": "books", "columns": ["status"]},
    ),
    "insert: a type": (
        lambda db: db.insert(book(is_new="maybe")),
        RuleBroken, "cannot store TEXT value in INTEGER column books.is_new.", "isNew",
        {"table": "books", "columns": ["is_new"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_says_what_and_why(db: Writer, name: str) -> None:
    """And leaves everything as it was: the function may go on."""
    call, kind, sentence, path, data = CASES[name]
    before = [db.all(record) for record in (Author, Book, Copy, Loan)]

    with pytest.raises(Conflict) as refusal:
        call(db)

    assert type(refusal.value) is kind
    assert str(refusal.value) == sentence
    assert (refusal.value.path, refusal.value.data) == (path, data)
    assert [db.all(record) for record in (Author, Book, Copy, Loan)] == before


def test_a_change_of_the_author_s_own_is_told_with_its_table(db: Writer) -> None:
    """Though only its SQL says which one."""
    table = Book.__table__
    core = table.update().where(table.c.id == "b1").values(pages=-1)

    with pytest.raises(RuleBroken, match="books refused the row") as refusal:
        db.execute(statement(core, into=int))

    assert refusal.value.data["table"] == "books"


@pytest.mark.parametrize(
    ("sql", "kind", "said"),
    [
        ("UPDATE authors SET email = 'x'", AlreadyExists, "authors already has a row with that"),
        ("UPDATE books SET pages = -1", RuleBroken, "books refused the row: the rule pages_"),
        ("DELETE FROM copies", ReferenceBroken, "a reference points at no row"),
        ("UPDATE books SET title = NULL", RuleBroken, "books.title may not be null"),
    ],
)
def test_a_change_in_plain_text_is_told_as_far_as_the_engine_tells(
    db: Writer, sql: str, kind: type[Conflict], said: str
) -> None:
    """Nobody knows its record but by what the engine says."""
    with pytest.raises(Conflict) as refusal:
        db.execute(statement(sa.text(sql), into=int))

    assert type(refusal.value) is kind
    assert refusal.value.detail.startswith(said)


def test_many_rows_without_a_unique_value_are_not_the_guilty_ones(db: Writer) -> None:
    """Null is never twice the same."""
    rows = [book(id=f"n{n}", title=f"N{n}", isbn="1" if n == 3 else None) for n in range(5)]

    with pytest.raises(AlreadyExists, match="ISBN '1'"):
        db.insert_many(rows)


def test_a_value_that_is_referenced_does_not_change() -> None:
    """The row that points at it is named, and one that points at another value is not."""

    class Place(Record, table="places"):
        id: Annotated[str, PrimaryKey()]
        code: Annotated[str, Unique()]
        zone: Annotated[str, Unique()]

    class Trip(Record, table="trips"):
        id: Annotated[str, PrimaryKey()]
        code: Annotated[str, References("places.code")]
        zone: Annotated[str, References("places.zone", on_update="cascade")]

    with memory_database(Schema([Place, Trip])) as database, database.write() as db:
        db.insert(Place(id="p", code="c", zone="z"))
        db.insert(Trip(id="t", code="c", zone="z"))
        with pytest.raises(ReferenceBroken, match=r"still referenced by trips\.code\."):
            db.update(Place, "p", {"code": "d", "zone": "y"})
        db.update(Place, "p", {"zone": "y"})
        assert db.get(Trip, "t").zone == "y"


# -- what is never shown ------------------------------------------------------------------


def test_a_token_s_hash_is_never_shown(db: Writer) -> None:
    """In no message and in no part of it."""
    db.insert(Pass(token=Hashed.of("raw-token"), owner="Ada"))
    with pytest.raises(AlreadyExists) as refusal:
        db.insert(Pass(token=Hashed.of("raw-token"), owner="Bo"))

    told = f"{refusal.value} {refusal.value.data}"
    assert refusal.value.detail == "passes already has a row with that token."
    assert Hashed.of("raw-token").digest not in told
    assert "raw-token" not in told


@pytest.mark.parametrize("how", ["insert", "insert_many", "update"])
def test_a_sealed_text_is_never_shown(db: Writer, how: str) -> None:
    """Whatever is wrong with the row that it stands in."""
    plain = "the-plain-text"
    db.insert(Vault(id="v1", secret=Sealed.of(plain)))
    row = Vault(id="v1", secret=Sealed.of(plain))
    calls: dict[str, Any] = {
        "insert": lambda: db.insert(row),
        "insert_many": lambda: db.insert_many([Vault(id="v2"), row]),
        "update": lambda: db.update(Vault, "v1", {"note": None, "secret": Sealed.of(plain)}),
    }

    with pytest.raises(Conflict) as refusal:
        calls[how]()

    told = f"{refusal.value} {refusal.value.data} {refusal.value.args}"
    assert plain not in told
    assert "fh1." not in told


def test_a_sealed_key_part_is_told_without_the_secret(db: Writer) -> None:
    """The key of two columns is shown, the secret beside it is not."""
    drawer = Drawer(cabinet="c", number=1, secret=Sealed.of("the-plain-text"))
    db.insert(drawer)

    with pytest.raises(AlreadyExists, match="with cabinet 'c' and number 1") as refusal:
        db.insert(drawer)

    assert "the-plain-text" not in str(refusal.value)


def test_a_long_value_is_not_repeated(db: Writer) -> None:
    """A message is for reading."""
    long = "x" * 5_000
    db.insert(Author(id="a8", email=long, name="X"))

    with pytest.raises(AlreadyExists) as refusal:
        db.insert(Author(id="a9", email=long, name="X"))

    assert refusal.value.detail == "authors already has a row with that email."


def test_a_refusal_can_be_told_over_the_wire(db: Writer) -> None:
    """Its parts are plain texts, lists and numbers."""
    for call, *_ in CASES.values():
        with pytest.raises(Conflict) as refusal:
            call(db)
        assert JSON.decode(JSON.encode(problem(refusal.value)))["code"] == "conflict"


# -- RESTRICT, which the engine tells in another way --------------------------------------


def test_restrict_is_a_reference_too() -> None:
    """SQLite reports it as if a trigger had spoken."""

    class Parent(Record, table="parents"):
        id: Annotated[str, PrimaryKey()]

    class Child(Record, table="children"):
        id: Annotated[str, PrimaryKey()]
        parent_id: Annotated[str, References("parents.id", on_delete="restrict")]

    with memory_database(Schema([Parent, Child])) as database, database.write() as db:
        db.insert(Parent(id="p"))
        db.insert(Child(id="c", parent_id="p"))
        with pytest.raises(ReferenceBroken, match=r"still referenced by children\.parent_id"):
            db.delete(Parent, "p")
        with pytest.raises(ReferenceBroken):
            db.execute(delete(Parent))
