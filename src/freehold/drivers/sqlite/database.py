"""
One SQLite database under its owner: opened, recovered, served, closed.

The order of opening matters: engine version, owner lock, recovery and a checkpoint that
makes what was recovered durable, preparation (migrations) by whoever opens it, and only
then readers and the writer's thread.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeVar

import apsw

from freehold.clock import Clock, SystemClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller, Context, Reader, Writer
from freehold.db.ports import Call
from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.looking import Rows
from freehold.drivers.pending import Pending
from freehold.drivers.sqlite import checksums, pragmas
from freehold.drivers.sqlite.batch import CrashPoint, GroupCommit
from freehold.drivers.sqlite.connection import Place, open_connection, settle
from freehold.drivers.sqlite.files import give_free, keep_off
from freehold.drivers.sqlite.inspect import inspect_sql
from freehold.drivers.sqlite.links import Damaged, OverBudget
from freehold.drivers.sqlite.log import CHECKPOINT_PAGES, WriteAheadLog
from freehold.drivers.sqlite.memory import make_folder, remove_folder
from freehold.drivers.sqlite.outcomes import stopped, unread
from freehold.drivers.sqlite.owner import Owner, OwnerLock
from freehold.drivers.sqlite.preparation import (
    create_schema,
    cursor_key,
    ensure_meta,
    make_recovered_durable,
    refusals_at_start,
)
from freehold.drivers.sqlite.readers import ReaderThreads, ran_too_long
from freehold.drivers.sqlite.renewal import renew_log
from freehold.drivers.sqlite.snapshots import Snapshots
from freehold.drivers.sqlite.space import Space
from freehold.drivers.sqlite.witness import Witness
from freehold.drivers.sqlite.writer import WriterThread
from freehold.drivers.turns import Turns
from freehold.drivers.unheard import closed, not_reached
from freehold.errors import (
    DeadlineExceeded,
    InvalidArgument,
    Overloaded,
    StorageDamaged,
    invariant,
)
from freehold.ids import Ids, SystemIds
from freehold.schema import Schema
from freehold.wire.limits import Limits

T = TypeVar("T")
_LOG = logging.getLogger("freehold.sqlite")
#: So many budgets of time, spent in Python, send a method to the threads.
_SLOW_IN_PYTHON: Final = 10
_NEVER: Final = 1 << 62
_NS_PER_MS: Final = 1_000_000
_READER_THREADS: Final = 2
#: How long a method that passed its budget goes to the threads without being tried inline.
SLOW_FOR_NS: Final = 60 * 1_000_000_000

#: Runs a function on the event loop's thread, from any thread.
OnLoop = Callable[[Callable[[], None]], None]


class SqliteDatabase:
    """
    A database file (or one in memory) and everything that runs on it.

    Args:
        path: The file, or None for a database in memory.
        schema: Its records.
        name: Its name in the application; part of every sealed value.
        clock: Where time comes from.
        ids: Where seeds come from.
        ring: The column keys, when columns are sealed.
        limits: Batch, queue and time limits.
        storage: The VFS; a test puts a faulty disk here.
        crash: Called at the named points of a commit; None in production.
        checkpoint_pages: Pages in the write-ahead log before it is moved into the database.
        has_checksums: A new file gets a checksum on every page; an old one stays as it is.
    """

    #: The writer's half and what handles share; there once the database is open.
    commits: GroupCommit
    context: Context

    def __init__(
        self,
        path: str | Path | None,
        schema: Schema,
        *,
        name: str = "main",
        clock: Clock | None = None,
        ids: Ids | None = None,
        ring: KeyRing | None = None,
        limits: Limits | None = None,
        storage: str | None = None,
        crash: CrashPoint = None,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        has_checksums: bool = True,
    ) -> None:
        self.schema = schema
        self.name = name
        self.path = Path(path) if path is not None else None
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        self._ring = ring
        self._limits = limits or Limits()
        self._storage = storage
        self._crash = crash
        self._checkpoint_pages = checkpoint_pages
        self._wants_checksums = has_checksums
        self._mark = ""
        self._folder: Path | None = None
        self._lock: OwnerLock | None = None
        self._witness: Witness | None = None
        self._space: Space | None = None
        self._keep: apsw.Connection | None = None
        self._inline: Snapshots | None = None
        self._writer: WriterThread | None = None
        self._threads: ReaderThreads | None = None
        self._handing_over = threading.Lock()
        self._on_loop: OnLoop = _here
        self._slow: dict[str, int] = {}
        self._suspects: set[str] = set()
        # Without threads there is nobody to hand a long query to.
        self._budget_ns = self._limits.statement_time_ms_max * _NS_PER_MS
        #: Told by other drivers; here nobody else changes keys.
        self.keys_changed: Callable[[], None] = _nobody
        #: Every page has a checksum; known once the database is open.
        self.has_checksums = False
        #: Called on the writer's thread when it has stopped for good.
        self.broken: Callable[[BaseException], None] = _nobody

    def open(self, prepare: Callable[[apsw.Connection], None] | None = None) -> None:
        """
        Take the database over, recover it, and have it prepared.

        Args:
            prepare: Gets the connection that will write, before anything else may: to
                migrate. Without it the schema is created when the file is new.

        Raises:
            EngineTooOld, OwnerLocked, StartError: It cannot be opened; nothing is left open.
        """
        invariant(self._keep is None, "the database is open already")
        pragmas.check_engine()
        try:
            self._place = self._take()
            with refusals_at_start(self.path):
                self._connect(prepare or self._create)
        except BaseException:
            self.close()
            raise

    def _take(self) -> Place:
        """The files, ours alone from now on."""
        if self.path is None:
            self._folder = make_folder(self.name)
            return Place(str(self._folder / "memory.db"), self._storage, is_lasting=False)
        self._lock = OwnerLock(self.path).acquire()
        renew_log(self.path)
        self._witness = Witness(self.path.resolve())
        keep_off(self.path)
        return Place(str(self.path.resolve()), self._storage, checksums=self._wants_checksums)

    def _connect(self, prepare: Callable[[apsw.Connection], None]) -> None:
        self._keep = connection = open_connection(self._place, may_create=True)
        # Before the log is moved: a checkpoint past the shim would leave wrong checksums.
        checksums.check_header(connection, self.place, is_recovered=False)
        witness = self._witness
        if witness is not None:
            witness.compare(connection)
        make_recovered_durable(connection)
        checksums.check_header(connection, self.place)
        checksums.mark(connection)
        self.has_checksums = checksums.is_on(connection)
        prepare(connection)
        invariant(connection.get_autocommit(), "the preparation left its transaction open")
        # A migration turns foreign keys off; whether it turned them on again is not asked.
        settle(connection, self._place)
        ensure_meta(connection, self._ids)
        self._mark = self._ids.seed().hex()[:32]
        self.context = Context(
            database=self.name,
            dialect="sqlite",
            ring=self._ring,
            cursor_key=cursor_key(connection),
            page_rows_max=self._limits.page_rows_max,
            records={record.__table__.name: record for record in self.schema.records},
        )
        self.commits = GroupCommit(
            connection,
            context=self.context,
            clock=self._clock,
            mark=self._mark,
            crash=self._crash,
            mutation_ns_max=self._limits.mutation_time_ms_max * 1_000_000,
        )
        if witness is not None:
            witness.begin(self.commits.seq, self.context.cursor_key)
            self.commits.noted = witness.note
        self._log = WriteAheadLog(connection, checkpoint_pages=self._checkpoint_pages)
        self._inline = self._snapshots()

    def start(self, on_loop: OnLoop) -> None:
        """
        Start the writer's thread and the readers'.

        Args:
            on_loop: How a thread reaches the event loop (`loop.call_soon_threadsafe`).
        """
        invariant(self._inline is not None, "the database was not opened")
        invariant(self._writer is None, "the database was started already")
        self._on_loop = on_loop
        self._budget_ns = self._limits.inline_budget_ms * _NS_PER_MS
        self._threads = ReaderThreads(
            self._snapshots,
            clock=self._clock,
            count=_READER_THREADS,
            waiting_max=self._limits.queue_length_max,
            statement_ns_max=self._limits.statement_time_ms_max * _NS_PER_MS,
            tell=on_loop,
            unread=self._unread,
        )
        turns = Turns(
            batch_max=self._limits.batch_size_max,
            waiting_max=self._limits.queue_length_max,
            of_one_max=self._limits.key_queue_length_max,
        )
        if self.path is not None:
            self._space = Space(
                self.path.resolve(), self._log, self._limits, clock=self._clock, nudge=turns.nudge
            )
            self.commits.make_room = self._space.make_room
            self._space.begin()
        self._writer = WriterThread(
            self.commits,
            self._log,
            turns,
            batch_size_max=self._limits.batch_size_max,
            tell=self._tell,
            broken=lambda error: self.broken(error),
            rest=self._threads.rest,
            space=self._space,
        )
        self._writer.start()

    def close(self) -> None:
        """Finish what waits, move the log into the database, and give the file back."""
        if self._threads is not None:
            self._threads.stop()
            self._threads = None
        with self._handing_over:
            if self._writer is not None:
                self._writer.stop()
                self._writer = None
            inline, self._inline = self._inline, None
            connection, self._keep = self._keep, None
        if inline is not None:
            inline.close()
        if connection is not None:
            # The last connection moves the log into the database; if that fails, or a COMMIT
            # did, the log stays beside the file and the next owner recovers from it.
            is_clean = inline is not None and self.commits.broken is None
            pragmas.checkpoint_on_close(connection, wanted=is_clean)
            with suppress(apsw.Error):
                connection.close()
        self._give_back()

    def _give_back(self) -> None:
        if self._space is not None:
            self._space.close()
        if self._witness is not None:
            self._witness.close()
        if self._lock is not None and self.path is not None:
            give_free(self.path)
            self._lock.release()
            self._lock = None
        if self._folder is not None:
            remove_folder(self._folder)
            self._folder = None

    async def finish(self) -> None:
        """Nothing of this driver lives on the event loop; `close` does it all."""

    def announce(self, *, socket: str | None, address: str | None) -> None:
        """Write into the lock file where this owner listens."""
        if self._lock is not None:
            self._lock.tell(Owner(pid=os.getpid(), socket=socket, address=address))

    # What dispatch asks for, see `db.ports`.

    def run_query(self, call: Call, /) -> None:
        """Run a query: inline, or on a thread when its method is known to be slow."""
        inline = self._inline
        if inline is None:
            call.failed(0, closed())
            return
        now_ns = self._clock.monotonic_ns()
        if call.min_seq > self.commits.seq and not self._has_reached(call.min_seq):
            call.failed(self.commits.seq, not_reached(call.min_seq, self.commits.seq))
            return
        if self._slow and self._threads is not None and self._is_slow(call.method, now_ns):
            self._hand_over(call, inline)
            return
        if now_ns >= call.deadline_ns:
            call.failed(self.commits.seq, DeadlineExceeded("the call's time ran out."))
            return
        is_watched = self._suspects and call.method in self._suspects
        used_ns = self._clock.cpu_ns() if is_watched else None
        try:
            seq, value = inline.run(call, stop_at_ns=now_ns + self._budget_ns)
        except OverBudget:
            self._slow[call.method] = now_ns + SLOW_FOR_NS
            self._hand_over(call, inline)
        except BaseException as error:
            call.failed(self.commits.seq, self._unread(error))
        else:
            if self._clock.monotonic_ns() - now_ns > _SLOW_IN_PYTHON * self._budget_ns:
                self._suspect(call.method, used_ns, now_ns)
            call.done(seq, value)

    def _suspect(self, method: str, used_ns: int | None, now_ns: int) -> None:
        """
        Its statements were quick, and yet it took long: in Python, or because others ran.

        The first time it is only watched: the next time its use of the processor decides.
        """
        if used_ns is None:
            self._suspects.add(method)
            return
        self._suspects.discard(method)
        if self._clock.cpu_ns() - used_ns > _SLOW_IN_PYTHON * self._budget_ns:
            self._slow[method] = now_ns + SLOW_FOR_NS

    def always_on_thread(self, method: str) -> None:
        """Queries of this method never run on the event loop's thread."""
        self._slow[method] = _NEVER

    def submit(self, call: Call, /) -> None:
        """Queue a mutation for the writer."""
        writer = self._writer
        if writer is None:
            call.failed(0, closed())
        elif self.commits.broken is not None:
            call.failed(self.commits.seq, stopped())
        elif call.min_seq > self.commits.seq and not self._has_reached(call.min_seq):
            call.failed(self.commits.seq, not_reached(call.min_seq, self.commits.seq))
        elif (refusal := writer.turns.refusal(call.caller.key_id)) is not None:
            call.failed(self.commits.seq, refusal)
        else:
            writer.put(Pending(call, now_ns=self._clock.wall_ns(), seed=self._ids.seed()))

    # In process: seeds, tests, the command line.

    def write(self, run: Callable[[Writer], T], *, caller: Caller = IN_PROCESS) -> T:
        """
        Run a function as one mutation and wait until it is durable.

        Raises:
            StatementError: It is called by a mutation's function, on the writer's thread.
            Exception: What the function raised, or the database's own CallError.
        """
        if self._keep is not None:
            self.commits.refuse_inside()
        done = threading.Event()
        call = InProcessCall(run, caller)
        pending = Pending(
            call, now_ns=self._clock.wall_ns(), seed=self._ids.seed(), waiter=done.set
        )
        with self._handing_over:
            if self._keep is None:
                raise closed()
            if self._writer is not None:
                self._writer.put(pending)
            else:
                self._step_here(pending)
        done.wait()
        return call.outcome()  # type: ignore[no-any-return]

    def _step_here(self, pending: Pending) -> None:
        try:
            self.commits.step([pending])
        finally:
            pending.tell()
        if self.commits.broken is None and self._log.is_due:
            self._log.checkpoint()

    def read(self, run: Callable[[Reader], T], *, caller: Caller = IN_PROCESS) -> T:
        """
        Run a function as one query on a connection of its own, and wait for it.

        Raises:
            DeadlineExceeded: It ran longer than a query may.
            Exception: What the function raised.
        """
        call = InProcessCall(run, caller)
        snapshots = self._snapshots()
        try:
            longest_ns = self._limits.statement_time_ms_max * _NS_PER_MS
            stop_at_ns = self._clock.monotonic_ns() + longest_ns
            _, value = snapshots.run_in_transaction(call, stop_at_ns=stop_at_ns)
        except OverBudget:
            raise ran_too_long(self._limits.statement_time_ms_max) from None
        except (apsw.Error, Damaged) as error:
            raise self._unread(error) from None
        finally:
            snapshots.close()
        return value  # type: ignore[no-any-return]

    @contextmanager
    def writing(self, *, caller: Caller = IN_PROCESS) -> Iterator[Writer]:
        """A `with` block as one mutation; only before `start`, when no thread writes."""
        if self._keep is None:
            raise closed()
        invariant(self._writer is None, "the writer's thread runs: use write()")
        self.commits.refuse_inside()
        with self._handing_over:
            now_ns, seed = self._clock.wall_ns(), self._ids.seed()
            with self.commits.by_hand(caller, now_ns=now_ns, seed=seed) as db:
                yield db
            if self._log.is_due:
                self._log.checkpoint()

    @contextmanager
    def reading(self, *, caller: Caller = IN_PROCESS) -> Iterator[Reader]:
        """A `with` block as one query over one snapshot."""
        snapshots = self._snapshots()
        try:
            with snapshots.by_hand(caller) as db:
                yield db
        except Damaged as error:
            raise self._unread(error) from None
        finally:
            snapshots.close()

    def inspect(self, sql: str, rows_max: int) -> Rows:
        """
        The rows of one SELECT, for the operator; runs where it is called, up to its time cap.

        Raises:
            InvalidArgument: It is no SELECT, or the cap on rows is out of range.
            DeadlineExceeded: It ran longer than a query may.
        """
        if not 1 <= rows_max <= self._limits.page_rows_max:
            raise InvalidArgument(
                f"limit {rows_max} is not between 1 and {self._limits.page_rows_max}.",
                path="limit",
            )
        longest_ns = self._limits.statement_time_ms_max * _NS_PER_MS
        stop_at_ns = self._clock.monotonic_ns() + longest_ns
        return inspect_sql(
            self._place, sql, rows_max=rows_max, clock=self._clock, stop_at_ns=stop_at_ns
        )

    # What /health and /metrics show.

    @property
    def seq(self) -> int:
        """The last durable mutation."""
        return self.commits.seq

    @property
    def own_seq(self) -> int:
        """The last durable mutation made here: all of them are."""
        return self.commits.seq

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path) if self.path is not None else "memory"

    @property
    def state(self) -> Literal["ok", "stopped"]:
        """Whether the writer works."""
        return "ok" if self.commits.broken is None else "stopped"

    @property
    def storage(self) -> Literal["ok", "full", "damaged"]:
        """Whether it takes what is written to it, and gives back what was."""
        if self.commits.damages:
            return "damaged"
        return "ok" if self._space is None or self._space.state == "ok" else "full"

    @property
    def gauges(self) -> dict[str, float]:
        """Figures of the moment, by name."""
        writer, threads, commits = self._writer, self._threads, self.commits
        now_ns = self._clock.monotonic_ns()
        busy_since_ns = commits.busy_since_ns
        busy_ns = 0 if busy_since_ns is None else now_ns - busy_since_ns
        return {
            "seq": commits.seq,
            "writer_queue_length": writer.waiting if writer else 0,
            "writer_busy_s": busy_ns / 1_000_000_000,
            "wal_pages": self._log.pages,
            "checkpoints": self._log.checkpoints,
            "batches": commits.batches,
            "batch_restarts": commits.restarts,
            "reader_queue_length": threads.waiting if threads else 0,
            "oldest_reader_s": threads.oldest_s if threads else 0.0,
            "damaged_reads": commits.damages,
        } | (self._space.gauges if self._space is not None else {})

    def _snapshots(self) -> Snapshots:
        if self._keep is None:
            raise closed()
        return Snapshots(
            self._place,
            context=self.context,
            clock=self._clock,
            commits=self.commits,
            mark=self._mark,
        )

    def _unread(self, error: BaseException) -> BaseException:
        """What the caller of a query hears; damage is counted, so that `/health` shows it."""
        told = unread(error)
        if isinstance(told, StorageDamaged):
            self.commits.damages += 1
        return told

    def _create(self, connection: apsw.Connection) -> None:
        create_schema(connection, self.schema)

    def _is_slow(self, method: str, now_ns: int) -> bool:
        slow_until_ns = self._slow.get(method)
        if slow_until_ns is None:
            return False
        if now_ns < slow_until_ns:
            return True
        del self._slow[method]
        return False

    def _hand_over(self, call: Call, inline: Snapshots) -> None:
        threads = self._threads
        if threads is None:
            call.failed(self.commits.seq, ran_too_long(self._limits.statement_time_ms_max))
            return
        try:
            threads.put(call)
        except Overloaded as error:
            call.failed(self.commits.seq, error)

    def _tell(self, batch: Sequence[Pending]) -> None:
        """One wake-up of the event loop for the whole batch."""
        _tell_all([pending for pending in batch if pending.waiter is not None])
        rest = [pending for pending in batch if pending.waiter is None]
        if rest:
            self._on_loop(lambda: _tell_all(rest))

    def _has_reached(self, seq: int) -> bool:
        """
        Whether the commit is there, and the writer has only not come to say so.

        A query sees a COMMIT a moment before the writer's thread goes on, and tells its number;
        who asks for that number is right.
        """
        inline = self._inline
        return inline is not None and seq <= self.commits.committing and seq <= inline.last_commit()

    @contextmanager
    def opened(self) -> Iterator[SqliteDatabase]:
        """Open without threads, for a test or a command; closed at the end."""
        self.open()
        try:
            yield self
        finally:
            self.close()


def _tell_all(batch: Sequence[Pending]) -> None:
    for pending in batch:
        try:
            pending.tell()
        except Exception:
            # One that raises must not cost the others their answer.
            _LOG.exception("an outcome could not be told")


def _here(run: Callable[[], None]) -> None:
    run()


def _nobody(*_: object) -> None:
    """Nobody asked to be told."""
