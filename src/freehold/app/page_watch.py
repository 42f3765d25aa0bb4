"""
Reads every page of a served database file within a week, so that damage is found while there is
still a backup from before it.

What nobody asks for is never looked at by a query. So housekeeping reads a stretch of pages now
and then, past SQLite and through the checksum shim, on a thread of its own.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from freehold.drivers.sqlite.scrub import open_pages

_LOG = logging.getLogger("freehold.app")
#: The least that is read at a time, a megabyte in most files: some milliseconds.
PAGES_MIN: Final = 256
#: Of a large file so much that a week of minutes is enough.
_PART: Final = 7 * 24 * 60


class PageWatch:
    """
    One database file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 1
        #: Pages that were found damaged since the start.
        self.damaged: set[int] = set()
        #: How often all pages have been read.
        self.rounds = 0

    def look(self) -> int:
        """Read the next stretch; how many of its pages are newly found damaged."""
        with open_pages(self._path) as pages:
            if pages is None or not pages.has_checksums or not pages.pages:
                return 0
            first = self._next
            last = min(pages.pages, first + max(PAGES_MIN, pages.pages // _PART) - 1)
            found = set(pages.damaged(first, last)) - self.damaged
            is_through = last >= pages.pages
        self._next = 1 if is_through else last + 1
        self.rounds += is_through
        self.damaged |= found
        for page in sorted(found):
            _LOG.error(
                "page %d of %s is damaged; what is on it is refused: restore a backup, and look "
                "at the disk", page, self._path,
            )  # fmt: skip
        return len(found)
