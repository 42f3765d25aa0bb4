"""
A look into a database by SQL, for its operator: reads only, with caps on rows, size and time.

It has a connection of its own, read-only, with an authorizer that knows nothing but
reading. What it shows is what is stored: sealed columns as ciphertext.
"""

from __future__ import annotations

import math
from typing import Any, Final

import apsw

from freehold.clock import Clock
from freehold.drivers.looking import Rows
from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.connection import Place, open_connection
from freehold.errors import DeadlineExceeded, InvalidArgument
from freehold.scalars import INT_MAX

_ALLOWED: Final = frozenset(
    (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE)
)
#: No value is longer, and no intermediate one: `zeroblob(1e9)` is no way to take the memory.
_VALUE_BYTES_MAX: Final = 1024 * 1024
#: Characters in all rows together; then the answer is cut.
_SHOWN_MAX: Final = 4 * 1024 * 1024
_STEPS_BETWEEN_LOOKS: Final = 5_000


def inspect_sql(place: Place, sql: str, *, rows_max: int, clock: Clock, stop_at_ns: int) -> Rows:
    """
    The rows of one SELECT.

    Raises:
        InvalidArgument: It is no SELECT, or SQLite does not understand it.
        DeadlineExceeded: It was still running at `stop_at_ns` of the monotonic clock.
    """
    connection = open_connection(place)
    try:
        pragmas.read_only(connection)
        connection.limit(apsw.SQLITE_LIMIT_LENGTH, _VALUE_BYTES_MAX)
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(
            lambda: clock.monotonic_ns() > stop_at_ns, _STEPS_BETWEEN_LOOKS
        )
        return _rows(connection.cursor(), sql, rows_max)
    except apsw.InterruptError:
        raise DeadlineExceeded("the statement ran longer than a query may.") from None
    except apsw.AuthError:
        raise InvalidArgument(
            "only a SELECT is allowed here.", hint="Change data through a mutation.", path="text"
        ) from None
    except apsw.ExecTraceAbort:
        raise InvalidArgument("give one SELECT at a time.", path="text") from None
    except UnicodeError:
        raise InvalidArgument(
            "a text that is not UTF-8 cannot be shown.", hint="Show it with hex(…).", path="text"
        ) from None
    except (apsw.SQLError, apsw.BindingsError, apsw.TooBigError, apsw.MismatchError) as error:
        raise InvalidArgument(f"SQLite says: {error}.", path="text") from None
    finally:
        connection.close()


def _rows(cursor: apsw.Cursor, sql: str, rows_max: int) -> Rows:
    found = Rows()
    begun: list[str] = []

    def is_first(cursor: apsw.Cursor, statement: str, _: Any) -> bool:
        # A look at the description is possible only now: without rows there is none later.
        found.columns = found.columns or [column[0] for column in cursor.get_description()]
        begun.append(statement)
        return len(begun) == 1

    cursor.exec_trace = is_first
    shown = 0
    for row in cursor.execute(sql):
        values = [_shown(value) for value in row]
        shown += sum(len(value) for value in values if isinstance(value, str))
        if len(found.rows) == rows_max or shown > _SHOWN_MAX:
            found.is_cut = True
            cursor.close(True)
            break
        found.rows.append(values)
    return found


def _shown(value: Any) -> Any:
    """The value as every codec has it."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, int) and abs(value) > INT_MAX:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _authorize(
    action: int, first: str | None, second: str | None, _3: str | None, _4: str | None
) -> int:
    if action == apsw.SQLITE_READ and (first, second) == ("_freehold_meta", "cursor_key"):
        # It signs page cursors; it is shown as NULL.
        return apsw.SQLITE_IGNORE
    return apsw.SQLITE_OK if action in _ALLOWED else apsw.SQLITE_DENY
