"""PostgreSQL's error codes, in the words of a handle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from freehold.db import ConstraintViolation
from freehold.db.sqlstates import refusal, violation
from freehold.errors import StatementError, TooLarge
from tests.db.library import SCHEMA

RECORDS: dict[str, Any] = {record.__table__.name: record for record in SCHEMA.records}


@dataclass
class Said:
    """An error as a driver hands it over."""

    sqlstate: str | None
    message: str = "no."
    table_name: str | None = None
    column_name: str | None = None
    constraint_name: str | None = None
    detail: str | None = None


def unique(table: str, name: str, detail: str = "") -> Said:
    """A unique violation."""
    return Said("23505", table_name=table, constraint_name=name, detail=detail)


@pytest.mark.parametrize(
    ("said", "kind", "table", "columns", "name"),
    [
        (unique("authors", "uq_authors_email"), "unique", "authors", ("email",),
         "uq_authors_email"),
        (unique("books", "uq_books_author_id_title"), "unique", "books", ("author_id", "title"),
         "uq_books_author_id_title"),
        (unique("books", "idx_books_ISBN"), "unique", "books", ("ISBN",), "idx_books_ISBN"),
        (unique("copies", "copies_pkey", "Key (number, book_id)=(1, x) already exists."),
         "unique", "copies", ("book_id", "number"), "copies_pkey"),
        (unique("copies", "an_older_name"), "unique", "copies", ("book_id", "number"),
         "an_older_name"),
        (unique("books", "by_hand", 'Schlüssel (title, "ISBN")=(a)=(b, c) existiert.'),
         "unique", "books", ("title", "ISBN"), "by_hand"),
        (unique("others", "x_pkey", 'Key ("a ""b""", c)=(1, 2) already exists.'),
         "unique", "others", ('a "b"', "c"), "x_pkey"),
        (unique("others", "x_pkey"), "unique", "others", (), "x_pkey"),
        (Said("23502", table_name="books", column_name="title"), "not_null", "books",
         ("title",), None),
        (Said("23502"), "not_null", None, (), None),
        (Said("23514", table_name="books", constraint_name="pages_are_counted"), "check", None,
         (), "pages_are_counted"),
        (Said("23503", table_name="books", constraint_name="fk"), "reference", None, (), None),
        (Said("23001"), "reference", None, (), None),
        (Said("P0001", message="a sold book is never removed"), "trigger", None, (),
         "a sold book is never removed"),
    ],
)  # fmt: skip
def test_a_violation_names_what_sqlite_names(
    said: Said, kind: str, table: str | None, columns: tuple[str, ...], name: str | None
) -> None:
    """Columns in the order in which they were declared."""
    found = violation(said, RECORDS)

    assert found is not None
    assert (found.kind, found.table, found.columns, found.name) == (kind, table, columns, name)


@pytest.mark.parametrize("code", ["40001", "40P01", "57014", "08006", "53300", "55P03", None, "XX"])
def test_what_concerns_the_transaction_is_left_to_the_driver(code: str | None) -> None:
    """Neither a violation nor a refusal."""
    assert violation(Said(code), RECORDS) is None
    assert refusal(Said(code), RECORDS) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("42601", StatementError),
        ("42P01", StatementError),
        ("42803", StatementError),
        ("22P02", StatementError),
        ("22012", StatementError),
        ("25006", StatementError),
        ("54000", TooLarge),
        ("22003", ConstraintViolation),
        ("22021", ValueError),
        ("23514", ConstraintViolation),
        ("23P01", ConstraintViolation),
        ("23000", ConstraintViolation),
    ],
)
def test_what_a_statement_is_to_blame_for(code: str, kind: type[Exception]) -> None:
    """A mistake in the code, a value that is too large, a number that grew too large."""
    assert type(refusal(Said(code), RECORDS)) is kind
