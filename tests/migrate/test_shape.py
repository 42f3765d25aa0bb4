"""The shape sees everything that an application can notice, and nothing else."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from freehold.migrate.differences import differences
from freehold.migrate.shape import Shape, shape_of, shape_of_schema
from tests.migrate.worlds import opened, shop

PARENT = "CREATE TABLE p (id TEXT PRIMARY KEY, b TEXT) STRICT"


def shape(*statements: str) -> Shape:
    with opened() as connection:
        for statement in statements:
            connection.execute(statement)
        return shape_of(connection)


def test_a_database_built_by_a_schema_has_its_shape(tmp_path: Path) -> None:
    """The same statements give the same shape, in a file with the owner's settings too."""
    schema = shop()

    with opened(tmp_path / "app.db") as connection:
        for statement in schema.ddl("sqlite"):
            connection.execute(statement)

        assert shape_of(connection) == shape_of_schema(schema)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CREATE TABLE t (a TEXT, b INTEGER)", "create table t (b integer, a text)"),
        ("CREATE TABLE t (a TEXT DEFAULT 'x')", "CREATE TABLE \"t\" ([a] TEXT DEFAULT ('x'))"),
        ("CREATE TABLE t (a INTEGER DEFAULT -5)", "CREATE TABLE t (a INTEGER DEFAULT (-5))"),
        (
            "CREATE TABLE t (a TEXT, CONSTRAINT one UNIQUE (a))",
            "CREATE TABLE t (a TEXT UNIQUE) -- no name",
        ),
        (
            "CREATE TABLE t (a TEXT, CONSTRAINT c CHECK (a <> 'X'))",
            "CREATE TABLE t (a TEXT CONSTRAINT c CHECK(((  `A`<>'X' )))) ",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY)",
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)",
        ),
        (
            "CREATE TABLE t (a TEXT REFERENCES p)",
            "CREATE TABLE t (a TEXT, CONSTRAINT f FOREIGN KEY (a) REFERENCES P (ID))",
        ),
    ],
)
def test_what_makes_no_difference(one: str, other: str) -> None:
    """Order of columns, case, quotes, spaces, comments, names of unique and foreign keys."""
    assert shape(PARENT, one) == shape(PARENT, other)


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        ("(a TEXT)", "(a TEXT, b TEXT)", "the column b is missing"),
        ("(a TEXT, b TEXT)", "(a TEXT)", "the column b is not in the schema"),
        ("(a TEXT)", "(a INTEGER)", "the column a is TEXT and should be INTEGER"),
        ("(a TEXT)", "(a TEXT NOT NULL)", "the column a should refuse NULL"),
        ("(a TEXT NOT NULL)", "(a TEXT)", "the column a should allow NULL"),
        ("(a TEXT DEFAULT 'x')", "(a TEXT DEFAULT 'X')", "default 'x' and should have 'X'"),
        ("(a TEXT)", "(a TEXT PRIMARY KEY)", "should be number 1 of the primary key"),
        ("(a TEXT PRIMARY KEY)", "(a TEXT)", "should not be in the primary key"),
        ("(a TEXT COLLATE NOCASE)", "(a TEXT)", "collated NOCASE and should be BINARY"),
        ("(a TEXT, b AS (a || 'x'))", "(a TEXT, b)", "should be an ordinary column"),
        ("(a TEXT)", "(a TEXT UNIQUE)", "the unique (a) is missing"),
        ("(a TEXT UNIQUE)", "(a TEXT)", "the unique (a) is not in the schema"),
        ("(a TEXT)", "(a TEXT, CONSTRAINT c CHECK (a > 'b'))", "the check c (a > 'b') is missing"),
        ("(a TEXT, CHECK (a > 'b'))", "(a TEXT)", "check without a name (a > 'b') is not"),
        ("(a TEXT)", "(a TEXT REFERENCES p (id))", "the reference a → p(id) is missing"),
        (
            "(a TEXT REFERENCES p (id) ON DELETE CASCADE)",
            "(a TEXT REFERENCES p (id) ON DELETE SET NULL ON UPDATE CASCADE)",
            "the reference a → p(id) on delete set null on update cascade is missing",
        ),
        ("(a TEXT)", "(a TEXT) STRICT", "the table should be STRICT"),
        ("(a TEXT) STRICT", "(a TEXT)", "the table should not be STRICT"),
        (
            "(a TEXT PRIMARY KEY NOT NULL)",
            "(a TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID",
            "the table should be WITHOUT ROWID",
        ),
        (
            "(a TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID",
            "(a TEXT PRIMARY KEY NOT NULL)",
            "the table should have rowids",
        ),
        (
            "(a INTEGER PRIMARY KEY)",
            "(a INTEGER PRIMARY KEY AUTOINCREMENT)",
            "AUTOINCREMENT is missing",
        ),
        (
            "(a TEXT REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)",
            "(a TEXT REFERENCES p (id) NOT DEFERRABLE)",
            "DEFERRABLE is not in the schema",
        ),
        (
            "(a TEXT UNIQUE ON CONFLICT REPLACE)",
            "(a TEXT UNIQUE)",
            "ON CONFLICT REPLACE is not in the schema",
        ),
    ],
)
def test_what_a_table_differs_in(found: str, wanted: str, sentence: str) -> None:
    """Each property of a table is seen, and said in a sentence."""
    here, there = (
        shape(PARENT, f"CREATE TABLE t {found}"),
        shape(PARENT, f"CREATE TABLE t {wanted}"),
    )

    said = differences(here, there)

    assert any(sentence in text for text in said), said
    assert differences(there, there) == []


@pytest.mark.parametrize(
    ("found", "wanted", "sentence"),
    [
        ("", "CREATE INDEX i ON t (a)", "t: the index i is missing."),
        ("CREATE INDEX i ON t (a)", "", "t: the index i is not in the schema."),
        (
            "CREATE INDEX i ON t (a)",
            "CREATE UNIQUE INDEX i ON t (a, b DESC) WHERE (a > 'Where')",
            "t: the index i is (a), not unique (a, b desc) where a > 'Where'.",
        ),
        (
            "CREATE INDEX i ON t (a COLLATE NOCASE)",
            "CREATE INDEX i ON t (a)",
            "t: the index i is (a collate nocase), not (a).",
        ),
        (
            "CREATE INDEX i ON t (lower(a))",
            "CREATE INDEX i ON t (upper(a))",
            "t: the index i is (lower ( a )), not (upper ( a )).",
        ),
        ("", "CREATE TABLE u (a)", "The table u is missing."),
        ("CREATE TABLE u (a)", "", "The table u is not in the schema."),
        (
            "",
            "CREATE TRIGGER g BEFORE DELETE ON t BEGIN SELECT 1; END",
            "The trigger g is missing.",
        ),
        (
            "CREATE TRIGGER g BEFORE DELETE ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER g BEFORE DELETE ON t BEGIN SELECT 2; END",
            "The trigger g says something else.",
        ),
        (
            "CREATE TRIGGER g BEFORE DELETE ON t BEGIN SELECT 1; END",
            "",
            "The trigger g is not in the schema.",
        ),
    ],
)
def test_what_else_differs(found: str, wanted: str, sentence: str) -> None:
    """Tables, indexes with direction, condition and collation, and triggers."""
    table = "CREATE TABLE t (a TEXT, b TEXT)"

    assert differences(shape(table, found), shape(table, wanted)) == [sentence]


def test_names_that_only_look_like_keywords_are_names() -> None:
    """A quoted column called check, a text that holds CHECK (, a comment: none is a check."""
    text = """
        CREATE TABLE t ("check" TEXT DEFAULT 'CHECK (1)', "autoincrement" TEXT /* CHECK (2) */)
    """

    table = shape(text).tables["t"]

    assert table.checks == frozenset()
    assert table.clauses == frozenset()


def test_what_no_record_says_is_left_out() -> None:
    """Freehold's tables, views and full-text tables with all they bring are not in the shape."""
    text = [
        "CREATE TABLE t (a TEXT)",
        "CREATE TABLE _freehold_meta (a TEXT)",
        "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER g INSTEAD OF DELETE ON v BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
    ]

    found = shape(*text)

    assert set(found.tables) == {"t", "counted"}
    assert found.triggers == {}


def test_reading_the_shape_changes_nothing() -> None:
    """It can be read inside an open transaction."""
    with opened() as connection, connection:
        connection.execute("CREATE TABLE t (a TEXT)")

        assert set(shape_of(connection).tables) == {"t"}
        assert isinstance(connection, apsw.Connection)
        assert connection.in_transaction
