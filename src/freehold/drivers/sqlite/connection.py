"""
Opening SQLite connections, and the `Link` that handles run their SQL through.

A link reads every result to its end, so no cursor stays open over a COMMIT, and makes the
engine's refusals into `ConstraintViolation`. What it cannot put right it raises as a
`BaseException`, which no `except Exception` in a domain function swallows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from freehold.db import ConstraintViolation
from freehold.db.link import ViolationKind
from freehold.drivers.sqlite import pragmas
from freehold.errors import StatementError

_STATEMENT_CACHE: Final = 1_000
_BUSY_TIMEOUT_MS: Final = 5_000
_CACHE_KIB: Final = 16_384

_COLUMNS = re.compile(r"constraint failed: (.+)")
_DATATYPE = re.compile(r"in \w+ column (\w+)\.(\w+)")
_KINDS: Final[dict[int, ViolationKind]] = {
    apsw.SQLITE_CONSTRAINT_UNIQUE: "unique",
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY: "unique",
    apsw.SQLITE_CONSTRAINT_ROWID: "unique",
    apsw.SQLITE_CONSTRAINT_FOREIGNKEY: "reference",
    apsw.SQLITE_CONSTRAINT_NOTNULL: "not_null",
    apsw.SQLITE_CONSTRAINT_CHECK: "check",
    apsw.SQLITE_CONSTRAINT_TRIGGER: "trigger",
    apsw.SQLITE_CONSTRAINT_DATATYPE: "type",
}


@dataclass(frozen=True)
class Place:
    """
    Where the database is.

    Args:
        path: The file, or None for one in memory that lives as long as its connections.
        name: Tells several databases in memory apart.
        storage: The VFS to use, None for the system's; a test puts a faulty disk here.
    """

    path: str | None
    name: str
    storage: str | None = None


def open_connection(place: Place) -> apsw.Connection:
    """A connection with everything set that readers and the writer share."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
    if place.path is None:
        uri = f"file:/freehold-{place.name}?vfs=memdb"
        connection = apsw.Connection(uri, flags=flags, statementcachesize=_STATEMENT_CACHE)
    else:
        connection = apsw.Connection(
            place.path, flags=flags, vfs=place.storage, statementcachesize=_STATEMENT_CACHE
        )
    pragmas.busy_timeout(connection, milliseconds=_BUSY_TIMEOUT_MS)
    pragmas.journal_wal(connection)
    pragmas.synchronous_full(connection)
    pragmas.foreign_keys(connection)
    pragmas.secure_delete(connection)
    pragmas.untrusted_schema(connection)
    pragmas.strict_quotes(connection)
    pragmas.temp_in_memory(connection)
    pragmas.no_mmap(connection)
    pragmas.page_cache(connection, kibibytes=_CACHE_KIB)
    return connection


class OverBudget(BaseException):
    """A query took longer than its connection allows; it is run again elsewhere or ended."""


class TransactionGone(BaseException):
    """The engine rolled the whole transaction back; `cause` is what it said."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class NeedsSnapshot(BaseException):
    """A query asked twice outside a transaction; it is run again inside one."""


class WriteLink:
    """The writer's link: inside a savepoint, and shut once the transaction is gone."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._execute = connection.cursor().execute
        #: Set by the first error that took the transaction; nothing runs after it.
        self.lost: TransactionGone | None = None

    def rows(self, sql: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        if self.lost is not None:
            raise self.lost
        try:
            return self._execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._refusal(error) from None

    def row(self, sql: str, values: Sequence[Any], /) -> tuple[Any, ...] | None:
        if self.lost is not None:
            raise self.lost
        try:
            return self._execute(sql, values).get  # type: ignore[no-any-return]
        except apsw.Error as error:
            raise self._refusal(error) from None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        if self.lost is not None:
            raise self.lost
        try:
            self._execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._refusal(error) from None
        return self._connection.changes()

    def _refusal(self, error: apsw.Error) -> BaseException:
        if self._connection.get_autocommit():
            self.lost = TransactionGone(error)
            return self.lost
        return translated(error)


class ReadLink:
    """A query's link: one statement without a transaction, or many inside one."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.cursor().execute
        #: Statements that may still run; one, when there is no transaction around them.
        self.left = 0

    def rows(self, sql: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        if self.left == 0:
            raise NeedsSnapshot
        self.left -= 1
        try:
            return self._execute(sql, values).fetchall()
        except apsw.Error as error:
            raise translated(error) from None

    def row(self, sql: str, values: Sequence[Any], /) -> tuple[Any, ...] | None:
        if self.left == 0:
            raise NeedsSnapshot
        self.left -= 1
        try:
            return self._execute(sql, values).get  # type: ignore[no-any-return]
        except apsw.Error as error:
            raise translated(error) from None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        raise StatementError("a query cannot write.", hint="Take a Writer, and it is a mutation.")


def translated(error: apsw.Error) -> BaseException:
    """What the library makes of an engine's error inside a function."""
    if isinstance(error, apsw.ConstraintError):
        return _violation(error)
    if isinstance(error, apsw.InterruptError):
        return OverBudget()
    if isinstance(error, apsw.AuthError):
        return StatementError(
            "a function may not run transaction statements, ATTACH or PRAGMA.",
            hint="The writer opens and ends the transaction; raise an error to undo yours.",
        )
    if isinstance(error, apsw.ReadOnlyError):
        return StatementError("a query cannot write.", hint="Take a Writer.")
    return error


def _violation(error: apsw.ConstraintError) -> ConstraintViolation:
    code: int = getattr(error, "extendedresult", 0)
    text = str(error)
    kind = _KINDS.get(code, "check")
    if kind == "trigger":
        return ConstraintViolation(kind, name=text)
    if kind == "type":
        match = _DATATYPE.search(text)
        table, column = match.groups() if match else (None, "")
        return ConstraintViolation(kind, table=table, columns=(column,), name=text)
    match = _COLUMNS.search(text)
    said = match.group(1) if match else ""
    if kind == "check":
        return ConstraintViolation(kind, name=said)
    if "." not in said:
        return ConstraintViolation(kind)
    parts = [part.strip().split(".", 1) for part in said.split(",")]
    return ConstraintViolation(kind, table=parts[0][0], columns=tuple(p[1] for p in parts))
