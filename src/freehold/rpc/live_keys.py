"""
How many idempotency keys each service key has kept, so that none of them fills the disk.

Counting rows at each call would cost as much as there are rows. So they are counted now and
then, by a query on a snapshot, which holds nobody up; between two counts each process adds the
answers that it has kept itself, once they are committed.

    one process        exact, but for answers that are on their way during a count
    several processes  each misses what the others have kept since its last count

A key that is full is refused new names for its calls; what is kept is still answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import sqlalchemy as sa

from freehold.db import Caller, Reader, statement
from freehold.errors import TooManyKeys
from freehold.rpc.idempotency import KeptAnswer

#: When a caller may come again: then the rows that have expired were swept once more.
RETRY_AFTER_S: Final = 60


class _Count(msgspec.Struct):
    principal: str
    rows: int


_COUNTS: Final = statement(
    sa.select(KeptAnswer.c.principal, sa.func.count().label("rows")).group_by(
        KeptAnswer.c.principal
    ),
    into=_Count,
)


def count_keys(db: Reader) -> dict[str, int]:
    """The kept answers of each service key; a scan of an index, off the writer's thread."""
    return {each.principal: each.rows for each in db.all(_COUNTS)}


class LiveKeys:
    """
    Of one database, in one process.

    Args:
        most: How many one service key may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counted: Mapping[str, int] = {}
        #: What this process has kept since the count.
        self._since: dict[str, int] = {}

    def require_room(self, caller: Caller) -> None:
        """
        Refuse a new key when there are too many.

        Raises:
            TooManyKeys: There are.
        """
        principal = caller.key_id
        live = self._counted.get(principal, 0) + self._since.get(principal, 0)
        if live >= self._most:
            raise TooManyKeys(
                f"the service key {principal!r} has {live} idempotency keys that are remembered; "
                f"{self._most} are the most.",
                hint="They are forgotten after seven days. Call without one what may happen twice, "
                "or raise idempotency_keys_max.",
                retry_after_s=RETRY_AFTER_S,
            )

    def add(self, caller: Caller) -> None:
        """One more answer is kept, and committed."""
        principal = caller.key_id
        self._since[principal] = self._since.get(principal, 0) + 1

    def since(self) -> dict[str, int]:
        """What was added so far; to be taken before a count, and handed over after it."""
        return dict(self._since)

    def was_counted(self, counted: Mapping[str, int], *, before: Mapping[str, int]) -> None:
        """The rows there are, by a count that began after `before` was taken."""
        self._counted = counted
        self._since = {
            principal: rows - before.get(principal, 0)
            for principal, rows in self._since.items()
            if rows > before.get(principal, 0)
        }
