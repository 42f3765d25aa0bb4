"""
What the server's errors mean: for the transaction, for the function, and for the caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import asyncpg

from freehold.db.sqlstates import refusal, violation
from freehold.drivers.postgres.line import LOST
from freehold.drivers.stops import Stopped
from freehold.errors import (
    CallError,
    DeadlineExceeded,
    OutcomeUnknown,
    Overloaded,
    StorageDamaged,
    StorageFull,
    Unavailable,
)

#: Sleeps until a coroutine has its result: over the bridge, or in a thread that may wait.
Wait = Callable[[Awaitable[Any]], Any]

#: The whole transaction is to be run again: serialization failure, deadlock, stale plan.
AGAIN: Final = (
    asyncpg.exceptions.SerializationError,
    asyncpg.exceptions.DeadlockDetectedError,
    asyncpg.exceptions.InvalidCachedStatementError,
)


class Spoiled(Stopped):
    """The server refused a statement and with it the transaction, which had no savepoint."""


class Undeferred(Stopped):
    """A row that was kept back was refused, and nobody knows whose it was."""


class TimeUp(Stopped):
    """The function has had its time."""


class Again(Stopped):
    """The transaction is to be run again; `cause` is what the server said."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Lost(Stopped):
    """The connection is gone; `cause` is what was heard last."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.cause = cause


def unbindable(error: BaseException) -> BaseException | None:
    """
    What the values were refused with before anything was sent; None when the server refused.

    asyncpg says it as a data error whose cause is Python's own.
    """
    if isinstance(error, asyncpg.DataError) and error.__cause__ is not None:
        cause = error.__cause__
        kinds = (ValueError, OverflowError, TypeError)
        return cause if isinstance(cause, kinds) else TypeError(str(cause))
    return None


def translated(error: asyncpg.PostgresError, records: Mapping[str, Any]) -> BaseException:
    """What the library makes of a statement's error inside a function."""
    return violation(error, records) or refusal(error, records) or refused(error)


def refused(error: BaseException) -> BaseException:
    """What a caller hears of an error of the server that ended its call without effect."""
    if isinstance(error, asyncpg.exceptions.QueryCanceledError):
        return DeadlineExceeded("the call was interrupted; nothing was written.")
    if isinstance(error, asyncpg.exceptions.DiskFullError):
        return StorageFull(
            "the server's disk is full; nothing was written.", hint="Free space, then call again."
        )
    if isinstance(
        error, asyncpg.exceptions.DataCorruptedError | asyncpg.exceptions.IndexCorruptedError
    ):
        return StorageDamaged(
            "a page of the database is damaged on the server's disk; nothing of it is served.",
            hint="Look into the server's log, and restore a backup.",
        )
    if isinstance(error, asyncpg.exceptions.TooManyConnectionsError):
        return Overloaded(
            "PostgreSQL takes no more connections.",
            hint="Raise max_connections, or start fewer processes.",
        )
    if isinstance(error, asyncpg.exceptions.LockNotAvailableError):
        return Overloaded(
            "another process held the writer's lock for too long; nothing was written.",
            hint="Call again.",
        )
    if isinstance(error, AGAIN):
        return Unavailable(
            "other writers came in between too often; nothing was written.", hint="Call again."
        )
    if isinstance(error, asyncpg.exceptions.OutOfMemoryError):
        return Unavailable("the server has not enough memory.", hint="Ask for less at once.")
    if isinstance(error, LOST):
        return gone()
    if isinstance(error, asyncpg.PostgresError):
        return Unavailable(
            f"PostgreSQL refused the call{_code(error)}; nothing was written.",
            hint="Its log has the reason.",
        )
    return error


def gone() -> CallError:
    """What a caller hears when the server is not there and nothing was done."""
    return Unavailable(
        "PostgreSQL does not answer; nothing was done.",
        hint="Call again when it is back: the data layer connects by itself.",
    )


def unknown() -> CallError:
    """What a caller hears when the connection was lost in COMMIT and nobody can be asked."""
    return OutcomeUnknown(
        "the connection to PostgreSQL was lost during the commit; the mutation may be there or "
        "not.",
        hint="Look, or call again, when the server is back.",
    )


def _code(error: asyncpg.PostgresError) -> str:
    return f" ({error.sqlstate})" if error.sqlstate else ""
