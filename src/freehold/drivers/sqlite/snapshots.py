"""
How a query runs on a connection: on one snapshot, whose `seq` it names.

A query of one statement needs no transaction: when no COMMIT was under way before or after
it, its snapshot was the last commit. Else it runs inside a transaction, which is asked for
its number.

SQLite counts, for each connection, how often what it sees has changed (`data_version`, which
costs a twentieth of a read). As long as that stays the same, the number that was found out
last is still the snapshot's, whatever the writer is doing.
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
from freehold.drivers.sqlite.links import ReadLink
from freehold.drivers.stops import NeedsSnapshot, Shut
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
        #: What the connection saw when its number was found out last, and that number.
        self._version = -1
        self._seq = -1
        self._stop_at_ns = _ANY_NUMBER
        self._looks = 0
        self._is_running = False
        self._guard = guard = Guard(self.connection, mark=mark, may_change=False)
        self._begin = guard.own("BEGIN")
        self._commit = guard.own("COMMIT")
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
            is_quiet = commits.committing == seq
            if (is_quiet or self._seq == seq) and call.method not in self._several:
                self._stop_at_ns = stop_at_ns
                link.begin(1)
                try:
                    value = call.run(Reader(link, self._context, call.caller, now_ns))
                except BaseException:
                    if link.stopped is None:
                        raise
                if link.stopped is None:
                    version = self.connection.data_version()
                    if link.left:
                        # It read nothing, so any number is true that was committed.
                        return seq, value
                    if version == self._version:
                        return self._seq, value
                    if is_quiet and commits.committing == seq:
                        self._version, self._seq = version, seq
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
        committed = self._commits.seq
        self._open()
        try:
            self._stop_at_ns = stop_at_ns
            try:
                value = call.run(Reader(link, self._context, call.caller, now_ns))
            except BaseException:
                if link.stopped is None:
                    raise
            if link.stopped is not None:
                raise link.stopped
            if link.left == _ANY_NUMBER:
                return committed, value
            return self._number(), value
        finally:
            self._end()

    @contextmanager
    def by_hand(self, caller: Caller) -> Iterator[Reader]:
        """One query whose function is a `with` block; for tests and the command line."""
        self._open()
        try:
            yield Reader(self._link, self._context, caller, self._wall_ns())
        finally:
            self._link.stopped = _SHUT
            self._end()

    def last_commit(self) -> int:
        """The last commit, asked of the database itself."""
        self._stop_at_ns = _ANY_NUMBER
        found: int = self._guard.ask(self._ask_seq)
        return found

    def _open(self) -> None:
        """One snapshot for many statements; it begins with the first of them."""
        self._stop_at_ns = _ANY_NUMBER
        self._guard.run(self._begin)
        self._link.begin(_ANY_NUMBER)

    def _number(self) -> int:
        """The `seq` of the snapshot that the open transaction reads."""
        version = self.connection.data_version()
        if version != self._version:
            # Looks count steps across statements, so a late one could hit this one.
            self._stop_at_ns = _ANY_NUMBER
            self._seq = self._guard.ask(self._ask_seq)
            self._version = version
        return self._seq

    def _end(self) -> None:
        """No transaction outlives its query."""
        self._stop_at_ns = _ANY_NUMBER
        if not self.connection.get_autocommit():
            try:
                self._guard.run(self._commit)
            except apsw.Error:
                # A damaged page may have ended it already.
                if not self.connection.get_autocommit():
                    self._guard.run(self._rollback)

    def _is_late(self) -> bool:
        self._looks += 1
        return self._looks >= _LOOKS_MIN and self._monotonic_ns() > self._stop_at_ns

    def close(self) -> None:
        """Close the connection."""
        self.connection.close(True)


_SHUT: Final = Shut()
