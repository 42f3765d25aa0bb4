"""
A look into a database by SQL, for its operator: reads only, with caps on rows and time.

It has a connection of its own, read-only, with an authorizer that knows nothing but
reading. What it shows is what is stored: sealed columns as ciphertext.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import apsw

from freehold.clock import Clock
from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.connection import Place, open_connection
from freehold.errors import DeadlineExceeded, InvalidArgument

_ALLOWED: Final = frozenset(
    (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE)
)


@dataclass(frozen=True)
class Rows:
    """What came back."""

    columns: list[str]
    rows: list[list[Any]]
    #: There were more rows than asked for.
    is_cut: bool


def inspect_sql(
    place: Place, sql: str, *, rows_max: int, clock: Clock, stop_at_ns: int
) -> Rows:
    """
    The rows of one SELECT.

    Raises:
        InvalidArgument: It is no SELECT, or SQLite does not understand it.
        DeadlineExceeded: It was still running at `stop_at_ns` of the monotonic clock.
    """
    connection = open_connection(place)
    try:
        pragmas.read_only(connection)
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(lambda: clock.monotonic_ns() > stop_at_ns, 5_000)
        return _rows(connection.cursor(), sql, rows_max)
    except apsw.InterruptError:
        raise DeadlineExceeded("the statement ran longer than a query may.") from None
    except apsw.AuthError:
        raise InvalidArgument(
            "only a SELECT is allowed here.", hint="Change data through a mutation.", path="text"
        ) from None
    except (apsw.SQLError, apsw.BindingsError) as error:
        raise InvalidArgument(f"SQLite says: {error}.", path="text") from None
    finally:
        connection.close()


def _rows(cursor: apsw.Cursor, sql: str, rows_max: int) -> Rows:
    columns: list[str] = []
    rows: list[list[Any]] = []
    for row in cursor.execute(sql):
        columns = columns or [column[0] for column in cursor.get_description()]
        if len(rows) == rows_max:
            return Rows(columns, rows, is_cut=True)
        rows.append([f"x'{v.hex()}'" if isinstance(v, bytes) else v for v in row])
    return Rows(columns, rows, is_cut=False)


def _authorize(
    action: int, _1: str | None, _2: str | None, _3: str | None, _4: str | None
) -> int:
    return apsw.SQLITE_OK if action in _ALLOWED else apsw.SQLITE_DENY
