"""
A place for a database in memory: a folder on a file system in memory, gone when it is closed.

SQLite's own memory databases have no write-ahead log, so a reader and the writer wait for
each other there. A file in memory behaves in everything as one on a disk, which is what a
test wants. Where the system has no such file system, it is a temporary folder; nothing is
waited for on its disk.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder that only we can enter
_numbers: Final = itertools.count(1)


def make_folder(name: str) -> Path:
    """
    A new folder in memory that only this user can enter.

    Args:
        name: Part of its name, for whoever looks at what is left behind by a kill.
    """
    root = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    while True:
        folder = root / f"freehold-{name}-{os.getpid()}-{next(_numbers)}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            # Left behind by an earlier process of the same number.
            continue
        return folder


def remove_folder(folder: Path) -> None:
    """Remove it with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
