"""
Group commit over all processes: many mutations, one transaction, one order.

Only one process writes at a time. Its transaction takes a lock before its first look at the
data (LOCK TABLE needs no snapshot), so each batch sees all batches before it, and the order
of commit, the order of `seq` and the order in which the functions ran are the same one,
as on SQLite. The transaction is SERIALIZABLE for the sake of programs that write beside us;
what that costs them or us (40001, 40P01) is run again whole, a bounded number of times.

How one caller's mistake stays only theirs, without a savepoint for each:

- *bold*: no savepoint. A function that raises before it wrote anything has nothing to undo.
- A refused statement, or an exception after a write, spoils the transaction. It is rolled
  back, nobody has been answered, and the batch is run again with that mutation *careful*: a
  savepoint around it, and one before each of its statements. Its method is remembered for
  a minute, so it is careful from the start. (Every savepoint that writes is a subtransaction,
  and past 64 of them the server slows down for everybody: reliability 4.20.)

When the connection is lost before COMMIT was sent, nothing happened. When it is lost in COMMIT,
the server is asked later whether it is there (`InDoubt`).

`step` is plain code: it waits through what it is given, over the bridge or in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from freehold.clock import Clock
from freehold.db import IN_PROCESS, Context, Refused, Writer
from freehold.db.sqlstates import violation
from freehold.db.violations import explain
from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.pending import Pending
from freehold.drivers.postgres.doubt import marking
from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.links import WriteLink, shut
from freehold.drivers.postgres.outbox import Outbox
from freehold.drivers.postgres.refusals import (
    AGAIN,
    Again,
    Lost,
    Spoiled,
    TimeUp,
    Undeferred,
    Wait,
    refused,
    unknown,
)
from freehold.drivers.stops import Stopped
from freehold.drivers.unheard import not_reached, too_late
from freehold.errors import DeadlineExceeded, Unavailable
from freehold.wire.limits import Limits

_LOG = logging.getLogger("freehold.postgres")
#: Mutations of one transaction; all of them wait for the last, and so do other processes.
BATCH_MAX: Final = 64
#: The last commit of all processes.
SEQ_SQL: Final = 'SELECT "seq", 0 FROM "_freehold_meta" WHERE "id" = 1'
#: Savepoints of one transaction (reliability 4.20); the mutation that passes it is its last.
SAVEPOINTS_MAX: Final = 32
#: How often a transaction is run again because of others, and how long it waits between.
_AGAIN_MAX: Final = 5
_AGAIN_WAIT_S: Final = 0.01
#: After so many spoiled attempts at one batch, all of it is careful.
_SPOILED_MAX: Final = 3
#: How long a method that spoiled a batch is careful from the start.
_CAREFUL_NS: Final = 60 * 1_000_000_000
#: What may be said against a mutation only at the end of its transaction.
_LATE: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError)
_ASK_NOW: Final = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED"
_MS: Final = 1_000_000
_OUTLIVES_MS: Final = 1_000
_LATER_MS: Final = 2_000

#: A place where a test may stop the process; None in production.
CrashPoint = Callable[[str], None] | None


#: Adds mutations to a batch that is under way.
More = Callable[[], Sequence[Pending]]


class InDoubt(BaseException):
    """The connection was lost in COMMIT; `seq` is what it would have been."""

    def __init__(self, batch: Sequence[Pending], seq: int) -> None:
        super().__init__(seq)
        self.batch = batch
        self.seq = seq


class _Guilty(Exception):
    """A mutation that spoiled the transaction for all."""

    def __init__(self, pending: Pending) -> None:
        self.pending = pending


class _Late(Exception):
    """A constraint that waits for the end refused the COMMIT, and nobody knows whose it was."""


class Known:
    """The commits that this process knows of."""

    def __init__(self, seq: int) -> None:
        #: The last one, whoever made it. It may be more by now.
        self.seq = seq
        #: The last one made here.
        self.own_seq = 0

    def hear(self, seq: int) -> None:
        """There is this commit."""
        self.seq = max(self.seq, seq)

    def is_truth(self, seq: int) -> None:
        """
        This is the last one, and there is none behind it.

        It is lower only when the server went back: another one took over that had not got them
        all. Then nobody may be told that what is lost is there.
        """
        if seq < self.seq:
            _LOG.error("the database went back from commit %d to %d", self.seq, seq)
            self.own_seq = min(self.own_seq, seq)
        self.seq = seq


class Batches:
    """
    Runs batches of mutations on a line that it is given.

    Args:
        context: What handles share.
        known: Told of every commit.
        clock: For deadlines.
        limits: How long a mutation may take.
        jitter: A number from 0 to 1, for waits.
        must_sync: The server's own setting would answer before a commit is durable.
        crash: Called at every named point; None in production.
    """

    def __init__(
        self,
        context: Context,
        known: Known,
        *,
        clock: Clock,
        limits: Limits,
        jitter: Callable[[], float],
        must_sync: bool = False,
        crash: CrashPoint = None,
    ) -> None:
        #: What handles share.
        self.context = context
        self._records: Mapping[str, Any] = context.records
        self._known = known
        self._monotonic_ns = clock.monotonic_ns
        self._mutation_ms = limits.mutation_time_ms_max
        self._jitter = jitter
        self._crash = crash
        self._careful_until: dict[str, int] = {}
        longest_ms = self._mutation_ms
        self._begin = (
            "BEGIN ISOLATION LEVEL SERIALIZABLE; "
            # Later than the end of one that stands still with the lock: who waits is then served.
            f"SET LOCAL lock_timeout = {2 * longest_ms + _OUTLIVES_MS}; "
            # And this one later still, for the lock's says more.
            f"SET LOCAL statement_timeout = {2 * longest_ms + _LATER_MS}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {2 * longest_ms}; "
            'LOCK TABLE "_freehold_writer" IN EXCLUSIVE MODE; '
            f"SET LOCAL statement_timeout = {longest_ms}"
            + ("; SET LOCAL synchronous_commit = on" if must_sync else "")
        )
        self.batches = 0
        #: How often a batch was run again.
        self.restarts = 0

    def step(
        self, line: Line, batch: Sequence[Pending], wait: Wait, *, more: More | None = None
    ) -> None:
        """
        Run a batch, or the first part of it; what was run is settled.

        Args:
            line: Where to.
            batch: The mutations, in order.
            wait: How coroutines are waited for.
            more: Adds to the batch what has come since, and says what that is; asked while the
                transaction is open. Its methods are none of those that are careful.

        Raises:
            Lost: The connection is gone and nothing was committed; nothing is settled.
            InDoubt: It was lost in COMMIT.
        """
        attempt = _Attempt(self, line, wait)
        careful = {id(each) for each in batch if self.was_guilty(each.call.method)}
        spoiled = again = 0
        may_defer = True
        while True:
            todo = [pending for pending in batch if not pending.is_settled]
            if not todo:
                return
            try:
                attempt.run(todo, careful, may_defer=may_defer, more=more)
                self.batches += 1
                return
            except Undeferred:
                may_defer = False
            except _Late:
                careful.update(id(each) for each in todo)
            except _Guilty as guilty:
                spoiled += 1
                careful.add(id(guilty.pending))
                self._remember(guilty.pending.call.method)
                if spoiled >= _SPOILED_MAX:
                    careful.update(id(each) for each in todo)
            except Again as error:
                again += 1
                if isinstance(error.cause, asyncpg.exceptions.InvalidCachedStatementError):
                    line.forget()
                if again > _AGAIN_MAX:
                    _settle_all(todo, refused(error.cause))
                    return
                wait(asyncio.sleep(_AGAIN_WAIT_S * 2**again * self._jitter()))
            except asyncpg.PostgresError as error:
                _settle_all(todo, refused(error))
                return
            except Stopped as stop:
                if isinstance(stop, Lost):
                    raise
                _settle_all(todo, refused(asyncpg.PostgresError(str(stop))))
                return
            self.restarts += 1

    @contextmanager
    def by_hand(self, line: Line, wait: Wait) -> Iterator[WriteLink]:
        """
        The link of one mutation whose function is a `with` block; committed at its end.

        Raises:
            OutcomeUnknown: The connection was lost in COMMIT.
        """
        attempt = _Attempt(self, line, wait)
        with attempt.block() as link:
            yield link

    def was_guilty(self, method: str) -> bool:
        """Whether a mutation of this method spoiled a batch in the last minute."""
        until_ns = self._careful_until.get(method)
        if until_ns is None:
            return False
        if self._monotonic_ns() < until_ns:
            return True
        del self._careful_until[method]
        return False

    def _remember(self, method: str) -> None:
        self._careful_until[method] = self._monotonic_ns() + _CAREFUL_NS


class _Attempt:
    """One try at a batch: from BEGIN to COMMIT, or to ROLLBACK."""

    def __init__(self, batches: Batches, line: Line, wait: Wait) -> None:
        self._of = batches
        self._line = line
        self._wait = wait
        self._seq = 0
        self._savepoints = 0
        #: A lone mutation wrote something and then failed.
        self._is_tainted = False
        #: A refusal was written down.
        self._has_kept = False
        #: Constraints that wait for the end are asked after each mutation.
        self._asks_late = False
        self._outbox = Outbox(line, wait, is_open=False)

    def run(
        self,
        todo: Sequence[Pending],
        careful: set[int],
        *,
        may_defer: bool,
        more: More | None = None,
    ) -> None:
        """Run them; settles those that were run. Whatever is raised, nothing was committed."""
        self._outbox = Outbox(self._line, self._wait, is_open=may_defer)
        self._savepoints = 0
        self._is_tainted = self._has_kept = False
        try:
            self._open()
            ran = self._run_all(todo, careful, more)
            if not self._is_tainted:
                self._outbox.flush()
        except BaseException as error:
            self._roll_back()
            if isinstance(error, AGAIN):
                raise Again(error) from None
            if isinstance(error, LOST):
                raise Lost(error) from None
            raise
        done = [pending for pending in ran if pending.error is None]
        if self._is_tainted or not (done or self._has_kept):
            self._roll_back()
        else:
            self._commit(ran)
        self._settle(ran)

    @contextmanager
    def block(self) -> Iterator[WriteLink]:
        """One careful mutation, function and all, without being run again."""
        try:
            self._open()
            link = self._link(is_careful=True)
            yield link
            self._seq += 1
        except BaseException:
            self._roll_back()
            raise
        alone = Pending(_BLOCK, now_ns=0, seed=b"")
        # A block cannot be run again to find out whose it was: it is this one's.
        self._asks_late = True
        try:
            self._commit([alone])
        except InDoubt:
            raise unknown() from None
        if alone.error is not None:
            raise alone.error

    def _open(self) -> None:
        self._wait(self._line.run(self._of._begin))
        rows = self._wait(self._line.fetch(SEQ_SQL, ()))
        self._seq = rows[0][0]
        # Whoever is answered by what is there already is told of a commit that has it.
        self._of._known.is_truth(self._seq)

    def _run_all(
        self, todo: Sequence[Pending], careful: set[int], more: More | None
    ) -> list[Pending]:
        ran: list[Pending] = []
        for pending in todo:
            is_careful = id(pending) in careful
            if is_careful and ran and self._savepoints >= SAVEPOINTS_MAX:
                return ran
            self._one(pending, is_careful=is_careful, is_alone=len(todo) == 1)
            ran.append(pending)
        # While this one was opened others have come: they need not wait for the next.
        while more is not None and not self._is_tainted and (new := more()):
            for pending in new:
                self._one(pending, is_careful=False, is_alone=False)
                ran.append(pending)
        return ran

    def _one(self, pending: Pending, *, is_careful: bool, is_alone: bool) -> None:
        pending.error = pending.value = None
        call = pending.call
        now_ns = self._of._monotonic_ns()
        if now_ns >= call.deadline_ns:
            pending.error = too_late()
            return
        if call.min_seq > self._seq:
            pending.error = not_reached(call.min_seq, self._seq)
            return
        if is_careful:
            self._outbox.flush()
            self._wait(self._line.run("SAVEPOINT fh_mutation"))
            self._savepoints += 1
        link = self._link(is_careful=is_careful)
        failure: BaseException | None = None
        try:
            writer = Writer(link, self._of.context, call.caller, pending.now_ns, pending.seed)
            pending.value = call.run(writer)
        except BaseException as error:
            failure = error
        stop = link.stopped or (failure if isinstance(failure, Stopped) else None)
        shut(link)
        self._savepoints += link.savepoints
        if stop is None and failure is None and self._asks_late:
            failure = self._late_refusal(link)
        if stop is not None:
            self._stopped(pending, stop)
        elif failure is None:
            self._keep(pending, is_careful=is_careful)
        else:
            self._undo(pending, failure, link, is_careful=is_careful, is_alone=is_alone)

    def _late_refusal(self, link: WriteLink) -> BaseException | None:
        """What a constraint that waits for the end has against the mutation that has just run."""
        try:
            self._wait(self._line.run(_ASK_NOW))
        except _LATE as error:
            found = violation(error, self._of._records)
            return explain(found, link, self._of.context) if found else refused(error)
        return None

    def _link(self, *, is_careful: bool) -> WriteLink:
        return WriteLink(
            self._line,
            self._wait,
            self._of._records,
            monotonic_ns=self._of._monotonic_ns,
            stop_at_ns=self._of._monotonic_ns() + self._of._mutation_ms * _MS,
            is_careful=is_careful,
            outbox=self._outbox,
            seq=self._seq + 1,
        )

    def _stopped(self, pending: Pending, stop: Stopped) -> None:
        """The transaction cannot go on, with or without this mutation."""
        if isinstance(stop, Spoiled):
            raise _Guilty(pending)
        if isinstance(stop, TimeUp):
            # Rolled back with everybody, and never run again.
            pending.value = None
            pending.settle(DeadlineExceeded("the mutation was interrupted; nothing was written."))
            raise _Guilty(pending)
        raise stop

    def _keep(self, pending: Pending, *, is_careful: bool) -> None:
        if is_careful:
            self._wait(self._line.run("RELEASE SAVEPOINT fh_mutation"))
        self._seq += 1
        pending.seq = self._seq

    def _undo(
        self, pending: Pending, failure: BaseException, link: WriteLink, *, is_careful: bool,
        is_alone: bool,
    ) -> None:  # fmt: skip
        if is_careful:
            self._wait(
                self._line.run("ROLLBACK TO SAVEPOINT fh_mutation; RELEASE SAVEPOINT fh_mutation")
            )
        elif link.wrote and (not is_alone or isinstance(failure, Refused)):
            raise _Guilty(pending)
        elif link.wrote:
            self._is_tainted = True
        pending.value = None
        pending.error = failure
        if isinstance(failure, Refused):
            self._keep_refusal(pending, failure)

    def _keep_refusal(self, pending: Pending, refused: Refused) -> None:
        """Write a refusal down, behind what was taken back."""
        link = self._link(is_careful=False)
        try:
            refused.keep(
                Writer(link, self._of.context, pending.call.caller, pending.now_ns, pending.seed)
            )
        except BaseException as failure:
            stop = link.stopped or failure
            if isinstance(stop, (Lost, Again, Undeferred)):
                raise stop from None
            # It would be another one tomorrow, and nothing says today's: so it is not told.
            _LOG.warning("a refusal of %s could not be kept: %s", pending.call.method, stop)
            pending.settle(
                Unavailable("the refusal could not be kept; nothing was done.", hint="Call again.")
            )
            raise _Guilty(pending) from None
        finally:
            shut(link)
        pending.error = refused.error
        self._has_kept = True

    def _commit(self, ran: Sequence[Pending]) -> None:
        if self._of._crash is not None:
            self._of._crash("before commit")
        sql = f'UPDATE "_freehold_meta" SET "seq" = {self._seq} WHERE "id" = 1; '  # noqa: S608
        sql += marking(self._line.mark, self._seq) + "COMMIT"
        try:
            tag = self._wait(self._line.run(sql))
        except AGAIN as error:
            self._roll_back()
            raise Again(error) from None
        except LOST as error:
            self._line.hang_up()
            raise InDoubt(ran, self._seq) from error
        except asyncpg.PostgresError as error:
            if isinstance(error, _LATE) and not self._asks_late:
                self._roll_back()
                self._asks_late = True
                raise _Late from None
            self._refuse_commit(ran, error)
            return
        if tag != "COMMIT":
            # COMMIT of a transaction that was aborted is answered so, without an error.
            self._refuse_commit(ran, None)
            return
        if self._of._crash is not None:
            self._of._crash("after commit")
        self._of._known.own_seq = self._seq
        self._of._known.hear(self._seq)

    def _refuse_commit(self, ran: Sequence[Pending], error: asyncpg.PostgresError | None) -> None:
        """Nothing was committed, for nobody."""
        self._roll_back()
        told = refused(error) if error is not None else refused(asyncpg.PostgresError())
        for pending in ran:
            if pending.error is None:
                pending.value = None
                pending.error = told

    def _settle(self, ran: Sequence[Pending]) -> None:
        for pending in ran:
            if pending.error is not None:
                pending.seq = self._of._known.seq
            pending.settle(pending.error)

    def _roll_back(self) -> None:
        try:
            if not self._line.is_closed:
                self._wait(self._line.run("ROLLBACK"))
        except (asyncpg.PostgresError, *LOST):
            # The server rolls back what was open on a connection that is gone.
            self._line.hang_up()


#: Stands for the block in the bookkeeping of a commit.
_BLOCK: Final = InProcessCall(lambda _: None, IN_PROCESS)


def _settle_all(batch: Sequence[Pending], error: BaseException) -> None:
    for pending in batch:
        pending.value = None
        pending.settle(error)
