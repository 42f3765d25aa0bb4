"""
Group commit: many mutations, one transaction, one fsync, and each caller on its own.

Each mutation runs in a savepoint of its own, in the order of arrival. One that fails takes
back only itself. Callers are answered by somebody else, after `step` has returned: nothing
is told before the COMMIT that holds it.

Four things can go wrong that are not one caller's:

- The engine takes the whole transaction away while a mutation runs (an interrupt, a full
  disk, an I/O error, a trigger that says ROLLBACK). Nobody has been answered yet, so all
  but that one are run again. That is why a function may touch nothing but its handle.
- The COMMIT is refused before it touched the disk. It is rolled back; the mutations run
  again one by one, so that the refusal meets the one it belongs to.
- The COMMIT fails for want of space or memory. What it wrote could come back from the log
  after a crash, so a small commit (the fence) overwrites it first; then as before. When there
  is no space for that either, the outcome is `unknown`, and nothing is begun before a fence
  stands: then callers hear that the disk is full, until it is not.
- The COMMIT fails on the disk. It may be there after a crash all the same (22 of 127 were,
  reliability 4.2), so the outcome is `unknown`, and the writer stops for good: only a new
  start, which recovers first, may serve again. An fsync that fails earlier stops it too: it
  is never tried twice (reliability 4.3).

`step` opens no thread and reads no clock but the one it was given, so that a simulator can
call it inline.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import apsw

from freehold.clock import Clock
from freehold.db import Caller, ConstraintViolation, Context, Refused, Writer
from freehold.drivers.pending import Pending
from freehold.drivers.sqlite.guard import Guard
from freehold.drivers.sqlite.links import (
    DiskFailed,
    TransactionGone,
    WriteLink,
    is_fsync,
)
from freehold.drivers.sqlite.outcomes import refusal, stopped, unknown
from freehold.drivers.stops import Shut, Stopped
from freehold.drivers.unheard import too_late
from freehold.errors import StatementError, StorageDamaged, StorageFull, invariant

_LOG = logging.getLogger("freehold.sqlite")
#: After so many lost transactions in one step, the rest run one by one.
_RESTARTS_MAX: Final = 8
_NEVER: Final = 1 << 62
#: Steps of SQLite's machine between two looks at the time; about a millisecond.
_STEPS_BETWEEN_LOOKS: Final = 100_000

#: A place where a test may stop the process; None in production, where it costs one look.
CrashPoint = Callable[[str], None] | None


class GroupCommit:
    """
    The writer's connection and the step that runs a batch on it.

    Args:
        connection: The only connection that writes.
        context: What handles share.
        clock: For deadlines.
        mark: A text that nobody can guess, for the guard.
        crash: Called at every named point of a step; None in production.
        mutation_ns_max: A mutation whose statements run longer is ended, and only it.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        context: Context,
        clock: Clock,
        mark: str,
        crash: CrashPoint = None,
        mutation_ns_max: int = _NEVER,
    ) -> None:
        self.connection = connection
        self._mutation_ns_max = mutation_ns_max
        #: When the running mutation has had its time; never, between mutations.
        self._stop_at_ns = _NEVER
        connection.set_progress_handler(self._is_late, _STEPS_BETWEEN_LOOKS, id="mutation time")
        self._cursor = connection.cursor()
        self._context = context
        self._monotonic_ns = clock.monotonic_ns
        self._crash = crash
        self._guard = guard = Guard(connection, mark=mark, may_change=True)
        self._begin = guard.own("BEGIN IMMEDIATE")
        self._savepoint = guard.own("SAVEPOINT mutation")
        self._release = guard.own("RELEASE mutation")
        self._undo_one = guard.own("ROLLBACK TO mutation")
        self._advance = guard.own("UPDATE _freehold_meta SET seq = ? WHERE id = 1")
        self._pass = guard.own("UPDATE _freehold_meta SET fence = fence + 1 WHERE id = 1")
        self._commit = guard.own("COMMIT")
        self._rollback = guard.own("ROLLBACK")
        #: The last durable mutation. Readers take it for their snapshot's.
        self.seq: int = int(guard.ask(guard.own("SELECT seq FROM _freehold_meta WHERE id = 1")))
        #: A refusal of the present attempt was written down.
        self._has_kept = False
        #: Equal to `seq` but while a COMMIT is under way: then no reader can be sure.
        self.committing: int = self.seq
        #: Why the writer stopped for good, None while it works.
        self.broken: BaseException | None = None
        #: Why a failed COMMIT could not be fenced off yet.
        self._unfenced: apsw.Error | None = None
        self.batches = 0
        #: How often a lost transaction made the others run again.
        self.restarts = 0
        #: Told of every commit that is durable, before any caller is.
        self.noted: Callable[[int], None] | None = None
        #: How often there was no room on the disk.
        self.fulls = 0
        #: Asked for room when a fence finds none; answers whether it made some.
        self.make_room: Callable[[], bool] = _no_room
        #: How often a damaged page was met.
        self.damages = 0
        #: When the present step began; None between steps.
        self.busy_since_ns: int | None = None
        #: The thread that is in a step; 0 between steps.
        self.thread = 0

    def step(self, batch: Sequence[Pending]) -> None:
        """
        Run a batch to its end; every mutation in it then has its outcome.

        Raises:
            BaseException: A defect, here or in a crash point. All outcomes are set all the
                same, and the writer has stopped.
        """
        self._enter()
        try:
            self._run(list(batch))
        except BaseException as error:
            self._stop_for(error, batch)
            raise
        finally:
            for pending in batch:
                if pending.error is not None:
                    pending.seq = self.seq
            self.batches += 1
            self._leave()

    @contextmanager
    def by_hand(self, caller: Caller, now_ns: int, seed: bytes) -> Iterator[Writer]:
        """
        One mutation whose function is a `with` block: durable at its end, or undone.

        For tests and the command line, where no thread runs batches at the same time.
        """
        if self.broken is not None:
            raise stopped()
        self._enter()
        try:
            with self._hand(caller, now_ns=now_ns, seed=seed) as db:
                yield db
            refused = self._finish(self.seq + 1)
            if refused is not None:
                link = WriteLink(self.connection, self._cursor.execute)
                told = self._refusal(refused, link)
                raise unknown() if self._is_in_doubt else told
            self._is_durable(self.committing)
        except BaseException as error:
            if self.committing != self.seq and self.broken is None:
                self._stop_for(error, ())
            raise
        finally:
            self._leave()

    @contextmanager
    def _hand(self, caller: Caller, *, now_ns: int, seed: bytes) -> Iterator[Writer]:
        """A transaction of one mutation, without its COMMIT; undone when the block raises."""
        link = WriteLink(self.connection, self._cursor.execute, self.seq + 1)
        try:
            self._require_fence()
            self._guard.run(self._begin)
            yield Writer(link, self._context, caller, now_ns, seed)
            if link.stopped is not None:
                raise link.stopped
            self._check_references()
        except BaseException as error:
            self._roll_back()
            told = self._refusal(error, link)
            if told is error:
                raise
            raise told from None
        finally:
            link.stopped = Shut()

    def _enter(self) -> None:
        """
        One step at a time.

        Raises:
            StatementError: The function of a mutation asks for another mutation.
        """
        self.refuse_inside()
        invariant(self.thread == 0, "two threads write")
        self.thread = threading.get_ident()
        self.busy_since_ns = self._monotonic_ns()

    def _leave(self) -> None:
        self.thread = 0
        self.busy_since_ns = None

    def _run(self, waiting: list[Pending]) -> None:
        lost = 0
        while waiting:
            if self.broken is not None:
                for pending in waiting:
                    pending.settle(stopped())
                return
            if lost > _RESTARTS_MAX:
                self._one_by_one(waiting)
                return
            waiting = self._attempt(waiting)
            lost += 1

    def _one_by_one(self, waiting: Sequence[Pending]) -> None:
        for pending in waiting:
            if self.broken is None:
                self._attempt([pending])
            else:
                pending.settle(stopped())

    def _attempt(self, batch: list[Pending]) -> list[Pending]:
        """Run the batch in one transaction; answers with those that must be run again."""
        try:
            self._require_fence()
            self._guard.run(self._begin)
        except apsw.Error as error:
            self._refuse_all(batch, error)
            return []
        seq = self.seq
        self._has_kept = False
        for pending in batch:
            now_ns = self._monotonic_ns()
            if now_ns >= pending.call.deadline_ns:
                pending.settle(too_late())
                continue
            self._stop_at_ns = now_ns + self._mutation_ns_max
            try:
                self._one(pending, seq + 1)
            except (TransactionGone, DiskFailed) as gone:
                self._roll_back()
                if isinstance(gone, DiskFailed):
                    self.broken = gone.cause
                pending.settle(pending.error)
                self.restarts += 1
                return [other for other in batch if not other.is_settled]
            finally:
                self._stop_at_ns = _NEVER
            if pending.error is None:
                seq += 1
                pending.seq = seq
        if seq == self.seq and not self._has_kept:
            self._roll_back()
            for pending in batch:
                pending.is_settled = True
        else:
            self._commit_all(batch, seq)
        return []

    def _one(self, pending: Pending, seq: int) -> None:
        """
        One mutation in its savepoint; what it ended with is in `pending`, not yet final.

        Args:
            pending: The mutation.
            seq: The number that it will have if it succeeds.

        Raises:
            TransactionGone: The engine took the whole transaction, whoever else was in it.
            DiskFailed: Nothing may be written any more.
        """
        link = WriteLink(self.connection, self._cursor.execute, seq)
        db = Writer(link, self._context, pending.call.caller, pending.now_ns, pending.seed)
        guard = self._guard
        try:
            guard.run(self._savepoint)
            pending.value = pending.call.run(db)
            if link.stopped is not None:
                # The function swallowed what stopped it.
                raise link.stopped
            self._check_references()
            if self._crash is not None:
                self._crash("before release")
            guard.run(self._release)
            pending.error = None
        except BaseException as error:
            pending.value = None
            # What undoes a mutation that was late must not be late itself.
            self._stop_at_ns = _NEVER
            gone = self._undo(link, error)
            pending.error = self._told(error, link, gone)
            if gone is not None:
                raise gone from None
            if isinstance(error, Refused):
                self._keep(pending, error)
        finally:
            link.stopped = Shut()

    def _keep(self, pending: Pending, refused: Refused) -> None:
        """Write a refusal down, in a savepoint of its own."""
        link = WriteLink(self.connection, self._cursor.execute)
        db = Writer(link, self._context, pending.call.caller, pending.now_ns, pending.seed)
        try:
            self._guard.run(self._savepoint)
            refused.keep(db)
            self._guard.run(self._release)
            pending.error = refused.error
            self._has_kept = True
        except BaseException as error:
            gone = self._undo(link, error)
            pending.error = self._told(error, link, gone)
            if gone is not None:
                raise gone from None
        finally:
            link.stopped = Shut()

    def _is_late(self) -> bool:
        return self._monotonic_ns() > self._stop_at_ns

    def _undo(self, link: WriteLink, error: BaseException) -> Stopped | None:
        """Take back one mutation; if more than that is lost, what the engine said to it."""
        stop = link.stopped
        if isinstance(stop, DiskFailed):
            return stop
        if self.connection.get_autocommit():
            return stop if isinstance(stop, TransactionGone) else TransactionGone(error)
        if isinstance(error, apsw.BusyError):
            # A statement was left half-read, and it holds the savepoint.
            self._cursor.close(True)
            self._cursor = self.connection.cursor()
        try:
            self._guard.run(self._undo_one)
            self._guard.run(self._release)
        except apsw.Error as refused:
            self._roll_back()
            return DiskFailed(refused) if is_fsync(refused) else TransactionGone(error)
        return None

    def _told(self, error: BaseException, link: WriteLink, gone: Stopped | None) -> BaseException:
        if gone is not None:
            return self._refusal(gone, link)
        if isinstance(error, apsw.BusyError):
            return StatementError("a statement of the mutation was not read to its end.")
        return self._refusal(error, link)

    def _refusal(self, error: BaseException, link: WriteLink) -> BaseException:
        told = refusal(error, link=link, context=self._context)
        if isinstance(told, StorageDamaged):
            self.damages += 1
        elif isinstance(told, StorageFull):
            self.fulls += 1
        return told

    def _check_references(self) -> None:
        """A deferred key would fail the COMMIT, and with it everybody; so it fails its own."""
        if self.connection.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise ConstraintViolation("reference")

    def _commit_all(self, batch: list[Pending], seq: int) -> None:
        refused = self._finish(seq)
        if refused is None:
            for pending in batch:
                pending.is_settled = True
            self._is_durable(seq)
            if self._crash is not None:
                self._crash("after commit")
        elif self._is_in_doubt:
            self._doubt(batch)
        elif len(batch) == 1:
            self._refuse_all(batch, refused)
        else:
            self._one_by_one([pending for pending in batch if not pending.is_settled])

    def _is_durable(self, seq: int) -> None:
        if self.noted is not None:
            self.noted(seq)
        self.seq = seq

    @property
    def _is_in_doubt(self) -> bool:
        """Nobody can say whether the last COMMIT is there."""
        return self.broken is not None or self._unfenced is not None

    def _finish(self, seq: int) -> apsw.Error | None:
        """
        COMMIT. None when it is durable; else why it is not there.

        When nobody can say that it never will be, `_is_in_doubt` afterwards.
        """
        try:
            self._guard.run(self._advance, (seq,))
            if self._crash is not None:
                self._crash("before commit")
        except apsw.Error as error:
            self._roll_back()
            if is_fsync(error):
                self.broken = error
            return error
        self.committing = seq
        try:
            self._guard.run(self._commit)
        except apsw.Error as error:
            self._roll_back()
            if isinstance(error, apsw.IOError):
                self.broken = error
            elif not isinstance(error, (apsw.ConstraintError, apsw.BusyError)):
                # Those two are said before anything is written.
                self._fence()
            if self.broken is None:
                self.committing = self.seq
            return error
        return None

    def _fence(self) -> None:
        """
        Commit something else, durably; then the failed COMMIT's frames are overwritten.

        Only then is `failed` true for ever (reliability 4.2: 0 of 127 came back).
        """
        self._unfenced = self._fenced()
        if isinstance(self._unfenced, apsw.FullError) and self.make_room():
            self._unfenced = self._fenced()
        if isinstance(self._unfenced, apsw.FullError):
            self.fulls += 1
        if isinstance(self._unfenced, apsw.IOError):
            self.broken = self._unfenced

    def _fenced(self) -> apsw.Error | None:
        """Why the fence does not stand; None when it does."""
        try:
            self._guard.run(self._begin)
            self._guard.run(self._pass)
            self._guard.run(self._commit)
        except apsw.Error as error:
            self._roll_back()
            return error
        return None

    def _require_fence(self) -> None:
        """
        Nothing is begun behind a COMMIT that may come back.

        Raises:
            apsw.Error: It still cannot be fenced off.
        """
        if self._unfenced is not None:
            self._fence()
            if self._unfenced is not None:
                raise self._unfenced

    def _roll_back(self) -> None:
        if not self.connection.get_autocommit():
            try:
                self._guard.run(self._rollback)
            except apsw.Error as error:
                self.broken = error

    def _refuse_all(self, batch: Sequence[Pending], error: apsw.Error) -> None:
        """Nothing was written, for nobody; a failed fsync is the last one."""
        if is_fsync(error):
            self.broken = error
        if isinstance(error, apsw.BusyError):
            _LOG.error("another program writes into the database, past the owner lock")
        link = WriteLink(self.connection, self._cursor.execute)
        for pending in batch:
            if not pending.is_settled:
                pending.value = None
                pending.settle(self._refusal(error, link))

    def _doubt(self, batch: Sequence[Pending]) -> None:
        """Nobody can say whether the COMMIT is there."""
        for pending in batch:
            if not pending.is_settled:
                # One that was refused heard it of a state that may never have been.
                pending.settle(unknown() if pending.error is None else stopped())
                pending.value = None

    def refuse_inside(self) -> None:
        """
        Asked before one waits for the writer.

        Raises:
            StatementError: On the writer's own thread, inside a mutation.
        """
        if self.thread == threading.get_ident():
            raise StatementError(
                "a mutation cannot start another one: it would wait for itself.",
                hint="Call the function with the same `db`.",
            )

    def _stop_for(self, error: BaseException, batch: Sequence[Pending]) -> None:
        """After a defect: nobody waits for ever, and nobody hears what may not be so."""
        self.broken = error
        if self.committing != self.seq:
            self._doubt(batch)
        self._roll_back()
        for pending in batch:
            if not pending.is_settled:
                pending.value = None
                pending.settle(stopped())


def _no_room() -> bool:
    """Nobody keeps any."""
    return False
