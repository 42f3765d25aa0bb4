"""
A third application, for what HotMetal and Linkie Claw do not use: pages, choices of order,
keys of several columns, bytes, JSON, big numbers, triggers, and functions that
catch what was refused or fail after they wrote.

Its tables are the library of `tests/db`; of its counted keys nothing is called, for a refused
insert leaves a gap in them on PostgreSQL and none on SQLite.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import sqlalchemy as sa

from freehold import (
    UNSET,
    AlreadyExists,
    App,
    Conflict,
    Database,
    Entrypoint,
    EpochMillis,
    FreeholdError,
    Input,
    Int64,
    Maybe,
    Page,
    Patch,
    Reader,
    Sealed,
    Struct,
    Writer,
    any_of,
    delete,
    param,
    raises,
    select,
    statement,
    update,
)
from tests.db.library import (
    SCHEMA,
    Author,
    Book,
    Copy,
    Drawer,
    Flag,
    Loan,
    Review,
    Setting,
)
from tests.lockstep.habits import Habits

#: All of them together are still a whole number that every client can represent.
Pages = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
#: All of them together are still a number.
Price = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
#: SQLite takes none of more than 50,000 bytes.
Pattern = Annotated[str, msgspec.Meta(max_length=200)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=50)]


class NewAuthor(Input):
    """A new author."""

    id: str
    email: str
    name: str
    mentor_id: str | None = None


class NewBook(Input):
    """A new book, with every sort of column."""

    id: str
    author_id: str
    title: str
    status: Literal["draft", "printed", "sold"] = "draft"
    shelf: Literal[1, 2, 3] | None = None
    pages: Pages = 0
    copies: Int64 = Int64(0)
    price: Price | None = None
    is_new: bool = True
    cover: bytes | None = None
    tags: list[str] = []
    reviews: list[Review] | None = None
    isbn: str | None = None
    printed_at: EpochMillis | None = None


class BookChange(Patch):
    """What may change of a book."""

    author_id: Maybe[str] = UNSET
    title: Maybe[str] = UNSET
    status: Maybe[Literal["draft", "printed", "sold"]] = UNSET
    pages: Maybe[Pages] = UNSET
    copies: Maybe[Int64] = UNSET
    price: Maybe[Price | None] = UNSET
    is_new: Maybe[bool] = UNSET
    cover: Maybe[bytes | None] = UNSET
    tags: Maybe[list[str]] = UNSET
    reviews: Maybe[list[Review] | None] = UNSET
    isbn: Maybe[str | None] = UNSET


class Totals(Struct):
    """What the books come to."""

    books: int
    pages: int | None
    most: int | None
    dearest: float | None
    mean_pages: float | None


class PerStatus(Struct):
    """How many of a status, and under which names."""

    status: str
    books: int
    first_title: str | None
    last_title: str | None


class Refused(Conflict):
    """A rule of the application said no, after it had written."""

    id: str

    def __init__(self, id: str) -> None:
        super().__init__(f"{id!r} is refused.")
        self.id = id


_BOOKS: Final = (
    select(Book)
    .where_given(Book.c.author_id == param("author_id"))
    .where_given(Book.c.price >= param("price_min"))
    .where_given(Book.c.title.like(param("title")))
)
_BY_PRICE: Final = _BOOKS.order_by(Book.c.price.desc(), Book.c.title)
_BY_ISBN: Final = _BOOKS.order_by(Book.c.isbn, Book.c.copies.desc(), Book.c.id)
_BY_TITLE: Final = _BOOKS.order_by(Book.c.title.desc(), Book.c.printed_at.nulls_last())
_IN_ORDER: Final = _BOOKS.orders(
    title=(Book.c.title, Book.c.id),
    price=(Book.c.price, Book.c.id),
    newest=(Book.c.created_at.desc(), Book.c.id.desc()),
    copies=(Book.c.copies.desc(), Book.c.is_new, Book.c.id),
    printed=(Book.c.printed_at.desc().nulls_first(), Book.c.shelf.desc(), Book.c.id),
)
_SOME: Final = select(Book).where(any_of(Book.c.id, param("ids"))).order_by(Book.c.id)
_ON_SHELVES: Final = select(Book).where(any_of(Book.c.shelf, param("shelves"))).order_by(Book.c.id)
_TOTALS: Final = statement(
    sa.select(
        sa.func.count().label("books"),
        sa.func.sum(Book.c.pages).label("pages"),
        sa.func.max(Book.c.pages).label("most"),
        sa.func.max(Book.c.price).label("dearest"),
        sa.func.avg(Book.c.pages).label("mean_pages"),
    ),
    into=Totals,
)
_PER_STATUS: Final = statement(
    sa.select(
        Book.c.status,
        sa.func.count().label("books"),
        sa.func.min(Book.c.title).label("first_title"),
        sa.func.max(Book.c.title).label("last_title"),
    )
    .group_by(Book.c.status)
    .order_by(sa.func.count().desc(), Book.c.status),
    into=PerStatus,
)
_NAMES: Final = statement(sa.select(Author.c.name).distinct().order_by(Author.c.name), into=str)
_RAISE_PAGES: Final = (
    update(Book)
    .where(Book.c.author_id == param("author_id"))
    .values(pages=Book.c.pages + param("more"))
)
_SELL: Final = (
    update(Book)
    .where(Book.c.id == param("id"))
    .where(Book.c.status != "sold")
    .values(status="sold")
    .returning_record()
)
_SOLD: Final = (
    select(Book)
    .where(Book.c.author_id == param("author_id"))
    .where(Book.c.status == "sold")
    .order_by(Book.c.id)
)
_FORGET: Final = delete(Setting).where(Setting.c.expires_at <= param("now"))


def add_author(db: Writer, data: NewAuthor) -> Author:
    """Add an author."""
    return db.insert(Author(id=data.id, email=data.email, name=data.name, mentor_id=data.mentor_id))


@raises(Refused)
def remove_author(db: Writer, id: str) -> bool:
    """
    Remove an author with his books, but not with one that is sold; false when there is none.

    It asks before, and leaves nothing to the trigger: which of a trigger and a reference is
    told, when a removal breaks both, is the engine's own matter.
    """
    if db.first(_SOLD, author_id=id) is not None:
        raise Refused(id)
    return db.delete(Author, id)


def add_book(db: Writer, data: NewBook) -> Book:
    """Add a book."""
    return db.insert(Book(**msgspec.structs.asdict(data)))


def add_books(db: Writer, items: list[NewBook]) -> int:
    """Add those that are not there yet."""
    rows = [Book(**msgspec.structs.asdict(item)) for item in items]
    return db.insert_many(rows, on_conflict="ignore")


def change_book(db: Writer, id: str, data: BookChange) -> Book | None:
    """Change a book."""
    return db.update(Book, id, data)


def remove_book(db: Writer, id: str) -> bool:
    """Remove a book; a sold one stays."""
    return db.delete(Book, id)


def sell_book(db: Writer, id: str) -> Book | None:
    """Sell it once."""
    return db.first(_SELL, id=id)


def raise_pages(db: Writer, author_id: str, more: Pages) -> int:
    """More or fewer pages in all books of an author."""
    return db.execute(_RAISE_PAGES, author_id=author_id, more=more)


def get_book(db: Reader, id: str) -> Book:
    """The book; there must be one."""
    return db.get(Book, id)


def find_book(db: Reader, author_id: str, title: str) -> Book | None:
    """The book of that author and title."""
    return db.find(Book, author_id=author_id, title=title)


def books_by_price(
    db: Reader, limit: Limit = 3, cursor: str | None = None, price_min: float | None = None
) -> Page[Book]:
    """The dearest first."""
    return db.page(_BY_PRICE, limit=limit, cursor=cursor, price_min=price_min)


def books_by_isbn(
    db: Reader, limit: Limit = 2, cursor: str | None = None, author_id: str | None = None
) -> Page[Book]:
    """By a column that may be null."""
    return db.page(_BY_ISBN, limit=limit, cursor=cursor, author_id=author_id)


def books_by_title(db: Reader, limit: int = 2, cursor: str | None = None) -> Page[Book]:
    """Backwards by title."""
    return db.page(_BY_TITLE, limit=limit, cursor=cursor)


def books_in_order(
    db: Reader,
    order: Literal["title", "price", "newest", "copies", "printed"],
    title: Pattern | None = None,
) -> list[Book]:
    """In an order of the caller's choice, with a pattern."""
    return db.all(_IN_ORDER, order=order, title=title)


def some_books(db: Reader, ids: list[str]) -> list[Book]:
    """The books of these ids."""
    return db.all(_SOME, ids=ids)


def books_on_shelves(db: Reader, shelves: list[int]) -> list[Book]:
    """The books on these shelves."""
    return db.all(_ON_SHELVES, shelves=shelves)


def totals(db: Reader) -> Totals | None:
    """What all books come to."""
    return db.first(_TOTALS)


def per_status(db: Reader) -> list[PerStatus]:
    """The most frequent status first."""
    return db.all(_PER_STATUS)


def names(db: Reader) -> list[str]:
    """The authors' names, each once."""
    return db.all(_NAMES)


def everything(db: Reader) -> int:
    """Several statements over one snapshot."""
    return sum(len(db.all(record)) for record in (Author, Book, Copy, Loan))


def add_copy(db: Writer, book_id: str, number: int, place: str = "") -> Copy:
    """A copy of a book, under a key of two columns."""
    return db.insert(Copy(number=number, book_id=book_id, place=place))


def lend(db: Writer, book_id: str, number: int) -> Loan:
    """Lend a copy."""
    return db.insert(Loan(id=db.new_id(), book_id=book_id, number=number))


def remove_copy(db: Writer, book_id: str, number: int) -> bool:
    """Remove a copy that is not lent."""
    return db.delete(Copy, (book_id, number))


def hide(db: Writer, cabinet: str, number: int, secret: Sealed[str]) -> str:
    """Put a secret into a drawer, over the one that is there; what it is now."""
    row = db.put(Drawer(cabinet=cabinet, number=number, secret=secret), at=("cabinet", "number"))
    return db.open(row.secret)


def look(db: Reader, cabinet: str, number: int) -> str | None:
    """The secret in a drawer."""
    row = db.find(Drawer, (cabinet, number))
    return None if row is None else db.open(row.secret)


def flag(db: Writer, order: str) -> bool:
    """Raise a flag; whether it was down. What was refused is caught."""
    try:
        db.insert(Flag(order=order))
    except AlreadyExists:
        db.delete(Flag, order)
        return False
    return True


def flags(db: Reader) -> list[Flag]:
    """The flags that are up."""
    return db.all(Flag)


def save(db: Writer, key: str, value: str, ttl: int | None = None) -> Setting:
    """Keep a setting, over the one that is there."""
    expires_at = None if ttl is None else db.now + ttl
    return db.put(Setting(key=key, value=value, expires_at=expires_at), at=("key",))


def forget(db: Writer) -> int:
    """Remove what has expired."""
    return db.execute(_FORGET, now=db.now)


@raises(Refused)
def try_all(db: Writer, ids: list[str], refuse: bool) -> list[str]:
    """Raise flags one by one, go on over those that are up, and maybe fail at the end."""
    raised = []
    for id in ids:
        try:
            db.insert(Flag(order=id))
        except FreeholdError as error:
            raised.append(type(error).__name__)
        else:
            raised.append("up")
    if refuse:
        raise Refused(ids[0] if ids else "")
    return raised


class Shelf(Entrypoint):
    """Everything that may be asked of the library."""

    add_author = add_author
    remove_author = remove_author
    add_book = add_book
    add_books = add_books
    change_book = change_book
    remove_book = remove_book
    sell_book = sell_book
    raise_pages = raise_pages
    get_book = get_book
    find_book = find_book
    books_by_price = books_by_price
    books_by_isbn = books_by_isbn
    books_by_title = books_by_title
    books_in_order = books_in_order
    some_books = some_books
    books_on_shelves = books_on_shelves
    totals = totals
    per_status = per_status
    names = names
    everything = everything
    add_copy = add_copy
    lend = lend
    remove_copy = remove_copy
    hide = hide
    look = look
    flag = flag
    flags = flags
    save = save
    forget = forget
    try_all = try_all


SHELF: Final = Habits(
    app=App("shelf", databases=[Database("main", SCHEMA)], entrypoints=[Shelf]),
    schema=SCHEMA,
    kinds={
        "authorId": "author", "mentorId": "author", "bookId": "book", "ids": "book",
        "email": "email", "cursor": "cursor", "isbn": "isbn", "shelves": "shelf",
        "Author.id": "author", "NewAuthor.id": "author", "Book.id": "book", "NewBook.id": "book",
        "title": "title", "cabinet": "cabinet", "number": "number",
    },
    nouns=(("author", "author"), ("book", "book")),
    words={
        "isbn": ("1", "2", "3", "A", "a", "ä"), "shelf": (1, 2, 3, 0), "cabinet": ("a", "A"),
        "title": ("ada", "Ada", "ADA", "a%", "%A", "zoe", "Zoe", "_", "%", "äda", "ÄDA", "a_a"),
        "number": (1, 2, 3),
        "email": tuple(f"{number}@x.example" for number in range(30)),
    },
    fresh=frozenset({"author", "book"}),
    rare=frozenset({"removeAuthor"}),
    loosen=(update(Book).values(status="draft"),),
)  # fmt: skip
