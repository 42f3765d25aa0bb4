"""Texts of SQL are compared and split as the engine reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.migrate.sqltext import (
    complete_statements,
    condition_of,
    mentioned,
    normalised,
    tokens,
    unquoted,
    without_strict,
)
from freehold.schema.sqltext import quoted

STATEMENTS = [
    "CREATE TABLE t (a TEXT DEFAULT ';', \"b;\" TEXT /* ; */)",
    "INSERT INTO t VALUES ('it''s; --', '/* ')",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; DELETE FROM t; END",
    "CREATE TRIGGER h AFTER INSERT ON t WHEN a = 'end;' BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END",
    "-- a comment; with a semicolon\nSELECT 1",
    "WITH x AS (SELECT ';' AS y) SELECT y FROM x",
]


@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=6), st.booleans())
def test_statements_are_split_where_they_end(statements: list[str], is_closed: bool) -> None:
    """Semicolons in texts, names, comments and triggers end nothing; the last may be left out."""
    text = ";\n".join(statements) + (";\n" if is_closed else "")

    pieces = [piece.strip().rstrip(";") for _, piece in complete_statements(text)]

    assert pieces == statements


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_quoted_name_comes_back(name: str) -> None:
    """Any name survives quoting, and the engine reads it the same."""
    assert unquoted(quoted(name)) == name
    assert mentioned(f"SELECT {quoted('MiXed')}, plain") == {"select", "mixed", "plain"}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_spaces_comments_and_case_make_no_difference(statement: str) -> None:
    """Nothing between the words of a statement counts, nor how names and keywords are cased."""
    words = [t.text if t.kind == "string" else t.text.upper() for t in tokens(statement)]

    assert normalised(" -- why;\n /* ' */\t".join(words)) == normalised(statement)


@pytest.mark.parametrize(
    ("sql", "condition"),
    [
        ("CREATE INDEX i ON t (a)", None),
        ('CREATE INDEX "where" ON t ("where")', None),
        ("CREATE INDEX i ON t (a) WHERE (b IS NULL) OR (c > 1)", "( b is null ) or ( c > 1 )"),
        ("CREATE INDEX i ON t (a) WHERE ((b = 'X'))", "b = 'X'"),
    ],
)
def test_the_condition_of_an_index(sql: str, condition: str | None) -> None:
    """Only a WHERE outside of parentheses is one."""
    assert condition_of(sql) == condition


@pytest.mark.parametrize(
    ("sql", "plain"),
    [
        (
            "CREATE TABLE t (a TEXT, b CHECK (a = ')')) STRICT",
            "CREATE TABLE t (a TEXT, b CHECK (a = ')'))",
        ),
        ("CREATE TABLE t (a) WITHOUT ROWID,\n STRICT", "CREATE TABLE t (a) WITHOUT ROWID"),
        ("CREATE TABLE t (strict TEXT)", "CREATE TABLE t (strict TEXT)"),
        ("CREATE INDEX i", "CREATE INDEX i"),
    ],
)
def test_strict_is_taken_off_for_an_engine_that_does_not_know_it(sql: str, plain: str) -> None:
    """The table stays what it is otherwise."""
    assert without_strict(sql) == plain
