"""A41: a database file that somebody else has written into is refused, or does nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import apsw
import pytest
from hotmetal.app import app

from freehold.app.opening import Options, open_app
from freehold.drivers.sqlite import Place, open_connection
from freehold.errors import StartError

pytestmark = pytest.mark.attack("A41")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database that the application has made, and closed."""
    tmp_path.chmod(0o700)
    open_app(app, Options(folder=tmp_path, upgrade="apply")).close()
    return tmp_path


def crafted(folder: Path, *statements: str) -> None:
    """Write into the file as a stranger does who has it in his hands."""
    connection = apsw.Connection(str(folder / "main.db"))
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    for statement in statements:
        connection.execute(statement)
    connection.close()


CRAFTED = {
    "a trigger that follows what is written": [
        "CREATE TRIGGER steal AFTER INSERT ON users BEGIN UPDATE users SET name = 'x'; END"
    ],
    "a table in place of ours": [
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'users'",
    ],
    "a rule that is gone": [
        "PRAGMA writable_schema = 1",
        "UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'publications'",
    ],
    "a column that is computed": ["ALTER TABLE users ADD COLUMN x TEXT AS (hex(name)) VIRTUAL"],
    "an index over a function": ["CREATE INDEX ix_evil ON users (hex(name))"],
}


@pytest.mark.parametrize("what", CRAFTED)
def test_a_schema_that_is_not_ours_is_refused(folder: Path, what: str) -> None:
    """Before anything is served, and before anything in it has run."""
    try:
        crafted(folder, *CRAFTED[what])
    except apsw.Error as refused:
        pytest.skip(f"this SQLite does not even write it: {refused}")

    with pytest.raises(StartError):
        open_app(app, Options(folder=folder)).close()


def test_functions_that_reach_out_are_none_to_a_schema(tmp_path: Path) -> None:
    """A view or a trigger that calls what touches files is not trusted, and runs nothing."""
    path = tmp_path / "a.db"
    maker = apsw.Connection(str(path))
    maker.execute("CREATE TABLE t (a TEXT); CREATE VIEW v AS SELECT load_extension('/tmp/x') AS b")
    maker.close()

    connection = open_connection(Place(str(path)), may_create=False)
    try:
        with pytest.raises(apsw.Error):
            connection.execute("SELECT b FROM v").fetchall()
        with pytest.raises(apsw.Error):
            connection.execute("SELECT load_extension('/tmp/x')").fetchall()
        connection.execute("PRAGMA writable_schema = 1").fetchall()
        with pytest.raises(apsw.Error):
            connection.execute("UPDATE sqlite_schema SET sql = ''")
    finally:
        connection.close()


@pytest.mark.parametrize("place", [16, 18, 20, 21, 28, 44, 48, 56, 60, 68, 92])
def test_a_damaged_header_ends_in_a_sentence(folder: Path, place: int) -> None:
    """Whatever its bytes say: refused by a typed error, or opened as it was."""
    path = folder / "main.db"
    raw = bytearray(path.read_bytes())
    raw[place : place + 2] = b"\xff\xff"
    path.write_bytes(raw)

    with suppress(StartError):
        open_app(app, Options(folder=folder)).close()
