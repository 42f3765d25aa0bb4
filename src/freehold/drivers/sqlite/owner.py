"""
The owner lock: one process owns a database file.

A lock file beside the database is held for the process's life with `flock`, which the kernel
gives back when the process ends, however it ends. It is a file of its own because closing
any handle on the database file would drop SQLite's own locks (reliability 4.13), see `files`.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from freehold.errors import OwnerLocked, StartError

#: Who asks `owner_of` holds the lock for a few microseconds; an owner that comes then waits.
_TRIES: Final = 10
_BETWEEN_TRIES_S: Final = 0.01


class Owner(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Who holds the lock, as written in the lock file."""

    pid: int
    #: Where it listens, once it does; the command line talks to it there.
    socket: str | None = None
    address: str | None = None


class OwnerLock:
    """
    The lock of one database file.

    Args:
        database: The database file; the lock file's name is the same with `.lock` behind it.
            Links are followed, so that two names of one file have one lock.
    """

    def __init__(self, database: Path) -> None:
        self.path = _lock_path(database)
        self._database = database
        self._file: int | None = None

    def acquire(self) -> Self:
        """
        Take the lock.

        Raises:
            OwnerLocked: Another process has it; the error names its pid and socket.
            StartError: The folder cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(
                f"the lock file {self.path} cannot be opened: {error.strerror}.",
                hint="Choose a folder that this user may write.",
            ) from None
        if not _locked(handle):
            os.close(handle)
            raise self._taken()
        self._file = handle
        self.tell(Owner(pid=os.getpid()))
        return self

    def tell(self, owner: Owner) -> None:
        """Write down who holds the lock and where it listens; a disk that cannot is no reason."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, msgspec.json.encode(owner), 0)

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would race with the next owner."""
        if self._file is not None:
            # The lock is what counts; the disk may be what failed.
            with suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def _taken(self) -> OwnerLocked:
        owner = owner_of(self._database)
        if owner is None:
            who = "another process"
        else:
            where = owner.socket or owner.address
            who = f"process {owner.pid}" + (f", which listens on {where}" if where else "")
        return OwnerLocked(
            f"{self._database} is owned by {who}.",
            hint="One process owns a database: call that one, or stop it first.",
        )


def owner_of(database: Path) -> Owner | None:
    """Who owns the database now, None when nobody does (or nobody has said so yet)."""
    try:
        handle = os.open(_lock_path(database), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return msgspec.json.decode(os.pread(handle, 4096, 0), type=Owner)
        return None
    except msgspec.DecodeError:
        return None
    finally:
        os.close(handle)


def _lock_path(database: Path) -> Path:
    return Path(f"{database.resolve()}.lock")


def _locked(handle: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            threading.Event().wait(_BETWEEN_TRIES_S)
        else:
            return True
    return False
