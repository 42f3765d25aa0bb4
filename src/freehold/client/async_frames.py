"""
The transport of asynchronous bindings: calls over frames, and what becomes of them.

A binding opens its connection with its first call and opens another when that one is gone.
A call that loses its connection:

    at first                sent again on the next connection; its caller notices nothing
    too often, or nobody    a query, or a mutation that never left: Unavailable
    is there any more       a mutation that was sent: OutcomeUnknown

What makes it safe to send a mutation again is its key, see `repeat`; which also says what
becomes of a call that was answered with an error that may pass.

Time: one alarm for all calls of the binding, set to the earliest deadline that was seen.
Bytes are not looked at here, see `async_connection`.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from typing import Final, TypeVar

from freehold.client import backoff, failures, frames, repeat
from freehold.client.address import Target
from freehold.client.async_connection import Call, Connection
from freehold.client.circuit import Circuit
from freehold.client.method import Arguments, Method, encode_args
from freehold.client.options import CallOptions
from freehold.client.problems import ErrorTypes
from freehold.clock import SystemClock
from freehold.errors import CallError, FreeholdError, OutcomeUnknown, Unavailable
from freehold.ids import SystemIds
from freehold.wire.codec import MSGPACK

T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 1.0


class AsyncFrames:
    """
    Calls of one binding, from one event loop.

    Args:
        target: Where to go, with which key.
        contract: The hash that the client was generated from.
        errors: The errors that the client knows.
    """

    #: What arguments are written in.
    codec: Final = MSGPACK

    def __init__(self, target: Target, *, contract: str | None, errors: ErrorTypes) -> None:
        self.errors = errors
        #: The highest commit that an answer told of; each query asks to see it.
        self.seq = 0
        #: The address, for messages.
        self.place = target.address.text
        self._target = target
        self._hello = frames.pack_hello(target.key, contract)
        self._ids = SystemIds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._current: Connection | None = None
        self._connections: set[Connection] = set()
        self._waiting: deque[Call] = deque()
        self._dialling: asyncio.Task[None] | None = None
        self._circuit = Circuit(SystemClock().monotonic_ns)
        self._was_connected = False
        self._is_closed = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._budget = repeat.Budget()
        #: Calls that wait until they are sent again, with what will do it.
        self._later: dict[Call, asyncio.TimerHandle] = {}

    # -- calls ------------------------------------------------------------------------------

    def call(
        self, options: CallOptions, method: Method[T], args: Arguments, /
    ) -> asyncio.Future[T]:
        """
        Send a call; the future gets its answer.

        Raises:
            InvalidArgument: An argument has no form on the wire; nothing was sent.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        future: asyncio.Future[T] = loop.create_future()
        tail = (
            method.packed
            + encode_args(method, args, MSGPACK)
            + (
                frames.pack_options(options.timeout_ms, self.seq, act_as=options.act_as)
                if method.is_query
                else frames.pack_options(
                    options.timeout_ms,
                    0,
                    options.idempotency_key or repeat.new_key(self._ids),
                    act_as=options.act_as,
                )
            )
        )
        self._budget.earn()
        now = loop.time()
        deadline = now + options.patience_s
        call = Call(future, method, tail, timeout_s=options.timeout_s, deadline=deadline)
        if deadline < self._alarm_at:
            self._set_alarm(deadline)
        current = self._current
        if current is None or len(current.pending) >= frames.CALLS_IN_FLIGHT_MAX or self._waiting:
            self._wait(call)
        elif now - current.used_at > frames.IDLE_S and not current.pending:
            current.retire()
            self._wait(call)
        else:
            current.used_at = now
            current.send(call)
        return future

    async def reach(self, timeout_s: float) -> None:
        """
        Look once whether a data layer is there that takes this binding's hello.

        Raises:
            CallError: It refuses it, or there is none.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._enter(loop)
        self._refuse_if_closed()
        if self._current is not None and self._current.is_welcome:
            return
        try:
            async with asyncio.timeout(timeout_s):
                connection = await self._dial()
                try:
                    await connection.greeting()
                except BaseException:
                    connection.abort()
                    raise
            self._refuse_if_closed()
            if self._current is None:
                self._use(connection)
            else:
                connection.close()
        except (OSError, CallError, UnicodeError) as reason:
            raise self._why_not(reason) from reason

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise failures.binding_is_closed(self.place)

    def _end(self, call: Call, error: CallError) -> None:
        """End a call that will not be sent again."""
        call.fail(repeat.honest(error, call.method, was_sent=call.was_sent))

    def _wait(self, call: Call) -> None:
        if self._is_closed:
            self._end(call, failures.binding_is_closed(self.place))
            return
        if self._current is None and (refusal := self._circuit.refusal()) is not None:
            self._end(call, refusal)
            return
        self._waiting.append(call)
        if self._current is None:
            self._dial_soon()

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """A binding lives in one loop; when that was closed, it may go on in another."""
        if self._loop is not None and not self._loop.is_closed():
            raise FreeholdError(
                "a binding was called from a second event loop.",
                hint="connect() once in each event loop.",
            )
        self._loop = loop
        self._current, self._dialling, self._alarm = None, None, None
        self._alarm_at = math.inf
        self._connections.clear()
        self._waiting.clear()
        self._later.clear()
        self._circuit.is_well()

    # -- connecting ---------------------------------------------------------------------------

    def _dial_soon(self) -> None:
        if self._dialling is None:
            self._dialling = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        """Open a connection for the waiting calls, or tell them that there is none."""
        attempts = backoff.ATTEMPTS_MAX if self._was_connected else 1
        error: CallError | None = None
        try:
            while attempts and self._current is None and self._someone_waits():
                # Who finds out for the others, tries once and at once.
                is_probe = self._circuit.is_shut
                attempts = 0 if is_probe else attempts - 1
                failed = 0 if is_probe else self._circuit.failures
                await asyncio.sleep(backoff.wait_s(failed, self._ids))
                try:
                    self._use(await self._dial())
                except Exception as reason:
                    # Whatever it is (an address that cannot be resolved, a certificate), the
                    # callers wait for an answer, and nobody awaits this task.
                    error = self._why_not(reason)
                    self._circuit.was_vain(error)
        finally:
            self._dialling = None
        if error is not None and self._current is None:
            self._fail_waiting(error)

    async def _dial(self) -> Connection:
        loop = asyncio.get_running_loop()
        address = self._target.address
        upgrade = None if address.path else frames.upgrade_request(address.authority)
        connection = Connection(self, self._hello, upgrade)
        self._connections.add(connection)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if address.path:
                    await loop.create_unix_connection(lambda: connection, address.path)
                else:
                    tls = ssl.create_default_context() if address.tls else None
                    await loop.create_connection(
                        lambda: connection, address.host, address.port, ssl=tls
                    )
                await connection.opened
        except BaseException:
            connection.abort()
            self._connections.discard(connection)
            raise
        return connection

    def _use(self, connection: Connection) -> None:
        if connection.is_gone or connection.is_retiring:
            raise ConnectionResetError("it hung up at once")
        connection.used_at = asyncio.get_running_loop().time()
        self._current = connection
        self.has_room(connection)

    def _why_not(self, reason: Exception) -> CallError:
        if isinstance(reason, CallError):
            return reason
        error = self._target.nobody_there(reason)
        error.__cause__ = reason
        return error

    def _someone_waits(self) -> bool:
        return any(not call.future.done() for call in self._waiting)

    def _fail_waiting(self, error: CallError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            self._end(call, failures.again(error))

    # -- what connections tell ----------------------------------------------------------------

    def is_welcome(self) -> None:
        """A data layer is there."""
        self._circuit.is_well()
        self._was_connected = True

    def has_room(self, connection: Connection) -> None:
        """Send what waits, as far as the connection takes it."""
        waiting = self._waiting
        while waiting and len(connection.pending) < frames.CALLS_IN_FLIGHT_MAX:
            call = waiting.popleft()
            if not call.future.done():
                connection.send(call)

    def is_going(self, connection: Connection) -> None:
        """New calls need another connection."""
        if connection is self._current:
            self._current = None
            if self._waiting:
                self._dial_soon()

    def is_refused(self, connection: Connection, call: Call, error: CallError) -> None:
        """Send it again when that may help, else tell its caller."""
        is_undone = type(error) is Unavailable and connection.is_retiring
        if is_undone and call.attempt < repeat.TRIES and not self._is_closed:
            # A data layer that is stopping refuses the calls that cross its goaway, undone.
            call.attempt, call.sent = call.attempt + 1, False
            self._wait(call)
        elif not self._tries_later(call, error):
            self._end(call, error)

    def _tries_later(self, call: Call, error: CallError) -> bool:
        wait_s = repeat.wait_s(error, call.attempt, self._ids)
        loop = asyncio.get_running_loop()
        if wait_s is None or self._is_closed or loop.time() + wait_s >= call.deadline:
            return False
        if not self._budget.spend():
            return False
        call.attempt, call.sent = call.attempt + 1, False
        call.was_sent = call.was_sent or isinstance(error, OutcomeUnknown)
        self._later[call] = loop.call_later(wait_s, self._try_now, call)
        return True

    def _try_now(self, call: Call) -> None:
        del self._later[call]
        if not call.future.done():
            current = self._current
            if current is None or len(current.pending) >= frames.CALLS_IN_FLIGHT_MAX:
                self._wait(call)
            else:
                current.send(call)

    def is_gone(self, connection: Connection, error: CallError | None) -> None:
        """Find an end or another connection for each call that was on it."""
        self._connections.discard(connection)
        if connection is self._current:
            self._current = None
        if not connection.is_welcome:
            self._circuit.was_vain()
        again = []
        for call in connection.pending.values():
            if call.future.done():
                continue
            if error is not None and not isinstance(error, frames.ProtocolBroken):
                self._end(call, failures.again(error))
                continue
            call.lose()
            if call.attempt <= repeat.TRIES and not self._is_closed:
                again.append(call)
            else:
                place, sent = self.place, call.may_have_happened
                call.fail(failures.line_is_lost(call.method, place, sent=sent))
        self._waiting.extendleft(reversed(again))
        if self._current is not None:
            self.has_room(self._current)
        elif self._waiting:
            self._dial_soon()

    # -- time -----------------------------------------------------------------------------------

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        """End the calls whose time is up, and find out when to look again."""
        now = asyncio.get_running_loop().time()
        self._alarm, self._alarm_at = None, math.inf
        earliest = math.inf
        for connection in list(self._connections):
            late = False
            for call in connection.pending.values():
                if call.deadline > now:
                    earliest = min(earliest, call.deadline)
                    continue
                # Also when its caller has gone away: it holds a place in flight.
                late = late or call.sent
                self._fail_late(call)
            if late:
                # It did not even say that the time is up: new calls go elsewhere.
                connection.retire()
        for call in self._waiting:
            if call.deadline <= now:
                self._fail_late(call)
            else:
                earliest = min(earliest, call.deadline)
        if earliest < self._alarm_at:
            self._set_alarm(earliest)

    def _fail_late(self, call: Call) -> None:
        sent = call.may_have_happened
        call.fail(failures.time_is_up(call.method, call.timeout_s, sent=sent))

    # -- the end ----------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close the connections; calls in flight end as if their connection were lost."""
        self._is_closed = True
        if self._loop is not asyncio.get_running_loop():
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm, self._alarm_at = None, math.inf
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
        self._fail_waiting(failures.binding_is_closed(self.place))
        later, self._later = self._later, {}
        for call, handle in later.items():
            handle.cancel()
            self._end(call, failures.binding_is_closed(self.place))
        closed = [connection.closed for connection in self._connections]
        for connection in list(self._connections):
            connection.close()
        self._current = None
        if closed:
            _, late = await asyncio.wait(closed, timeout=CLOSE_TIMEOUT_S)
            if late:
                for connection in list(self._connections):
                    connection.abort()
                await asyncio.wait(late, timeout=CLOSE_TIMEOUT_S)
