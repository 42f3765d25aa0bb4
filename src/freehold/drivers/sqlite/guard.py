"""
The authorizer of a connection: what no domain function may say, and what its owner may.

A COMMIT from a function would make half of a batch durable; an ATTACH or a PRAGMA would
reach past the schema, or make a query writable. So a function may read and change rows, and
nothing else.

SQLite asks the authorizer when a statement is prepared, and a statement that is in the
cache is not prepared again; so the owner's own statements carry a random text that no
function can repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw

_READS: Final = frozenset(
    (apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE)
)
_CHANGES: Final = frozenset((apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE))
#: Full-text tables ask for it when they are searched; it tells and changes nothing.
_HARMLESS_PRAGMA: Final = "data_version"
_META: Final = "_freehold_meta"


class Guard:
    """
    Lets the owner's statements through and refuses all but rows to everybody else.

    Args:
        connection: The connection it watches.
        mark: A text that nobody can guess.
        may_change: Functions may change rows (the writer), or only read them.
    """

    def __init__(self, connection: apsw.Connection, *, mark: str, may_change: bool) -> None:
        self._execute = connection.cursor().execute
        self._mark = f"/* {mark} */"
        self._allowed = _READS | _CHANGES if may_change else _READS
        self._is_own = False
        connection.set_authorizer(self._authorize)

    def own(self, sql: str) -> str:
        """A statement of the owner's, as `run` takes it."""
        return f"{sql} {self._mark}"

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Run a statement of the owner's own that gives no rows."""
        self._is_own = True
        try:
            self._execute(sql, values)
        finally:
            self._is_own = False

    def ask(self, sql: str) -> Any:
        """Run a statement of the owner's own; answers with the one value that it selects."""
        self._is_own = True
        try:
            return self._execute(sql).get
        finally:
            self._is_own = False

    def _authorize(
        self, action: int, first: str | None, _2: str | None, _3: str | None, _4: str | None
    ) -> int:
        if self._is_own:
            return apsw.SQLITE_OK
        if action in self._allowed:
            if action in _CHANGES and first == _META:
                return apsw.SQLITE_DENY
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_PRAGMA and first == _HARMLESS_PRAGMA:
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY
