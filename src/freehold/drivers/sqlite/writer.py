"""
The writer's thread: takes what waits, has it run as one batch, and tells the callers.

No lingering: a batch is whatever waits, at most `batch_size_max`. After the callers are
told, and only then, the write-ahead log is moved into the database when it has grown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final

import apsw

from freehold.drivers.sqlite.batch import GroupCommit, Pending, stopped

_LOG = logging.getLogger("freehold.sqlite")
#: Pages in the log before it is moved into the database: 4,000 pages are 16 MB.
CHECKPOINT_PAGES: Final = 4_000

Tell = Callable[[Sequence[Pending]], None]


class WriterThread:
    """
    Runs batches on a thread of its own until it is stopped.

    Args:
        commits: The connection and its step.
        batch_size_max: No batch is larger.
        tell: Hands a finished batch over; called once for each batch, on this thread.
        broken: Called once when the writer cannot go on.
    """

    def __init__(
        self,
        commits: GroupCommit,
        *,
        batch_size_max: int,
        tell: Tell,
        broken: Callable[[BaseException], None],
    ) -> None:
        self._commits = commits
        self._batch_size_max = batch_size_max
        self._tell = tell
        self._broken = broken
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._log_pages = 0
        self._thread = threading.Thread(target=self._run, name="freehold-writer", daemon=True)
        commits.connection.set_wal_hook(self._on_commit)

    def start(self) -> None:
        """Begin to take what waits."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many mutations wait; a batch that runs is not counted."""
        return self._queue.qsize()

    @property
    def log_pages(self) -> int:
        """Pages in the write-ahead log after the last commit."""
        return self._log_pages

    def put(self, pending: Pending) -> None:
        """Hand a mutation over; from now on it cannot be taken back, only be too late."""
        self._queue.put(pending)

    def stop(self) -> None:
        """Finish what waits, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (batch := self._next()) is not None:
                self._commits.step(batch)
                self._tell(batch)
                if self._commits.broken is not None:
                    self._end(self._commits.broken)
                    return
                if self._log_pages >= CHECKPOINT_PAGES:
                    self._checkpoint()
        except BaseException as error:
            # A defect here must not leave callers waiting for ever on a dead thread.
            self._commits.broken = error
            self._end(error)

    def _next(self) -> list[Pending] | None:
        """What waits, at least one; None when it is time to end."""
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < self._batch_size_max:
            try:
                more = self._queue.get_nowait()
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            batch.append(more)
        return batch

    def _end(self, error: BaseException) -> None:
        _LOG.critical("the writer has stopped: %s: %s", type(error).__name__, error)
        self._broken(error)
        while (pending := self._queue.get()) is not None:
            pending.error = stopped()
            self._tell([pending])

    def _on_commit(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """
        Move the log into the database, as far as readers allow, without waiting for them.

        A failed fsync is never tried again (reliability 4.3): the writer stops.
        """
        try:
            self._commits.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError):
            return
        except apsw.FullError:
            _LOG.warning("the log could not be moved into the database: the disk is full")
