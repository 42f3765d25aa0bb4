"""What rows of a statement become: records, structs, single values."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest
import sqlalchemy as sa
from msgspec import UNSET

from freehold.db import Writer, param, select, statement, update
from freehold.errors import StatementError
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import EpochMillis, EpochSeconds, Maybe, Struct
from freehold.testing import TestDatabase
from tests.db.library import Book, Review, Ticket, Vault, a_book, an_author

T = Book.c
BookId = NewType("BookId", str)


@pytest.fixture
def db(library: TestDatabase) -> Any:
    """A mutation over one book with everything in it."""
    with library.write() as handle:
        a_book(handle, "b1", pages=3, copies=Int64(2**60), price=2.5, tags=["x"], cover=b"\xff",
               reviews=[Review(by="Bo", stars=5)], token=Hashed.of("raw"), shelf=2, isbn="1",
               printed_at=1_700_000_000_000)  # fmt: skip
        yield handle


class Everything(Struct):
    """One field of each type, filled from columns."""

    id: BookId
    pages: int
    copies: Int64
    price: float | None
    is_new: bool
    cover: bytes | None
    tags: list[str]
    reviews: list[Review] | None
    token: Hashed | None
    shelf: Literal[1, 2, 3] | None
    printed_at: EpochMillis | None
    created_at: Annotated[EpochSeconds, "a time"]
    isbn: str | None = None


def test_a_struct_is_filled_by_its_fields_types(db: Writer) -> None:
    """As a record's row would be."""
    columns = [column for column in (T[name] for name in Everything.__struct_fields__)
               if column is not T.isbn]  # fmt: skip
    what = statement(sa.select(*columns, T.isbn.label("isbn")), into=Everything)

    row, book = db.first(what), db.get(Book, "b1")

    assert row is not None
    for name in Everything.__struct_fields__:
        assert getattr(row, name) == getattr(book, name)
        assert type(getattr(row, name)) is type(getattr(book, name))


class Flags(Struct):
    """Values that no column holds."""

    any_new: bool
    how_new: int
    is_there: bool
    share: float
    names: list[str]
    anything: Any = None


def test_an_expression_is_read_as_its_field_says(db: Writer) -> None:
    """A sum of booleans is a number, EXISTS is a bool, a JSON function gives a list."""
    a_book(db, "b2", title="U")
    there = sa.exists().where(T.id == "b1")
    what = statement(
        sa.select(
            sa.func.max(T.is_new).label("any_new"),
            sa.func.sum(T.is_new).label("how_new"),
            sa.select(there).scalar_subquery().label("is_there"),
            sa.func.count(T.id).label("share"),
            sa.func.json_group_array(T.id).label("names"),
            sa.func.max(T.pages).label("anything"),
        ),
        into=Flags,
    )

    row = db.first(what)

    assert row == Flags(
        any_new=True, how_new=2, is_there=True, share=2.0, names=["b1", "b2"], anything=3
    )
    assert row is not None
    assert [type(getattr(row, name)) for name in ("any_new", "how_new", "share")] == [
        bool, int, float
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "into", "value"),
    [
        (T.title, str, "Title of b1"),
        (T.id, BookId, "b1"),
        (T.pages, int, 3),
        (T.pages, float, 3.0),
        (T.is_new, bool, True),
        (T.is_new, int, 1),
        (T.copies, Int64, Int64(2**60)),
        (T.price, float, 2.5),
        (T.tags, list[str], ["x"]),
        (T.tags, str, '["x"]'),
        (T.reviews, list[Review], [Review(by="Bo", stars=5)]),
        (T.token, Hashed, Hashed.of("raw")),
        (T.cover, bytes, b"\xff"),
        (T.printed_at, EpochMillis, 1_700_000_000_000),
        (sa.func.count(), int, 1),
        (sa.func.count() > 0, bool, True),
        (sa.func.sum(T.pages), float, 3.0),
        (sa.func.coalesce(sa.null(), "x"), str, "x"),
        (sa.null(), str, None),
    ],
)
def test_a_single_value_is_read_as_its_type_says(
    db: Writer, column: Any, into: Any, value: Any
) -> None:
    """Of that very type."""
    found = db.scalar(statement(sa.select(column).select_from(Book.__table__), into=into))

    assert found == value
    assert type(found) is type(value)


def test_a_selection_of_a_record_s_columns_may_be_in_any_order(db: Writer) -> None:
    """They go where they belong; with a column too few it is no record."""
    columns = list(reversed(list(Book.c)))
    whole = statement(sa.select(*columns), into=Book)

    assert db.all(whole) == [db.get(Book, "b1")]
    with pytest.raises(StatementError, match="are not those of Book"):
        statement(sa.select(*columns[1:]), into=Book)
    with pytest.raises(StatementError, match="are not those of Book"):
        statement(sa.select(*columns[1:], T.id), into=Book)


def test_a_sealed_column_comes_with_its_record_alone(db: Writer) -> None:
    """Its place has to be known."""
    db.insert(Vault(id="v1", secret=Sealed.of("x")))
    row = db.first(statement(sa.select(*reversed(list(Vault.c))), into=Vault))
    assert row is not None
    assert row.secret is not None
    assert db.open(row.secret) == "x"

    class Secret(Struct):
        secret: str | None

    class Opened(Struct):
        secret: Sealed[str] | None

    for into in (Secret, Opened, str, Any):
        with pytest.raises(StatementError, match="sealed"):
            statement(sa.select(Vault.c.secret), into=into)
    with pytest.raises(StatementError, match="sealed"):
        statement(sa.select(Vault.c.note.label("secret")), into=Opened)


class Pair(Struct):
    """Two fields, one of which may be left out."""

    id: str
    note: Maybe[str] = UNSET


def select_columns(*columns: Any) -> Any:
    return sa.select(*columns)


WRONG: dict[str, tuple[Any, Any, str]] = {
    "an unknown column": (select_columns(T.id, T.title), Pair, "no field 'title'. Name a column"),
    "a missing column": (select_columns(T.title.label("note")), Pair, "no column 'id'"),
    "a column twice": (select_columns(T.id, T.title.label("id")), Pair, "'id' twice"),
    "two columns for one value": (select_columns(T.id, T.title), str, "2 columns do not become"),
    "a text for a number": (select_columns(T.title), int, "is int, and the column books.title"),
    "a number for a text": (select_columns(T.pages), str, "is str, and the column books.pages"),
    "a float for a number": (select_columns(T.price), int, "is int, and the column books.price"),
    "a text for bytes": (select_columns(T.title), bytes, "is bytes, and the column"),
    "a type of no column": (select_columns(T.title), complex, "a column cannot hold complex"),
}


@pytest.mark.parametrize("name", WRONG)
def test_columns_that_do_not_fit_are_told_at_once(name: str) -> None:
    """When the statement is made, at import of its module."""
    core, into, said = WRONG[name]

    with pytest.raises(StatementError) as refusal:
        statement(core, into=into)

    assert said in str(refusal.value)


def test_a_field_with_a_default_may_have_no_column(db: Writer) -> None:
    """Then it has its default; a Maybe is read as what it may be."""
    assert db.first(statement(sa.select(T.id), into=Pair)) == Pair(id="b1")
    assert db.first(statement(sa.select(T.id, T.title.label("note")), into=Pair)) == Pair(
        id="b1", note="Title of b1"
    )


def test_any_struct_of_msgspec_will_do(db: Writer) -> None:
    """Not only Freehold's."""

    class Plain(msgspec.Struct):
        id: str
        tags: list[str]

    assert db.all(statement(sa.select(T.id, T.tags), into=Plain)) == [Plain("b1", ["x"])]


def test_unions_and_common_table_expressions_have_rows_too(db: Writer) -> None:
    """Whatever SQLAlchemy can select."""
    an_author(db, "a2", "Bo")
    both = sa.union_all(sa.select(T.id), sa.select(sa.literal("z"))).order_by("id")
    recent = sa.select(T.id).where(T.pages > param("pages")).cte("recent")

    assert db.all(statement(both, into=str)) == ["b1", "z"]
    assert db.all(statement(sa.select(recent.c.id), into=str), pages=2) == ["b1"]


def test_a_returning_of_a_table_gives_its_columns(db: Writer) -> None:
    """RETURNING says which rows come back, and as what."""
    ticket = db.insert(Ticket(token=Hashed.of("x")))
    whole = statement(sa.delete(Ticket.__table__).returning(Ticket.__table__), into=Ticket)
    pages = update(Book).values(pages=T.pages + 1).returning(T.id, T.pages, into=IdPages)

    assert db.first(whole) == ticket
    assert db.all(pages) == [IdPages(id="b1", pages=4)]
    assert select(Book).into is Book


class IdPages(Struct):
    """What an update tells."""

    id: str
    pages: int
