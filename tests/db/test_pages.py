"""Pages by key: each row once, in order, whatever comes and goes in between."""

from __future__ import annotations

import base64
import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.db import Caller, Page, Writer, param, select, statement
from freehold.drivers.sqlite import SqliteDatabase
from freehold.errors import InvalidArgument, StatementError
from freehold.ids import SeededIds
from freehold.schema import Column, Index, PrimaryKey, Record, References, Schema, Struct
from freehold.testing import TestDatabase, file_database, memory_database
from tests.db.library import Author, Book, Copy, Pass, Vault, a_book, an_author
from tests.db.spy import plan_of, spy_on


class Item(Record, table="items"):
    """Columns with ties and nulls, and a name that is not the field's."""

    id: Annotated[str, PrimaryKey()]
    a: int | None = None
    b: Annotated[str | None, Column("theB")] = None
    d: Annotated[float, Index()] = 0.0
    group: str = "g"


ITEMS = Schema([Item])


@contextmanager
def items(rows: list[Item]) -> Iterator[TestDatabase]:
    with memory_database(ITEMS) as database:
        with database.write() as db:
            db.insert_many(rows)
        yield database


def pages(db: Writer, what: Any, limit: int, **params: Any) -> list[list[Any]]:
    """All pages, one after the other."""
    found: list[list[Any]] = []
    cursor = None
    while True:
        page = db.page(what, limit=limit, cursor=cursor, **params)
        found.append(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found


# -- a naive model ------------------------------------------------------------------------

#: A column, whether it descends, where its nulls go (None: as the engine has it).
Order = list[tuple[str, bool, bool | None]]

orders: st.SearchStrategy[Order] = st.lists(
    st.tuples(st.sampled_from(["a", "b", "d"]), st.booleans(), st.none() | st.booleans()),
    min_size=1, max_size=3, unique_by=lambda part: part[0],
)  # fmt: skip
rows_drawn = st.lists(
    st.builds(
        Item,
        id=st.text("abcxyz", min_size=1, max_size=2),
        a=st.none() | st.integers(-2, 2),
        b=st.none() | st.sampled_from(["", "B", "b", "ä"]),
        d=st.sampled_from([-0.5, 0.0, 1e300]),
    ),
    max_size=25,
    unique_by=lambda item: item.id,
)


def clause(part: tuple[str, bool, bool | None]) -> Any:
    name, descending, nulls_first = part
    column = getattr(Item.c, name)
    said = column.desc() if descending else column.asc()
    if nulls_first is None:
        return said
    return said.nulls_first() if nulls_first else said.nulls_last()


def model_key(order: Order) -> Callable[[Item], Any]:
    """Python's own order of the same: nulls where they belong, ties by the key."""

    def compare(one: Item, other: Item) -> int:
        for name, descending, said in [*order, ("id", order[-1][1], None)]:
            nulls_first = (not descending) if said is None else said
            x, y = getattr(one, name), getattr(other, name)
            if isinstance(x, str) and isinstance(y, str):
                x, y = x.encode(), y.encode()
            if x == y:
                continue
            if x is None or y is None:
                return -1 if (x is None) == nulls_first else 1
            return (1 if x > y else -1) * (-1 if descending else 1)
        return 0

    return functools.cmp_to_key(compare)


@settings(deadline=None)
@given(rows_drawn, orders, st.integers(1, 7))
def test_all_pages_together_are_all_rows_in_order(
    rows: list[Item], order: Order, limit: int
) -> None:
    """Each once, with ties and nulls, in mixed directions; no page but the last is short."""
    what = select(Item).order_by(*map(clause, order))
    with items(rows) as database, database.read() as db:
        found = pages(db, what, limit)  # type: ignore[arg-type]

    assert [item for page in found for item in page] == sorted(rows, key=model_key(order))
    assert all(len(page) == limit for page in found[:-1])


@settings(deadline=None)
@given(rows_drawn, orders, st.integers(1, 4), st.data())
def test_rows_that_come_and_go_neither_repeat_nor_hide_others(
    rows: list[Item], order: Order, limit: int, data: st.DataObject
) -> None:
    """What was there from the first page to the last is seen exactly once, in order."""
    what = select(Item).order_by(*map(clause, order))
    stayed = {row.id for row in rows}
    seen: list[Item] = []
    numbers = itertools.count()
    with items(rows) as database:
        cursor = None
        while True:
            with database.write() as db:
                page = db.page(what, limit=limit, cursor=cursor)
                seen += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
                present = [item.id for item in db.all(Item)]
                for id in data.draw(st.lists(st.sampled_from(present), max_size=2, unique=True)):
                    db.delete(Item, id)
                    stayed.discard(id)
                for row in data.draw(rows_drawn)[:2]:
                    # An id of its own: one that comes back in another place is another row.
                    row.id += f"-{next(numbers)}"
                    db.insert(row)

    ids = [item.id for item in seen]
    assert len(set(ids)) == len(ids)
    assert stayed <= set(ids)
    assert seen == sorted(seen, key=model_key(order))


# -- the order ----------------------------------------------------------------------------


def test_ties_are_ordered_by_the_key_in_the_last_column_s_direction() -> None:
    """So that one index gives the whole order."""
    rows = [Item(id=id) for id in "cab"]
    with items(rows) as database, database.write() as db:
        up = pages(db, select(Item).order_by(Item.c.d), 2)
        down = pages(db, select(Item).order_by(Item.c.d.desc()), 2)

    assert [item.id for page in up for item in page] == ["a", "b", "c"]
    assert [item.id for page in down for item in page] == ["c", "b", "a"]


def test_a_key_that_is_ordered_by_is_not_added_again(library: TestDatabase) -> None:
    """Nor is a part of a key of two columns."""
    with library.write() as db:
        a_book(db)
        db.insert_many([Copy(book_id="b1", number=n) for n in range(5)])
        found = pages(db, select(Copy).order_by(Copy.c.number.desc()), 2)

    assert [copy.number for page in found for copy in page] == [4, 3, 2, 1, 0]


@pytest.mark.attack("A29")
@pytest.mark.parametrize("descending", [False, True])
def test_a_later_page_begins_in_the_index(descending: bool) -> None:
    """Neither are the rows before it read, nor is anything sorted."""
    what = select(Item).order_by(Item.c.d.desc() if descending else Item.c.d)
    with items([Item(id=str(n), d=n % 3) for n in range(9)]) as database, database.read() as db:
        cursor = db.page(what, limit=2).next_cursor
        spy = spy_on(db)
        db.page(what, limit=2, cursor=cursor)

        plan = plan_of(db, *spy.seen[0])

    sign = "<" if descending else ">"
    assert plan == [f"SEARCH items USING INDEX idx_items_d (d{sign}?)"]


class Row(Struct):
    """A selection that is no record."""

    name: str
    title: str | None
    id: str
    book_id: str | None = None


def selection(*orders: Any, outer: bool = False) -> Any:
    join = Author.__table__.outerjoin if outer else Author.__table__.join
    return statement(
        sa.select(Author.c.name, Book.c.title, Author.c.id, Book.c.id.label("book_id"))
        .select_from(join(Book.__table__, Book.c.author_id == Author.c.id))
        .order_by(*orders),
        into=Row,
    )


def test_a_selection_s_order_must_tell_its_rows_apart(library: TestDatabase) -> None:
    """Its key is not known, so the author says it."""
    with library.read() as db:
        with pytest.raises(StatementError, match="does not tell its rows apart"):
            db.page(selection(Author.c.name))
        with pytest.raises(StatementError, match="does not tell its rows apart"):
            db.page(statement(sa.select(Copy.c.number).order_by(Copy.c.number), into=int))


def test_two_columns_of_one_name_are_told_apart(library: TestDatabase) -> None:
    """`id` of the author and `id` of the book, the latter under a label."""
    with library.write() as db:
        for number in range(7):
            a_book(db, f"b{6 - number}", author_id=f"a{number % 3}")
        found = pages(db, selection(Author.c.name, Book.c.id), 2)

    assert [row.book_id for page in found for row in page] == [f"b{n}" for n in range(7)]


def test_rows_that_an_outer_join_left_empty_are_not_lost(library: TestDatabase) -> None:
    """Their columns are null though the table says they never are."""
    with library.write() as db:
        for number in range(5):
            an_author(db, f"a{number}")
        a_book(db, "b1", author_id="a1")
        a_book(db, "b2", author_id="a3")
        for down in (False, True):
            by = Book.c.title.desc() if down else Book.c.title
            found = pages(db, selection(by, Author.c.id, outer=True), 2)
            rows = [(row.title, row.id) for page in found for row in page]
            empty = [(None, "a0"), (None, "a2"), (None, "a4")]
            full = [("Title of b1", "a1"), ("Title of b2", "a3")]
            assert rows == ([*reversed(full), *empty] if down else [*empty, *full])


def test_an_order_that_does_not_tell_rows_apart_is_found_out(library: TestDatabase) -> None:
    """By the author's key the author's books are all alike: a page would hide some of them."""
    with library.write() as db:
        for number in range(4):
            a_book(db, f"b{number}")
        with pytest.raises(StatementError, match="does not tell its rows apart"):
            db.page(selection(Author.c.id), limit=2)


BROKEN: dict[str, tuple[Any, str]] = {
    "no order": (lambda: select(Author), "a page needs an order. Add .order_by"),
    "a function": (lambda: select(Author).order_by(sa.func.lower(Author.c.name)),
                   "a page cannot be ordered by lower(authors.name)"),
    "text": (lambda: select(Author).order_by(sa.text("name")), "a page cannot be ordered by name"),
    "a secret": (lambda: select(Vault).order_by(Vault.c.secret), "the sealed column vaults.secret"),
    "a column that is not selected": (
        lambda: statement(sa.select(Author.c.id).order_by(Author.c.name, Author.c.id), into=str),
        "ordered by authors.name, which is not selected"),
    "a limit": (lambda: select(Author).order_by(Author.c.id).limit(5), "has a limit of its own"),
    "a parameter called limit": (
        lambda: select(Author).where(Author.c.name == param("limit")).order_by(Author.c.id),
        "has a parameter 'limit'"),
    "a parameter called cursor": (
        lambda: select(Author).where(Author.c.name == param("cursor")).order_by(Author.c.id),
        "has a parameter 'cursor'"),
}  # fmt: skip


@pytest.mark.attack("A7")
@pytest.mark.parametrize("name", BROKEN)
def test_a_statement_that_cannot_be_paged_is_told(library: TestDatabase, name: str) -> None:
    """The first time that it is tried."""
    make, said = BROKEN[name]

    with library.read() as db, pytest.raises(StatementError) as refusal:
        db.page(make())

    assert said in str(refusal.value)


def test_what_is_no_statement_that_reads_is_told(library: TestDatabase) -> None:
    """A record alone has no order."""
    what: Any = Author

    with library.read() as db, pytest.raises(StatementError, match="needs a statement that reads"):
        db.page(what)


# -- the cursor ---------------------------------------------------------------------------

BY_NAME = select(Author).order_by(Author.c.name)
FILTERED = BY_NAME.where_given(Author.c.mentor_id == param("mentor"), Author.c.email > param("e"))


@pytest.fixture
def authors(library: TestDatabase) -> TestDatabase:
    """Twelve of them."""
    with library.write() as db:
        for number in range(12):
            an_author(db, f"a{number:02}", f"N{number % 4}")
    return library


def cursor_of(library: TestDatabase, what: Any = BY_NAME, **params: Any) -> str:
    with library.read() as db:
        cursor = db.page(what, limit=3, **params).next_cursor
    assert cursor is not None
    return cursor


@pytest.mark.attack("A8")
@pytest.mark.parametrize(("length", "spare"), [(0, 2), (1, 0), (2, 4)])
def test_a_cursor_altered_at_any_place_is_refused(length: int, spare: int) -> None:
    """Each character, changed, left out or doubled; also bits that base64 does not look at."""
    rows = [Item(id=str(number), b="b" * length) for number in range(3)]
    what = select(Item).order_by(Item.c.b)
    with items(rows) as database, database.read() as db:
        cursor = db.page(what, limit=1).next_cursor
        assert cursor is not None
        assert len(cursor) * 6 % 8 == spare
        assert len(db.page(what, cursor=cursor).items) == 2
        for place, letter in enumerate(cursor):
            near = (chr(ord(letter) ^ bit) for bit in (1, 2, 3))
            for other in {*near, "A" if letter != "A" else "B", letter * 2, "", "+", "é"}:
                altered = cursor[:place] + other + cursor[place + 1 :]
                with pytest.raises(InvalidArgument, match="the cursor is not one of this list"):
                    db.page(what, limit=3, cursor=altered)


@pytest.mark.attack("A8")
@pytest.mark.parametrize(
    "cursor", ["", "=", "a", "AAAA", "\0", "ü", "\ud800", " ", "-_-_", "x" * 10_000, "====="]
)
def test_what_is_no_cursor_is_refused(authors: TestDatabase, cursor: str) -> None:
    """As the caller's mistake, with the next step; never a crash."""
    with authors.read() as db, pytest.raises(InvalidArgument) as refusal:
        db.page(BY_NAME, cursor=cursor)

    assert refusal.value.path == "cursor"
    assert "nextCursor" in refusal.value.hint


@pytest.mark.attack("A8")
@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_are_a_cursor_by_chance(raw: bytes) -> None:
    """Without the key nobody makes one."""
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    with items([]) as database, database.read() as db, pytest.raises(InvalidArgument):
        db.page(select(Item).order_by(Item.c.a), cursor=text)


OTHER_QUESTIONS: dict[str, Callable[[Any, str], Any]] = {
    "another order": lambda db, c: db.page(BY_NAME.order_by(Author.c.email), cursor=c),
    "the other direction": lambda db, c: db.page(
        select(Author).order_by(Author.c.name.desc()), cursor=c
    ),
    "another table": lambda db, c: db.page(select(Pass).order_by(Pass.c.owner), cursor=c),
    "another filter": lambda db, c: db.page(FILTERED, e="", cursor=c),
}


@pytest.mark.attack("A8")
@pytest.mark.parametrize("name", OTHER_QUESTIONS)
def test_a_cursor_is_of_its_own_question(authors: TestDatabase, name: str) -> None:
    """It says where to go on, and that means nothing elsewhere."""
    cursor = cursor_of(authors)

    with authors.read() as db, pytest.raises(InvalidArgument, match="not one of this list"):
        OTHER_QUESTIONS[name](db, cursor)


@pytest.mark.attack("A8")
def test_a_cursor_is_of_its_own_filters(authors: TestDatabase) -> None:
    """The same again goes on; another value, one more or one fewer does not."""
    cursor = cursor_of(authors, FILTERED, e="a00")
    with authors.read() as db:
        assert len(db.page(FILTERED, e="a00", cursor=cursor, limit=50).items) == 9
        others: list[dict[str, Any]] = [
            {"e": "a01"}, {}, {"mentor": "a01"}, {"e": "a00", "mentor": "a01"}
        ]  # fmt: skip
        for params in others:
            with pytest.raises(InvalidArgument):
                db.page(FILTERED, cursor=cursor, **params)


@pytest.mark.attack("A8")
@pytest.mark.parametrize(
    "other",
    [Caller("k2"), Caller("k1", user="bo"), Caller("k1"), Caller("k", user="1/ada")],
    ids=["key", "user", "no user", "alike"],
)
def test_a_cursor_is_of_its_own_caller(authors: TestDatabase, other: Caller) -> None:
    """Another key, another user: what one has seen is not told to the other."""
    caller = Caller("k1", user="ada")
    with authors.read(caller=caller) as db:
        cursor = db.page(BY_NAME, limit=3).next_cursor
        assert len(db.page(BY_NAME, cursor=cursor).items) == 9

    with authors.read(caller=other) as db, pytest.raises(InvalidArgument):
        db.page(BY_NAME, cursor=cursor)


def test_a_cursor_may_go_on_with_another_limit(authors: TestDatabase) -> None:
    """How many rows a page has is no part of the question."""
    cursor = cursor_of(authors)

    with authors.read() as db:
        assert len(db.page(BY_NAME, limit=1, cursor=cursor).items) == 1
        assert len(db.page(BY_NAME, limit=1_000, cursor=cursor).items) == 9


def test_a_cursor_outlives_the_process(tmp_path: Any) -> None:
    """It is signed with the database's own key."""
    path = tmp_path / "items.db"
    by_a = select(Item).order_by(Item.c.a)
    with file_database(path, ITEMS) as database, database.write() as db:
        db.insert_many([Item(id=str(n), a=n) for n in range(5)])
        cursor = db.page(by_a, limit=2).next_cursor
    with file_database(path, ITEMS) as database, database.read() as db:
        assert [item.a for item in db.page(by_a, cursor=cursor).items] == [2, 3, 4]


@pytest.mark.attack("A8")
def test_a_cursor_of_another_database_is_refused() -> None:
    """The same schema, the same rows, the same caller; another key."""
    by_a = select(Item).order_by(Item.c.a)
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(SqliteDatabase(None, ITEMS, ids=SeededIds(seed)).opened())
            for seed in (1, 2)
        )
        for database in (one, other):
            database.write(lambda db: db.insert_many([Item(id=str(n), a=n) for n in range(5)]))
        cursor = one.read(lambda db: db.page(by_a, limit=2)).next_cursor

        assert len(one.read(lambda db: db.page(by_a, cursor=cursor)).items) == 3
        with pytest.raises(InvalidArgument, match="not one of this list"):
            other.read(lambda db: db.page(by_a, cursor=cursor))


# -- the limit ----------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 1_000])
def test_a_limit_at_its_bounds_is_taken(authors: TestDatabase, limit: int) -> None:
    """One row, and a thousand."""
    with authors.read() as db:
        assert len(db.page(BY_NAME, limit=limit).items) == min(limit, 12)


@pytest.mark.attack("A29")
@pytest.mark.parametrize("limit", [0, -1, 1_001, 2**70])
def test_a_limit_past_its_bounds_is_refused(authors: TestDatabase, limit: int) -> None:
    """By its name, with the bounds."""
    with (
        authors.read() as db,
        pytest.raises(InvalidArgument, match="between 1 and 1000") as refusal,
    ):
        db.page(BY_NAME, limit=limit)

    assert refusal.value.path == "limit"


@pytest.mark.parametrize(("rows", "limit"), [(0, 5), (4, 5), (5, 5), (6, 5), (10, 5)])
def test_the_last_page_says_so(rows: int, limit: int) -> None:
    """Also when it is full, and when there is none."""
    with items([Item(id=f"{n:02}") for n in range(rows)]) as database, database.write() as db:
        found = pages(db, select(Item).order_by(Item.c.a), limit)

    assert [len(page) for page in found] == [
        min(limit, rows - start) for start in range(0, max(rows, 1), limit)
    ]


def test_a_page_travels_in_camel_case() -> None:
    """As everything does."""
    page = Page(items=[1], next_cursor="c")

    assert msgspec.json.encode(page) == b'{"items":[1],"nextCursor":"c"}'


def test_a_reference_is_no_part_of_a_page_s_order() -> None:
    """A record that points at itself is paged as any other."""

    class Node(Record, table="nodes"):
        id: Annotated[str, PrimaryKey()]
        parent_id: Annotated[str | None, References("nodes.id")] = None

    with memory_database(Schema([Node])) as database, database.write() as db:
        db.insert_many([Node(id=str(n), parent_id=str(n // 2) if n else None) for n in range(6)])
        found = pages(db, select(Node).order_by(Node.c.parent_id.desc()), 2)

    assert [node.id for page in found for node in page] == ["5", "4", "3", "2", "1", "0"]
