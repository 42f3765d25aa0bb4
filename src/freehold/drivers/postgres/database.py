"""
One database on a PostgreSQL server, as one of maybe several processes serves it.

`open` works before there is an event loop: it has the schema prepared and learns the last
commit. `start` opens the held connections on the loop. Whoever waits (seeds, commands, tests)
goes through connections of their own, at any time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeVar

import asyncpg

from freehold.clock import Clock, SystemClock
from freehold.crypto import KeyRing
from freehold.db import IN_PROCESS, Caller, Context, Reader
from freehold.db import Writer as WriterHandle
from freehold.db.ports import Call
from freehold.drivers.inprocess import InProcessCall
from freehold.drivers.looking import Mask, Rows
from freehold.drivers.pending import Pending
from freehold.drivers.postgres import preparation
from freehold.drivers.postgres.address import Address
from freehold.drivers.postgres.batch import (
    BATCH_MAX,
    SEQ_SQL,
    Batches,
    CrashPoint,
    InDoubt,
    Known,
)
from freehold.drivers.postgres.blocks import reading_block, writing_block
from freehold.drivers.postgres.bridge import is_bridged, wait
from freehold.drivers.postgres.doubt import new_mark
from freehold.drivers.postgres.inspect import inspect_sql
from freehold.drivers.postgres.line import LOST, Line, connect
from freehold.drivers.postgres.listener import Listener
from freehold.drivers.postgres.readers import Queries, Readers
from freehold.drivers.postgres.refusals import Lost, gone, refused, unknown
from freehold.drivers.postgres.side import (
    BlockingConnection,
    Side,
    refusals_at_start,
    require_usable,
)
from freehold.drivers.postgres.writer import Writer
from freehold.drivers.turns import Turns
from freehold.drivers.unheard import closed
from freehold.errors import InvalidArgument, invariant
from freehold.ids import Ids, SystemIds
from freehold.schema import Schema
from freehold.wire.limits import Limits

T = TypeVar("T")
_LOG = logging.getLogger("freehold.postgres")
#: How long after a change of keys that could not be told it is told again.
_TELL_AGAIN_S: Final = 0.5
#: How long one statement of a migration may take: building an index over a large table.
_MIGRATION_S: Final = 6 * 3600.0
#: How often something that waits is tried again when its connection was lost.
_TRIES: Final = 3
#: How much longer than the server we wait for a word of it.
_LATER_S: Final = 5.0

#: Runs a function on the event loop's thread, from any thread.
OnLoop = Callable[[Callable[[], None]], None]


class PostgresDatabase:
    """
    A database on a server and everything that this process runs on it.

    Args:
        address: Where it is.
        schema: Its records.
        name: Its name in the application; part of every sealed value.
        clock: Where time comes from.
        ids: Where seeds come from.
        ring: The column keys, when columns are sealed.
        limits: Batch, queue and time limits.
        crash: Called at the named points of a commit; None in production.
    """

    #: What handles share; there once the database is open.
    context: Context
    #: Told about changed keys, whichever process changed them.
    keys_changed: Callable[[], None]

    def __init__(
        self,
        address: Address,
        schema: Schema,
        *,
        name: str = "main",
        clock: Clock | None = None,
        ids: Ids | None = None,
        ring: KeyRing | None = None,
        limits: Limits | None = None,
        crash: CrashPoint = None,
    ) -> None:
        self.address = address
        self.schema = schema
        self.name = name
        self._clock = clock or SystemClock()
        self._ids = ids or SystemIds()
        self._ring = ring
        self._limits = limits or Limits()
        self._crash = crash
        self._side: Side | None = None
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self._listener: Listener | None = None
        self._known = Known(0)
        #: What the commits of this process are known by.
        self._mark = 0
        self.keys_changed = _nobody
        self._telling: asyncio.Task[None] | None = None
        self._tells_again = False
        #: Never called: a lost server is waited for. It is there for what all drivers have.
        self.broken: Callable[[BaseException], None] = _ignore

    @property
    def place(self) -> str:
        """Where it is, for people; without a password."""
        return self.address.shown

    def open(self, prepare: Callable[[BlockingConnection], None] | None = None) -> None:
        """
        Connect, and have the database prepared.

        Args:
            prepare: Gets a connection before anything else may: to migrate. Without it the
                schema is created when it is not there.

        Raises:
            EngineTooOld, StartError: It cannot be opened; nothing is left open.
        """
        invariant(self._side is None, "the database is open already")
        self._side = side = Side(self.address.url)
        try:
            with (
                refusals_at_start(self.address),
                side.line(silence_s=_MIGRATION_S) as line,
            ):
                self._prepare(BlockingConnection(line, side.wait), prepare)
                # It has the patience of a migration, which nothing after it should have.
                side.wait(line.close())
        except BaseException:
            self.close()
            raise

    def _prepare(
        self,
        connection: BlockingConnection,
        prepare: Callable[[BlockingConnection], None] | None,
    ) -> None:
        require_usable(connection)
        preparation.make_schema(connection, self.address.schema)
        if prepare is not None:
            prepare(connection)
        else:
            preparation.create_schema(connection, self.schema)
        preparation.ensure_meta(connection, self._ids)
        ((seq, key),) = connection.rows(
            'SELECT "seq", "cursor_key" FROM "_freehold_meta" WHERE "id" = 1'
        )
        ((durability, _),) = connection.rows("SELECT current_setting('synchronous_commit'), 0")
        self._known.hear(seq)
        self.context = Context(
            database=self.name,
            dialect="postgresql",
            ring=self._ring,
            cursor_key=bytes(key),
            page_rows_max=self._limits.page_rows_max,
            records={record.__table__.name: record for record in self.schema.records},
        )
        self.commits = Batches(
            self.context,
            self._known,
            clock=self._clock,
            limits=self._limits,
            jitter=self._share,
            # An answer `ok` means durable, whatever the server is used to.
            must_sync=durability in ("off", "local"),
            crash=self._crash,
        )
        self._queries = Queries(self.context, self._known, clock=self._clock, limits=self._limits)

    def _share(self) -> float:
        """A number from 0 to 1."""
        return int.from_bytes(self._ids.seed()[:4], "big") / 2.0**32

    def start(self, on_loop: OnLoop) -> None:
        """
        Open the held connections on the running event loop.

        Args:
            on_loop: Not needed here: this driver works on the loop itself.
        """
        invariant(self._side is not None, "the database was not opened")
        invariant(self._writer is None, "the database was started already")
        batch_max = min(BATCH_MAX, self._limits.batch_size_max)
        self._writer = Writer(
            self.commits,
            self._connect_writer,
            turns=Turns(
                batch_max=batch_max,
                waiting_max=self._limits.queue_length_max,
                of_one_max=self._limits.key_queue_length_max,
            ),
            clock=self._clock,
            batch_max=batch_max,
            known=self._known,
        )
        self._readers = Readers(
            self._queries,
            self._connect_reader,
            clock=self._clock,
            count=self._limits.reader_connections_max,
            waiting_max=self._limits.queue_length_max,
            known=self._known,
        )
        self._listener = Listener(
            self.address, on_keys=self._tell_keys, channel=preparation.KEYS_CHANNEL
        )
        self._writer.start()
        self._readers.start()
        self._listener.start()

    async def finish(self) -> None:
        """On the loop, before it ends: answer what waits and hang up."""
        writer, readers, listener = self._writer, self._readers, self._listener
        self._writer = self._readers = self._listener = None
        if listener is not None:
            await listener.close()
        if self._telling is not None:
            await self._telling
        if writer is not None:
            await writer.close()
        if readers is not None:
            await readers.close()

    def close(self) -> None:
        """Hang up. What `start` opened is closed by `finish`."""
        side, self._side = self._side, None
        if side is not None:
            side.close()

    def announce(self, *, socket: str | None, address: str | None) -> None:
        """Nobody owns a server's database alone: there is nothing to write down."""

    def _tell_keys(self) -> None:
        if self._telling is not None and not self._telling.done():
            self._tells_again = True
        else:
            self._telling = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        """One after the other, so that what was read last is what counts."""
        self._tells_again = True
        while self._tells_again:
            self._tells_again = False
            try:
                # Whoever is told reads and waits, which the event loop must not.
                await asyncio.get_running_loop().run_in_executor(None, self.keys_changed)
            except Exception as error:
                _LOG.warning("a change of keys is told again: %s", type(error).__name__)
                # Not by a call of somebody's, who would wait on the event loop for it.
                self._tells_again = self._listener is not None
                await asyncio.sleep(_TELL_AGAIN_S if self._tells_again else 0)

    async def _connect_writer(self) -> Line:
        # The server's own bounds come first: they know that nothing was done.
        silence_s = 2 * self._limits.mutation_time_ms_max / 1000 + _LATER_S
        line = await connect(self.address.url, silence_s=silence_s)
        try:
            self._mark = self._mark or await new_mark(line)
        except BaseException:
            line.hang_up()
            raise
        line.mark = self._mark
        return line

    async def _connect_reader(self) -> Line:
        known = self._known.seq
        line = await connect(
            self.address.url,
            settings={
                "default_transaction_read_only": "on",
                "statement_timeout": str(self._limits.statement_time_ms_max),
                "idle_in_transaction_session_timeout": str(2 * self._limits.statement_time_ms_max),
            },
            silence_s=2 * self._limits.statement_time_ms_max / 1000 + _LATER_S,
        )
        ((seq, _),) = await line.fetch(SEQ_SQL, ())
        if seq < known:
            self._known.is_truth(seq)
        return line

    # What dispatch asks for, see `db.ports`.

    def run_query(self, call: Call, /) -> None:
        """Run a query on a held connection."""
        if self._readers is None:
            call.failed(self._known.seq, closed())
        else:
            self._readers.put(call)

    def submit(self, call: Call, /) -> None:
        """Queue a mutation."""
        if self._writer is None:
            call.failed(self._known.seq, closed())
        else:
            self._writer.put(Pending(call, now_ns=self._clock.wall_ns(), seed=self._ids.seed()))

    def always_on_thread(self, method: str) -> None:
        """No query holds the event loop here."""

    # In process: seeds, tests, the command line.

    def write(self, run: Callable[[WriterHandle], T], *, caller: Caller = IN_PROCESS) -> T:
        """
        Run a function as one mutation and wait until it is durable.

        Raises:
            Exception: What the function raised, or the database's own CallError.
        """
        side = self._opened()
        call = InProcessCall(run, caller)
        pending = Pending(call, now_ns=self._clock.wall_ns(), seed=self._ids.seed())
        for _ in range(_TRIES):
            try:
                with side.line() as line:
                    self.commits.step(line, [pending], side.wait)
                break
            except (Lost, *LOST):
                continue
            except asyncpg.PostgresError as error:
                pending.settle(refused(error))
            except InDoubt:
                pending.settle(unknown())
                break
        if not pending.is_settled:
            pending.settle(gone())
        pending.tell()
        return call.outcome()  # type: ignore[no-any-return]

    def read(self, run: Callable[[Reader], T], *, caller: Caller = IN_PROCESS) -> T:
        """
        Run a function as one query over one snapshot, and wait for it.

        Raises:
            DeadlineExceeded: It ran longer than a query may.
            Exception: What the function raised.
        """
        side = self._opened()
        call = InProcessCall(run, caller)
        for _ in range(_TRIES):
            # A function's own OSError is no lost connection.
            with suppress(*LOST), _refusals_of_connecting(), side.line() as line:
                try:
                    call.done(*self._queries.run(line, call, side.wait))
                except Lost:
                    line.hang_up()
                    continue
                except BaseException as error:
                    call.failed(self._known.seq, error)
                break
        else:
            raise gone()
        return call.outcome()  # type: ignore[no-any-return]

    @contextmanager
    def writing(self, *, caller: Caller = IN_PROCESS) -> Iterator[WriterHandle]:
        """A `with` block as one mutation: durable at its end, undone when it raises."""
        side = self._opened()
        with side.line() as line, writing_block(
            self.commits, line, side.wait, caller=caller,
            now_ns=self._clock.wall_ns(), seed=self._ids.seed(),
        ) as db:  # fmt: skip
            yield db

    @contextmanager
    def reading(self, *, caller: Caller = IN_PROCESS) -> Iterator[Reader]:
        """A `with` block as one query over one snapshot."""
        side = self._opened()
        with side.line() as line, reading_block(
            self.context, line, side.wait, caller=caller, clock=self._clock,
            time_ms=self._limits.statement_time_ms_max,
        ) as db:  # fmt: skip
            yield db

    @contextmanager
    def blocking(self) -> Iterator[BlockingConnection]:
        """A connection for a caller who waits: the opener's own tables, a copy."""
        side = self._opened()
        with side.line() as line:
            yield BlockingConnection(line, side.wait)

    def inspect(self, sql: str, rows_max: int) -> Rows:
        """
        The rows of one SELECT, for the operator.

        Raises:
            InvalidArgument: It is no SELECT, or the cap on rows is out of range.
            DeadlineExceeded: It ran longer than a query may.
        """
        if not 1 <= rows_max <= self._limits.page_rows_max:
            raise InvalidArgument(
                f"limit {rows_max} is not between 1 and {self._limits.page_rows_max}.",
                path="limit",
            )
        if is_bridged():
            return wait(self._inspect_on_loop(sql, rows_max))
        side = self._opened()
        with side.line() as line:
            return side.wait(self._inspect(line, sql, rows_max))

    async def _inspect_on_loop(self, sql: str, rows_max: int) -> Rows:
        try:
            line = await self._connect_reader()
        except (*LOST, asyncpg.PostgresError):
            raise gone() from None
        try:
            return await self._inspect(line, sql, rows_max)
        finally:
            await line.close()

    async def _inspect(self, line: Line, sql: str, rows_max: int) -> Rows:
        time_ms = self._limits.statement_time_ms_max
        hidden = Mask(self.context.cursor_key)
        return await inspect_sql(line, sql, rows_max=rows_max, time_ms=time_ms, hidden=hidden)

    @contextmanager
    def opened(self) -> Iterator[PostgresDatabase]:
        """Open without an event loop, for a test or a command; closed at the end."""
        self.open()
        try:
            yield self
        finally:
            self.close()

    # What /health and /metrics show.

    @property
    def seq(self) -> int:
        """The last commit known here."""
        return self._known.seq

    @property
    def own_seq(self) -> int:
        """The last commit made here."""
        return self._known.own_seq

    @property
    def state(self) -> Literal["ok", "stopped"]:
        """Whether the server answered last time."""
        return "ok" if self._writer is None or self._writer.is_working else "stopped"

    @property
    def storage(self) -> Literal["ok"]:
        """The server looks after its disk; what it refuses, its callers hear."""
        return "ok"

    @property
    def gauges(self) -> dict[str, float]:
        """Figures of the moment, by name."""
        writer, readers = self._writer, self._readers
        since_ns = writer.busy_since_ns if writer else None
        busy_ns = 0 if since_ns is None else self._clock.monotonic_ns() - since_ns
        return {
            "seq": self._known.seq,
            "writer_queue_length": writer.waiting if writer else 0,
            "writer_busy_s": busy_ns / 1_000_000_000,
            "batches": self.commits.batches,
            "batch_restarts": self.commits.restarts,
            "reader_queue_length": readers.waiting if readers else 0,
        }

    def _opened(self) -> Side:
        if self._side is None:
            raise closed()
        return self._side


@contextmanager
def _refusals_of_connecting() -> Iterator[None]:
    """The server lets nobody in: a call error for who waits."""
    try:
        yield
    except LOST:
        raise
    except asyncpg.PostgresError as error:
        raise refused(error) from None


def _nobody() -> None:
    """Nobody asked to be told."""


def _ignore(_: BaseException) -> None:
    """Nobody asked to be told."""
