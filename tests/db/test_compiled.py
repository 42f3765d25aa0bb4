"""One statement as one string, with what writes its parameters."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from freehold.db import param, select, update
from freehold.db.compiled import Compiled
from freehold.errors import StatementError
from freehold.scalars import Hashed
from tests.db.library import Author, Book

T = Book.c


def compiled(core: Any, dialect: str = "sqlite", **options: Any) -> Compiled:
    return Compiled(core, dialect, None, **options)


def test_parameters_come_in_the_order_of_the_sql() -> None:
    """Given ones, fixed ones, lists written out; each written by its column's kind."""
    core = sa.select(T.id).where(
        T.token == param("token"), T.status.in_(["draft", "sold"]), T.is_new == param("new"),
        T.tags == ["x"], T.pages > 5,
    )  # fmt: skip
    made = compiled(core)

    assert made.sql.count("?") == 6
    assert made.values({"token": "raw", "new": True}) == [
        Hashed.of("raw").digest, "draft", "sold", True, '["x"]', 5
    ]  # fmt: skip
    assert made.names == {"token", "new"}


def test_the_same_for_postgresql() -> None:
    """Numbered, with the numbers where the values are."""
    core = sa.select(T.id).where(T.status.in_(["draft", "sold"]), T.pages > param("pages"))
    made = compiled(core, "postgresql")

    values = made.values({"pages": 5})
    numbers = [int(part.split(":")[0].split(")")[0].split(",")[0].split()[0])
               for part in made.sql.split("$")[1:]]  # fmt: skip

    assert sorted(numbers) == [1, 2, 3]
    by_place = dict(zip(numbers, ["draft", "sold", 5], strict=True))
    assert [by_place[number] for number in (1, 2, 3)] == values


def test_null_is_never_written_by_a_kind() -> None:
    """It is null in every column."""
    made = compiled(sa.select(T.id).where(T.token.is_not_distinct_from(param("token"))))

    assert made.values({"token": None}) == [None]


def test_freehold_s_own_parameters_are_not_the_caller_s() -> None:
    """They are filled in by the handle, and no message names them."""
    made = compiled(update(Author).values(name=param("name")).core)

    assert made.names == {"name"}
    assert made.own == {"_now_s"}
    with pytest.raises(StatementError, match=r"It takes name\.$"):
        made.values({})
    with pytest.raises(StatementError, match="has no parameter 'x'"):
        made.refuse_unknown({"name": 1, "x": 2})
    made.refuse_unknown({"name": 1})


def test_what_changes_rows_says_so() -> None:
    """No query runs it."""
    assert compiled(update(Author).values(name="x").core).changes
    assert not compiled(select(Author).core).changes


def test_a_strict_statement_checks_what_it_compares() -> None:
    """In SQL of the author's own, what is set and what is compared look alike."""
    core = sa.select(T.id).where(T.printed_at > param("since"))

    assert compiled(core).values({"since": -5}) == [-5]
    with pytest.raises(Exception, match="since: -5 is not a time"):
        compiled(core, is_strict=True).values({"since": -5})


def test_named_values_find_the_one_that_was_wrong() -> None:
    """In the order of the SQL, each name as often as it stands there."""
    core = sa.select(T.id).where(T.title == param("a"), T.status == param("b"), T.id == param("a"))

    assert compiled(core).named_values({"a": 1, "b": 2}) == [("a", 1), ("b", 2), ("a", 1)]


def test_what_sqlalchemy_cannot_write_is_told() -> None:
    """As a statement's mistake, not in SQLAlchemy's own words of many lines."""
    core = sa.update(Book.__table__).where(T.title == sa.bindparam("title")).values(title="x")

    with pytest.raises(StatementError, match="cannot be written as SQL") as refusal:
        compiled(core)

    assert "\n" not in str(refusal.value)
