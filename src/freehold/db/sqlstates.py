"""
What PostgreSQL's error codes mean to a handle, said in the words of `link`.

The same constraint names the same table and columns on both engines: PostgreSQL tells a
constraint's name, from which the record knows the columns and their order. Errors that
concern the transaction and not the statement (serialization, locks, lost connections,
cancelled statements) are the driver's, and are not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa

from freehold.db.link import ConstraintViolation, ViolationKind
from freehold.errors import StatementError, TooLarge
from freehold.schema import Record

_KINDS: Final[dict[str, ViolationKind]] = {
    "23505": "unique",
    "23503": "reference",
    "23001": "reference",
    "23502": "not_null",
    "23514": "check",
    "23P01": "check",
    "P0001": "trigger",
}
#: A text index entry over a third of a page, a row over its page, a value over 1 GB.
_TOO_LARGE: Final = ("54000", "53400", "54P01")
#: A number that grew past what it can hold: for a column what SQLite calls a wrong type.
_NUMBER: Final = "22003"
#: A text with a NUL; who made the value is looked for by `unbindable`.
_NUL: Final = ("22021", "22P05")
_READ_ONLY: Final = ("25006", "42501")
#: `Key (a, "userId")=(1, 2) already exists.`; the sentence is of the server's language.
_DETAIL_KEY: Final = re.compile(r"\(((?:\"(?:[^\"]|\"\")*\"|[^\")])*)\)=\(")
_NAME: Final = re.compile(r'"((?:[^"]|"")*)"|([^",\s]+)')


def violation(error: Any, records: Mapping[str, type[Record]]) -> ConstraintViolation | None:
    """
    Which constraint it was; None when it was none.

    Args:
        error: As asyncpg raises it, or anything with its attributes `sqlstate`, `table_name`,
            `column_name`, `constraint_name`, `detail` and `message`.
        records: The schema's records by table name.
    """
    kind = _KINDS.get(_said(error, "sqlstate") or "")
    if kind is None:
        return None
    if kind == "trigger":
        return ConstraintViolation(kind, name=_said(error, "message"))
    if kind == "reference":
        # SQLite tells no more; `explain` looks for the one that is broken, on both alike.
        return ConstraintViolation(kind)
    if kind == "check":
        return ConstraintViolation(kind, name=_said(error, "constraint_name"))
    table = _said(error, "table_name")
    if kind == "not_null":
        column = _said(error, "column_name")
        return ConstraintViolation(kind, table=table, columns=(column,) if column else ())
    name = _said(error, "constraint_name") or ""
    columns = _unique_columns(records.get(table or ""), name, _said(error, "detail") or "")
    return ConstraintViolation(kind, table=table, columns=columns, name=name or None)


def refusal(error: Any, records: Mapping[str, type[Record]]) -> Exception | None:
    """
    What a handle raises for an error that the statement alone is to blame for; None otherwise.

    The class of the code decides: 22 is a value, 23 a constraint, 42 a text that cannot be
    understood, P0 a trigger. Everything else is the driver's to judge.
    """
    found = violation(error, records)
    if found is not None:
        return found
    code = _said(error, "sqlstate") or ""
    said = (_said(error, "message") or str(error)).rstrip(".")
    if code in _TOO_LARGE:
        return TooLarge("a value is longer than the database can hold.")
    if code in _READ_ONLY:
        return StatementError("a query cannot write.", hint="Take a Writer, and it is a mutation.")
    if code == _NUMBER:
        return ConstraintViolation("type", name=said)
    if code in _NUL:
        return ValueError(said)
    if code[:2] in ("21", "22", "42", "0A", "P0", "2B", "2F", "38", "39"):
        return StatementError(f"PostgreSQL does not take the statement: {said}.")
    if code.startswith("23"):
        return ConstraintViolation("check", name=_said(error, "constraint_name"))
    return None


def _unique_columns(record: type[Record] | None, name: str, detail: str) -> tuple[str, ...]:
    """The columns of a unique constraint in the order in which it was declared."""
    if record is None:
        return _told_columns(detail)
    for part, columns in _uniques(record.__table__):
        if part == name:
            return columns
    told = _told_columns(detail)
    key = tuple(str(column.name) for column in record.__table__.primary_key.columns)
    # The key has a name that PostgreSQL chose, and keeps it when the table is renamed.
    return key if not told or sorted(told) == sorted(key) else told


def _uniques(table: sa.Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield str(constraint.name), tuple(str(column.name) for column in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield str(index.name), tuple(str(column.name) for column in index.columns)


def _told_columns(detail: str) -> tuple[str, ...]:
    """The columns that the server's sentence names."""
    found = _DETAIL_KEY.search(detail)
    names = _NAME.findall(found[1]) if found else []
    return tuple(quoted.replace('""', '"') or plain for quoted, plain in names)


def _said(error: Any, part: str) -> str | None:
    value = getattr(error, part, None)
    return str(value) if value is not None else None
