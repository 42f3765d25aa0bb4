"""
The writer: one connection, one task on the event loop, and the mutations that wait for it.

It takes whatever waits, without lingering, has it run as one batch, and tells every caller.
A lost connection is its business: what was not committed is run again on a new one; what was
lost in COMMIT is looked for, and only when nobody can be asked is the outcome `unknown`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg

from freehold.clock import Clock
from freehold.drivers.pending import Pending
from freehold.drivers.postgres.batch import Batches, InDoubt, Known
from freehold.drivers.postgres.bridge import Bridge, wait
from freehold.drivers.postgres.doubt import was_committed
from freehold.drivers.postgres.line import LOST, Line
from freehold.drivers.postgres.pauses import Pauses
from freehold.drivers.postgres.readers import PATIENCE_NS
from freehold.drivers.postgres.refusals import Lost, gone, refused, unknown
from freehold.drivers.turns import Turns
from freehold.drivers.unheard import closed, too_late
from freehold.errors import OutcomeUnknown

_LOG = logging.getLogger("freehold.postgres")
#: After so many lost connections in a row mutations run one by one; after as many more, one
#: that is alone is given up.
_LOSSES_MAX: Final = 3
#: How long it is tried to look for a commit in doubt.
_DOUBT_NS: Final = 15 * 1_000_000_000


class Writer:
    """
    Mutations on their way, on the event loop.

    Args:
        batches: Runs a batch.
        connect: Opens a line that writes.
        clock: For deadlines.
        batch_max: Mutations of one transaction.
        turns: What waits, and whose turn it is.
        known: The commits known here.
    """

    def __init__(
        self,
        batches: Batches,
        connect: Callable[[], Awaitable[Line]],
        *,
        turns: Turns,
        clock: Clock,
        batch_max: int,
        known: Known,
    ) -> None:
        self._batches = batches
        self._connect = connect
        self._clock = clock
        self._batch_max = batch_max
        self._known = known
        self._queue = turns
        self._resting: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._is_closing = False
        #: The server is there and took no more connections last time.
        self._is_full = False
        self._bridge = Bridge()
        #: Those that the present batch has yet to answer.
        self._present: list[Pending] = []
        #: Since when the server has not answered.
        self._lost_at_ns: int | None = None
        #: When the present batch began; None between batches.
        self.busy_since_ns: int | None = None
        #: Whether the server answered last time.
        self.is_connected = True

    @property
    def waiting(self) -> int:
        """Mutations that no batch has taken yet."""
        return len(self._queue)

    @property
    def is_working(self) -> bool:
        """Mutations are taken, and the server answered last time."""
        is_alive = self._task is not None and not self._task.done()
        return is_alive and self.is_connected

    def start(self) -> None:
        """Begin to take mutations; on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    def put(self, pending: Pending) -> None:
        """Queue a mutation."""
        if self._is_closing:
            pending.settle(closed())
            _tell(pending)
        elif (refusal := self._queue.refusal(pending.call.caller.key_id)) is not None:
            pending.settle(refusal)
            _tell(pending)
        else:
            self._queue.put(pending)
            self._wake()

    async def close(self) -> None:
        """Finish what waits, and hang up."""
        self._is_closing = True
        self._wake()
        if self._task is not None:
            await self._task
        if self._line is not None:
            await self._line.close()

    def _wake(self) -> None:
        if self._resting is not None and not self._resting.done():
            self._resting.set_result(None)

    async def _work(self) -> None:
        while True:
            if not self._queue:
                if self._is_closing:
                    return
                self._resting = asyncio.get_running_loop().create_future()
                await self._resting
                continue
            batch = self._queue.take_now(self._batch_max)
            self.busy_since_ns = self._clock.monotonic_ns()
            try:
                await self._finish(batch)
            except asyncio.CancelledError:
                self._abandon(batch)
                raise
            except BaseException:
                # Whatever it is, the next batch is another one's.
                _LOG.exception("a batch ended by a defect")
                self._abandon(batch)
            finally:
                self.busy_since_ns = None

    async def _finish(self, batch: Sequence[Pending]) -> None:
        """Run a batch until everybody in it has an outcome, and tell them."""
        waiting = list(batch)
        losses = 0
        while waiting:
            self._present = waiting
            line = await self._ready(waiting)
            if line is not None:
                # Who loses the connection may be among them; alone, the others get through.
                some = waiting if losses < _LOSSES_MAX else waiting[:1]
                await self._step(line, some, more=some is waiting)
                losses = 0 if any(pending.is_settled for pending in some) else losses + 1
                if losses >= 2 * _LOSSES_MAX:
                    some[0].settle(gone())
                    losses = _LOSSES_MAX
            told = [pending for pending in waiting if pending.is_settled]
            waiting = [pending for pending in waiting if not pending.is_settled]
            for pending in told:
                _tell(pending)

    async def _step(self, line: Line, batch: list[Pending], *, more: bool) -> None:
        def others() -> list[Pending]:
            """What has come since the batch was taken, as far as it may run without savepoints."""
            new = self._queue.take_more(
                self._batch_max - len(batch),
                lambda pending: not self._batches.was_guilty(pending.call.method),
            )
            batch.extend(new)
            return new

        def step() -> None:
            self._batches.step(line, batch, wait, more=others if more else None)

        try:
            await self._bridge.run(step)
        except Lost:
            line.hang_up()
        except InDoubt as doubt:
            await self._resolve(doubt)

    async def _resolve(self, doubt: InDoubt) -> None:
        """Ask the server what became of a COMMIT; settles unless it was rolled back."""
        until_ns = self._clock.monotonic_ns() + _DOUBT_NS
        is_there: bool | None = None
        pauses = Pauses()
        while is_there is None and self._clock.monotonic_ns() < until_ns:
            line = await self._connected()
            if line is not None:
                try:
                    is_there = await was_committed(line, doubt.seq)
                except (*LOST, asyncpg.PostgresError) as error:
                    _LOG.warning("commit %s is still in doubt: %s", doubt.seq, error)
                    line.hang_up()
            if is_there is None:
                await pauses.rest()
        self._decide(doubt, is_there)

    def _decide(self, doubt: InDoubt, is_there: bool | None) -> None:
        if is_there is False:
            # Nobody has been answered, so they simply run again.
            return
        if is_there:
            self._known.own_seq = doubt.seq
            self._known.hear(doubt.seq)
        for pending in doubt.batch:
            if pending.is_settled:
                continue
            if is_there:
                pending.settle(pending.error)
            else:
                # One that was refused heard it of a state that may never have been.
                pending.settle(unknown() if pending.error is None else gone())
                pending.value = None

    async def _ready(self, waiting: Sequence[Pending]) -> Line | None:
        """
        A line; while the server is away, those whose time is up are settled.

        None when nobody is left to run.
        """
        pauses = Pauses()
        while True:
            line = await self._connected()
            if line is not None:
                self._lost_at_ns = None
                return line
            now_ns = self._clock.monotonic_ns()
            # Counted from the loss: who comes later knows already that nobody answers.
            self._lost_at_ns = self._lost_at_ns or now_ns
            until_ns = self._lost_at_ns + PATIENCE_NS
            self._tell_late(now_ns)
            for pending in waiting:
                if self._is_full:
                    pending.settle(refused(asyncpg.exceptions.TooManyConnectionsError()))
                elif now_ns >= until_ns or self._is_closing:
                    pending.settle(gone())
                elif now_ns >= pending.call.deadline_ns:
                    pending.settle(too_late())
            if any(pending.is_settled for pending in waiting):
                return None
            await pauses.rest()

    def _tell_late(self, now_ns: int) -> None:
        """While nobody answers, those in the queue hear of their own time too."""
        for pending in self._queue.remove(lambda pending: now_ns >= pending.call.deadline_ns):
            pending.settle(too_late())
            _tell(pending)

    async def _connected(self) -> Line | None:
        if self._line is None or self._line.is_closed:
            self._line = None
            try:
                self._line = await self._connect()
            except (*LOST, asyncpg.PostgresError) as error:
                if self.is_connected:
                    _LOG.warning("PostgreSQL does not answer: %s", type(error).__name__)
                self.is_connected = False
                self._is_full = isinstance(error, asyncpg.exceptions.TooManyConnectionsError)
                return None
            self.is_connected = True
        return self._line

    def _abandon(self, batch: Sequence[Pending]) -> None:
        """After a defect: nobody waits for ever, and nobody hears what may not be so."""
        if self._line is not None:
            self._line.hang_up()
        for pending in dict.fromkeys((*batch, *self._present)):
            if not pending.is_settled:
                pending.settle(OutcomeUnknown("a defect ended the batch; look before you repeat."))
                pending.value = None
                _tell(pending)


def _tell(pending: Pending) -> None:
    try:
        pending.tell()
    except Exception:
        # One that raises must not cost the others their answer.
        _LOG.exception("an outcome could not be told")
