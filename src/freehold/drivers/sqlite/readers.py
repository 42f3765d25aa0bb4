"""
Threads for queries that take their time.

A point read takes a few microseconds, a hop to another thread ten times that, so small
reads run where they arrive, see `database`. One that passes its budget there is run again
here, on a connection of the thread's own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

from freehold.clock import Clock
from freehold.db.ports import Call
from freehold.drivers.sqlite.links import OverBudget
from freehold.drivers.sqlite.snapshots import Snapshots
from freehold.drivers.unheard import closed
from freehold.errors import CallError, DeadlineExceeded, Overloaded

_LOG = logging.getLogger("freehold.sqlite")
_NS_PER_S: Final = 1_000_000_000


class ReaderThreads:
    """
    Threads that run queries, each on its own connection.

    Args:
        open_snapshots: Makes a thread its connection.
        clock: For deadlines.
        count: How many threads.
        waiting_max: More queries than these are refused.
        statement_ns_max: No query runs longer; it would hold the log's growth.
        tell: Runs a function on the event loop's thread.
        unread: What a caller hears of an error.
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
        unread: Callable[[BaseException], BaseException],
    ) -> None:
        self._open = open_snapshots
        self._clock = clock
        self._waiting_max = waiting_max
        self._statement_ns_max = statement_ns_max
        self._tell = tell
        self._unread = unread
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._changed = threading.Condition()
        #: When each running query began, by thread.
        self._running: dict[int, int] = {}
        self._is_stopping = False
        self._is_resting = False
        self._when_resting: Callable[[], None] | None = None
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
        """Finish what runs, refuse what waits, and end the threads."""
        self._is_stopping = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """How many queries wait."""
        return self._queue.qsize()

    @property
    def oldest_s(self) -> float:
        """How long the longest of the running queries has been running."""
        began = list(self._running.values())
        return (self._clock.monotonic_ns() - min(began)) / _NS_PER_S if began else 0.0

    def rest(self, then: Callable[[], None]) -> Callable[[], None]:
        """
        Begin no query until woken; those that run come to their end.

        Args:
            then: Called once, when none runs any more.

        Returns:
            What wakes them.
        """
        with self._changed:
            self._is_resting = True
            self._when_resting = then
            if not self._running:
                self._say_so()
        return self._wake

    def _wake(self) -> None:
        with self._changed:
            self._is_resting = False
            self._when_resting = None
            self._changed.notify_all()

    def _say_so(self) -> None:
        then, self._when_resting = self._when_resting, None
        if then is not None:
            then()

    def _begin(self, me: int) -> None:
        """A thread has a query; it waits if all are asked to rest, but not for a stuck one."""
        longest_s = self._statement_ns_max / _NS_PER_S
        with self._changed:
            if not self._changed.wait_for(lambda: not self._is_resting, longest_s):
                self._is_resting = False
                self._say_so()
                self._changed.notify_all()
            self._running[me] = self._clock.monotonic_ns()

    def _end(self, me: int) -> None:
        with self._changed:
            del self._running[me]
            if self._is_resting and not self._running:
                self._say_so()

    def _run(self) -> None:
        snapshots: Snapshots | None = None
        me = threading.get_ident()
        while (call := self._queue.get()) is not None:
            self._begin(me)
            try:
                snapshots = snapshots or self._open()
                outcome = self._outcome(snapshots, call)
            except BaseException as error:
                outcome = _failing(call, self._unread(error))
            self._end(me)
            try:
                self._tell(outcome)
            except Exception:
                _LOG.exception("the outcome of a query could not be handed over")
        if snapshots is not None:
            snapshots.close()

    def _outcome(self, snapshots: Snapshots, call: Call) -> Callable[[], None]:
        if self._is_stopping:
            return _failing(call, closed())
        now_ns = self._clock.monotonic_ns()
        deadline_ns = call.deadline_ns
        if now_ns >= deadline_ns:
            return _failing(call, DeadlineExceeded("the call's time ran out while it waited."))
        stop_at_ns = min(deadline_ns, now_ns + self._statement_ns_max)
        try:
            seq, value = snapshots.run(call, stop_at_ns=stop_at_ns)
        except OverBudget:
            return _failing(call, ran_too_long((stop_at_ns - now_ns) // 1_000_000))
        return lambda: call.done(seq, value)


def ran_too_long(longest_ms: int) -> CallError:
    """What the caller of a query hears that was ended."""
    return DeadlineExceeded(
        f"the query ran longer than {longest_ms} ms.",
        hint="Ask for less at once, or give its filter an index.",
    )


def _failing(call: Call, error: BaseException) -> Callable[[], None]:
    return lambda: call.failed(0, error)
