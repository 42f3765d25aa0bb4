"""What a mutation holds: rows added, changed, removed, and counted."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from freehold.clock import ManualClock
from freehold.db import IN_PROCESS, Writer, delete, param, select, statement, update
from freehold.errors import (
    AlreadyExists,
    InvalidArgument,
    NotFound,
    StatementError,
)
from freehold.scalars import Hashed, Int64
from freehold.schema import AUTO, PrimaryKey, Record, Schema
from freehold.testing import TestDatabase, memory_database
from tests.db.library import (
    SCHEMA,
    Author,
    Book,
    BookPatch,
    Copy,
    Flag,
    Pass,
    Review,
    Setting,
    Ticket,
    Visit,
    a_book,
    an_author,
)
from tests.db.spy import spy_on


def insert(db: Writer, row: Any) -> Any:
    """Without the type checker's help, as a careless author has it."""
    return db.insert(row)


# -- insert -------------------------------------------------------------------------------


def test_an_insert_answers_with_the_row_as_it_is_stored(anywhere: TestDatabase) -> None:
    """Times set; the row that was given stays as it was."""
    given: Any = Author(id="a1", email="e", name="Ada")
    with anywhere.write() as db:
        stored = db.insert(given)

        assert stored == db.get(Author, "a1")
        assert (stored.created_at, stored.updated_at) == (db.now, db.now)
    assert given.created_at is UNSET


def test_a_time_that_was_given_is_kept(library: TestDatabase) -> None:
    """An import brings its own."""
    with library.write() as db:
        stored = db.insert(Author(id="a1", email="e", name="Ada", created_at=5))

        assert (stored.created_at, stored.updated_at) == (5, db.now)


def test_a_frozen_row_is_inserted_too(library: TestDatabase) -> None:
    """Its times are set in a copy."""
    with library.write() as db:
        assert db.insert(Setting(key="k", value="v")).created_at == db.now


def test_a_counted_key_is_told(anywhere: TestDatabase) -> None:
    """And never given again, also when its row is gone."""
    with anywhere.write() as db:
        first, second = db.insert(Visit(note="a")), db.insert(Visit())
        db.delete(Visit, second.id)
        third = db.insert(Visit())

        assert [visit.id for visit in (first, second, third)] == [1, 2, 3]
        assert db.get(Visit, 3) == third
        assert third.at_ms == db.now_ms


def test_a_counted_key_may_be_given(library: TestDatabase) -> None:
    """An import keeps its numbers, and counting goes on behind them."""
    with library.write() as db:
        assert db.insert(Visit(id=40, note="a")).id == 40
        assert db.insert(Visit()).id == 41
        with pytest.raises(AlreadyExists, match="id 40"):
            db.insert(Visit(id=40))


def test_what_an_insert_answers_is_what_a_read_would(library: TestDatabase) -> None:
    """A counted Int64 is one, and a raw token is already its hash."""
    with library.write() as db:
        ticket = insert(db, Ticket(token="raw"))  # type: ignore[arg-type]
        door = insert(db, Pass(token="raw", owner="Ada"))  # type: ignore[arg-type]

        assert ticket == db.get(Ticket, 1)
        assert type(ticket.id) is Int64
        assert ticket.token == door.token == Hashed.of("raw")
        assert insert(db, Ticket(id=Int64(2**60), token=Hashed.of("x"))).id == 2**60
        assert db.get(Ticket, Int64(2**60)).token.matches("x")


def test_a_counted_int64_is_one() -> None:
    """So that it travels as text, as every other of its type."""

    class Event(Record, table="events"):
        id: Annotated[Int64, PrimaryKey(autoincrement=True)] = AUTO
        note: str

    with memory_database(Schema([Event])) as database, database.write() as db:
        assert type(db.insert(Event(note="a")).id) is Int64


def test_a_record_may_be_its_key_alone(library: TestDatabase) -> None:
    """There is nothing else to answer with."""
    with library.write() as db:
        assert db.insert(Flag(order="up")) == Flag(order="up")


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"title": "a\0b"}, "title", "NUL"),
        ({"title": "\ud800"}, "title", "lone surrogate"),
        ({"pages": 2**53}, "pages", "2^53-1"),
        ({"copies": 2**63}, "copies", "64 bits"),
        ({"price": math.nan}, "price", "nan"),
        ({"price": -math.inf}, "price", "inf"),
        ({"tags": ["\ud800"]}, "tags", "lone surrogate"),
        ({"tags": [5]}, "tags", "$[0]"),
        ({"reviews": [Review(by="x", stars=2**60)]}, "reviews", "2^53-1"),
        ({"isbn": "a\0b"}, "isbn", "NUL"),
        ({"printed_at": 1_700_000_000}, "printedAt", "epoch milliseconds"),
        ({"created_at": 1_700_000_000_000}, "createdAt", "epoch seconds"),
    ],
)
@pytest.mark.parametrize("how", ["insert", "insert_many", "update"])
def test_a_value_that_cannot_be_stored_is_told_by_its_field(
    library: TestDatabase, how: str, fields: dict[str, Any], path: str, said: str
) -> None:
    """As the caller's mistake, under the field's name on the wire; nothing is written."""
    with library.write() as db:
        before = a_book(db, "b0")
        book: Any = Book(**{"id": "b1", "author_id": "a1", "title": "T", **fields})
        writes: dict[str, Any] = {
            "insert": lambda: db.insert(book),
            "insert_many": lambda: db.insert_many([Book(id="b2", author_id="a1", title="U"), book]),
            "update": lambda: db.update(Book, "b0", fields),
        }
        with pytest.raises(InvalidArgument) as refusal:
            writes[how]()

        assert refusal.value.path == path
        assert said in refusal.value.detail
        assert db.all(Book) == [before]


@pytest.mark.parametrize(
    "fields",
    [{"title": 5}, {"title": b"x"}, {"pages": "5"}, {"price": "5"}, {"tags": [object()]},
     {"token": 5}, {"copies": "5"}, {"created_at": "now"}, {"cover": ["x"]}],
)  # fmt: skip
def test_a_value_of_another_type_is_the_author_s_mistake(
    library: TestDatabase, fields: dict[str, Any]
) -> None:
    """Told with the field; a type checker would have told it before."""
    with library.write() as db:
        an_author(db)
        book: Any = Book(**{"id": "b1", "author_id": "a1", "title": "T", **fields})
        with pytest.raises(StatementError, match=f"^{next(iter(fields))}: "):
            db.insert(book)


@pytest.mark.parametrize("how", ["put", "delete", "execute"])
def test_a_text_that_no_engine_takes_is_refused_by_every_verb(
    library: TestDatabase, how: str
) -> None:
    """Under the name that it came by."""
    gone = delete(Setting).where(Setting.c.key == param("key"))
    with library.write() as db:
        calls: dict[str, Any] = {
            "put": lambda: db.put(Setting(key="\ud800", value="v"), at=("key",)),
            "delete": lambda: db.delete(Setting, "\ud800"),
            "execute": lambda: db.execute(gone, key="\ud800"),
        }
        with pytest.raises(InvalidArgument, match="key: the text holds a lone") as refusal:
            calls[how]()

    assert refusal.value.path == "key"


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
books = st.fixed_dictionaries(
    {"id": texts, "title": texts},
    optional={
        "status": st.sampled_from(["draft", "printed", "sold"]),
        "shelf": st.none() | st.sampled_from([1, 2, 3]),
        "pages": st.integers(0, 2**53 - 1),
        "copies": st.integers(-(2**63), 2**63 - 1).map(Int64),
        "price": st.none() | finite,
        "is_new": st.booleans(),
        "cover": st.none() | st.binary(),
        "tags": st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
        "reviews": st.none() | st.lists(st.builds(Review, by=texts, stars=st.integers(0, 5))),
        "isbn": st.none() | texts,
        "printed_at": st.none() | st.integers(10**11, 10**14 - 1),
        "token": st.none() | st.text().map(Hashed.of),
        "created_at": st.integers(0, 10**11 - 1),
    },
)


@settings(deadline=None)
@given(books)
def test_any_row_that_is_accepted_comes_back_equal(fields: dict[str, Any]) -> None:
    """By an insert, and by an update of every field but the key."""
    with memory_database(SCHEMA) as library, library.write() as db:
        an_author(db)
        stored = db.insert(Book(author_id="a1", **fields))
        assert db.get(Book, stored.id) == stored

        everything = {name: getattr(stored, name) for name in stored.__struct_fields__}
        # Unique values are one row's only; `isbn` is, and so is the pair with the title.
        everything |= {"id": f"{stored.id}+", "title": f"{stored.title}+", "isbn": None}
        db.insert(Book(id=everything["id"], author_id="a1", title="another one"))
        changes = {name: value for name, value in everything.items() if name != "id"}
        assert db.update(Book, everything["id"], changes) == Book(**everything)


# -- put ----------------------------------------------------------------------------------


def test_put_adds_or_overwrites(anywhere: TestDatabase) -> None:
    """By a unique field: key and creation stay, everything else is the new row's."""
    with anywhere.write() as db:
        first = db.put(Setting(key="k1", value="v", expires_at=5), at=("value",))
    anywhere.clock.advance(seconds=10)
    with anywhere.write() as db:
        again = db.put(Setting(key="k2", value="v", expires_at=9), at=("value",))

        assert again == Setting(
            key="k1", value="v", expires_at=9, created_at=first.created_at, updated_at=db.now
        )
        assert db.all(Setting) == [again]


def test_put_keeps_the_fields_that_it_is_told_to(library: TestDatabase) -> None:
    """By the key itself too; with nothing left to change it answers with the row."""
    with library.write() as db:
        db.put(Setting(key="k", value="v", expires_at=5), at=("key",))
        kept = db.put(Setting(key="k", value="w", expires_at=9), at=("key",), keep=("expires_at",))
        same = db.put(Flag(order="up"), at=("order",))

        assert (kept.value, kept.expires_at) == ("w", 5)
        assert db.put(Flag(order="up"), at=("order",)) == same


def test_put_works_by_several_fields_and_with_a_counted_key(library: TestDatabase) -> None:
    """A unique pair, and a unique text beside a number."""
    with library.write() as db:
        a_book(db, "b1", title="T", pages=1)
        put = db.put(Book(id="b9", author_id="a1", title="T", pages=5), at=("title", "author_id"))
        first, again = (db.put(Visit(note="a"), at=("note",)) for _ in range(2))

        assert (put.id, put.pages) == ("b1", 5)
        assert first.id == again.id == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda db: db.put(Author(id="a", email="e", name="n"), at=("name",)),
         "nothing makes name unique in authors"),
        (lambda db: db.put(Author(id="a", email="e", name="n"), at=("mail",)), "no field 'mail'"),
        (lambda db: db.put(Author(id="a", email="e", name="n"), at=("email",), keep=("nome",)),
         "no field 'nome'"),
        (lambda db: db.put(Book(id="b", author_id="a", title="t"), at=("title",)),
         "nothing makes title unique in books"),
        (lambda db: db.put(Visit(id=5), at=("note",)), "put counts the key of visits up"),
    ],
)  # fmt: skip
def test_a_put_that_cannot_be_is_told(library: TestDatabase, call: Any, said: str) -> None:
    """Before anything runs."""
    with library.write() as db, pytest.raises(StatementError, match=said):
        call(db)


def test_put_is_refused_by_another_unique_field(library: TestDatabase) -> None:
    """Only the fields in `at` are a reason to overwrite."""
    with library.write() as db:
        an_author(db, "a1")
        with pytest.raises(AlreadyExists, match=r"email 'a1@example.com'"):
            db.put(Author(id="a2", email="a1@example.com", name="Bo"), at=("id",))


# -- update -------------------------------------------------------------------------------


def test_an_update_changes_what_is_given(anywhere: TestDatabase) -> None:
    """UNSET stays, None is NULL, the time is set, the answer is the row as it is now."""
    with anywhere.write() as db:
        before = a_book(db, price=1.5, pages=3)
    anywhere.clock.advance(seconds=5)
    with anywhere.write() as db:
        after = db.update(Book, "b1", BookPatch(title="New", price=None))

        assert after == db.get(Book, "b1")
        assert after is not None
        assert (after.title, after.price, after.pages) == ("New", None, 3)
        assert after.updated_at == before.updated_at + 5
        assert after.created_at == before.created_at


def test_an_update_with_nothing_given_is_a_read(library: TestDatabase) -> None:
    """No time is set, nothing is written."""
    with library.write() as db:
        before = a_book(db)
    library.clock.advance(seconds=5)
    with library.write() as db:
        seen = spy_on(db).seen

        assert db.update(Book, "b1", BookPatch()) == before
        assert db.update(Book, "b1", {"title": UNSET}) == before
        assert db.update(Book, "b9", BookPatch()) is None
        assert all(sql.startswith("SELECT") for sql, _ in seen)


def test_an_update_of_no_row_gives_none(library: TestDatabase) -> None:
    """And writes none."""
    with library.write() as db:
        assert db.update(Book, "b9", BookPatch(title="x")) is None
        assert db.update(Copy, ("b9", 1), {"place": "x"}) is None


def test_a_time_of_change_may_be_given(library: TestDatabase) -> None:
    """Then it is not set."""
    with library.write() as db:
        an_author(db)
        changed = db.update(Author, "a1", {"updated_at": 5})

        assert changed is not None
        assert changed.updated_at == 5


@pytest.mark.parametrize(
    ("record", "key", "name"), [(Book, "b1", "id"), (Copy, ("b1", 1), "number")]
)
def test_a_key_does_not_change(library: TestDatabase, record: Any, key: Any, name: str) -> None:
    """A row with another key is another row."""
    with library.write() as db, pytest.raises(InvalidArgument, match="does not change") as refusal:
        db.update(record, key, {name: "x"})

    assert refusal.value.path == name


def test_an_unknown_field_is_the_author_s_mistake(library: TestDatabase) -> None:
    """With those that there are."""
    with library.write() as db, pytest.raises(StatementError, match="Author has no field 'nome'"):
        db.update(Author, "a1", {"nome": "x"})


def test_an_update_by_a_key_of_two_columns(library: TestDatabase) -> None:
    """The right row, and only that."""
    with library.write() as db:
        a_book(db)
        db.insert_many([Copy(book_id="b1", number=n) for n in (1, 2)])

        changed = db.update(Copy, ("b1", 2), {"place": "attic"})

        assert changed == Copy(book_id="b1", number=2, place="attic")
        assert [copy.place for copy in db.all(Copy)] == ["", "attic"]


# -- delete, execute ----------------------------------------------------------------------


def test_a_delete_says_whether_there_was_a_row(anywhere: TestDatabase) -> None:
    """By either sort of key."""
    with anywhere.write() as db:
        a_book(db)
        db.insert(Copy(book_id="b1", number=1))

        assert db.delete(Copy, ("b1", 1)) is True
        assert db.delete(Copy, ("b1", 1)) is False
        assert db.delete(Book, "b1") is True
        with pytest.raises(NotFound):
            db.get(Book, "b1")


def test_execute_says_how_many_rows_it_changed(library: TestDatabase) -> None:
    """None when none fits."""
    rename = update(Author).where(Author.c.name == param("old")).values(name=param("new"))
    with library.write() as db:
        for id in ("a1", "a2", "a3"):
            an_author(db, id)

        assert db.execute(rename, old="Ada", new="Bo") == 3
        assert db.execute(rename, old="Ada", new="Cy") == 0
        assert db.execute(delete(Author).where(Author.c.id != "a1")) == 2


def test_execute_takes_what_changes_rows(library: TestDatabase) -> None:
    """A statement that reads would say how many rows the one before it changed."""
    rename = update(Author).values(name=param("new"))
    wrong: list[Any] = [select(Author), statement(select(Author).core, into=Author), Author]
    with library.write() as db:
        for what in wrong:
            with pytest.raises(StatementError, match="execute takes a statement that changes"):
                db.execute(what)
        with pytest.raises(StatementError, match=r"needs the parameter 'new'. It takes new"):
            db.execute(rename)
        with pytest.raises(StatementError, match="has no parameter 'old'"):
            db.execute(rename, new="x", old="y")
        with pytest.raises(StatementError, match="has no parameter '_now_s'"):
            db.execute(rename, new="x", _now_s=5)


# -- the same again -----------------------------------------------------------------------


def a_busy_function(db: Writer) -> None:
    """Draws ids, bytes and times, and writes by every verb."""
    author = db.insert(Author(id=db.new_id(), email=db.new_id(), name=db.random_bytes(8).hex()))
    books = [Book(id=db.new_id(), author_id=author.id, title=db.new_id()) for _ in range(120)]
    db.insert_many(books)
    db.update(Book, books[0].id, BookPatch(title=db.new_id()))
    db.put(Setting(key=db.new_id(), value="v"), at=("value",))
    db.insert(Visit(note=db.new_id()))
    db.delete(Book, books[1].id)
    db.execute(update(Book).where(Book.c.id == books[2].id).values(pages=5))


def test_a_function_that_is_run_again_writes_the_same_bytes() -> None:
    """With the same seed and time, whatever ran before; another seed writes others."""

    def dump(number: int) -> list[Any]:
        with memory_database(SCHEMA, clock=ManualClock(1_750_000_000)) as library:
            commits = library.database.commits
            with commits.by_hand(IN_PROCESS, 10**18, bytes([number]) * 32) as db:
                a_busy_function(db)
            connection = commits.connection
            return [
                connection.execute(f'SELECT * FROM "{table.name}"').fetchall()
                for table in SCHEMA.tables
            ]

    assert dump(1) == dump(1)
    assert dump(1) != dump(2)
