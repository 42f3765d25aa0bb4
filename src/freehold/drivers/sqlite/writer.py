"""
The writer's thread: takes what waits, has it run as one batch, and tells the callers.

No lingering: a batch is whatever waits, at most `batch_size_max`, a caller's turn after the
other's (see `turns`). After the callers are
told, and only then, the write-ahead log is moved into the database when it has grown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from freehold.drivers.pending import Pending
from freehold.drivers.sqlite.batch import GroupCommit
from freehold.drivers.sqlite.log import WriteAheadLog
from freehold.drivers.sqlite.outcomes import full, stopped
from freehold.drivers.sqlite.space import Space
from freehold.drivers.turns import Turns
from freehold.errors import CallError

_LOG = logging.getLogger("freehold.sqlite")

Tell = Callable[[Sequence[Pending]], None]
#: Asks readers to rest: called with what to do when they do, answers with what wakes them.
Rest = Callable[[Callable[[], None]], Callable[[], None]]


class WriterThread:
    """
    Runs batches on a thread of its own until it is stopped.

    Args:
        commits: The connection and its step.
        log: Its write-ahead log.
        turns: What waits, and whose turn it is.
        batch_size_max: No batch is larger.
        tell: Hands a finished batch over; called once for each batch, on this thread.
        broken: Called once when the writer cannot go on.
        rest: Asks the readers' threads to rest.
        space: The room on its disk; None where there is no disk.
    """

    def __init__(
        self,
        commits: GroupCommit,
        log: WriteAheadLog,
        turns: Turns,
        *,
        batch_size_max: int,
        tell: Tell,
        broken: Callable[[BaseException], None],
        rest: Rest,
        space: Space | None = None,
    ) -> None:
        self._commits = commits
        self._log = log
        self._batch_size_max = batch_size_max
        self._tell = tell
        self._broken = broken
        self._rest = rest
        self._space = space
        self._fulls = 0
        self.turns = turns
        self._wake: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="freehold-writer", daemon=True)

    def start(self) -> None:
        """Begin to take what waits."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many mutations wait; a batch that runs is not counted."""
        return len(self.turns)

    def put(self, pending: Pending) -> None:
        """Hand a mutation over; from now on it cannot be taken back, only be too late."""
        self.turns.put(pending)

    def stop(self) -> None:
        """Finish what waits, then end the thread."""
        self.turns.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self.turns.take(self._batch_size_max)) is not None:
                if batch:
                    self._work(batch)
                else:
                    self._nudged()
                if self._commits.broken is not None:
                    self._end(self._commits.broken)
                    return
        except BaseException as error:
            # A defect here must not leave callers waiting for ever on a dead thread.
            self._commits.broken = error
            self._end(error)
        finally:
            self._wake_readers()

    def _nudged(self) -> None:
        """The readers rest, or it is time to look at the disk."""
        if self._wake is not None:
            self._cut_off_log()
        if self._space is not None:
            self._space.look()
            self._fulls = self._commits.fulls + self._log.fulls

    def _work(self, batch: list[Pending]) -> None:
        if self._space is not None and self._space.is_short():
            # What was met while it looked, it has answered itself.
            self._fulls = self._commits.fulls + self._log.fulls
            self._refuse(batch, full)
            return
        try:
            self._commits.step(batch)
        finally:
            self._hand_over(batch)
        self._tend()

    def _tend(self) -> None:
        """After a batch: the log, and the room on the disk."""
        if self._commits.broken is None and self._log.is_due:
            self._log.checkpoint()
            if self._log.is_starved and self._wake is None:
                self._wake = self._rest(self.turns.nudge)
        fulls = self._commits.fulls + self._log.fulls
        if fulls != self._fulls:
            if self._space is not None and self._commits.broken is None:
                self._space.ran_out()
            self._fulls = self._commits.fulls + self._log.fulls

    def _refuse(self, batch: Sequence[Pending], why: Callable[[], CallError]) -> None:
        for pending in batch:
            pending.settle(why())
            pending.seq = self._commits.seq
        self._hand_over(batch)

    def _hand_over(self, batch: Sequence[Pending]) -> None:
        """Tell the callers; what they are told is done, so a failure to tell stops nothing."""
        try:
            self._tell(batch)
        except Exception:
            _LOG.exception("%d outcomes could not be handed over", len(batch))

    def _cut_off_log(self) -> None:
        try:
            self._log.cut_off()
        finally:
            self._wake_readers()

    def _wake_readers(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def _end(self, error: BaseException) -> None:
        """The writer is broken: say so, and refuse everything until it is told to stop."""
        _LOG.critical("the writer has stopped: %s: %s", type(error).__name__, error)
        self._wake_readers()
        try:
            self._broken(error)
        except Exception:
            _LOG.exception("nobody could be told that the writer has stopped")
        while (waiting := self.turns.take(self._batch_size_max)) is not None:
            self._refuse(waiting, stopped)
