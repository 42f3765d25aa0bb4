"""
One SQLite database under its owner: opened, recovered, served, closed.

The order of opening matters: engine version, owner lock, recovery and a checkpoint that
makes what was recovered durable, preparation (migrations) by whoever opens it, and only
then readers and the writer's thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import apsw

from freehold.clock import Clock, SystemClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller, Context, Reader, Writer
from freehold.db.ports import Call
from freehold.drivers.sqlite.batch import CrashPoint, GroupCommit, Pending, stopped
from freehold.drivers.sqlite.connection import OverBudget, Place, open_connection
from freehold.drivers.sqlite.inspect import Rows, inspect_sql
from freehold.drivers.sqlite.owner import Owner, OwnerLock
from freehold.drivers.sqlite.pragmas import check_engine, own_checkpoints
from freehold.drivers.sqlite.readers import SLOW_FOR_NS, ReaderThreads, Snapshots
from freehold.drivers.sqlite.writer import WriterThread
from freehold.errors import (
    DeadlineExceeded,
    InvalidArgument,
    Overloaded,
    SeqNotReached,
    invariant,
)
from freehold.ids import Ids, SystemIds
from freehold.schema import Schema
from freehold.wire.limits import Limits

T = TypeVar("T")
_NEVER: Final = 1 << 62
_READER_THREADS: Final = 2

_META = (
    "CREATE TABLE IF NOT EXISTS _freehold_meta ("
    "id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, "
    "fence INTEGER NOT NULL, cursor_key BLOB NOT NULL) STRICT"
)

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
    """

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
    ) -> None:
        self.schema = schema
        self.name = name
        self.path = Path(path) if path is not None else None
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        self._ring = ring
        self._limits = limits or Limits()
        self._crash = crash
        own_name = f"{name}-{self._ids.seed().hex()[:16]}"
        self._place = Place(str(self.path) if self.path else None, own_name, storage)
        self._lock: OwnerLock | None = None
        self._slow: dict[str, int] = {}
        self._writer: WriterThread | None = None
        self._threads: ReaderThreads | None = None
        self._on_loop: OnLoop = _here
        self._inline_lock = threading.Lock()
        self.broken: Callable[[BaseException], None] = _ignore

    def open(self, prepare: Callable[[apsw.Connection], None] | None = None) -> None:
        """
        Take the database over, recover it, and have it prepared.

        Args:
            prepare: Gets the connection that will write, before anything else may: to
                migrate. Without it the schema is created when the file is new.

        Raises:
            EngineTooOld, OwnerLocked, StartError: It cannot be opened.
        """
        check_engine()
        if self.path is not None:
            self._lock = OwnerLock(self.path).acquire()
        try:
            connection = open_connection(self._place)
            self._keep = connection
            if self.path is not None:
                # What recovery read may sit in the page cache only; this makes it durable.
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            own_checkpoints(connection)
            (prepare or self._create)(connection)
            self._ensure_meta(connection)
            self.context = self._make_context(connection)
            self.commits = GroupCommit(
                connection,
                context=self.context,
                clock=self._clock,
                mark=self._ids.seed().hex(),
                crash=self._crash,
            )
            self._inline = self._snapshots()
        except BaseException:
            self._keep.close()
            self._release()
            raise

    def start(self, on_loop: OnLoop) -> None:
        """
        Start the writer's thread and the readers'.

        Args:
            on_loop: How a thread reaches the event loop (`loop.call_soon_threadsafe`).
        """
        self._on_loop = on_loop
        self._writer = WriterThread(
            self.commits,
            batch_size_max=self._limits.batch_size_max,
            tell=self._tell,
            broken=lambda error: self.broken(error),
        )
        self._threads = ReaderThreads(
            self._snapshots,
            clock=self._clock,
            count=_READER_THREADS,
            waiting_max=self._limits.queue_length_max,
            statement_ns_max=self._limits.statement_time_ms_max * 1_000_000,
            tell=on_loop,
        )
        self._writer.start()

    def close(self) -> None:
        """Finish what waits, move the log into the database, and give the file back."""
        if self._threads is not None:
            self._threads.stop()
            self._threads = None
        if self._writer is not None:
            self._writer.stop()
            self._writer = None
        self._inline.close()
        if self.path is not None and self.commits.broken is None:
            # If it fails, the log stays beside the file and the next owner recovers from it.
            with suppress(apsw.Error):
                self._keep.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._keep.close()
        self._release()

    def announce(self, *, socket: str | None, address: str | None) -> None:
        """Write into the lock file where this owner listens."""
        if self._lock is not None:
            self._lock.tell(Owner(pid=os.getpid(), socket=socket, address=address))

    # What dispatch asks for, see `db.ports`.

    def run_query(self, call: Call, /) -> None:
        """Run a query: inline, or on a thread when its method is known to be slow."""
        now_ns = self._clock.monotonic_ns()
        if call.min_seq > self.commits.seq:
            call.failed(self.commits.seq, self._not_reached(call.min_seq))
            return
        slow_until_ns = self._slow.get(call.method)
        if slow_until_ns is not None:
            if now_ns < slow_until_ns:
                self._hand_over(call)
                return
            del self._slow[call.method]
        try:
            budget_ns = self._limits.inline_budget_ms * 1_000_000
            seq, value = self._inline.run(call, stop_at_ns=now_ns + budget_ns)
        except OverBudget:
            self._slow[call.method] = now_ns + SLOW_FOR_NS
            self._hand_over(call)
        except BaseException as error:
            call.failed(self.commits.seq, error)
        else:
            call.done(seq, value)

    def always_on_thread(self, method: str) -> None:
        """Queries of this method never run on the event loop's thread."""
        self._slow[method] = _NEVER

    def submit(self, call: Call, /) -> None:
        """Queue a mutation for the writer."""
        writer = self._writer
        if writer is None or self.commits.broken is not None:
            call.failed(self.commits.seq, stopped())
        elif writer.waiting >= self._limits.queue_length_max:
            call.failed(
                self.commits.seq,
                Overloaded(
                    f"{writer.waiting} mutations wait already.", hint="Call again in a second."
                ),
            )
        else:
            writer.put(Pending(call, self._clock.wall_ns(), self._ids.seed()))

    # In process: seeds, tests, the command line.

    def write(self, run: Callable[[Writer], T], *, caller: Caller = IN_PROCESS) -> T:
        """
        Run a function as one mutation and wait until it is durable.

        Raises:
            Exception: What the function raised, or the database's own CallError.
        """
        done = threading.Event()
        call = InProcessCall(run, caller)
        pending = Pending(call, self._clock.wall_ns(), self._ids.seed(), done.set)
        if self._writer is None:
            with self._inline_lock:
                self.commits.step([pending])
                pending.tell()
        else:
            self._writer.put(pending)
            done.wait()
        return call.outcome()  # type: ignore[no-any-return]

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
            longest_ns = self._limits.statement_time_ms_max * 1_000_000
            _, value = snapshots.run(call, stop_at_ns=self._clock.monotonic_ns() + longest_ns)
        except OverBudget:
            raise DeadlineExceeded("the query ran longer than a query may.") from None
        finally:
            snapshots.close()
        return value  # type: ignore[no-any-return]

    @contextmanager
    def writing(self, *, caller: Caller = IN_PROCESS) -> Iterator[Writer]:
        """A `with` block as one mutation; only before `start`, when no thread writes."""
        invariant(self._writer is None, "the writer's thread runs: use write()")
        with self.commits.by_hand(caller, self._clock.wall_ns(), self._ids.seed()) as db:
            yield db

    @contextmanager
    def reading(self, *, caller: Caller = IN_PROCESS) -> Iterator[Reader]:
        """A `with` block as one query over one snapshot."""
        snapshots = self._snapshots()
        try:
            with snapshots.by_hand(caller) as db:
                yield db
        finally:
            snapshots.close()

    def inspect(self, sql: str, rows_max: int) -> Rows:
        """
        The rows of one SELECT, for the operator; runs where it is called, up to its time cap.

        Raises:
            InvalidArgument: It is no SELECT, or the cap on rows is out of range.
        """
        if not 1 <= rows_max <= self._limits.page_rows_max:
            raise InvalidArgument(
                f"limit {rows_max} is not between 1 and {self._limits.page_rows_max}.",
                path="limit",
            )
        longest_ns = self._limits.statement_time_ms_max * 1_000_000
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
    def state(self) -> Literal["ok", "stopped"]:
        """Whether the writer works."""
        return "ok" if self.commits.broken is None else "stopped"

    @property
    def gauges(self) -> dict[str, float]:
        """Figures of the moment, by name."""
        writer = self._writer
        return {
            "seq": self.seq,
            "writer_queue_length": writer.waiting if writer else 0,
            "wal_pages": writer.log_pages if writer else 0,
            "batches": self.commits.batches,
        }

    def _snapshots(self) -> Snapshots:
        return Snapshots(self._place, context=self.context, clock=self._clock, commits=self.commits)

    def _hand_over(self, call: Call) -> None:
        invariant(self._threads is not None, "the database was not started")
        try:
            self._threads.put(call)  # type: ignore[union-attr]
        except Overloaded as error:
            call.failed(self.commits.seq, error)

    def _tell(self, batch: Sequence[Pending]) -> None:
        """One wake-up of the event loop for the whole batch."""
        for pending in batch:
            if pending.waiter is not None:
                pending.tell()
        rest = [pending for pending in batch if pending.waiter is None]
        if rest:
            self._on_loop(lambda: _tell_all(rest))

    def _not_reached(self, seq: int) -> SeqNotReached:
        return SeqNotReached(
            f"commit {seq} is not in this database, whose last one is {self.commits.seq}.",
            hint="The number comes from an answer of this database; was it restored since?",
            path="Freehold-Min-Seq",
        )

    def _create(self, connection: apsw.Connection) -> None:
        """Build the schema in a new database; used where nobody migrates (tests, memory)."""
        tables = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_freehold\\_%' ESCAPE '\\'"
        ).fetchall()[0][0]
        if tables == 0:
            with connection:
                for sql in self.schema.ddl("sqlite"):
                    connection.execute(sql)

    def _ensure_meta(self, connection: apsw.Connection) -> None:
        with connection:
            connection.execute(_META)
            connection.execute(
                "INSERT OR IGNORE INTO _freehold_meta (id, seq, fence, cursor_key) "
                "VALUES (1, 0, 0, ?)",
                (self._ids.seed(),),
            )

    def _make_context(self, connection: apsw.Connection) -> Context:
        key: Any = connection.execute("SELECT cursor_key FROM _freehold_meta").get
        return Context(
            database=self.name,
            dialect="sqlite",
            ring=self._ring,
            cursor_key=key,
            page_rows_max=self._limits.page_rows_max,
            records={record.__table__.name: record for record in self.schema.records},
        )

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def opened(self) -> Iterator[SqliteDatabase]:
        """Open without threads, for a test or a command; closed at the end."""
        self.open()
        try:
            yield self
        finally:
            self.close()


class InProcessCall:
    """A function of the same process as a call; satisfies `db.ports.Call`."""

    method: Final = "in process"
    min_seq: Final = 0
    deadline_ns: Final = _NEVER

    def __init__(self, run: Callable[[Any], Any], caller: Caller) -> None:
        self.run = run
        self.caller = caller
        self.seq = 0
        self._value: Any = None
        self._error: BaseException | None = None

    def done(self, seq: int, value: Any, /) -> None:
        """Keep what came out."""
        self.seq, self._value = seq, value

    def failed(self, seq: int, error: BaseException, /) -> None:
        """Keep what went wrong."""
        self.seq, self._error = seq, error

    def outcome(self) -> Any:
        """What came out; raises what went wrong."""
        if self._error is not None:
            raise self._error
        return self._value


def _tell_all(batch: Sequence[Pending]) -> None:
    for pending in batch:
        pending.tell()


def _here(run: Callable[[], None]) -> None:
    run()


def _ignore(_: BaseException) -> None:
    """Nobody asked to be told."""
