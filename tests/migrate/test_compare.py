"""Alembic says which tables and columns come and go, on a copy of the text."""

from __future__ import annotations

import sqlite3

import pytest

from freehold.errors import MigrationFailed
from freehold.migrate.compare import Changes, compare
from tests.migrate.worlds import shop


def test_what_comes_and_goes() -> None:
    """Tables and columns by name; what reads otherwise is not asked for here."""
    ddl = [
        "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, nick TEXT)",
        "CREATE TABLE notes (id INTEGER, user_id TEXT, title TEXT, status TEXT, score REAL)",
        "CREATE TABLE other (a)",
    ]

    changes = compare(ddl, shop())

    assert changes == Changes(
        new={"entries"},
        gone={"other"},
        columns_new={"users": ["is_active", "created_at"]},
        columns_gone={"users": ["nick"]},
    )


def test_an_equal_database_has_no_changes() -> None:
    """Alembic finds nothing to do in a database that the schema built."""
    ddl = [sql for sql in shop().ddl("sqlite") if "TRIGGER" not in sql]

    assert compare(ddl, shop()) == Changes()


def test_an_engine_from_before_strict_compares_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """STRICT is taken off for it; the shape sees STRICT without it."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    ddl = [sql for sql in shop().ddl("sqlite") if "TRIGGER" not in sql]

    assert compare(ddl, shop()) == Changes()


def test_a_text_that_this_python_cannot_read_is_named() -> None:
    """What only the newer engine knows is a clear refusal."""
    with pytest.raises(MigrationFailed, match=r"cannot read `CREATE TABLE t .* no such function"):
        compare(["CREATE TABLE t (a CHECK (from_tomorrow(a)))"], shop())
