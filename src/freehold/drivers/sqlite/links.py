"""
The `Link`s that handles run their SQL through: one for mutations, one for queries.

A link reads every result to its end, so no cursor stays open over a COMMIT, and makes the
engine's refusals into `ConstraintViolation`. What it cannot put right it raises as a
`BaseException`, which no `except Exception` in a domain function swallows, and remembers
in `stopped` for the function that swallows even that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import apsw

from freehold.db import ConstraintViolation
from freehold.db.link import ViolationKind
from freehold.drivers.sqlite.checksums import is_fault
from freehold.drivers.stops import NeedsSnapshot, Shut, Stopped, still
from freehold.errors import StatementError, TooLarge

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


class OverBudget(Stopped):
    """A statement was interrupted: it took longer than its connection allows."""


class TransactionGone(Stopped):
    """The engine rolled the whole transaction back; `cause` is what it said."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class DiskFailed(Stopped):
    """An fsync failed inside the transaction; `cause` is what the engine said."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Damaged(Stopped):
    """A page is not what was written; `cause` is what the engine said. Nothing of it is shown."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class WriteLink:
    """
    The writer's link for one mutation: shut once its transaction, or its function, is gone.

    Args:
        connection: The writer's.
        execute: Of a cursor of that connection, used by one link at a time.
        seq: The commit that the mutation will be.
    """

    __slots__ = ("_connection", "_execute", "seq", "stopped")

    def __init__(self, connection: apsw.Connection, execute: Any, seq: int = 0) -> None:
        self._connection = connection
        self._execute = execute
        #: The commit that the mutation will be.
        self.seq = seq
        #: Why nothing runs any more.
        self.stopped: Stopped | None = None

    def rows(self, sql: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        if self.stopped is not None:
            raise still(self.stopped)
        try:
            return self._execute(sql, values).fetchall()  # type: ignore[no-any-return]
        except apsw.Error as error:
            raise self._refusal(error) from None

    def row(self, sql: str, values: Sequence[Any], /) -> tuple[Any, ...] | None:
        if self.stopped is not None:
            raise still(self.stopped)
        try:
            return self._execute(sql, values).get  # type: ignore[no-any-return]
        except apsw.Error as error:
            raise self._refusal(error) from None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        if self.stopped is not None:
            raise still(self.stopped)
        try:
            self._execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._refusal(error) from None
        return self._connection.changes()

    def _refusal(self, error: apsw.Error) -> BaseException:
        found: BaseException
        if is_fsync(error):
            found = DiskFailed(error)
        elif self._connection.get_autocommit():
            found = TransactionGone(error)
        else:
            found = translated(error)
        if isinstance(found, Stopped):
            self.stopped = found
        return found


class ReadLink:
    """A query's link: one statement without a transaction, or many inside one."""

    __slots__ = ("_execute", "left", "stopped")

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.cursor().execute
        #: Statements that may still run; one, when there is no transaction around them.
        self.left = 0
        #: Why a statement was not run to its end.
        self.stopped: Stopped | None = Shut()

    def begin(self, left: int) -> None:
        """Open it for a function that may run so many statements."""
        self.left = left
        self.stopped = None

    def rows(self, sql: str, values: Sequence[Any], /) -> list[tuple[Any, ...]]:
        if self.left <= 0 or self.stopped is not None:
            raise self._stop(None)
        self.left -= 1
        try:
            return self._execute(sql, values).fetchall()
        except apsw.Error as error:
            raise self._stop(error) from None

    def row(self, sql: str, values: Sequence[Any], /) -> tuple[Any, ...] | None:
        if self.left <= 0 or self.stopped is not None:
            raise self._stop(None)
        self.left -= 1
        try:
            return self._execute(sql, values).get  # type: ignore[no-any-return]
        except apsw.Error as error:
            raise self._stop(error) from None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        raise StatementError("a query cannot write.", hint="Take a Writer, and it is a mutation.")

    def _stop(self, error: apsw.Error | None) -> BaseException:
        if self.stopped is not None:
            return still(self.stopped)
        found = NeedsSnapshot() if error is None else translated(error)
        if isinstance(found, Stopped):
            self.stopped = found
        return found


def is_fsync(error: BaseException | None) -> bool:
    """
    Whether the disk failed to make something durable.

    After that its pages count as clean, and a second fsync succeeds with the data lost; so
    it is never tried again (reliability 4.3).
    """
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) in (
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_DIR_FSYNC,
        apsw.SQLITE_IOERR_CLOSE,
    )


def translated(error: apsw.Error) -> BaseException:
    """What the library makes of an engine's error inside a function."""
    if isinstance(error, apsw.ConstraintError):
        return violation(error)
    if isinstance(error, apsw.InterruptError):
        return OverBudget(str(error))
    if isinstance(error, apsw.AuthError):
        return StatementError(
            "a function may read and change rows, and nothing else: "
            "no transaction statements, PRAGMA, ATTACH or DDL.",
            hint="Raise an error to undo a mutation; change tables by a migration.",
        )
    if isinstance(error, apsw.ReadOnlyError):
        return StatementError("a query cannot write.", hint="Take a Writer.")
    if isinstance(error, (apsw.SQLError, apsw.BindingsError)):
        return StatementError(f"SQLite does not take the statement: {error}.")
    if isinstance(error, apsw.MismatchError):
        return ConstraintViolation("type", name=str(error))
    if is_fault(error):
        return Damaged(error)
    if isinstance(error, apsw.TooBigError):
        return TooLarge("a value is longer than the database can hold.")
    return error


def violation(error: apsw.ConstraintError) -> ConstraintViolation:
    """Which constraint it was, as far as the engine says."""
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
