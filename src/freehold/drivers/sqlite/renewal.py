"""
A log that a stop without an end left behind, made durable before anything is recovered from it.

After an fsync that failed, the system's page cache holds what the disk does not, and calls it
clean: no later fsync writes it (reliability 4.3). A recovery would read it there, move it into
the database, and a power cut in the middle would leave pages half moved, without the log that
mends them. What is read from there has to be written once more; so the log is copied, and the
copy, which is durable, takes its place.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from pathlib import Path
from typing import Final

_LOG: Final = logging.getLogger("freehold.sqlite")
#: Of the log's index: whoever has the database open holds a lock on this byte.
_IN_USE_BYTE: Final = 128


def renew_log(database: Path) -> None:
    """
    Put a durable copy in the place of the log, when there is one.

    Before this process opens the database, and under its owner lock. While another program is
    in the log, or there is no room for a copy, it stays as it is.
    """
    path = database.resolve()
    log = Path(f"{path}-wal")
    try:
        if log.stat().st_size == 0:
            return
    except FileNotFoundError:
        return
    try:
        index = os.open(f"{path}-shm", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # SQLite says better what is wrong with the folder.
        return
    try:
        # Nobody may come in while the file is exchanged.
        fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _IN_USE_BYTE)
        _exchange(log)
    except OSError as error:
        _LOG.warning("the log %s is recovered from without a copy: %s", log, error.strerror)
    finally:
        os.close(index)


def _exchange(log: Path) -> None:
    copy = Path(f"{log}.renewed")
    try:
        with log.open("rb") as source, copy.open("wb") as target:
            os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        copy.replace(log)
    except OSError:
        copy.unlink(missing_ok=True)
        raise
    folder = os.open(log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
