"""
INSERTs whose answer is known before they are sent, so that nobody waits for each.

In a bold batch an INSERT of one row either adds one row or spoils the transaction. So its
function goes on at once, and the row is sent together with those of its neighbours, before the
next statement of another kind and before COMMIT. When one is refused, nobody has been
answered: the batch is run again and each INSERT is waited for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.refusals import AGAIN, Again, Lost, Undeferred, Wait

#: One row of parameters and nothing after it: no ON CONFLICT, no RETURNING, no SELECT.
_ONE_ROW: Final = re.compile(r"INSERT INTO \S+ \([^()]*\) VALUES \((?:\$\d+(?:, )?)+\)")
_KNOWN: Final[dict[str, bool]] = {}
_KNOWN_MAX: Final = 2_000
#: Rows kept back at most; then they are sent, whatever comes next.
_ROWS_MAX: Final = 500


class Outbox:
    """
    What is yet to be sent, in order.

    Args:
        line: The transaction's.
        wait: How its coroutines are waited for.
        is_open: Keep rows back; else every statement is waited for.
    """

    __slots__ = ("_line", "_rows", "_wait", "is_open")

    def __init__(self, line: Line, wait: Wait, *, is_open: bool) -> None:
        self._line = line
        self._wait = wait
        self.is_open = is_open
        self._rows: list[tuple[str, Sequence[Any]]] = []

    def takes(self, sql: str) -> bool:
        """Whether the statement is one whose answer is known: one row more."""
        if not self.is_open:
            return False
        known = _KNOWN.get(sql)
        if known is None:
            if len(_KNOWN) >= _KNOWN_MAX:
                _KNOWN.clear()
            known = _KNOWN[sql] = _ONE_ROW.fullmatch(sql) is not None
        return known

    def put(self, sql: str, values: Sequence[Any]) -> None:
        """Keep a row back."""
        self._rows.append((sql, values))
        if len(self._rows) >= _ROWS_MAX:
            self.flush()

    def flush(self) -> None:
        """
        Send what was kept back, and wait until all of it is there.

        Raises:
            Undeferred: A row was refused; the transaction is spoiled.
            Again, Lost: As of any statement.
        """
        rows, self._rows = self._rows, []
        at = 0
        while at < len(rows):
            sql = rows[at][0]
            end = at + 1
            while end < len(rows) and rows[end][0] == sql:
                end += 1
            self._send(sql, [values for _, values in rows[at:end]])
            at = end

    def _send(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._wait(self._line.many(sql, rows))
        except AGAIN as error:
            raise Again(error) from None
        except LOST as error:
            raise Lost(error) from None
        except (asyncpg.PostgresError, ValueError, TypeError, OverflowError) as error:
            raise Undeferred(str(error)) from None
