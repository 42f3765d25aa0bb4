"""
Room on the disk: what happens before it is full, when it is, and when there is room again.

A full disk is a trap: moving the log into the database needs room as well, and so does deleting
rows (reliability 4.18). So mutations are refused while there is still a little room, and a file
of real blocks, the ballast, lies beside the database to be given up when there is none. Queries
go on all the time, and nothing that was told is lost.

Everything here happens on the writer's thread, between batches; `state` is read by all.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from freehold.clock import Clock
from freehold.drivers.sqlite.log import WriteAheadLog
from freehold.wire.limits import Limits

_LOG = logging.getLogger("freehold.sqlite")
_LOOK_EVERY_NS: Final = 1_000_000_000
_LOOK_EVERY_S: Final = 1.0
#: Of a small disk neither ballast nor low-water mark takes more than this part.
_PART: Final = 16
_BLOCK: Final = 512
_PAGE: Final = 4096
#: A log is never moved more often than after so many pages, however small the disk.
_LOG_PAGES_MIN: Final = 32


class Ballast:
    """
    A file of real blocks that can be given up.

    Args:
        path: Where.
        size: Its bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    @property
    def is_there(self) -> bool:
        """Whether it has all its blocks."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return found.st_size == self.size and found.st_blocks * _BLOCK >= self.size

    def make(self) -> bool:
        """Make it, for its owner alone; False when there is no room."""
        if self.is_there:
            return True
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            handle = os.open(self.path, flags, 0o600)
            try:
                os.ftruncate(handle, self.size)
                os.posix_fallocate(handle, 0, self.size)
            finally:
                os.close(handle)
        except OSError as error:
            self.free()
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                _LOG.warning("no ballast could be made as %s: %s", self.path, error.strerror)
            return False
        return True

    def free(self) -> bool:
        """Give it up; False when there was none."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


class Space:
    """
    The room that one database has.

    Args:
        database: Its file.
        log: Its write-ahead log.
        limits: The ballast's size and the low-water mark, on a disk that is large enough.
        clock: For looking once a second.
        nudge: Has the writer look again soon, though nobody calls.
    """

    def __init__(
        self,
        database: Path,
        log: WriteAheadLog,
        limits: Limits,
        *,
        clock: Clock,
        nudge: Callable[[], None],
    ) -> None:
        self._folder = database.parent
        self._log = log
        total, _ = self._disk()
        size = min(limits.ballast_bytes, total // _PART) // _PAGE * _PAGE
        self.ballast = Ballast(Path(f"{database}.ballast"), max(size, _PAGE))
        self._free_min = min(limits.disk_free_min_bytes, total // _PART)
        self._monotonic_ns = clock.monotonic_ns
        self._nudge = nudge
        self._timer: threading.Timer | None = None
        self._look_at_ns = 0
        #: `low`: mutations are refused before the disk is full; `full`: the ballast was given up.
        self.state: Literal["ok", "low", "full"] = "ok"
        # With the ballast given up, all of the log must find room in the database.
        log.move_at_most_after(max(self.ballast.size // _PAGE, _LOG_PAGES_MIN))

    @property
    def free_bytes(self) -> int:
        """What is free now."""
        return self._disk()[1]

    @property
    def gauges(self) -> dict[str, float]:
        """Figures of the moment, by name."""
        return {"disk_free_bytes": self.free_bytes, "is_short_of_space": self.state != "ok"}

    def begin(self) -> None:
        """Make the ballast; only when there is more than room for it."""
        if self.free_bytes >= self._needed():
            self.ballast.make()
        self.look()

    def is_short(self) -> bool:
        """Whether mutations must be refused now; looks at the disk once a second at most."""
        if self._monotonic_ns() >= self._look_at_ns:
            self.look()
        return self.state != "ok"

    def look(self) -> None:
        """Look at the disk, and do what it asks for."""
        self._look_at_ns = self._monotonic_ns() + _LOOK_EVERY_NS
        free = self.free_bytes
        if self.state == "ok":
            if free < self._free_min:
                self.state = "low"
                _LOG.error("%s: %d bytes free; mutations are refused", self._folder, free)
                # While there is room: what is in the database needs none later.
                fulls = self._log.fulls
                if not self._log.empty() and self._log.fulls != fulls and self.make_room():
                    self._log.empty()
        elif free >= self._needed() and self.ballast.make():
            self.state = "ok"
            _LOG.warning("%s: there is room again; mutations are served", self._folder)
        if self.state != "ok":
            self._look_again()

    def ran_out(self) -> None:
        """The disk was full in the middle of something: make room, and keep what was told."""
        self.make_room()
        self._log.empty()
        # It may have been something else's file, which is gone by now.
        self._look_at_ns = 0

    def make_room(self) -> bool:
        """Give the ballast up; False when there is none."""
        if self.state != "full":
            self.state = "full"
            _LOG.error("%s: the disk is full; mutations are refused", self._folder)
        self._look_again()
        return self.ballast.free()

    def close(self) -> None:
        """Look no more. The ballast stays, for the next start."""
        self._nudge = _nothing
        if self._timer is not None:
            self._timer.cancel()

    def _needed(self) -> int:
        """What must be free for mutations to be served: the same with and without ballast."""
        return self._free_min + (0 if self.ballast.is_there else self.ballast.size)

    def _look_again(self) -> None:
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(_LOOK_EVERY_S, lambda: self._nudge())
            self._timer.daemon = True
            self._timer.start()

    def _disk(self) -> tuple[int, int]:
        """All bytes of the disk, and those that are free for this user."""
        try:
            found = os.statvfs(self._folder)
        except OSError as error:
            # What cannot be asked is not short; the disk will say so itself.
            _LOG.warning("the room in %s is not known: %s", self._folder, error.strerror)
            return 1 << 62, 1 << 62
        return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


def _nothing() -> None:
    """It is closed."""
