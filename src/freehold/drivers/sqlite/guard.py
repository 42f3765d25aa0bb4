"""
The authorizer of the writer's connection: what no domain function may say.

A COMMIT from a function would make half of a batch durable; an ATTACH or a PRAGMA would
reach past the schema. SQLite asks the authorizer when a statement is prepared, and a
statement that is in the cache is not prepared again; so the writer's own statements carry
a random text that no function can repeat.
"""

from __future__ import annotations

from typing import Final

import apsw

_REFUSED: Final = frozenset(
    (
        apsw.SQLITE_TRANSACTION,
        apsw.SQLITE_SAVEPOINT,
        apsw.SQLITE_ATTACH,
        apsw.SQLITE_DETACH,
        apsw.SQLITE_PRAGMA,
    )
)


class Guard:
    """
    Lets the writer's own statements through and refuses them to everybody else.

    Args:
        connection: The writer's connection.
        mark: A text that nobody can guess.
    """

    def __init__(self, connection: apsw.Connection, mark: str) -> None:
        #: True while the writer itself speaks; set around each statement of its own.
        self.is_own = False
        mark = f"/* {mark} */"
        self.begin = f"BEGIN IMMEDIATE {mark}"
        self.savepoint = f"SAVEPOINT mutation {mark}"
        self.release = f"RELEASE mutation {mark}"
        self.undo = f"ROLLBACK TO mutation {mark}"
        self.commit = f"COMMIT {mark}"
        self.rollback = f"ROLLBACK {mark}"
        connection.set_authorizer(self._authorize)

    def _authorize(
        self, action: int, _1: str | None, _2: str | None, _3: str | None, _4: str | None
    ) -> int:
        if action in _REFUSED and not self.is_own:
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK
