"""What is written for PostgreSQL: types for all parameters, and words that indexes understand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from freehold import any_of, param, select, statement, update
from freehold.db import Writer
from freehold.db.pages import keyset_of
from freehold.errors import StatementError, TooLarge
from freehold.testing import engine_database
from tests.db.library import SCHEMA, Author, Book

T: Any = Book.c


def sql(what: Any, **given: Any) -> str:
    """The text after FROM, on one line."""
    text: str = what.compiled("postgresql", given).fitted(given)[0]
    return " ".join(text.split()).partition(" FROM books ")[2] or text


@pytest.mark.parametrize(
    ("clause", "given", "text"),
    [
        (T.pages == param("x"), {"x": 1}, "WHERE books.pages = $1::BIGINT"),
        (T.pages == param("x"), {"x": 1.0}, "WHERE books.pages = $1::BIGINT"),
        (T.pages > param("x"), {"x": 1.5}, "WHERE books.pages > $1::DOUBLE PRECISION"),
        (T.title == param("x"), {"x": "a"}, 'WHERE books.title = $1::TEXT COLLATE "C"'),
        (T.price == param("x"), {"x": 1}, "WHERE books.price = $1::DOUBLE PRECISION"),
        (T.cover == param("x"), {"x": b""}, "WHERE books.cover = $1::BYTEA"),
        (T.is_new == param("x"), {"x": True}, "WHERE books.is_new = $1::BIGINT"),
        (T.is_new.is_(True), {}, "WHERE (books.is_new = $1::BIGINT AND books.is_new IS NOT NULL)"),
        (T.isbn.is_(None), {}, 'WHERE books."ISBN" IS NULL'),
        (any_of(T.id, param("x")), {"x": ["a"]}, "WHERE books.id = ANY ($1::TEXT[])"),
        (~any_of(T.pages, param("x")), {"x": [1]}, "WHERE books.pages <> ALL ($1::BIGINT[])"),
        (param("x").is_(None), {"x": None}, "WHERE NULL IS NULL"),
        (param("x").is_(None), {"x": 1}, "WHERE $1::BIGINT IS NULL"),
    ],
)
def test_every_parameter_has_a_type(clause: Any, given: dict[str, Any], text: str) -> None:
    """Its column's, or its value's."""
    what = statement(sa.select(T.id).where(clause), into=str)

    assert sql(what, **given) == text


def test_a_type_that_is_not_the_column_s_makes_another_text_once() -> None:
    """The next call with that type has the same one."""
    what = select(Book).where(T.pages > param("x"))
    compiled = what.compiled("postgresql", {"x": 1})

    assert compiled.fitted({"x": 1.5})[0] is compiled.fitted({"x": 2.5})[0]
    assert compiled.fitted({"x": 2})[0] is compiled.sql


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (T.pages, "ORDER BY books.pages"),
        (T.pages.desc(), "ORDER BY books.pages DESC"),
        (T.price, "ORDER BY books.price NULLS FIRST"),
        (T.price.desc(), "ORDER BY books.price DESC NULLS LAST"),
        (T.price.desc().nulls_first(), "ORDER BY books.price DESC NULLS FIRST"),
        (sa.func.lower(T.title), "ORDER BY lower(books.title) NULLS FIRST"),
        (sa.func.count(T.id), "ORDER BY count(books.id)"),
    ],
)
def test_nulls_are_named_only_where_there_can_be_some(order: Any, text: str) -> None:
    """So that an index still gives the order."""
    assert sql(statement(sa.select(T.id).order_by(order), into=str)) == text


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT", "ROLLBACK", "SET ROLE x", "DROP TABLE books", "-- x\nBEGIN", "/* x */ VACUUM",
        "  (  TRUNCATE books", "COPY books TO STDOUT", "LISTEN x",
        "UPDATE _freehold_meta SET seq=0", "",
        "WITH x AS (DELETE FROM _freehold_marks) SELECT 1", "1",
    ],
)  # fmt: skip
def test_a_text_that_does_more_than_rows_is_refused(text: str) -> None:
    """On SQLite the engine refuses it; here nobody else would. Not as a read either."""
    for core in (sa.text(text), sa.text(text).columns(sa.column("x", sa.Integer))):
        with pytest.raises(StatementError, match="a function may read and change rows"):
            statement(core, into=int).compiled("postgresql", {})


@pytest.mark.parametrize(
    "text",
    [
        " with x as (select 1) select * from x",
        "-- a\n/* b */ (select 1)",
    ],
)
def test_a_text_of_rows_is_taken(text: str) -> None:
    """Whatever stands before its first word."""
    assert statement(sa.text(text), into=int).compiled("postgresql", {}).sql == text


@pytest.fixture(scope="module")
def library() -> Iterator[Writer]:
    """Some hundred books, in a mutation that asks for plans."""
    with engine_database("postgresql", SCHEMA) as database, database.write() as db:
        db.insert(Author(id="a", email="e", name="n"))
        db.insert_many([
            Book(id=f"b{n:03}", author_id="a", title=str(n), pages=n, status="draft",
                 isbn=None if n % 3 else str(n))
            for n in range(300)
        ])  # fmt: skip
        db._link.rows("SELECT set_config('enable_seqscan', 'off', true)", ())
        db._link.rows("SELECT set_config('enable_bitmapscan', 'off', true)", ())
        yield db


PLANNED = {
    "an equal": select(Book).where(T.author_id == param("x")),
    "a list": select(Book).where(any_of(T.id, param("l"))),
    "an order without nulls": select(Book).order_by(T.status, T.pages.desc()).limit(3),
    "the same backwards": select(Book).order_by(T.status.desc(), T.pages).limit(3),
    "an order with nulls": select(Book).order_by(T.isbn).limit(3),
    "an order with nulls, downwards": select(Book).order_by(T.isbn.desc()).limit(3),
    "a text compared": select(Book).where(T.isbn > param("x")),
}


@pytest.mark.parametrize("name", PLANNED)
def test_an_index_is_used(library: Writer, name: str) -> None:
    """And nothing is sorted."""
    what = PLANNED[name]
    given = {key: ["b001"] if key == "l" else "b" for key in what.compiled("postgresql", {}).names}
    text, values = what.compiled("postgresql", given).fitted(given)

    plan = "\n".join(row[0] for row in library._link.rows(f"EXPLAIN {text}", values))

    assert "Index" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


def test_a_later_page_begins_in_the_index(library: Writer) -> None:
    """It reads from the cursor on."""
    keyset = keyset_of(select(Book).order_by(T.status, T.pages.desc()), (), "postgresql")
    compiled = keyset.after(["draft", 5, "b005"])
    given = {"_after_0": "draft", "_after_1": 5, "_after_2": "b005", "_page_rows": 3}
    text, values = compiled.fitted(given)

    plan = "\n".join(row[0] for row in library._link.rows(f"EXPLAIN {text}", values))

    assert "Index Cond: (status >= 'draft'::text" in plan


def test_a_change_is_written_with_types() -> None:
    """What is set, what is computed, the time that is set by itself."""
    what = update(Book).where(T.id == param("id")).values(pages=T.pages + param("n"), is_new=True)

    text, values = what.compiled("postgresql", {}).fitted(
        {"id": "b", "n": 2, "_now_s": 1, "_now_ms": 2}
    )

    assert text == (
        "UPDATE books SET pages=(books.pages + $1::BIGINT), is_new=$2::BIGINT, "
        'updated_at=$3::BIGINT WHERE books.id = $4::TEXT COLLATE "C"'
    )
    assert values == [2, True, 1, "b"]


def test_a_key_that_no_index_can_hold_is_too_large(library: Writer) -> None:
    """What SQLite takes; one of the differences that `reference/engines.md` names."""
    long = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(3000))

    with pytest.raises(TooLarge):
        library.insert(Author(id=long, email="long", name="n"))
