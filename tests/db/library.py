"""A library's records, for the tests of this folder: one of everything that a handle meets."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET

from freehold.db import Writer
from freehold.scalars import Hashed, Int64, Sealed
from freehold.schema import (
    AUTO,
    Check,
    Column,
    CreatedAt,
    CreatedAtMs,
    EpochMillis,
    EpochSeconds,
    ForeignKey,
    Index,
    Maybe,
    Patch,
    PrimaryKey,
    Record,
    References,
    Schema,
    Struct,
    Trigger,
    Unique,
    UpdatedAt,
)


class Author(Record, table="authors"):
    """Somebody who writes books."""

    id: Annotated[str, PrimaryKey()]
    email: Annotated[str, Unique()]
    name: str
    mentor_id: Annotated[str | None, References("authors.id")] = None
    born_at: EpochSeconds | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class Review(Struct):
    """A value inside a column."""

    by: str
    stars: int
    text: str | None = None


class Book(
    Record,
    table="books",
    uniques=[Unique("author_id", "title")],
    checks=[Check("pages >= 0", name="pages_are_counted")],
    triggers=[
        Trigger(name="sold_books_stay", when="before", event="delete",
                condition="OLD.status = 'sold'", refuse="a sold book is never removed"),
    ],
    indexes=[Index("status", "pages desc", name="by_status")],
):  # fmt: skip
    """One column of every sort."""

    id: Annotated[str, PrimaryKey()]
    author_id: Annotated[str, References("authors.id", on_delete="cascade"), Index()]
    title: str
    status: Literal["draft", "printed", "sold"] = "draft"
    shelf: Literal[1, 2, 3] | None = None
    pages: int = 0
    copies: Int64 = Int64(0)
    price: float | None = None
    is_new: bool = True
    cover: bytes | None = None
    tags: list[str] = []
    reviews: list[Review] | None = None
    isbn: Annotated[str | None, Index(unique=True), Column("ISBN")] = None
    printed_at: EpochMillis | None = None
    token: Annotated[Hashed | None, Index()] = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


class BookPatch(Patch):
    """What may change of a book."""

    title: Maybe[str] = UNSET
    pages: Maybe[int] = UNSET
    price: Maybe[float | None] = UNSET
    tags: Maybe[list[str]] = UNSET
    reviews: Maybe[list[Review] | None] = UNSET


class Copy(Record, table="copies", primary_key=("book_id", "number")):
    """A key of two columns, in another order than the columns'."""

    number: int
    book_id: Annotated[str, References("books.id")]
    place: str = ""


class Loan(
    Record,
    table="loans",
    foreign_keys=[ForeignKey(("book_id", "number"), "copies(book_id, number)")],
):
    """Points at a key of two columns."""

    id: Annotated[str, PrimaryKey()]
    book_id: str
    number: int
    reader: str = ""


class Visit(Record, table="visits"):
    """A key that is counted up."""

    id: Annotated[int, PrimaryKey(autoincrement=True)] = AUTO
    note: Annotated[str | None, Unique()] = None
    at_ms: CreatedAtMs = AUTO


class Ticket(Record, table="tickets"):
    """A counted key past 2^53, with a hash beside it."""

    id: Annotated[Int64, PrimaryKey(autoincrement=True)] = AUTO
    token: Hashed


class Pass(Record, table="passes"):
    """A hash as key."""

    token: Annotated[Hashed, PrimaryKey()]
    owner: str
    expires_at: EpochSeconds = 0


class Vault(Record, table="vaults"):
    """Two secrets."""

    id: Annotated[str, PrimaryKey()]
    secret: Sealed[str] | None = None
    spare: Sealed[str] | None = None
    note: str = ""


class Drawer(Record, table="drawers", primary_key=("cabinet", "number")):
    """A secret under a key of two columns."""

    cabinet: str
    number: int
    secret: Sealed[str]


class Flag(Record, table="flags"):
    """One column, and a name that is SQL's."""

    order: Annotated[str, PrimaryKey()]


class Setting(Record, table="settings", frozen=True):
    """Rows that cannot be changed, only replaced."""

    key: Annotated[str, PrimaryKey()]
    value: Annotated[str, Unique()]
    expires_at: EpochSeconds | None = None
    created_at: CreatedAt = AUTO
    updated_at: UpdatedAt = AUTO


SCHEMA = Schema([
    Author, Book, Copy, Loan, Visit, Ticket, Pass, Vault, Drawer, Flag, Setting
])  # fmt: skip


def an_author(db: Writer, id: str = "a1", name: str = "Ada") -> Author:
    """An author of that id."""
    return db.insert(Author(id=id, email=f"{id}@example.com", name=name))


def a_book(db: Writer, id: str = "b1", **fields: object) -> Book:
    """A book of that id, and its author when there is none yet."""
    author_id = str(fields.pop("author_id", "a1"))
    if db.find(Author, author_id) is None:
        an_author(db, author_id)
    title = str(fields.pop("title", f"Title of {id}"))
    return db.insert(Book(id=id, author_id=author_id, title=title, **fields))  # type: ignore[arg-type]
