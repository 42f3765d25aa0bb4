"""
A SQLite file, read where it lies: on one snapshot, its log included, and never written.

Its triggers, views and functions do not run: only tables are read, and only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import apsw

from freehold.app.moving.refusals import SourceUnreadable
from freehold.app.moving.scratch import only, tame
from freehold.app.moving.source import CHUNK, About, Row, SourceTable, is_inner
from freehold.drivers.sqlite import owner_of
from freehold.migrate.engine import count_rows, rows
from freehold.schema.sqltext import quoted

_BUSY_MS: Final = 5_000
_MAGIC: Final = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Whether the file begins as a SQLite file does."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def require_unowned(path: Path) -> None:
    """
    See that no data layer serves the file now.

    Raises:
        SourceUnreadable: One does.
    """
    owner = owner_of(path)
    if owner is not None:
        raise SourceUnreadable(
            f"process {owner.pid} serves {path}.",
            hint="Stop it first, or export from it: freehold export --format jsonl.",
        )


class SqliteFile:
    """
    A file as a source.

    Args:
        path: The file.

    Raises:
        SourceUnreadable: It is damaged, or locked.
    """

    def __init__(self, path: Path) -> None:
        self.about = About("SQLite")
        self._path = path
        with self._told():
            self._connection = tame(str(path.resolve()), apsw.SQLITE_OPEN_READONLY)
        self._found: list[SourceTable] = []
        try:
            with self._told():
                self._begin()
        except BaseException:
            self._connection.close()
            raise

    def _begin(self) -> None:
        connection = self._connection
        connection.set_busy_timeout(_BUSY_MS)
        connection.execute("BEGIN")
        ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        if said != "ok":
            raise apsw.CorruptError(str(said).splitlines()[-1])
        listed = rows(connection, "PRAGMA main.table_list")
        # Tables of modules and what is behind them are theirs.
        for name in sorted(row[1] for row in listed if row[2] == "table" and not is_inner(row[1])):
            columns = rows(connection, f"PRAGMA table_xinfo({quoted(name)})")
            kept = [row[1] for row in columns if row[6] == 0]
            self._found.append(SourceTable(name, kept, count_rows(connection, name)))
        connection.set_authorizer(only(apsw.SQLITE_SELECT, apsw.SQLITE_READ))

    @property
    def tables(self) -> list[SourceTable]:
        """Its tables, an engine's and a tool's own left out."""
        return self._found

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """All rows of a table, always in the same order, a few at a time."""
        listed = ", ".join(map(quoted, columns)) or "1"
        with self._told():
            sql = f"SELECT {listed} FROM {quoted(table)}"  # noqa: S608 - quoted
            cursor = self._connection.cursor().execute(sql)
            while found := list(islice(cursor, CHUNK)):
                yield found

    def where(self, table: str, number: int) -> str:
        """Where its row of that number (from 1) stands, for people."""
        return f"row {number}"

    def close(self) -> None:
        """Let it go."""
        self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError:
            raise SourceUnreadable(
                f"{self._path} holds a text that is not UTF-8.", hint="Put it right there."
            ) from None
        except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
            raise SourceUnreadable(
                f"{self._path} cannot be opened to be read: {error}.",
                hint="Copy it, with the -wal file beside it, into a folder that you may write.",
            ) from None
        except apsw.BusyError:
            raise SourceUnreadable(
                f"{self._path} is locked by a program that writes to it.", hint="Stop it first."
            ) from None
        except apsw.Error as error:
            raise SourceUnreadable(
                f"{self._path} is damaged, or no database: {error}.",
                hint="Try `sqlite3 <file> .recover` and import what that writes.",
            ) from None
