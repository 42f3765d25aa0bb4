"""
Queries: inline on the event loop's thread, within a budget; beyond it on a reader thread.

A point read takes a few microseconds, a hop to another thread ten times that, so small
reads run where they arrive. One that passes its budget is interrupted there, run again on
a thread, and its method goes straight to the threads for a while.

Each query reads one snapshot and names its `seq`. A query of one statement needs no
transaction: when no COMMIT was under way before or after it, its snapshot was the last
commit. In all other cases it runs inside one, which it asks for its number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final

from freehold.clock import Clock
from freehold.db import Caller, Context, Reader
from freehold.db.ports import Call
from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.batch import GroupCommit
from freehold.drivers.sqlite.connection import (
    NeedsSnapshot,
    OverBudget,
    Place,
    ReadLink,
    open_connection,
)
from freehold.errors import DeadlineExceeded, Overloaded

#: Steps of SQLite's machine between two looks at the time; a point read takes about 30.
_STEPS_BETWEEN_LOOKS: Final = 5_000
_ANY_NUMBER: Final = 1 << 60
#: How long a method that passed its budget goes to the threads without being tried inline.
SLOW_FOR_NS: Final = 60 * 1_000_000_000


class Snapshots:
    """
    One connection that reads, and how a query runs on it.

    Args:
        place: Where the database is.
        context: What handles share.
        clock: For budgets.
        commits: Tells the last commit, and whether one is under way.
    """

    def __init__(
        self, place: Place, *, context: Context, clock: Clock, commits: GroupCommit
    ) -> None:
        self.connection = open_connection(place)
        pragmas.read_only(self.connection)
        self._cursor = self.connection.cursor()
        self._link = ReadLink(self.connection)
        self._context = context
        self._clock = clock
        self._commits = commits
        #: Methods that ask more than once, and so begin with a transaction.
        self._several: set[str] = set()
        self._stop_at_ns = _ANY_NUMBER
        self.connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS)

    def run(self, call: Call, *, stop_at_ns: int) -> tuple[int, Any]:
        """
        Run a query; answers with its snapshot's `seq` and what the query returned.

        Raises:
            OverBudget: It was still running at `stop_at_ns` of the monotonic clock.
        """
        self._stop_at_ns = stop_at_ns
        now_ns = self._clock.wall_ns()
        commits = self._commits
        if call.method not in self._several:
            seq = commits.seq
            if commits.committing == seq:
                self._link.left = 1
                try:
                    value = call.run(Reader(self._link, self._context, call.caller, now_ns))
                except NeedsSnapshot:
                    self._several.add(call.method)
                else:
                    if commits.committing == seq:
                        return seq, value
        return self._in_transaction(call, now_ns)

    def _in_transaction(self, call: Call, now_ns: int) -> tuple[int, Any]:
        execute = self._cursor.execute
        execute("BEGIN")
        try:
            seq = execute("SELECT seq FROM _freehold_meta WHERE id = 1").get
            self._link.left = _ANY_NUMBER
            value = call.run(Reader(self._link, self._context, call.caller, now_ns))
        finally:
            if not self.connection.get_autocommit():
                execute("COMMIT")
        return int(seq), value

    @contextmanager
    def by_hand(self, caller: Caller) -> Iterator[Reader]:
        """One query whose function is a `with` block; for tests and the command line."""
        self._cursor.execute("BEGIN")
        self._link.left = _ANY_NUMBER
        try:
            yield Reader(self._link, self._context, caller, self._clock.wall_ns())
        finally:
            if not self.connection.get_autocommit():
                self._cursor.execute("COMMIT")

    def _is_late(self) -> bool:
        return self._clock.monotonic_ns() > self._stop_at_ns

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class ReaderThreads:
    """
    Threads for queries that take their time.

    Args:
        open_snapshots: Makes a thread its own connection.
        count: How many threads.
        waiting_max: More queries than these are refused.
        statement_ns_max: No query runs longer.
        tell: Runs a function on the event loop's thread.
    """

    def __init__(
        self,
        open_snapshots: Callable[[], Snapshots],
        *,
        clock: Clock,
        count: int,
        waiting_max: int,
        statement_ns_max: int,
        tell: Callable[[Callable[[], None]], None],
    ) -> None:
        self._open = open_snapshots
        self._clock = clock
        self._waiting_max = waiting_max
        self._statement_ns_max = statement_ns_max
        self._tell = tell
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"freehold-reader-{n}", daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, call: Call) -> None:
        """
        Hand a query over.

        Raises:
            Overloaded: Too many wait already.
        """
        if self._queue.qsize() >= self._waiting_max:
            raise Overloaded("too many long queries wait.", hint="Call again later.")
        self._queue.put(call)

    def stop(self) -> None:
        """Finish what waits, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        snapshots: Snapshots | None = None
        while (call := self._queue.get()) is not None:
            try:
                snapshots = snapshots or self._open()
                outcome = self._outcome(snapshots, call)
            except BaseException as error:
                outcome = _failing(call, error)
            self._tell(outcome)
        if snapshots is not None:
            snapshots.close()

    def _outcome(self, snapshots: Snapshots, call: Call) -> Callable[[], None]:
        now_ns = self._clock.monotonic_ns()
        if now_ns >= call.deadline_ns:
            return _failing(call, DeadlineExceeded("the call's time ran out while it waited."))
        stop_at_ns = min(call.deadline_ns, now_ns + self._statement_ns_max)
        try:
            seq, value = snapshots.run(call, stop_at_ns=stop_at_ns)
        except OverBudget:
            return _failing(
                call,
                DeadlineExceeded(
                    f"the query ran longer than {self._statement_ns_max // 1_000_000} ms.",
                    hint="Ask for less at once, or give its filter an index.",
                ),
            )
        return lambda: call.done(seq, value)


def _failing(call: Call, error: BaseException) -> Callable[[], None]:
    return lambda: call.failed(0, error)
