"""
A SQL file as `wrangler d1 export` and `sqlite3 .dump` write it.

Nothing of it is run as it stands but its INSERTs of plain values, under an authorizer that
denies everything else. Of CREATE TABLE only the columns are learned, on a database of its own
that never holds a row; indexes, triggers and views are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from freehold.app.moving.refusals import SourceUnreadable
from freehold.app.moving.scratch import Scratch, affinity_of, only, tame
from freehold.app.moving.source import SourceTable, is_inner
from freehold.app.moving.statements import statements, text_of
from freehold.migrate.engine import rows
from freehold.schema.sqltext import quoted

_NAME: Final = r"""(?:"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|'(?:[^']|'')*'|\w+)"""
_INSERT: Final = re.compile(
    rf"INSERT\s+(?:OR\s+(?:IGNORE|REPLACE|ABORT|FAIL|ROLLBACK)\s+)?INTO\s+"
    rf"(?:(?:main|\"main\")\s*\.\s*)?({_NAME})\s*"
    rf"(\((?:\s*{_NAME}\s*,)*\s*{_NAME}\s*\))?\s*VALUES\b",
    re.IGNORECASE,
)
_NAMES: Final = re.compile(_NAME)
_TABLE: Final = re.compile(
    rf"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:(?:main|\"main\")\s*\.\s*)?({_NAME})",
    re.IGNORECASE,
)
_ROLLED_BACK: Final = re.compile(r"ROLLBACK\b", re.IGNORECASE)
_BEGIN: Final = re.compile(r"BEGIN(?:\s+\w+)*\s*;", re.IGNORECASE)
_COMMIT: Final = re.compile(r"(?:COMMIT|END)(?:\s+TRANSACTION)?\s*;", re.IGNORECASE)
#: Said by exporters, and needed by nobody here.
_PASSED: Final = re.compile(
    r"""PRAGMA\s+(?:defer_foreign_keys|foreign_keys|encoding|user_version|journal_mode)\b[^()]*;
      | CREATE\s+(?:UNIQUE\s+)?INDEX\b | CREATE\s+(?:TEMP\w*\s+)?(?:TRIGGER|VIEW)\b
      | DELETE\s+FROM\s+"?sqlite_sequence"?(?:\s+WHERE\s+name\s*=\s*'[^']*')?\s*; | ANALYZE\b""",
    re.IGNORECASE | re.VERBOSE,
)
#: How exporters write what a literal cannot say.
_FUNCTIONS: Final = frozenset(("replace", "char", "unistr"))
_SHOWN: Final = 40


def read_dump(path: Path, wants: Callable[[str], bool]) -> Scratch:
    """
    Read a SQL file.

    Args:
        path: The file.
        wants: Which tables' rows are kept.

    Raises:
        SourceUnreadable: It was cut off, is not UTF-8, or says what no export says.
    """
    scratch = Scratch(path, "SQL", wants)
    try:
        with closing(tame(":memory:")) as paper, path.open("rb") as file:
            paper.set_authorizer(_of_paper)
            reading = _Reading(scratch, paper)
            scratch.connection.set_authorizer(reading.authorize)
            for line, sql in statements(text_of(file, path), path):
                reading.take(line, sql)
            reading.end()
    except BaseException:
        scratch.close()
        raise
    scratch.done()
    return scratch


class _Reading:
    """A file on its way into the scratch database."""

    def __init__(self, scratch: Scratch, paper: apsw.Connection) -> None:
        self._scratch = scratch
        self._paper = paper
        self._open_since: int | None = None
        self._is_making = False
        self._heads: dict[str, SourceTable | None] = {}
        self._execute = scratch.connection.cursor().execute

    def take(self, line: int, sql: str) -> None:
        """One statement."""
        insert = _INSERT.match(sql)
        if insert is not None:
            self._insert(line, sql, insert)
        elif made := _TABLE.match(sql):
            self._table(line, sql, _plain(made[1]))
        elif _ROLLED_BACK.match(sql):
            raise self._refused(line, "the export broke off there with an error",
                                hint="Export it again.")  # fmt: skip
        elif _BEGIN.fullmatch(sql):
            self._open_since = line
        elif _COMMIT.fullmatch(sql):
            self._open_since = None
        elif not _PASSED.match(sql):
            raise self._refused(
                line,
                f"{' '.join(sql.split())[:_SHOWN]!r} is no statement of an export",
                hint="An import reads CREATE TABLE and INSERT … VALUES, and runs nothing else.",
            )

    def end(self) -> None:
        """
        The file is at its end.

        Raises:
            SourceUnreadable: Its transaction is not.
        """
        if self._open_since is not None:
            raise SourceUnreadable(
                f"{self._scratch.path} has no COMMIT for the BEGIN of line {self._open_since}: "
                "it was cut off.",
                hint="Export it again, and see that the whole file is copied.",
            )

    def authorize(self, action: int, *about: str | None) -> int:
        """Rows into the tables that were made, of plain values; nothing is read."""
        first, second = about[0], about[1]
        if self._is_making:
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_INSERT:
            fits = first is not None and first.lower() in self._scratch.by_name
            return apsw.SQLITE_OK if fits else apsw.SQLITE_DENY
        if action == apsw.SQLITE_SELECT:
            # VALUES of several rows is one to the engine; what could be selected is denied below.
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_FUNCTION and second is not None:
            return apsw.SQLITE_OK if second.lower() in _FUNCTIONS else apsw.SQLITE_DENY
        return apsw.SQLITE_DENY

    def _insert(self, line: int, sql: str, head: re.Match[str]) -> None:
        said = head[0]
        table = self._heads.get(said)
        if table is None:
            table = self._heads[said] = self._table_of(line, _plain(head[1]), head[2])
        if is_inner(table.name):
            return
        if not self._scratch.wants(table.name):
            self._scratch.add_lines(table, line, 1)
            return
        self._scratch.fresh_look()
        try:
            self._execute(sql, can_cache=False)
        except apsw.Error as error:
            raise self._unread(line, table.name, error) from None
        self._scratch.add_lines(table, line, self._scratch.connection.changes())

    def _table_of(self, line: int, name: str, columns: str | None) -> SourceTable:
        found = self._scratch.by_name.get(name.lower())
        if found is not None:
            return found
        if is_inner(name):
            return SourceTable(name, [])
        if columns is None:
            raise self._refused(
                line,
                f"there is no CREATE TABLE for {name}, and its rows do not name columns",
                hint="Export it with its schema.",
            )
        # An export without its schema names the columns.
        named = [(_plain(each), "BLOB") for each in _NAMES.findall(columns)]
        return self._made(line, name, named)

    def _table(self, line: int, sql: str, name: str) -> None:
        if is_inner(name):
            return
        self._scratch.fresh_look()
        try:
            self._paper.execute(sql, can_cache=False).fetchall()
            self._paper.set_authorizer(None)
            found = rows(self._paper, f"PRAGMA table_xinfo({quoted(name)})")
            self._paper.set_authorizer(_of_paper)
        except apsw.Error as error:
            raise self._refused(
                line,
                f"the table {name} cannot be made: {_of_engine(error)}",
                hint="An export holds plain tables.",
            ) from None
        # Computed columns are in no export.
        columns = [(row[1], affinity_of(row[2] or "")) for row in found if row[6] == 0]
        self._made(line, name, columns)

    def _made(self, line: int, name: str, columns: list[tuple[str, str]]) -> SourceTable:
        self._is_making = True
        try:
            return self._scratch.add_table(name, columns)
        except apsw.Error as error:
            raise self._refused(line, f"the table {name} cannot be made: {_of_engine(error)}",
                                hint="Export it again.") from None  # fmt: skip
        finally:
            self._is_making = False

    def _unread(self, line: int, table: str, error: apsw.Error) -> SourceUnreadable:
        what = f"an INSERT into {table}"
        if isinstance(error, apsw.AuthError) or "not authorized" in str(error):
            return self._refused(
                line,
                f"{what} holds more than values",
                hint="A query, a function or another table has no place in an export.",
            )
        if isinstance(error, (apsw.InterruptError, apsw.FullError, apsw.TooBigError)):
            return self._refused(
                line,
                f"{what} takes far more time or room than its text",
                hint="No export writes such a statement.",
            )
        said = f"{what} cannot be read: {_of_engine(error)}"
        return self._refused(line, said, hint="Export it again.")

    def _refused(self, line: int, why: str, *, hint: str) -> SourceUnreadable:
        return SourceUnreadable(f"{self._scratch.path}, line {line}: {why}.", hint=hint)


#: Of CREATE TABLE, which runs none of the expressions that it names; CREATE … AS SELECT would.
_of_paper: Final = only(
    apsw.SQLITE_CREATE_TABLE, apsw.SQLITE_CREATE_INDEX, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE,
    apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_REINDEX,
)  # fmt: skip


def _plain(name: str) -> str:
    """A name without its quotes."""
    first = name[0]
    if first in "\"'`":
        return name[1:-1].replace(first * 2, first)
    return name[1:-1] if first == "[" else name


def _of_engine(error: apsw.Error) -> str:
    """What the engine says, without the values that stand in it."""
    return str(error).split(":", maxsplit=1)[0][:120].rstrip(".")
