"""
What dispatch asks of a database, said as Protocols.

A driver implements `Database`; dispatch brings a `Call`. Nothing here runs, decodes or
answers: that is `dispatch`. The driver knows nothing of methods, codecs or transports,
and dispatch nothing of threads, savepoints or commits.

The life of a call in a database:

    run_query(call)   a snapshot of at least `call.min_seq`; `call.run(reader)`; then
                      `done` or `failed`, inline before `run_query` returns when the query
                      kept its budget, else later, after a reader thread ran it again.
    submit(call)      queued; the writer asks `deadline_ns` once more, opens a savepoint, calls
                      `call.run(writer)`, releases; `done` only after the COMMIT.

`run` encodes the answer too, so an answer that cannot be encoded fails inside the
savepoint, and nothing is committed.
"""

from __future__ import annotations

from typing import Any, Protocol

from freehold.db.caller import Caller
from freehold.db.reader import Reader
from freehold.db.writer import Writer


class Call(Protocol):
    """One call on its way through a database; made by dispatch, driven by a driver."""

    @property
    def caller(self) -> Caller:
        """Who calls; the handle given to `run` shows it as `db.caller`."""

    @property
    def method(self) -> str:
        """The full name, `DataLayer.getUserById`; what a slow query is remembered by."""

    @property
    def min_seq(self) -> int:
        """The commit that the call must see; 0 asks for none. `SeqNotReached` if it cannot."""

    @property
    def deadline_ns(self) -> int:
        """
        Monotonic time after which the call is not started (`DeadlineExceeded`).

        Read it just before the start, not at hand-over: a caller that went away moves it to 0
        while the call waits, which withdraws it.
        """

    def run(self, db: Reader, /) -> Any:
        """
        Do it: a query gets a `Reader`, a mutation a `Writer`. Any exception means failed.

        May be called again with a fresh handle (batch lost, query handed over), from any
        thread, one at a time; each time it starts from the same arguments. What it returns is
        opaque to the database and goes to `done` unchanged.
        """

    def done(self, seq: int, value: Any, /) -> None:
        """It is durable (mutation, `seq` is its own) or read (query, `seq` of its snapshot)."""

    def failed(self, seq: int, error: BaseException, /) -> None:
        """
        It ended with this error; `seq` is the last commit known, 0 if that is not known.

        `error` is what `run` raised, as it was, or the database's own `CallError`
        (`Overloaded`, `DeadlineExceeded`, `SeqNotReached`, `StorageFull`, `OutcomeUnknown`, a
        translated constraint). Dispatch makes `Internal` of everything that is not a `CallError`.
        """


class Refused(Exception):
    """
    A mutation was refused, and that is to be written down in the same transaction.

    A driver takes back what the mutation wrote, calls `keep` in a savepoint of its own, and
    fails the call with `error`.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error

    def keep(self, db: Writer) -> None:
        """Write it down."""


class Database(Protocol):
    """
    A database as dispatch sees it. Called on the event loop's thread only.

    Exactly one of `done` and `failed` is called, exactly once for each call handed over, on
    the event loop's thread, whatever happens; neither of the two raises. The calls of one
    batch are told in one go, in the order of their `seq`.

    A refusal that is known at once (`Overloaded`, `DeadlineExceeded`) goes to `call.failed`
    as well and is not raised.
    """

    def run_query(self, call: Call, /) -> None:
        """Run a query on a snapshot."""

    def submit(self, call: Call, /) -> None:
        """Queue a mutation for the writer."""
