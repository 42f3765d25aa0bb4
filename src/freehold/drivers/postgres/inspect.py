"""
A look into a database by SQL, for its operator: reads only, with caps on rows, size and time.

What it shows is what is stored: sealed columns as ciphertext.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import asyncpg

from freehold.drivers.looking import Mask, Rows
from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.refusals import gone
from freehold.errors import DeadlineExceeded, InvalidArgument
from freehold.scalars import INT_MAX

#: Characters in all rows together; then the answer is cut.
_SHOWN_MAX: Final = 4 * 1024 * 1024
_READS: Final = re.compile(r"\s*(SELECT|WITH|VALUES|TABLE)\b", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"cursor_key", re.IGNORECASE)


async def inspect_sql(line: Line, sql: str, *, rows_max: int, time_ms: int, hidden: Mask) -> Rows:
    """
    The rows of one SELECT; a value that would show what is hidden is None.

    Raises:
        InvalidArgument: It is no SELECT, or PostgreSQL does not understand it.
        DeadlineExceeded: It ran for longer than `time_ms`.
        Unavailable: The server is not there.
    """
    if not _READS.match(sql):
        raise InvalidArgument(
            "only a SELECT is allowed here.", hint="Change data through a mutation.", path="text"
        )
    if _HIDDEN.search(sql):
        raise InvalidArgument("the key of page cursors is not shown.", path="text")
    connection = line.connection
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {time_ms}")
            statement = await connection.prepare(sql)
            columns = [attribute.name for attribute in statement.get_attributes()]
            found = await _some(statement, rows_max + 1)
    except asyncpg.exceptions.QueryCanceledError:
        raise DeadlineExceeded("the statement ran longer than a query may.") from None
    except asyncpg.exceptions.ReadOnlySQLTransactionError:
        raise InvalidArgument(
            "only a SELECT is allowed here.", hint="Change data through a mutation.", path="text"
        ) from None
    except LOST:
        raise gone() from None
    except asyncpg.PostgresError as error:
        said = "the value cannot be read" if hidden.hides(str(error)) else error
        raise InvalidArgument(f"PostgreSQL says: {said}.", path="text") from None
    return _cut(Rows(columns=columns), found, rows_max=rows_max, hidden=hidden)


async def _some(statement: Any, count: int) -> list[list[Any]]:
    cursor = await statement.cursor()
    return [list(row) for row in await cursor.fetch(count)]


def _cut(rows: Rows, found: list[list[Any]], *, rows_max: int, hidden: Mask) -> Rows:
    shown = 0
    for row in found:
        values = [None if hidden.hides(said := _shown(value)) else said for value in row]
        shown += sum(len(value) for value in values if isinstance(value, str))
        if len(rows.rows) == rows_max or shown > _SHOWN_MAX:
            rows.is_cut = True
            break
        rows.rows.append(values)
    return rows


def _shown(value: Any) -> Any:
    """The value as every codec has it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return str(value) if abs(value) > INT_MAX else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
