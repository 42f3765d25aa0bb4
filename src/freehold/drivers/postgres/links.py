"""
The `Link`s that handles run their SQL through: one for mutations, one for queries.

A refused statement takes its whole transaction along on this server. So a mutation is run
*bold* first, without savepoints; when something is refused it is run again *careful*, with a
savepoint before each statement, and then a function that catches `AlreadyExists` goes on as it
does on SQLite.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import asyncpg

from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.outbox import Outbox
from freehold.drivers.postgres.refusals import (
    AGAIN,
    Again,
    Lost,
    Spoiled,
    TimeUp,
    Wait,
    translated,
    unbindable,
)
from freehold.drivers.stops import NeedsSnapshot, Shut, Stopped, still
from freehold.errors import StatementError

_MARK: Final = "SAVEPOINT fh_statement"
_NEXT_MARK: Final = "RELEASE SAVEPOINT fh_statement; SAVEPOINT fh_statement"
_TO_MARK: Final = "ROLLBACK TO SAVEPOINT fh_statement"


class Monotonic(Protocol):
    """Where the time comes from."""

    def __call__(self) -> int:
        """Nanoseconds."""


class _Link:
    """
    What both have: a line, a time, and why they stopped.

    Args:
        line: The transaction's, or a connection that only reads.
        wait: How its coroutines are waited for.
        records: The schema's, to say which constraint it was.
        monotonic_ns: The clock.
        stop_at_ns: When the function has had its time.
    """

    __slots__ = ("_line", "_monotonic_ns", "_records", "_stop_at_ns", "_wait", "stopped")

    def __init__(
        self,
        line: Line,
        wait: Wait,
        records: Mapping[str, Any],
        *,
        monotonic_ns: Monotonic,
        stop_at_ns: int,
    ) -> None:
        self._line = line
        self._wait = wait
        self._records = records
        self._monotonic_ns = monotonic_ns
        self._stop_at_ns = stop_at_ns
        #: Why nothing runs any more.
        self.stopped: Stopped | None = None

    def _stop(self, stopped: Stopped) -> Stopped:
        self.stopped = stopped
        return stopped

    def _refusal(self, error: asyncpg.PostgresError) -> BaseException:
        """What the function hears of an error of the server."""
        before = unbindable(error)
        if before is not None:
            return before
        if isinstance(error, AGAIN):
            return self._stop(Again(error))
        if isinstance(error, LOST):
            return self._stop(Lost(error))
        if isinstance(error, asyncpg.exceptions.QueryCanceledError):
            return self._stop(TimeUp())
        return self._of_a_statement(error)

    def _of_a_statement(self, error: asyncpg.PostgresError) -> BaseException:
        """The same, of one that says something about the statement."""
        return translated(error, self._records)


class WriteLink(_Link):
    """
    The link of one mutation.

    Args:
        line: The transaction's.
        wait: How its coroutines are waited for.
        records: The schema's, to say which constraint it was.
        monotonic_ns: The clock.
        stop_at_ns: When the function has had its time.
        is_careful: Put a savepoint before each statement.
        outbox: What the batch has yet to send.
        seq: The commit that the mutation will be.
    """

    __slots__ = (
        "_has_mark",
        "_is_careful",
        "_outbox",
        "is_tentative",
        "savepoints",
        "seq",
        "wrote",
    )

    def __init__(
        self,
        line: Line,
        wait: Wait,
        records: Mapping[str, Any],
        *,
        monotonic_ns: Monotonic,
        stop_at_ns: int,
        is_careful: bool,
        outbox: Outbox,
        seq: int = 0,
    ) -> None:
        super().__init__(line, wait, records, monotonic_ns=monotonic_ns, stop_at_ns=stop_at_ns)
        #: The commit that the mutation will be.
        self.seq = seq
        self._outbox = outbox
        self._is_careful = is_careful
        self._has_mark = False
        #: Savepoints made; the server slows down for everybody past 64 in a transaction.
        self.savepoints = 0
        #: See `Writer.is_tentative`.
        self.is_tentative = outbox.is_open and not is_careful
        #: A statement was sent that may have changed something.
        self.wrote = False

    def rows(self, sql: str, values: Sequence[Any], /) -> list[Any]:
        """All rows of a statement."""
        return self._do(self._line.fetch, sql, values)  # type: ignore[no-any-return]

    def row(self, sql: str, values: Sequence[Any], /) -> Any:
        """The only row of a statement, or None."""
        found = self._do(self._line.fetch, sql, values)
        return found[0] if found else None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        """Run a statement that changes rows; how many it changed."""
        if not self._is_careful and self._outbox.takes(sql):
            self._look()
            self.wrote = True
            try:
                self._outbox.put(sql, values)
            except Stopped as stopped:
                raise self._stop(stopped) from None
            return 1
        return self._do(self._line.change, sql, values)  # type: ignore[no-any-return]

    def _look(self) -> None:
        """Whether the handle may still be used."""
        if self.stopped is not None:
            raise still(self.stopped)
        if self._monotonic_ns() >= self._stop_at_ns:
            raise self._stop(TimeUp())

    def _do(self, how: Callable[..., Awaitable[Any]], sql: str, values: Sequence[Any]) -> Any:
        self._look()
        if not sql.startswith("SELECT"):
            self.wrote = True
        try:
            self._outbox.flush()
            if self._is_careful:
                self._set_mark()
            return self._wait(how(sql, values))
        except Stopped as stopped:
            raise self._stop(stopped) from None
        except asyncpg.PostgresError as error:
            raise self._refusal(error) from None
        except LOST as error:
            raise self._stop(Lost(error)) from None

    def _set_mark(self) -> None:
        self._wait(self._line.run(_NEXT_MARK if self._has_mark else _MARK))
        self._has_mark = True
        self.savepoints += 1

    def _of_a_statement(self, error: asyncpg.PostgresError) -> BaseException:
        if not self._is_careful:
            return self._stop(Spoiled(str(error)))
        try:
            self._wait(self._line.run(_TO_MARK))
        except (asyncpg.PostgresError, *LOST) as broken:
            return self._stop(Lost(broken))
        return translated(error, self._records)


class ReadLink(_Link):
    """
    A query's link: one statement without a transaction, or many inside one.

    Args:
        line: A connection that only reads.
        wait: How its coroutines are waited for.
        records: The schema's.
        monotonic_ns: The clock.
        stop_at_ns: When the query has had its time.
        left: Statements that may still run; one, when there is no transaction around them.
    """

    __slots__ = ("_left",)

    def __init__(
        self,
        line: Line,
        wait: Wait,
        records: Mapping[str, Any],
        *,
        monotonic_ns: Monotonic,
        stop_at_ns: int,
        left: int,
    ) -> None:
        super().__init__(line, wait, records, monotonic_ns=monotonic_ns, stop_at_ns=stop_at_ns)
        self._left = left

    def rows(self, sql: str, values: Sequence[Any], /) -> list[Any]:
        """All rows of a statement."""
        if self._left <= 0 or self.stopped is not None:
            raise self._exhausted()
        self._left -= 1
        if self._monotonic_ns() >= self._stop_at_ns:
            raise self._stop(TimeUp())
        try:
            return self._wait(self._line.fetch(sql, values))  # type: ignore[no-any-return]
        except asyncpg.PostgresError as error:
            raise self._refusal(error) from None
        except LOST as error:
            raise self._stop(Lost(error)) from None

    def row(self, sql: str, values: Sequence[Any], /) -> Any:
        """The only row of a statement, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def change(self, sql: str, values: Sequence[Any], /) -> int:
        """A query changes nothing."""
        raise StatementError("a query cannot write.", hint="Take a Writer, and it is a mutation.")

    def _exhausted(self) -> BaseException:
        if self.stopped is not None:
            return still(self.stopped)
        return self._stop(NeedsSnapshot())


def shut(link: WriteLink | ReadLink) -> None:
    """The function has returned: its handle is of no use any more."""
    if link.stopped is None:
        link.stopped = Shut()
