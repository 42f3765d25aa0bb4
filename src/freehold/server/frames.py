"""
The frames protocol: one connection, many calls in flight, MessagePack.

    client   ["hello", 1, {"key", "contract", "client"}]        first, once
    server   ["welcome", 1, {…}]  or  ["refused", 1, problem] and the end
    client   [id, "Entrypoint.method", args, options]           also right behind its hello
    server   [id, 0, seq, result]  or  [id, 1, seq, problem]    in whatever order they end
    server   ["goaway", 1, {}]                                  no new calls, please

How frames are told apart on the stream: `freehold.wire.frames`. Answers of one turn of the
event loop leave in one write. A call that is wrong gets its problem; a frame that is not a
message of this protocol ends the connection, after the answers to the calls before it.

*Leaving.* The server never closes under a call that may be on its way: it says goaway, answers
`unavailable` (nothing was done) to what still comes, and ends when the client has
hung up or `linger_time_s` after the last answer.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from freehold.errors import (
    CallError,
    InvalidArgument,
    TooLarge,
    Unauthenticated,
    Unavailable,
    problem,
)
from freehold.rpc.dispatch import Answer, Request
from freehold.server import headers
from freehold.server.connection import BODY, IDLE, LINGER, Connection
from freehold.server.hub import NEVER, Hub
from freehold.server.meter import UNKNOWN_METHOD
from freehold.server.refusals import (
    MalformedFrame,
    RequestTooSlow,
    TooManyConnections,
    too_much_held,
)
from freehold.server.strangers import LATE_MAX
from freehold.wire.codec import MSGPACK
from freehold.wire.frames import FrameSplitter, frame
from freehold.wire.limits import Limits

VERSION: Final = 1

_ID_MAX: Final = 2**32 - 1
_NIL: Final = b"\xc0"


class _Hello(msgspec.Struct, forbid_unknown_fields=False):
    key: str | None = None
    contract: str | None = None
    client: str = ""


class _Options(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    idempotency_key: str | None = None
    min_seq: int | None = None
    timeout_ms: int | None = None
    traceparent: str | None = None
    act_as: str | None = None


_read_greeting: Final = msgspec.msgpack.Decoder(tuple[str, int, msgspec.Raw]).decode
_read_hello: Final = msgspec.msgpack.Decoder(_Hello).decode
_read_call: Final = msgspec.msgpack.Decoder(tuple[int, str, msgspec.Raw, msgspec.Raw]).decode
_read_options: Final = msgspec.msgpack.Decoder(_Options).decode
_encode: Final = msgspec.msgpack.Encoder().encode
#: What the readers raise at bytes that are not what they read; broken UTF-8 has a kind of its own.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class FrameCall:
    """One call between its frame and the frame of its answer."""

    __slots__ = ("_args", "_connection", "_method", "_options", "_request", "_started_ns", "id")

    def __init__(
        self,
        connection: FramesConnection,
        call_id: int,
        method: str,
        *,
        args: msgspec.Raw,
        options: msgspec.Raw,
    ) -> None:
        self._connection = connection
        self._args = args
        self._options = options
        self._started_ns = connection.now_ns
        self._method = method
        self._request: Request | None = None
        self.id = call_id

    def run(self) -> None:
        """Call, or refuse; the answer comes to `reply`, at once or later."""
        connection = self._connection
        hub = connection.hub
        try:
            # Asked again for each call: a key that was revoked meanwhile calls no more.
            request = self._request = self._make_request()
        except Unauthenticated as refusal:
            connection.finishing = True
            self.refuse(refusal)
        except CallError as refusal:
            self.refuse(refusal)
        else:
            try:
                hub.dispatcher.call(request)
            except Exception as error:
                self.refuse(hub.broke(error))

    def _make_request(self) -> Request:
        connection = self._connection
        hub = connection.hub
        if hub.stopping:
            raise Unavailable(
                "The data layer is stopping; nothing was done.",
                hint="Open a new connection and call again.",
            )
        caller = hub.authenticator.caller(connection.key, trusted=connection.trusted)
        args = bytes(self._args)
        if len(args) > hub.limits.body_bytes_max:
            raise TooLarge(
                f"The arguments are longer than {hub.limits.body_bytes_max} bytes.",
                hint="The limit is body_bytes_max; send fewer items in a call.",
            )
        options = _NO_OPTIONS
        raw = bytes(self._options)
        if raw != _NIL:
            options = _checked_options(raw, hub.limits)
            if options.act_as is not None:
                caller = hub.authenticator.acting_as(caller, options.act_as)
        return Request(
            self._method,
            b"" if args == _NIL else args,
            MSGPACK,
            caller,
            self.reply,
            min_seq=options.min_seq or 0,
            timeout_ms=options.timeout_ms,
            idempotency_key=options.idempotency_key,
            contract=connection.contract,
        )

    def withdraw(self) -> None:
        """The peer is gone: what is not begun need not begin."""
        if self._request is not None:
            self._request.withdraw()

    def reply(self, answer: Answer) -> None:
        """The call ended; its answer leaves with the others of this turn."""
        error = answer.error
        if error is not None:
            self.refuse(error, seq=answer.seq)
            return
        connection = self._connection
        hub = connection.hub
        request = self._request
        method = self._method if request is None else request.method
        hub.meter.ok(method, hub.clock.monotonic_ns() - self._started_ns)
        connection.settle(
            self.id, frame(_encode((self.id, 0, answer.seq, msgspec.Raw(answer.body))))
        )

    def refuse(self, error: CallError, *, seq: int = 0) -> None:
        """Answer with an error."""
        connection = self._connection
        hub = connection.hub
        method = self._method if self._request is None else self._request.method
        label = method if method in hub.method_names else UNKNOWN_METHOD
        hub.meter.error(label, hub.clock.monotonic_ns() - self._started_ns, error)
        connection.settle(self.id, frame(MSGPACK.encode([self.id, 1, seq, problem(error)])))


class FramesConnection(Connection):
    """A connection that speaks frames."""

    rechecks = True

    __slots__ = (
        "_calls",
        "_deaf",
        "_flush_planned",
        "_greeted",
        "_last_words",
        "_leaving",
        "_splitter",
        "contract",
        "key",
    )

    def __init__(self, hub: Hub, *, trusted: bool) -> None:
        super().__init__(hub, trusted=trusted)
        self._splitter = FrameSplitter(hub.limits.frame_bytes_max)
        #: Calls that were read and not answered yet.
        self._calls: dict[int, FrameCall] = {}
        self._greeted = False
        self._deaf = False
        self._leaving = False
        self._flush_planned = False
        self._last_words = b""
        #: What the hello said.
        self.key: str | None = None
        self.contract: str | None = None

    # -- frames come ---------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.phase >= LINGER:
            return
        self.now_ns = self.hub.clock.monotonic_ns()
        self.turn_calls = 0
        self.feeding = True
        payloads = self._splitter.split(data)
        try:
            for payload in payloads:
                if self._greeted:
                    self._take_call(payload)
                elif not self._greet(payload):
                    break
            if self._splitter.broken is not None:
                raise MalformedFrame(self._splitter.broken)
        except CallError as refusal:
            self._refuse(refusal)
        self.feeding = False
        self.flush()
        self._mind_deadline(len(data), anew=bool(payloads))
        self.pump_soon()

    def _greet(self, payload: bytes) -> bool:
        """Welcome the peer, or refuse him; False when that comes later and nothing more counts."""
        try:
            word, version, raw = _read_greeting(payload)
            hello = _read_hello(raw)
        except _UNREADABLE:
            word, version, hello = "", 0, _Hello()
        if word != "hello" or version != VERSION:
            raise MalformedFrame(
                "The first frame is not a hello that is understood here.",
                hint=f'Send ["hello", {VERSION}, {{"key": …, "contract": …, "client": …}}] first.',
            )
        if hello.contract is not None:
            self.contract = headers.contract_hash(hello.contract)
        try:
            self.hub.authenticator.caller(hello.key, trusted=self.trusted)
        except Unauthenticated as refusal:
            if not self._refuses_late(refusal):
                raise
            return False
        self.key = hello.key
        self._greeted = True
        self.put(frame(MSGPACK.encode(["welcome", VERSION, self.hub.welcome()])))
        return True

    def _refuses_late(self, refusal: Unauthenticated) -> bool:
        """Whether this stranger has shown so many wrong keys that his answer has to wait."""
        strangers = self.hub.strangers
        wait_s = strangers.wait_s(self.source, self.now_ns)
        if not wait_s or strangers.late >= LATE_MAX:
            return False

        def refuse() -> None:
            strangers.late -= 1
            if self.phase < LINGER:
                self._refuse(refusal)

        self._deaf = True
        strangers.late += 1
        asyncio.get_running_loop().call_later(wait_s, refuse)
        return True

    def recheck(self) -> None:
        """A key that lives no more keeps no connection open."""
        if self.key is None or self._deaf or self.finishing or self.phase >= LINGER:
            return
        try:
            self.hub.authenticator.caller(self.key, trusted=self.trusted)
        except Unauthenticated as refusal:
            self._refuse(refusal)
        except CallError:
            # The keys cannot be read just now; the next call will say so.
            return

    def _take_call(self, payload: bytes) -> None:
        try:
            call_id, method, args, options = _read_call(payload)
        except _UNREADABLE:
            raise MalformedFrame(
                "A frame is not a call.", hint='Send [id, "Entrypoint.method", args, options].'
            ) from None
        if not 0 < call_id <= _ID_MAX:
            raise MalformedFrame(f"A call has the id {call_id}.", hint=f"Ids are 1 to {_ID_MAX}.")
        if call_id in self._calls:
            raise MalformedFrame(
                f"A second call has the id {call_id}, and the first is not answered yet.",
                hint="Ids of calls in flight are all different.",
            )
        call = FrameCall(self, call_id, method, args=args, options=options)
        self._calls[call_id] = call
        self.take(call)

    def begin(self, call: FrameCall) -> None:
        self.in_flight += 1
        call.run()

    def settle(self, call_id: int, answer: bytes) -> None:
        """A call's answer is there; it leaves with the others of this turn of the loop."""
        self.in_flight -= 1
        self._calls.pop(call_id, None)
        self.put(answer)
        if not self.feeding and not self._flush_planned:
            self._flush_planned = True
            asyncio.get_running_loop().call_soon(self._flush_turn)

    def _flush_turn(self) -> None:
        self._flush_planned = False
        self.flush()
        self.pump_soon()
        if self.phase == IDLE and not (self.in_flight or self.waiting or self.held):
            self.due_ns = self.hub.clock.monotonic_ns() + self.idle_ns

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        calls = [*self._calls.values()]
        self._calls.clear()
        for call in calls:
            call.withdraw()

    # -- deadlines and ends --------------------------------------------------------------

    def _mind_deadline(self, size: int, *, anew: bool) -> None:
        if self.phase >= LINGER:
            return
        if self._splitter.unfinished and not self._deaf:
            if anew or self.phase != BODY:
                self.phase = BODY
                self.body_began_ns = self.now_ns
                if self._greeted and not self.held:
                    self.begin_body(received=size)
            else:
                self.body_received += size
            self.hub.held.keep(self, size)
        else:
            self.phase = IDLE
            if self._greeted and not self.held:
                busy = self.in_flight or self.waiting
                self.due_ns = NEVER if busy else self.now_ns + self.idle_ns

    @property
    def idle_ns(self) -> int:
        return self.hub.linger_ns if self._leaving else self.hub.frames_idle_ns

    def overdue(self, now_ns: int) -> None:
        if self.phase >= LINGER:
            super().overdue(now_ns)
        elif not self._greeted:
            self._refuse(RequestTooSlow("No hello came in time."))
        elif self.phase == BODY:
            if self.body_is_slow(now_ns):
                self._refuse(RequestTooSlow("A frame came too slowly."))
        elif self._leaving:
            self.end()
        else:
            self._leave()

    def stop(self) -> None:
        if self._greeted:
            self._leave()
        else:
            self.end()

    def _leave(self) -> None:
        """Ask the client to call elsewhere, and stay for what it has already sent."""
        if self._leaving:
            return
        self._leaving = True
        self.put(frame(MSGPACK.encode(["goaway", VERSION, {}])))
        if self.phase == IDLE and not (self.in_flight or self.waiting or self.held):
            self.due_ns = self.hub.clock.monotonic_ns() + self.idle_ns
        if not self.feeding:
            self.flush()

    def _refuse(self, error: CallError) -> None:
        """Say why and end, after the answers to the calls that came before."""
        self._deaf = self.finishing = True
        self.phase = IDLE
        self.due_ns = NEVER
        self._last_words = frame(MSGPACK.encode(["refused", VERSION, problem(error)]))
        if not self.feeding:
            self.flush()

    def _end_if_answered(self) -> None:
        rests = not self.in_flight and not self.waiting
        if self._last_words and rests and self.phase < LINGER:
            self.transport.write(self._last_words)
            self._last_words = b""
        super()._end_if_answered()

    def arrived_bytes(self) -> int:
        return self._splitter.held_bytes

    def make_way(self) -> None:
        if self.phase != BODY or self.transport.get_write_buffer_size():
            super().make_way()
            return
        self._splitter = FrameSplitter(self.hub.limits.frame_bytes_max)
        self._refuse(too_much_held())

    def turn_away(self) -> None:
        """There are too many connections."""
        self._refuse(
            TooManyConnections(f"All {self.hub.limits.connections_max} connections are taken.")
        )


_NO_OPTIONS: Final = _Options()


def _checked_options(raw: bytes, limits: Limits) -> _Options:
    try:
        options = _read_options(raw)
    except _UNREADABLE as error:
        raise InvalidArgument(
            f"The call's options are not understood: {error}.",
            hint="They are idempotencyKey, minSeq, timeoutMs, actAs and traceparent, or nil.",
        ) from None
    if options.idempotency_key is not None:
        headers.idempotency_key(options.idempotency_key, limits)
    if options.act_as is not None:
        headers.act_as(options.act_as)
    if options.min_seq is not None:
        headers.min_seq(str(options.min_seq))
    if options.timeout_ms is not None:
        headers.checked_timeout_ms(options.timeout_ms, limits)
    return options
