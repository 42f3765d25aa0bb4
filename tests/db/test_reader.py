"""What a query holds: reads by key, by fields, by statement."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.db import IN_PROCESS, Caller, Reader, delete, param, select, statement, update
from freehold.errors import InvalidArgument, NotFound, StatementError, StoredValueBroken
from freehold.scalars import Hashed, Int64
from freehold.schema import Record
from freehold.testing import TestDatabase, memory_database
from tests.db.library import (
    SCHEMA,
    Author,
    Book,
    Copy,
    Flag,
    Pass,
    Review,
    Vault,
    Visit,
    a_book,
    an_author,
)


def test_a_row_of_every_type_comes_back_equal_and_of_its_types(anywhere: TestDatabase) -> None:
    """By get, find, all and first: what was inserted, as it was inserted."""
    with anywhere.write() as db:
        made = a_book(
            db, status="printed", shelf=2, pages=2**53 - 1, copies=Int64(2**62), price=0.1,
            is_new=False, cover=b"\x00\xff", tags=["a", "ü"], isbn="1",
            reviews=[Review(by="Bo", stars=5), Review(by="Cy", stars=1, text="no")],
            printed_at=1_700_000_000_123, token=Hashed.of("raw"),
        )  # fmt: skip

    with anywhere.read() as db:
        read = [
            db.get(Book, "b1"), db.find(Book, "b1"), db.find(Book, isbn="1"), db.all(Book)[0],
            db.first(select(Book)),
        ]  # fmt: skip

    assert read == [made] * 5
    for row in read:
        assert row is not None
        types = {name: type(getattr(row, name)) for name in ("copies", "is_new", "token", "price")}
        assert types == {"copies": Int64, "is_new": bool, "token": Hashed, "price": float}


def test_now_is_the_call_s_time_in_both_units() -> None:
    """It stands still while the call runs, whatever the clock does."""
    clock = ManualClock(1_750_000_000.987)
    with memory_database(SCHEMA, clock=clock) as database, database.read() as db:
        clock.advance(seconds=60)

        assert db.now == 1_750_000_000
        assert db.now_ms == 1_750_000_000_987


def test_the_caller_is_at_hand(library: TestDatabase) -> None:
    """The process itself, unless somebody calls."""
    somebody = Caller("k1", user="ada")

    with library.read() as db:
        assert db.caller is IN_PROCESS
    with library.read(caller=somebody) as db:
        assert db.caller is somebody


# -- get ----------------------------------------------------------------------------------


def test_get_raises_when_there_is_no_such_row(library: TestDatabase) -> None:
    """With the key, the table, and a part that a program can read."""
    with library.read() as db, pytest.raises(NotFound) as refusal:
        db.get(Author, "nobody")

    assert refusal.value.detail == "there is no row 'nobody' in authors."
    assert refusal.value.data == {"table": "authors"}


def test_get_takes_a_key_of_several_columns_in_the_key_s_order(library: TestDatabase) -> None:
    """Book first, as the class line says; not as the columns stand."""
    with library.write() as db:
        a_book(db)
        copy = db.insert(Copy(book_id="b1", number=7))

        assert db.get(Copy, ("b1", 7)) == copy
        with pytest.raises(NotFound, match=r"\('b1', 8\)"):
            db.get(Copy, ("b1", 8))
        with pytest.raises(StatementError, match=r"the key of Copy is \(book_id, number\), not 1"):
            db.get(Copy, "b1")


def test_get_by_a_hashed_key_takes_the_raw_token_or_its_hash(library: TestDatabase) -> None:
    """The table holds the digest; a digest is not accepted for a token."""
    with library.write() as db:
        made = db.insert(Pass(token=Hashed.of("raw"), owner="Ada"))

        assert db.get(Pass, "raw") == made
        assert db.get(Pass, Hashed.of("raw")) == made
        assert db.find(Pass, Hashed.of("raw").digest) is None


def test_a_token_is_never_in_the_message(library: TestDatabase) -> None:
    """Neither as it is nor as its digest; a key that is long is not repeated either."""
    with library.read() as db:
        with pytest.raises(NotFound) as refusal:
            db.get(Pass, "raw-token")
        with pytest.raises(NotFound) as long:
            db.get(Author, "x" * 5_000)

    assert refusal.value.detail == "there is no row with that key in passes."
    assert long.value.detail == "there is no row with that key in authors."


def test_a_record_of_one_column_can_be_read(library: TestDatabase) -> None:
    """Its row is a tuple of one."""
    with library.write() as db:
        db.insert(Flag(order="up"))

        assert db.get(Flag, "up") == db.find(Flag, order="up") == Flag(order="up")
        assert db.all(Flag) == [Flag(order="up")]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("\ud800", "id: the text holds a lone surrogate"),
        (2**64, "id: the number is past 64 bits"),
    ],
)
@pytest.mark.parametrize("how", ["get", "find", "by name"])
def test_a_key_that_no_engine_takes_is_the_caller_s_mistake(
    library: TestDatabase, key: Any, said: str, how: str
) -> None:
    """And not a crash of the server."""
    record: Any = Author if isinstance(key, str) else Visit
    with library.read() as db:
        read: dict[str, Any] = {
            "get": lambda: db.get(record, key),
            "find": lambda: db.find(record, key),
            "by name": lambda: db.find(record, id=key),
        }
        with pytest.raises(InvalidArgument) as refusal:
            read[how]()

    assert refusal.value.detail.startswith(said)
    assert refusal.value.path == "id"


@pytest.mark.parametrize("key", [["a1"], ("a1",), object(), {"id": 1}])
def test_a_key_of_another_type_is_the_author_s_mistake(library: TestDatabase, key: Any) -> None:
    """Told with the field and the type."""
    with library.read() as db, pytest.raises(StatementError, match="id: a database takes no "):
        db.get(Author, key)


def test_what_is_no_record_is_told(library: TestDatabase) -> None:
    """A struct, or a table's name."""
    with library.read() as db:
        wrong: list[Any] = [Review, "authors", Record]
        for what in wrong:
            with pytest.raises(StatementError, match="is no record"):
                db.get(what, "a1")


# -- find ---------------------------------------------------------------------------------


def test_find_gives_none_when_there_is_no_such_row(library: TestDatabase) -> None:
    """By key and by fields; a key that is None is one that no row has."""
    with library.write() as db:
        an_author(db)

        assert db.find(Author, "nobody") is None
        assert db.find(Author, None) is None
        assert db.find(Author, email="nobody@example.com") is None
        assert db.find(Author, name="Ada", email="nobody@example.com") is None


def test_find_by_fields_writes_their_values_as_the_columns_do(library: TestDatabase) -> None:
    """A bool, a list, a raw token, a time; a field by its own name and not its column's."""
    with library.write() as db:
        made = a_book(db, tags=["a"], token=Hashed.of("raw"), isbn="1", copies=Int64(7))

        assert db.find(Book, is_new=True) == made
        assert db.find(Book, tags=["a"]) == made
        assert db.find(Book, tags=["b"]) is None
        assert db.find(Book, token="raw") == db.find(Book, token=Hashed.of("raw")) == made
        assert db.find(Book, isbn="1", copies=Int64(7), created_at=db.now) == made


def test_key_and_fields_must_both_fit(library: TestDatabase) -> None:
    """So a row of somebody else is not found by its id alone."""
    with library.write() as db:
        a_book(db)

        assert db.find(Book, "b1", author_id="a1") is not None
        assert db.find(Book, "b1", author_id="a2") is None
        assert db.find(Copy, ("b1", 1), place="x") is None
        with pytest.raises(StatementError, match="given twice"):
            db.find(Book, "b1", id="b2")


def test_find_is_for_one_row(library: TestDatabase) -> None:
    """Which of two it should be, only the author can say."""
    with library.write() as db:
        an_author(db, "a1")
        an_author(db, "a2")

        with pytest.raises(StatementError, match="more than one row of authors fits name"):
            db.find(Author, name="Ada")


@pytest.mark.parametrize(
    ("equals", "said"),
    [
        ({}, "find needs a key, or fields"),
        ({"nome": "Ada"}, "Author has no field 'nome'. Its fields are id, email"),
        ({"mentor_id": None}, "find(mentor_id=None) matches nothing in SQL. Use db.first"),
        ({"secret": "x"}, "secret is sealed and equals nothing. Keep a Hashed column beside it."),
    ],
)
def test_a_find_that_cannot_be_is_told(
    library: TestDatabase, equals: dict[str, Any], said: str
) -> None:
    """With what to write instead."""
    record: Any = Vault if "secret" in equals else Author
    with library.read() as db, pytest.raises(StatementError) as refusal:
        db.find(record, **equals)

    assert str(refusal.value).startswith(said)


def test_a_time_in_another_unit_is_refused_in_a_find(library: TestDatabase) -> None:
    """By the field's name, as the caller writes it."""
    with library.read() as db, pytest.raises(InvalidArgument, match="printed_at: ") as refusal:
        db.find(Book, printed_at=1_700_000_000)

    assert refusal.value.path == "printedAt"


# -- all, first, scalar -------------------------------------------------------------------


def test_all_of_a_record_comes_by_key(library: TestDatabase) -> None:
    """In the key's own order, whatever the order of insertion."""
    with library.write() as db:
        for id in ("b", "c", "a"):
            an_author(db, id)

        assert [author.id for author in db.all(Author)] == ["a", "b", "c"]


def test_all_of_a_record_takes_no_filter(library: TestDatabase) -> None:
    """One that was ignored would show everybody's rows."""
    read: Any = Reader.all

    with library.read() as db, pytest.raises(StatementError, match="takes no 'name'"):
        read(db, Author, name="Ada")


def test_first_reads_one_row(library: TestDatabase) -> None:
    """The statement that runs says so, unless the author has set a limit of his own."""
    newest = select(Author).order_by(Author.c.id.desc())
    with library.write() as db:
        for id in ("b", "c", "a"):
            an_author(db, id)

        first = db.first(newest)

        assert first is not None
        assert first.id == "c"
        assert newest.first_compiled("sqlite", {}).sql.endswith("LIMIT 1 OFFSET ?")
        assert db.first(newest.limit(0)) is None
        assert db.first(newest.where(Author.c.id == "nobody")) is None


def test_scalar_gives_the_value_of_one_column(library: TestDatabase) -> None:
    """None when there is no row, or when it is null."""
    name = statement(select(Author).core.with_only_columns(Author.c.name), into=str)
    mentor = statement(select(Author).core.with_only_columns(Author.c.mentor_id), into=str)
    with library.write() as db:
        assert db.scalar(name) is None
        an_author(db)
        assert db.scalar(name) == "Ada"
        assert db.scalar(mentor) is None


def test_a_statement_that_changes_gives_no_rows(library: TestDatabase) -> None:
    """And a query cannot run it, whatever it answers."""
    change = update(Author).values(name="Bo")
    gone = delete(Author).returning_record()
    with library.write() as db:
        an_author(db)
        for read in (db.all, db.first, db.scalar):
            with pytest.raises(StatementError, match="gives no rows"):
                read(change)
    with library.read() as db:
        for what in (gone, change.returning_record()):
            with pytest.raises(StatementError, match="a query cannot write"):
                db.all(what)


def test_first_needs_a_statement(library: TestDatabase) -> None:
    """Which row of a record would be its first?"""
    what: Any = Author

    with library.read() as db, pytest.raises(StatementError, match="first needs a statement"):
        db.first(what)


@pytest.mark.parametrize("how", ["all", "first", "scalar", "page"])
def test_parameters_must_be_the_statement_s(library: TestDatabase, how: str) -> None:
    """A missing one and an unknown one are named, with those that there are."""
    one = select(Author).where(Author.c.name == param("name")).order_by(Author.c.id)
    with library.read() as db:
        read: Any = getattr(db, how)
        with pytest.raises(StatementError, match=r"needs the parameter 'name'\. It takes name\."):
            read(one)
        with pytest.raises(StatementError, match=r"has no parameter 'nome'\. It takes name\."):
            read(one, name="Ada", nome="Bo")
        with pytest.raises(StatementError, match="needs the parameter 'name'"):
            read(one, nome="Bo")


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        ("\ud800", InvalidArgument, "name: the text holds a lone surrogate"),
        (2**70, InvalidArgument, "name: the number is past 64 bits"),
        (["Ada"], StatementError, "name: a database takes no list"),
    ],
)
def test_a_parameter_that_no_engine_takes_is_named(
    library: TestDatabase, value: Any, error: type[Exception], said: str
) -> None:
    """A caller's mistake where a caller could send it, else the author's."""
    one = select(Author).where(Author.c.name == param("name"))

    with library.read() as db, pytest.raises(error) as refusal:
        db.all(one, name=value)

    assert str(refusal.value).startswith(said)


# -- what another hand has written --------------------------------------------------------


def spoil(library: TestDatabase, sql: str) -> None:
    """Write beside the library, as `sqlite3` on the command line would."""
    connection = library.database.commits.connection
    connection.execute(sql)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "truncated"),
        ("[1]", "Expected `str`, got `int` - at `$[0]`"),
        ('{"a": 1}', "Expected `array`, got `object`"),
        ("", "truncated"),
    ],
)
def test_json_of_another_hand_is_told_with_table_and_column(
    library: TestDatabase, text: str, said: str
) -> None:
    """As a defect of the data, not as a codec's error; and no caller hears of it."""
    with library.write() as db:
        a_book(db)
    spoil(library, f"UPDATE books SET tags = '{text}'")

    with library.read() as db, pytest.raises(StoredValueBroken) as refusal:
        db.get(Book, "b1")

    assert refusal.value.detail.startswith("books.tags holds text that does not fit its type: ")
    assert said in refusal.value.detail
    assert (refusal.value.table, refusal.value.column) == ("books", "tags")


def test_json_of_another_hand_is_told_in_a_selection_too(library: TestDatabase) -> None:
    """By the column that was selected."""
    tags = statement(select(Book).core.with_only_columns(Book.c.tags), into=list[str])
    with library.write() as db:
        a_book(db)
    spoil(library, "UPDATE books SET tags = 'nope'")

    with library.read() as db, pytest.raises(StoredValueBroken, match="tags holds text"):
        db.scalar(tags)


def test_text_of_another_hand_that_is_no_utf_8_is_told(library: TestDatabase) -> None:
    """By its table."""
    with library.write() as db:
        an_author(db)
    spoil(library, "UPDATE authors SET name = CAST(x'ff41' AS TEXT)")

    with library.read() as db, pytest.raises(StoredValueBroken, match="authors is not UTF-8"):
        db.get(Author, "a1")
