"""
What SQLite makes of a value of another type than its column's, for engines that would not.

SQLite stores `5.0` and `"5"` as 5 in a column of whole numbers, refuses 5.5 there, and
finds nothing when it compares 5.5. PostgreSQL's driver would cut 5.5 to 5 without a word.
An author's mistake must not end in two ways, so it is decided here, before the driver.
"""

from __future__ import annotations

import re
from typing import Any, Final

from freehold.db.link import ConstraintViolation
from freehold.scalars import INT64_MAX
from freehold.schema import Holds

_NUMBER: Final = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
#: What SQLite calls a column of that sort in its messages; a whole number is an INT there.
_NAMES: Final[dict[str, str]] = {
    "integer": "INTEGER", "real": "REAL", "text": "TEXT", "blob": "BLOB"
}  # fmt: skip


def sort_of(value: Any) -> Holds | None:
    """Which sort of value it is; None when no column holds such."""
    if isinstance(value, int):
        return "integer"
    if isinstance(value, str):
        return "text"
    if isinstance(value, float):
        return "real"
    return "blob" if isinstance(value, (bytes, bytearray, memoryview)) else None


def converted(holds: Holds, value: Any) -> Any:
    """The value as a column of that sort holds it; unchanged when it cannot."""
    sort = sort_of(value)
    if sort == holds:
        return int(value) if isinstance(value, bool) else value
    if sort == "integer" and not -INT64_MAX - 1 <= value <= INT64_MAX:
        return value
    if holds == "text" and sort == "integer":
        return str(int(value))
    if holds == "text" and sort == "real":
        digits, e, exponent = repr(value).partition("e")
        return f"{digits}{'' if '.' in digits else '.0'}e{exponent}" if e else digits
    if sort == "text" and holds in ("integer", "real") and _NUMBER.fullmatch(value):
        value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
        sort = sort_of(value)
    if holds == "real" and sort == "integer":
        return float(value)
    if holds == "integer" and sort == "real" and value.is_integer() and abs(value) <= INT64_MAX:
        return int(value)
    return value


def stored(holds: Holds, value: Any, *, table: str, column: str) -> Any:
    """
    The value as the column stores it.

    Raises:
        ConstraintViolation: The column holds another sort; said as SQLite says it.
    """
    if value is None:
        return None
    made = converted(holds, value)
    sort = sort_of(made)
    if sort is None or sort == holds:
        return made
    name = "INT" if sort == "integer" else _NAMES[sort]
    said = f"cannot store {name} value in {_NAMES[holds]} column {table}.{column}"
    raise ConstraintViolation("type", table=table, columns=(column,), name=said)


def equalled(holds: Holds, value: Any) -> Any:
    """
    The value to find a column equal to it; None, which nothing equals, when none can be.

    Raises:
        OverflowError: It is past 64 bits, and the driver would take it.
    """
    made = converted(holds, value)
    sort = sort_of(made)
    if sort == "integer" and not -INT64_MAX - 1 <= made <= INT64_MAX:
        if holds == "real":
            raise OverflowError("past 64 bits")
        return made
    return made if sort is None or sort == holds else None
