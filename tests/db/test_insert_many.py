"""Many rows at once: added by the hundred, left out when asked, the guilty one named."""

from __future__ import annotations

from typing import Any

import pytest

from freehold.errors import (
    AlreadyExists,
    InvalidArgument,
    ReferenceBroken,
    RuleBroken,
    StatementError,
)
from freehold.testing import TestDatabase
from tests.db.library import Author, Book, Flag, Visit, a_book, an_author
from tests.db.spy import spy_on


def visits(count: int, start: int = 0) -> list[Visit]:
    return [Visit(note=f"n{number}") for number in range(start, start + count)]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_many_rows_are_added_by_the_hundred(anywhere: TestDatabase, count: int) -> None:
    """As many as were given, in their order."""
    with anywhere.write() as db:
        assert db.insert_many(visits(count)) == count

        assert [visit.note for visit in db.all(Visit)] == [f"n{n}" for n in range(count)]


def test_few_statements_add_many_rows(library: TestDatabase) -> None:
    """250 rows are three statements, and wide rows stay below the engine's parameters."""
    with library.write() as db:
        a_book(db)
        seen = spy_on(db).seen
        db.insert_many(visits(250))
        assert len(seen) == 3

        seen.clear()
        books = [Book(id=f"m{n}", author_id="a1", title=f"M{n}") for n in range(205)]
        db.insert_many(books)
        assert len(seen) == 3
        assert max(len(values) for _, values in seen) < 32_766


def test_rows_that_exist_are_left_out_when_asked(anywhere: TestDatabase) -> None:
    """By key or by any unique value, in the table or in the list itself; the others are added."""
    rows = [
        Author(id="a1", email="x", name="the key is taken"),
        Author(id="a2", email="a1@example.com", name="the address is taken"),
        Author(id="a3", email="new", name="Cy"),
        Author(id="a4", email="new", name="taken by the one before"),
    ]
    with anywhere.write() as db:
        an_author(db, "a1")

        assert db.insert_many(rows, on_conflict="ignore") == 1
        assert db.insert_many(rows, on_conflict="ignore") == 0
        assert [author.name for author in db.all(Author)] == ["Ada", "Cy"]


@pytest.mark.parametrize("on_conflict", ["raise", "ignore"])
@pytest.mark.parametrize("place", [0, 50, 150])
def test_a_broken_reference_is_never_left_out(
    library: TestDatabase, on_conflict: Any, place: int
) -> None:
    """Wherever the row stands; its values are named."""
    books = [Book(id=f"b{n}", author_id="a1", title=f"T{n}") for n in range(160)]
    books[place].author_id = "nobody"
    with library.write() as db:
        an_author(db)
        with pytest.raises(ReferenceBroken) as refusal:
            db.insert_many(books, on_conflict=on_conflict)

    assert refusal.value.detail == "author_id 'nobody' points at no row of authors."
    assert refusal.value.path == "authorId"


@pytest.mark.parametrize("on_conflict", ["raise", "ignore"])
def test_a_rule_is_never_left_out(library: TestDatabase, on_conflict: Any) -> None:
    """Only keys and unique values are a reason to leave a row out."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"pages": -1}, "pages_are_counted"),
        ({"status": "lost"}, r"books\.status must be one of 'draft', 'printed', 'sold'"),
        ({"title": None}, r"books\.title may not be null"),
    ]
    with library.write() as db:
        an_author(db)
        for fields, said in wrong:
            book: Any = Book(**{"id": "b2", "author_id": "a1", "title": "T", **fields})
            with pytest.raises(RuleBroken, match=said):
                db.insert_many([Book(id="b1", author_id="a1", title="S"), book],
                               on_conflict=on_conflict)  # fmt: skip
        assert db.all(Book) == []


@pytest.mark.parametrize("place", [0, 1, 99, 149])
def test_the_row_that_exists_is_the_one_that_is_named(library: TestDatabase, place: int) -> None:
    """Not the first of the list."""
    rows = [Author(id=f"x{n}", email=f"x{n}", name="X") for n in range(150)]
    rows[place].email = "a1@example.com"
    with library.write() as db:
        an_author(db)
        with pytest.raises(AlreadyExists) as refusal:
            db.insert_many(rows)

    assert refusal.value.detail == "authors already has a row with email 'a1@example.com'."
    assert (refusal.value.path, refusal.value.data) == (
        "email", {"table": "authors", "columns": ["email"]}
    )  # fmt: skip


def test_a_value_that_stands_twice_in_the_list_is_named(library: TestDatabase) -> None:
    """Though no row has it yet."""
    rows = [Author(id=f"x{n}", email=f"x{n // 2 if n > 3 else n}", name="X") for n in range(6)]

    with library.write() as db, pytest.raises(AlreadyExists, match="email 'x2'"):
        db.insert_many(rows)


def test_many_rows_may_point_at_each_other(library: TestDatabase) -> None:
    """The engine looks at the end of the statement."""
    rows = [
        Author(id="a1", email="1", name="A", mentor_id="a2"),
        Author(id="a2", email="2", name="B", mentor_id="a1"),
        Author(id="a3", email="3", name="C", mentor_id="a3"),
    ]
    with library.write() as db:
        assert db.insert_many(rows) == 3
        more = [Author(id="a4", email="4", name="D", mentor_id="a5"),
                Author(id="a5", email="5", name="E", mentor_id="a9")]  # fmt: skip
        with pytest.raises(ReferenceBroken, match="mentor_id 'a9'"):
            db.insert_many(more)


def test_counted_keys_are_all_given_or_all_counted(library: TestDatabase) -> None:
    """One statement writes them all."""
    with library.write() as db:
        assert db.insert_many([Visit(id=5), Visit(id=9)]) == 2
        assert db.insert_many([Visit(id=9), Visit(id=12)], on_conflict="ignore") == 1
        with pytest.raises(StatementError, match="some rows of visits give id"):
            db.insert_many([Visit(id=20), Visit()])

        assert [visit.id for visit in db.all(Visit)] == [5, 9, 12]


def test_many_rows_are_of_one_record(library: TestDatabase) -> None:
    """A row of another is told, and so is another word for what to do."""
    with library.write() as db:
        mixed: Any = [Visit(), Flag(order="x")]
        with pytest.raises(StatementError, match="a Flag among Visits"):
            db.insert_many(mixed)
        word: Any = "skip"
        with pytest.raises(StatementError, match="'skip'"):
            db.insert_many([Visit()], on_conflict=word)


def test_a_surrogate_in_the_last_of_many_rows_is_named(library: TestDatabase) -> None:
    """The driver says only that some value was wrong."""
    rows = [Author(id=f"x{n}", email=f"x{n}", name="X") for n in range(120)]
    rows[-1].name = "\udc00"

    with library.write() as db, pytest.raises(InvalidArgument) as refusal:
        db.insert_many(rows)

    assert refusal.value.path == "name"
