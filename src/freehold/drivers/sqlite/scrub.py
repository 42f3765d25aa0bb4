"""
Reading every page of a database file, so that damage is found while the backup is still young.

Pages are read through the checksum shim and past SQLite: no transaction is held, so the log
does not grow meanwhile, and what is in SQLite's cache does not hide what is on the disk. A page
may be read in the moment in which a checkpoint writes it; one that looks damaged is therefore
read again before it is called so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from freehold.drivers.sqlite.checksums import is_fault, shim

_HEADER_BYTES: Final = 100
_RESERVED_AT: Final = 20
_MAGIC: Final = b"SQLite format 3\0"
#: A checkpoint that writes a page is through with it long before.
_LOOKS: Final = 3
_BETWEEN_LOOKS_S: Final = 0.05


class PageReader:
    """A database file, read page by page past SQLite; `open_pages` makes one."""

    def __init__(self, file: apsw.VFSFile) -> None:
        self._file = file
        header = file.xRead(_HEADER_BYTES, 0)
        size = int.from_bytes(header[16:18], "big")
        self._page_size = 65_536 if size == 1 else size
        #: The file says that its pages have checksums.
        self.has_checksums = header[_RESERVED_AT] == 8 and header.startswith(_MAGIC)

    @property
    def pages(self) -> int:
        """How many there are in the file now; what is only in the log is not counted."""
        return self._file.xFileSize() // self._page_size if self._page_size else 0

    def is_damaged(self, page: int) -> bool:
        """Whether a page, counted from 1, is not what was written."""
        for look in range(_LOOKS):
            if look:
                threading.Event().wait(_BETWEEN_LOOKS_S)
            try:
                self._file.xRead(self._page_size, (page - 1) * self._page_size)
            except apsw.IOError as error:
                if not is_fault(error) and look == _LOOKS - 1:
                    return True
            else:
                return False
        return True

    def damaged(self, first: int, last: int) -> list[int]:
        """The damaged ones among the pages from `first` to `last`."""
        return [page for page in range(first, last + 1) if self.is_damaged(page)]


@contextmanager
def open_pages(path: Path) -> Iterator[PageReader | None]:
    """
    The file's pages; None when nothing here can look at checksums, or there is no page yet.

    Safe beside an owner, in this process too: it goes through SQLite's own file handling, which
    keeps the locks that a plain `close` would drop.
    """
    vfs = shim()
    if vfs is None or not path.exists() or path.stat().st_size < _HEADER_BYTES:
        yield None
        return
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0]
    file = apsw.VFSFile(vfs, str(path.resolve()), flags)
    try:
        yield PageReader(file)
    finally:
        file.xClose()


def forget_cached(path: Path) -> None:
    """
    Ask the system to read the file from the disk again; only in a process that does not own it.

    The handle is a plain one, and closing it drops this process's locks on the file.
    """
    if path.exists() and hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
