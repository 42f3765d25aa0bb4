"""
Rows of a text file, put into a database that nobody can see and that is gone with the process.

SQLite keeps it in a file without a name: what a process that was killed had in it, secrets in
clear too, is not found by anybody. The tables have no rules, so that what breaks one is told
by the schema that rows go to, with its line.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import apsw

from freehold.app.moving.refusals import SourceUnreadable
from freehold.app.moving.source import CHUNK, About, Row, SourceTable, is_inner
from freehold.schema.sqltext import quoted

_VALUE_MAX: Final = 64 * 1024 * 1024
_PAGE: Final = 4_096
#: What rows may take, for each byte of the file; an expression that swells is refused.
_SWELL: Final = 4
_ROOM: Final = 64 * 1024 * 1024
_TABLES_MAX: Final = 2_000
#: Steps of the engine's machine between two looks, and looks at one statement: some seconds.
_STEPS: Final = 1_000_000
_LOOKS_MAX: Final = 100
_LIMITS: Final = {
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_COLUMN: 2_000,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
    apsw.SQLITE_LIMIT_LENGTH: _VALUE_MAX,
    apsw.SQLITE_LIMIT_SQL_LENGTH: _VALUE_MAX + 1_024,
}


class Scratch:
    """
    A source that was read into a database without a name.

    Args:
        path: The file, for messages.
        kind: What the file is.
        wants: Which tables' rows are kept; others are counted.
    """

    def __init__(self, path: Path, kind: str, wants: Callable[[str], bool]) -> None:
        self.about = About(kind)
        self.path = path
        self.wants = wants
        self.by_name: dict[str, SourceTable] = {}
        self._lines: dict[str, array[int]] = {}
        self._looks = 0
        self.connection = tame("")
        self.connection.execute("PRAGMA journal_mode = OFF").fetchall()
        self.connection.execute("PRAGMA synchronous = OFF")
        self.connection.execute(f"PRAGMA page_size = {_PAGE}")
        pages = (_SWELL * path.stat().st_size + _ROOM) // _PAGE
        self.connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        self.connection.execute("BEGIN")
        self.connection.set_progress_handler(self._look, _STEPS)

    def add_table(self, name: str, columns: Sequence[tuple[str, str]]) -> SourceTable:
        """
        A table of these columns, each with what its declared type makes of a value.

        Raises:
            SourceUnreadable: There is one of that name, or there are too many.
        """
        if name.lower() in self.by_name or len(self.by_name) >= _TABLES_MAX:
            raise SourceUnreadable(f"{self.path} makes the table {name!r} twice, or far too many.",
                                   hint="Export it again.")  # fmt: skip
        table = SourceTable(name, [column for column, _ in columns])
        self.by_name[name.lower()] = table
        self._lines[name.lower()] = array("I")
        if self.wants(name) and not is_inner(name):
            listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
            self.connection.execute(f"CREATE TABLE {quoted(name)} ({listed})")
        return table

    def add_lines(self, table: SourceTable, line: int, rows: int) -> None:
        """So many rows more, that stand in that line."""
        table.rows += rows
        lines = self._lines[table.name.lower()]
        lines.extend([line] * rows)

    def fresh_look(self) -> None:
        """The next statement has all its time."""
        self._looks = 0

    def done(self) -> None:
        """All rows are there; from now on they are read."""
        self.connection.set_authorizer(None)

    @property
    def tables(self) -> list[SourceTable]:
        """Its tables, an engine's and a tool's own left out."""
        return [table for table in self.by_name.values() if not is_inner(table.name)]

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """All rows of a table, always in the same order, a few at a time."""
        listed = ", ".join(map(quoted, columns)) or "1"
        sql = f"SELECT {listed} FROM {quoted(table)} ORDER BY rowid"  # noqa: S608 - quoted
        cursor = self.connection.cursor().execute(sql)
        while found := list(islice(cursor, CHUNK)):
            self._looks = 0
            yield found

    def where(self, table: str, number: int) -> str:
        """Where its row of that number (from 1) stands, for people."""
        return f"line {self._lines[table.lower()][number - 1]}"

    def close(self) -> None:
        """Let it go; nothing of it stays on the disk."""
        self.connection.close()

    def _look(self) -> bool:
        self._looks += 1
        return self._looks > _LOOKS_MAX


def tame(place: str, flags: int | None = None) -> apsw.Connection:
    """A connection for what a stranger has written: no extension, no attaching, tight limits."""
    usual = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(place, flags=usual if flags is None else flags)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.enable_load_extension(False)
    connection.execute("PRAGMA cell_size_check = ON").fetchall()
    for limit, most in _LIMITS.items():
        connection.limit(limit, most)
    return connection


def only(*actions: int) -> Callable[..., int]:
    """An authorizer that lets these actions pass, and nothing else."""
    passed = frozenset(actions)

    def authorize(action: int, *_: Any) -> int:
        return apsw.SQLITE_OK if action in passed else apsw.SQLITE_DENY

    return authorize


def affinity_of(declared: str) -> str:
    """What SQLite makes of values in a column that was declared so."""
    said = declared.upper()
    if "INT" in said:
        return "INTEGER"
    if any(word in said for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in said or not said or said == "ANY":
        return "BLOB"
    if any(word in said for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"
