"""
How a query runs on a connection: on one snapshot, whose `seq` it names.

A query of one statement needs no transaction: when no COMMIT was under way before or after
it, its snapshot was the last commit. While one is under way, the connection itself can say
that what it sees has not changed since its number was last asked for. In all other cases
the query runs inside a transaction, which is asked for its number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import apsw

from freehold.clock import Clock
from freehold.db import Caller, Context, Reader
from freehold.db.ports import Call
from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.batch import GroupCommit
from freehold.drivers.sqlite.connection import Place, open_connection
from freehold.drivers.sqlite.guard import Guard
from freehold.drivers.sqlite.links import NeedsSnapshot, ReadLink, Shut
from freehold.errors import StatementError

#: Steps of SQLite's machine between two looks at the time; a point read takes about 30.
_STEPS_BETWEEN_LOOKS: Final = 2_000
#: Before so many looks a query has done too little to be called slow, whatever the time:
#: its thread was stopped by others. 10,000 steps are some 200 µs.
_LOOKS_MIN: Final = 5
_ANY_NUMBER: Final = 1 << 60


class Snapshots:
    """
    One connection that reads, and how a query runs on it.

    Args:
        place: Where the database is.
        context: What handles share.
        clock: For budgets.
        commits: Tells the last commit, and whether one is under way.
        mark: A text that nobody can guess, for the guard.
    """

    def __init__(
        self, place: Place, *, context: Context, clock: Clock, commits: GroupCommit, mark: str
    ) -> None:
        self.connection = open_connection(place)
        pragmas.read_only(self.connection)
        self._link = ReadLink(self.connection)
        self._context = context
        self._wall_ns = clock.wall_ns
        self._monotonic_ns = clock.monotonic_ns
        self._commits = commits
        #: Methods that ask more than once, and so begin with a transaction.
        self._several: set[str] = set()
        self._stop_at_ns = _ANY_NUMBER
        self._looks = 0
        self._is_running = False
        self._guard = guard = Guard(self.connection, mark=mark, may_change=False)
        self._begin = guard.own("BEGIN")
        self._end = guard.own("COMMIT")
        self._rollback = guard.own("ROLLBACK")
        self._ask_seq = guard.own("SELECT seq FROM _freehold_meta WHERE id = 1")
        self.connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)

    def run(self, call: Call, *, stop_at_ns: int) -> tuple[int, Any]:
        """
        Run a query; answers with its snapshot's `seq` and what the query returned.

        Raises:
            OverBudget: It was still running at `stop_at_ns` of the monotonic clock.
            StatementError: A query runs on this connection already.
        """
        if self._is_running:
            raise StatementError(
                "a query cannot start another one.", hint="Call the function with the same `db`."
            )
        link = self._link
        self._is_running = True
        self._looks = 0
        try:
            now_ns = self._wall_ns()
            commits = self._commits
            seq = commits.seq
            if commits.committing == seq and call.method not in self._several:
                self._stop_at_ns = stop_at_ns
                link.begin(1)
                try:
                    value = call.run(Reader(link, self._context, call.caller, now_ns))
                except BaseException:
                    if link.stopped is None:
                        raise
                if link.stopped is None:
                    if commits.committing == seq:
                        return seq, value
                elif isinstance(link.stopped, NeedsSnapshot):
                    self._several.add(call.method)
                else:
                    # Perhaps the function swallowed it.
                    raise link.stopped
            return self._in_transaction(call, now_ns, stop_at_ns)
        finally:
            self._is_running = False
            link.stopped = _SHUT

    def run_in_transaction(self, call: Call, *, stop_at_ns: int) -> tuple[int, Any]:
        """
        The same with a transaction from the beginning: the function runs exactly once.

        Raises:
            OverBudget: It was still running at `stop_at_ns` of the monotonic clock.
        """
        self._looks = 0
        try:
            return self._in_transaction(call, self._wall_ns(), stop_at_ns)
        finally:
            self._link.stopped = _SHUT

    def _in_transaction(self, call: Call, now_ns: int, stop_at_ns: int) -> tuple[int, Any]:
        link = self._link
        with self._transaction() as seq:
            self._stop_at_ns = stop_at_ns
            try:
                value = call.run(Reader(link, self._context, call.caller, now_ns))
            except BaseException:
                if link.stopped is None:
                    raise
            if link.stopped is not None:
                raise link.stopped
        return seq, value

    @contextmanager
    def by_hand(self, caller: Caller) -> Iterator[Reader]:
        """One query whose function is a `with` block; for tests and the command line."""
        try:
            with self._transaction():
                yield Reader(self._link, self._context, caller, self._wall_ns())
        finally:
            self._link.stopped = _SHUT

    @contextmanager
    def _transaction(self) -> Iterator[int]:
        """One snapshot for many statements; it never outlives the block."""
        guard, link = self._guard, self._link
        # The looks count steps across statements, so a late one could hit ours.
        self._stop_at_ns = _ANY_NUMBER
        guard.run(self._begin)
        try:
            seq: int = guard.ask(self._ask_seq)
            link.begin(_ANY_NUMBER)
            yield seq
        finally:
            self._stop_at_ns = _ANY_NUMBER
            if not self.connection.get_autocommit():
                try:
                    guard.run(self._end)
                except apsw.Error:
                    guard.run(self._rollback)

    def _is_late(self) -> bool:
        self._looks += 1
        return self._looks >= _LOOKS_MIN and self._monotonic_ns() > self._stop_at_ns

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


_SHUT: Final = Shut()
