"""
Data layers that break a promise, to see that the tests find them out.

    python -m tests.faults.wrong early serve …

Each is the real driver with one thing changed; nothing of it is in the library. On PostgreSQL:

    early      answers before the COMMIT
    blind      says `failed` of a COMMIT whose answer was lost, and asks nobody
    hopeful    takes a COMMIT whose answer was lost for rolled back, and runs it again
    unlocked   writes beside the others: no lock, and no isolation that would notice
    hurried    lets the server answer a COMMIT before it is on the disk, as that was set to
    impatient  no lock, but SERIALIZABLE: the others are noticed (and this one is honest)

On SQLite:

    hasty      answers before the COMMIT
    careless   lets a COMMIT return before it is on the disk (`synchronous=NORMAL`)
    stale      reads from a snapshot that was true a while ago, and names the present commit
    kept       does not take back what a refused mutation has written
    lossy      takes back a mutation now and then, and answers as if it were there
    twice      runs a mutation now and then a second time
    swapped    tells two mutations of one batch each other's number
    forgetful  runs every mutation as if its key were new
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import apsw

from freehold.cli import main
from freehold.db import Reader, Writer
from freehold.drivers.pending import Pending
from freehold.drivers.postgres import batch, writer
from freehold.drivers.postgres.refusals import gone
from freehold.drivers.sqlite import batch as file_batch
from freehold.drivers.sqlite import database as file_database
from freehold.drivers.sqlite import pragmas, snapshots
from freehold.drivers.sqlite import writer as file_writer
from freehold.rpc import dispatch

#: How long an early answer is early.
EARLY_S: Final = 0.5
#: The same on a file, where clients wait for the batch.
HASTY_S: Final = 0.05
#: How long a snapshot is used.
_STALE_S: Final = 0.05
#: One mutation of so many meets the fault.
_SOME: Final = 40


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


def hasty() -> None:
    """Tell everybody, wait a little, commit."""
    finish = file_batch.GroupCommit._commit_all
    tell: list[Callable[[Sequence[Pending]], None]] = []
    make = file_database.SqliteDatabase.__init__

    def made(self: file_database.SqliteDatabase, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        tell.append(self._tell)

    def told_first(self: file_batch.GroupCommit, batch: list[Pending], seq: int) -> None:
        if not any(pending.waiter for pending in batch):
            tell[0]([pending for pending in batch if pending.error is None])
            time.sleep(HASTY_S)
        finish(self, batch, seq)

    def hand_over(_: file_writer.WriterThread, batch: Sequence[Pending]) -> None:
        tell[0]([pending for pending in batch if pending.error is not None or pending.waiter])

    file_database.SqliteDatabase.__init__ = made  # type: ignore[method-assign]
    file_batch.GroupCommit._commit_all = told_first  # type: ignore[method-assign]
    file_writer.WriterThread._hand_over = hand_over  # type: ignore[method-assign,assignment]


def stale() -> None:
    """A snapshot is opened, and used again until it is too old."""
    opened: dict[int, float] = {}

    def run(self: snapshots.Snapshots, call: Any, *, stop_at_ns: int) -> tuple[int, Any]:
        now = time.monotonic()
        if now > opened.get(id(self), 0) + _STALE_S:
            self._end()
            self._open()
            self._guard.ask(self._ask_seq)
            opened[id(self)] = now
        self._link.begin(snapshots._ANY_NUMBER)
        self._stop_at_ns = stop_at_ns
        reader = Reader(self._link, self._context, call.caller, self._wall_ns())
        return self._commits.seq, call.run(reader)

    snapshots.Snapshots.run = run  # type: ignore[method-assign]


def kept() -> None:
    """A refusal leaves behind what was written before it."""

    def undo(self: file_batch.GroupCommit, *_: Any) -> None:
        self._guard.run(self._release)

    file_batch.GroupCommit._undo = undo  # type: ignore[method-assign,assignment]


def lossy() -> None:
    """Answered and not there."""
    check = file_batch.GroupCommit._check_references
    numbers = itertools.count(1)

    def checked(self: file_batch.GroupCommit) -> None:
        check(self)
        if next(numbers) % _SOME == 0:
            self._guard.run(self._undo_one)

    file_batch.GroupCommit._check_references = checked  # type: ignore[method-assign]


def twice() -> None:
    """Run, and run again."""
    run = dispatch.Request.run
    numbers = itertools.count(1)

    def again(self: dispatch.Request, db: Any, /) -> bytes:
        if isinstance(db, Writer) and next(numbers) % _SOME == 0:
            run(self, db)
        return run(self, db)

    dispatch.Request.run = again  # type: ignore[method-assign]


def swapped() -> None:
    """The first and the last of a batch are told each other's number."""
    finish = file_batch.GroupCommit._commit_all

    def finished(self: file_batch.GroupCommit, batch: list[Pending], seq: int) -> None:
        finish(self, batch, seq)
        good = [pending for pending in batch if pending.error is None]
        if len(good) > 1:
            good[0].seq, good[-1].seq = good[-1].seq, good[0].seq

    file_batch.GroupCommit._commit_all = finished  # type: ignore[method-assign]


def forgetful() -> None:
    """No answer is kept under any key; on either engine."""
    run = dispatch.Request.run

    def without(self: dispatch.Request, db: Any, /) -> bytes:
        self.idempotency_key = None
        return run(self, db)

    dispatch.Request.run = without  # type: ignore[method-assign]


def careless() -> None:
    """What many servers are set to."""

    def synchronous_normal(connection: apsw.Connection) -> None:
        connection.pragma("synchronous", "normal")

    pragmas.synchronous_full = synchronous_normal


KINDS: Final[dict[str, Callable[[], None]]] = {
    "early": early,
    "blind": blind,
    "hopeful": hopeful,
    "unlocked": unlocked,
    "hurried": hurried,
    "impatient": impatient,
    "hasty": hasty,
    "careless": careless,
    "stale": stale,
    "kept": kept,
    "lossy": lossy,
    "twice": twice,
    "swapped": swapped,
    "forgetful": forgetful,
}

if __name__ == "__main__":
    KINDS[sys.argv.pop(1)]()
    main()
