"""
Data layers that break a promise, to see that the tests find them out.

    python -m tests.faults.wrong early serve …

Each is the real driver with one thing changed; nothing of it is in the library.

    early      answers before the COMMIT
    blind      says `failed` of a COMMIT whose answer was lost, and asks nobody
    hopeful    takes a COMMIT whose answer was lost for rolled back, and runs it again
    unlocked   writes beside the others: no lock, and no isolation that would notice
    hurried    lets the server answer a COMMIT before it is on the disk, as that was set to
    impatient  no lock, but SERIALIZABLE: the others are noticed (and this one is honest)
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from freehold.cli import main
from freehold.drivers.pending import Pending
from freehold.drivers.postgres import batch, writer
from freehold.drivers.postgres.refusals import gone

#: How long an early answer is early.
EARLY_S: Final = 0.5


def early() -> None:
    """Tell everybody, wait a little, commit."""
    commit = batch._Attempt._commit

    def told_first(self: batch._Attempt, ran: Sequence[Pending]) -> None:
        for pending in ran:
            if pending.error is None:
                pending.call.done(pending.seq, pending.value)
        self._wait(asyncio.sleep(EARLY_S))
        commit(self, ran)

    batch._Attempt._commit = told_first  # type: ignore[method-assign]


def blind() -> None:
    """Nothing came back, so it failed."""

    async def resolve(self: writer.Writer, doubt: batch.InDoubt) -> None:
        for pending in doubt.batch:
            pending.settle(gone())

    writer.Writer._resolve = resolve  # type: ignore[method-assign]


def hopeful() -> None:
    """Nothing came back, so nothing happened."""

    async def resolve(self: writer.Writer, doubt: batch.InDoubt) -> None:
        return

    writer.Writer._resolve = resolve  # type: ignore[method-assign]


def unlocked() -> None:
    """As many would write it: READ COMMITTED."""
    _begin_with(lambda sql: _without_lock(sql).replace("SERIALIZABLE", "READ COMMITTED"))


def hurried() -> None:
    """Whatever the server is used to."""
    _begin_with(lambda sql: sql.replace("; SET LOCAL synchronous_commit = on", ""))


def impatient() -> None:
    """Only what the engine itself notices."""
    _begin_with(_without_lock)


def _without_lock(sql: str) -> str:
    return sql.replace('LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE; ', "")


def _begin_with(change: Callable[[str], str]) -> None:
    make = batch.Batches.__init__

    def changed(self: batch.Batches, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self._begin = change(self._begin)

    batch.Batches.__init__ = changed  # type: ignore[method-assign]


KINDS: Final[dict[str, Callable[[], None]]] = {
    "early": early,
    "blind": blind,
    "hopeful": hopeful,
    "unlocked": unlocked,
    "hurried": hurried,
    "impatient": impatient,
}

if __name__ == "__main__":
    KINDS[sys.argv.pop(1)]()
    main()
