"""
Group commit: many mutations, one transaction, one fsync, and each caller on its own.

Each mutation runs in a savepoint of its own, in the order of arrival. One that fails takes
back only itself. Callers are answered by somebody else, after `step` has returned: nothing
is told before the COMMIT that holds it.

Three things can go wrong that are not one caller's:

- The engine takes the whole transaction away while a mutation runs (an interrupt, a full
  disk, an I/O error, a trigger that says ROLLBACK). Nobody has been answered yet, so all
  but that one are run again. That is why a function may touch nothing but its handle.
- The COMMIT is refused while the transaction is still open. It is rolled back; the
  mutations run again one by one, so that the refusal meets the one it belongs to.
- The COMMIT fails on the disk. It may be there after a crash all the same (22 of 127 were,
  reliability 4.2), so the outcome is `unknown`, and the writer stops for good: only a new
  start, which recovers first, may serve again.

`step` opens no thread and reads no clock but the one it was given, so that a simulator can
call it inline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import apsw

from freehold.clock import Clock
from freehold.db import Caller, ConstraintViolation, Context, Writer
from freehold.db.ports import Call
from freehold.drivers.sqlite.connection import TransactionGone, WriteLink, translated
from freehold.drivers.sqlite.guard import Guard
from freehold.errors import (
    CallError,
    Conflict,
    DeadlineExceeded,
    OutcomeUnknown,
    StorageFull,
    Unavailable,
)

#: After so many lost transactions in one step, the rest run one by one.
_RESTARTS_MAX: Final = 8

#: A place where a test may stop the process; None in production, where it costs one look.
CrashPoint = Callable[[str], None] | None


class Pending:
    """One mutation that waits, with what must not change when it is run again."""

    __slots__ = ("call", "error", "now_ns", "seed", "seq", "value", "waiter")

    def __init__(
        self, call: Call, now_ns: int, seed: bytes, waiter: Callable[[], None] | None = None
    ) -> None:
        self.call = call
        self.now_ns = now_ns
        self.seed = seed
        #: Wakes a thread that waits for it, instead of the event loop.
        self.waiter = waiter
        self.seq = 0
        self.value: Any = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        """Hand the outcome to the caller."""
        if self.error is None:
            self.call.done(self.seq, self.value)
        else:
            self.call.failed(self.seq, self.error)
        if self.waiter is not None:
            self.waiter()


class GroupCommit:
    """
    The writer's connection and the step that runs a batch on it.

    Args:
        connection: The only connection that writes.
        context: What handles share.
        clock: For deadlines.
        mark: A text that nobody can guess, for the guard.
        crash: Called at every named point of a step; None in production.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        context: Context,
        clock: Clock,
        mark: str,
        crash: CrashPoint = None,
    ) -> None:
        self.connection = connection
        self._cursor = connection.cursor()
        self._context = context
        self._clock = clock
        self._crash = crash
        self._guard = Guard(connection, mark)
        #: The last durable mutation. Readers take it for their snapshot's.
        self.seq: int = self._stored_seq()
        #: Equal to `seq` but while a COMMIT is under way: then no reader can be sure.
        self.committing: int = self.seq
        #: Why the writer stopped for good, None while it works.
        self.broken: BaseException | None = None
        self.batches = 0

    def step(self, batch: Sequence[Pending]) -> None:
        """Run a batch to its end; every mutation in it then has its outcome."""
        waiting = self._still_wanted(batch)
        restarts = 0
        while waiting and self.broken is None:
            if restarts > _RESTARTS_MAX:
                self._one_by_one(waiting)
                waiting = []
            else:
                waiting = self._attempt(waiting)
            restarts += 1
        if self.broken is not None:
            for pending in waiting:
                _fail(pending, stopped())
        for pending in batch:
            if pending.error is not None:
                pending.seq = self.seq
        self.batches += 1

    @contextmanager
    def by_hand(self, caller: Caller, now_ns: int, seed: bytes) -> Iterator[Writer]:
        """
        One mutation whose function is a `with` block: durable at its end, or undone.

        For tests and the command line, where no thread runs batches at the same time.
        """
        self._own(self._guard.begin)
        try:
            yield Writer(WriteLink(self.connection), self._context, caller, now_ns, seed)
            self._check_references()
            self._cursor.execute("UPDATE _freehold_meta SET seq = seq + 1 WHERE id = 1")
            self._own(self._guard.commit)
        except BaseException:
            self._roll_back()
            raise
        self.seq = self.committing = self._stored_seq()

    def _still_wanted(self, batch: Sequence[Pending]) -> list[Pending]:
        now_ns = self._clock.monotonic_ns()
        wanted = []
        for pending in batch:
            if now_ns < pending.call.deadline_ns:
                wanted.append(pending)
            else:
                _fail(pending, DeadlineExceeded("the call's time ran out while it waited."))
        return wanted

    def _one_by_one(self, waiting: Sequence[Pending]) -> None:
        for pending in waiting:
            if self.broken is None:
                self._attempt([pending])
            else:
                _fail(pending, stopped())

    def _attempt(self, batch: list[Pending]) -> list[Pending]:
        """Run the batch in one transaction; answers with those that must be run again."""
        try:
            self._own(self._guard.begin)
        except apsw.Error as error:
            for pending in batch:
                _fail(pending, _engine_error(error))
            return []
        seq = self.seq
        for pending in batch:
            pending.error = None
            try:
                self._one(pending)
            except TransactionGone as gone:
                _fail(pending, _engine_error(gone.cause))
                return [other for other in batch if other is not pending]
            if pending.error is None:
                seq += 1
                pending.seq = seq
        if seq == self.seq:
            self._own(self._guard.rollback)
            return []
        return self._commit(batch, seq)

    def _one(self, pending: Pending) -> None:
        """
        One mutation in its savepoint.

        Raises:
            TransactionGone: The engine took the whole transaction, whoever else was in it.
        """
        self._own(self._guard.savepoint)
        link = WriteLink(self.connection)
        db = Writer(link, self._context, pending.call.caller, pending.now_ns, pending.seed)
        try:
            pending.value = pending.call.run(db)
            if self.connection.get_autocommit():
                raise link.lost or TransactionGone(RuntimeError("the transaction ended"))
            self._check_references()
            self._reach("before release")
            self._own(self._guard.release)
        except BaseException as error:
            if self.connection.get_autocommit():
                raise _gone(error, link) from None
            self._undo()
            _fail(pending, error)

    def _undo(self) -> None:
        try:
            self._own(self._guard.undo)
            self._own(self._guard.release)
        except apsw.Error as error:
            self._roll_back()
            raise TransactionGone(error) from None

    def _check_references(self) -> None:
        """A deferred key would fail the COMMIT, and with it everybody; so it fails its own."""
        waiting = self.connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]
        if waiting:
            raise ConstraintViolation("reference")

    def _commit(self, batch: list[Pending], seq: int) -> list[Pending]:
        try:
            self._cursor.execute("UPDATE _freehold_meta SET seq = ? WHERE id = 1", (seq,))
            self._reach("before commit")
            self.committing = seq
            self._own(self._guard.commit)
        except apsw.Error as error:
            return self._commit_failed(batch, error)
        self.seq = seq
        self._reach("after commit")
        return []

    def _commit_failed(self, batch: list[Pending], error: apsw.Error) -> list[Pending]:
        """Decide what a COMMIT that raised means; see the module's words."""
        is_open = not self.connection.get_autocommit()
        self._roll_back()
        if isinstance(error, apsw.FullError) and self._fence():
            self.committing = self.seq
            for pending in batch:
                _fail(pending, _engine_error(error))
            return []
        if is_open and isinstance(error, (apsw.ConstraintError, apsw.BusyError)):
            self.committing = self.seq
            if len(batch) > 1:
                self._one_by_one(batch)
            else:
                _fail(batch[0], _engine_error(error))
            return []
        self.broken = error
        for pending in batch:
            if pending.error is None:
                _fail(pending, unknown())
            elif isinstance(pending.error, Conflict):
                # What it was refused for may never have happened.
                _fail(pending, stopped())
        return []

    def _fence(self) -> bool:
        """
        Commit something else, durably; then the failed COMMIT's frames are overwritten.

        Only then is `failed` true for ever (reliability 4.2: 0 of 127 came back).
        """
        try:
            self._own(self._guard.begin)
            self._cursor.execute("UPDATE _freehold_meta SET fence = fence + 1 WHERE id = 1")
            self._own(self._guard.commit)
        except apsw.Error:
            self._roll_back()
            return False
        return True

    def _roll_back(self) -> None:
        if not self.connection.get_autocommit():
            try:
                self._own(self._guard.rollback)
            except apsw.Error as error:
                self.broken = error

    def _own(self, sql: str) -> None:
        """Run a statement of the writer's own, which the guard lets through."""
        guard = self._guard
        guard.is_own = True
        try:
            self._cursor.execute(sql)
        finally:
            guard.is_own = False

    def _reach(self, point: str) -> None:
        if self._crash is not None:
            self._crash(point)

    def _stored_seq(self) -> int:
        seq: Any = self._cursor.execute("SELECT seq FROM _freehold_meta WHERE id = 1").get
        return int(seq)


def _gone(error: BaseException, link: WriteLink) -> TransactionGone:
    if isinstance(error, TransactionGone):
        return error
    return link.lost or TransactionGone(error)


def _fail(pending: Pending, error: BaseException) -> None:
    if isinstance(error, ConstraintViolation):
        # Only a reference that was deferred arrives here without its sentence.
        error = Conflict("a reference points at no row, or a row is still pointed at.")
    pending.error = error
    pending.value = None


def _engine_error(error: BaseException) -> BaseException:
    """What a caller hears of an engine's error that was nobody's fault, or only its own."""
    if isinstance(error, apsw.FullError):
        return StorageFull(
            "the disk is full; nothing was written.", hint="Free space, then call again."
        )
    if isinstance(error, apsw.InterruptError):
        return DeadlineExceeded("the mutation was interrupted; nothing was written.")
    if isinstance(error, (apsw.IOError, apsw.NoMemError, apsw.BusyError)):
        return Unavailable(
            "the storage refused the mutation; nothing was written.", hint="Call again."
        )
    if isinstance(error, apsw.ConstraintError):
        return Conflict("the engine refused the mutation and rolled it back.")
    return translated(error) if isinstance(error, apsw.Error) else error


def stopped() -> CallError:
    """What a caller hears when the writer has stopped and its mutation was not begun."""
    return Unavailable(
        "the writer has stopped after a storage fault; nothing was done.",
        hint="Call again when the data layer has been started again.",
    )


def unknown() -> CallError:
    """What a caller hears when a COMMIT failed on the disk."""
    return OutcomeUnknown(
        "the disk failed during the commit; the mutation may be there or not.",
        hint="Look, or call again, when the data layer has been started again.",
    )
