"""
The scout's own folder: who it is, which searches it remembers, and that it is alone.

None of this is HotMetal's data: whoever removes the folder loses the memory of searches and the
runs under way, and no idea, session or post. The durable steps have a file of their own beside
this one, see `durable.py`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import sqlite3
from pathlib import Path
from typing import Final

import msgspec

from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.stories import Kind, Story

_CACHED_S: Final = 24 * 3_600

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS self (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS searches (
    key TEXT NOT NULL, source TEXT NOT NULL, stories BLOB NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (key, source)
) STRICT, WITHOUT ROWID;
"""


class FolderInUse(Exception):
    """Another scout works on the folder."""


def search_key(query: str) -> str:
    """Under what a search is remembered: capitals and blanks around it do not count."""
    return "search:" + hashlib.sha256(query.strip().lower().encode()).hexdigest()


class Store:
    """
    The folder, held for as long as the process lives.

    Args:
        folder: Made when it is missing, for this user alone.
        clock: Says what has expired.

    Raises:
        FolderInUse: Another process has it. Two on one folder would each take the other's
            unfinished runs for its own and do them again.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._clock = clock
        self._lock = _locked(folder / "scout.lock")
        self._file = _opened(folder / "scout.sqlite")
        self._file.executescript(_TABLES)
        #: Names this store among others; a lost folder comes back as somebody else.
        self.id = self._own_id()

    @property
    def workflows(self) -> Path:
        """The file of the durable steps, made so that a commit is on the disk when it is told."""
        path = self.folder / "workflows.sqlite"
        _opened(path).close()
        return path

    def remembered(self, query: str, source: str, kind: Kind) -> list[Story] | None:
        """What the search found within the last day; None when it was not asked."""
        found = self._file.execute(
            "SELECT stories FROM searches WHERE key = ? AND source = ? AND expires_at > ?",
            (search_key(query), f"{source} {kind}", self._clock.now()),
        ).fetchone()
        return None if found is None else msgspec.json.decode(found[0], type=list[Story])

    def remember(self, query: str, source: str, kind: Kind, stories: list[Story]) -> None:
        """Keep what the search found for a day, and forget what is older."""
        now = self._clock.now()
        with self._file:
            self._file.execute("DELETE FROM searches WHERE expires_at <= ?", (now,))
            self._file.execute(
                "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?)",
                (
                    search_key(query),
                    f"{source} {kind}",
                    msgspec.json.encode(stories),
                    now + _CACHED_S,
                ),
            )

    def close(self) -> None:
        """Let the folder go."""
        self._file.close()
        os.close(self._lock)

    def _own_id(self) -> str:
        with self._file:
            self._file.execute(
                "INSERT OR IGNORE INTO self VALUES ('id', ?)", (secrets.token_hex(8),)
            )
        [found] = self._file.execute("SELECT value FROM self WHERE name = 'id'").fetchone()
        return str(found)


def _locked(path: Path) -> int:
    """The kernel lets the lock go with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUse(
            f"another scout works on {path.parent}; give each one a DATA_DIR of its own."
        ) from None
    return descriptor


def _opened(path: Path) -> sqlite3.Connection:
    """
    The file in WAL mode, which it keeps.

    With a rollback journal, a commit is durable only once the journal's removal is, and nobody
    waits for that. A commit to the WAL is one fsync, and then it stays.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    file = sqlite3.connect(path, check_same_thread=False)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    return file
