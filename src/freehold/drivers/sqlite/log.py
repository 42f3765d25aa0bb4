"""
The write-ahead log: how long it is, and moving it into the database.

Only the writer's connection does this, between batches: a second connection that checkpoints
lets the log grow without bound, and was one half of the WAL-reset bug (reliability 4.9).

A log starts again from its beginning only at a moment when no reader is in it. `cut_off`
waits for such a moment, shortly; who calls it sees to it that long readers rest.
"""

from __future__ import annotations

import logging
from typing import Final

import apsw

from freehold.drivers.sqlite import pragmas
from freehold.drivers.sqlite.connection import BUSY_TIMEOUT_MS

_LOG = logging.getLogger("freehold.sqlite")
#: Pages in the log before it is moved into the database: 4,000 pages are 16 MB.
CHECKPOINT_PAGES: Final = 4_000
#: A log of so many times that size has readers in it all the time.
_STARVED_TIMES: Final = 4
#: How long the writer waits for the last reader to leave the log.
_LAST_READER_MS: Final = 50


class WriteAheadLog:
    """
    The log of one database, as its writer's connection sees it.

    Args:
        connection: The writer's.
        checkpoint_pages: Pages in the log before it is moved.
    """

    def __init__(
        self, connection: apsw.Connection, *, checkpoint_pages: int = CHECKPOINT_PAGES
    ) -> None:
        self._connection = connection
        self._checkpoint_pages = checkpoint_pages
        self._next_at = checkpoint_pages
        #: Pages in it after the last commit.
        self.pages = 0
        #: How often there was no room to move it.
        self.fulls = 0
        #: How often it was moved, wholly or in part.
        self.checkpoints = 0
        connection.set_wal_hook(self._on_commit)

    @property
    def is_due(self) -> bool:
        """It has grown enough to be moved."""
        return self.pages >= self._next_at

    @property
    def is_starved(self) -> bool:
        """It was moved and grows on, because readers are in it all the time."""
        return self.pages >= _STARVED_TIMES * self._checkpoint_pages

    def checkpoint(self) -> None:
        """
        Move it as far as readers allow, without waiting for them.

        Raises:
            apsw.IOError: The disk failed. A failed fsync is never tried again
                (reliability 4.3): the writer must stop.
        """
        # What readers held back is tried again when it is worth another fsync.
        self._next_at = self.pages + self._checkpoint_pages // 4
        self._move(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def cut_off(self) -> None:
        """
        Move all of it, so that the next commit begins it anew; waits a moment for readers.

        Raises:
            apsw.IOError: As `checkpoint`.
        """
        pragmas.busy_timeout(self._connection, milliseconds=_LAST_READER_MS)
        try:
            self._move(apsw.SQLITE_CHECKPOINT_RESTART)
        finally:
            pragmas.busy_timeout(self._connection, milliseconds=BUSY_TIMEOUT_MS)

    def empty(self) -> bool:
        """
        Move all of it and give its room back to the disk; waits a moment for readers.

        Returns:
            Whether it is empty.

        Raises:
            apsw.IOError: As `checkpoint`.
        """
        pragmas.busy_timeout(self._connection, milliseconds=_LAST_READER_MS)
        try:
            return self._move(apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            pragmas.busy_timeout(self._connection, milliseconds=BUSY_TIMEOUT_MS)

    def move_at_most_after(self, pages: int) -> None:
        """Move it earlier than it was told at first: its disk is small."""
        self._checkpoint_pages = min(self._checkpoint_pages, pages)
        self._next_at = min(self._next_at, self._checkpoint_pages)

    def _move(self, mode: int) -> bool:
        self.checkpoints += 1
        try:
            self._connection.wal_checkpoint(mode=mode)
        except (apsw.BusyError, apsw.LockedError):
            _LOG.warning("the log of %d pages has a reader in it", self.pages)
            return False
        except apsw.FullError:
            _LOG.warning("the log could not be moved into the database: the disk is full")
            self.fulls += 1
            return False
        return True

    def _on_commit(self, _: apsw.Connection, __: str, pages: int) -> int:
        if pages < self.pages:
            self._next_at = self._checkpoint_pages
        self.pages = pages
        return apsw.SQLITE_OK
