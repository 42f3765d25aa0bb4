"""
The file of a stand-in: things by kind and id, and the answers that were given under a key.

It is the stand-in's own, as a real provider's database is its own; no data of HotMetal's.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS things (
    n INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, asked TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL);
"""


class Store:
    """
    Things and answers in one SQLite file, made when it is not there.

    Args:
        path: The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is kept as a whole, or not at all."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put(self, kind: str, thing: dict[str, Any]) -> None:
        """Keep the thing under its `id`; a later one takes the place of an earlier one."""
        self._db.execute(
            "INSERT INTO things (kind, id, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            (kind, thing["id"], json.dumps(thing)),
        )

    def get(self, kind: str, id: str) -> dict[str, Any] | None:
        """The thing, or None."""
        found = self._db.execute(
            "SELECT body FROM things WHERE kind = ? AND id = ?", (kind, id)
        ).fetchone()
        return json.loads(found[0]) if found else None

    def all(self, kind: str, **wanted: str) -> list[dict[str, Any]]:
        """The things of a kind whose members are what is wanted, newest first."""
        rows = self._db.execute("SELECT body FROM things WHERE kind = ? ORDER BY n DESC", (kind,))
        things = (json.loads(body) for (body,) in rows.fetchall())
        return [t for t in things if all(t.get(name) == to for name, to in wanted.items())]

    def remember(self, key: str, *, asked: str, status: int, body: str) -> None:
        """Keep what was answered to what was asked under the key."""
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, asked, status, body))

    def answered(self, key: str) -> tuple[str, int, str] | None:
        """What was asked under the key, and the status and body that were answered."""
        found = self._db.execute(
            "SELECT asked, status, body FROM answers WHERE key = ?", (key,)
        ).fetchone()
        return (found[0], found[1], found[2]) if found else None

    def close(self) -> None:
        """Let the file go."""
        self._db.close()
