"""
A place for a database in memory: a folder on a file system in memory, gone when it is closed.

SQLite's own memory databases have no write-ahead log, so a reader and the writer wait for
each other there. A file in memory behaves in everything as one on a disk, which is what a
test wants. Where the system has no such file system, it is a temporary folder; nothing is
waited for on its disk.

A process that is killed leaves its folders behind. Each is locked while it is in use, so the
next process can tell them from those that live, and removes them.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder that only we can enter
_PREFIX: Final = "freehold-memory-"
_numbers: Final = itertools.count(1)
#: The handles that lock the folders in use.
_handles: dict[Path, int] = {}


def make_folder(name: str) -> Path:
    """
    A new folder in memory that only this user can enter.

    Args:
        name: Part of its name, for whoever looks at what there is.
    """
    root = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    number = next(_numbers)
    if number == 1:
        remove_abandoned(root)
    while True:
        folder = root / f"{_PREFIX}{name}-{os.getpid()}-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            # Of another process of this number; there are several where containers share it.
            number = next(_numbers)
            continue
        handle = _locked(folder)
        if handle is not None:
            _handles[folder] = handle
            return folder


def remove_folder(folder: Path) -> None:
    """Remove it with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    handle = _handles.pop(folder, None)
    if handle is not None:
        os.close(handle)


def remove_abandoned(root: Path) -> None:
    """Remove the folders of this user whose processes are gone."""
    for folder in root.glob(f"{_PREFIX}*"):
        handle = _locked(folder)
        if handle is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """A handle that locks the folder; None when somebody else does, or it is gone or not ours."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between making and locking it, another process may have taken it for abandoned.
        if os.fstat(handle).st_uid == os.getuid() and folder.exists():
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
