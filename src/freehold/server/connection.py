"""
What an HTTP and a frames connection have in common: deadlines, caps, writing, the end.

    IDLE ── first byte ──> HEAD ── headers whole ──> BODY ── body whole ──> IDLE
      └────────── refused, or the last answer written ──> LINGER ──> GONE

A frame has no head of its own, so a frames connection goes from IDLE to BODY and back.

*Caps.* At most `calls_in_flight_max` calls are begun and not yet written out. What was
read beyond them waits in `waiting`, and reading pauses until there is room; so a peer that
sends without reading fills its own socket and not our memory.

*Turns.* A peer that sends much at once has `TURN_CALLS` of it begun in one turn of the loop; the
rest waits for the next one, with everybody else's first call before it. One that shows no living
key `STRANGER_CALLS` times in a row is not heard any further.

*The end.* A socket that is closed while bytes from the peer are unread makes the kernel reset the
connection, and the peer may lose our last answer. So the end is: write it, send FIN, throw
away what still comes for `linger_time_s` or until the peer's own FIN, then close.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from freehold.server.hub import NEVER, NS, Hub

IDLE: Final = 0
HEAD: Final = 1
BODY: Final = 2
LINGER: Final = 3
GONE: Final = 4

#: Calls of one connection that are begun in one turn of the event loop.
TURN_CALLS: Final = 32
#: Refusals for want of a key, one after the other, that end the connection.
STRANGER_CALLS: Final = 32

#: How long an answer is taken to become before there was one.
_ANSWER_BYTES: Final = 16 * 1_024
#: Shorter ones are not told apart.
_ANSWER_BYTES_MIN: Final = 1_024
#: What a call that waits costs, with the objects around it.
_CALL_BYTES: Final = 512

# Why reading is paused; it goes on when there is no reason left.
_WRITE_PAUSED: Final = 1
_FULL: Final = 2
_PEER_ENDED: Final = 4


class Connection(asyncio.Protocol):
    """One open connection; a subclass knows what its bytes mean."""

    #: Whether `recheck` has anything to do.
    rechecks = False

    __slots__ = (
        "_held_for",
        "_pumping",
        "_taken",
        "_taken_ns",
        "answer_bytes",
        "body_began_ns",
        "body_received",
        "cut_ns",
        "due_ns",
        "early_bytes",
        "ending",
        "feeding",
        "finishing",
        "holding",
        "hub",
        "in_flight",
        "now_ns",
        "out",
        "out_bytes",
        "phase",
        "strangers",
        "transport",
        "trusted",
        "turn_calls",
        "unread",
        "waiting",
        "write_due_ns",
        "written",
    )

    def __init__(self, hub: Hub, *, trusted: bool) -> None:
        self.hub = hub
        #: The other end is our own user on a Unix socket.
        self.trusted = trusted
        self.transport: asyncio.Transport
        self.phase = IDLE
        self.now_ns = hub.clock.monotonic_ns()
        #: When the sweep must call `overdue`, and when it must abort for want of reading.
        self.due_ns = self.now_ns + hub.header_ns
        self.write_due_ns = NEVER
        self.body_began_ns = 0
        self.body_received = 0
        #: Calls begun and not yet in `out`; answers not yet written; calls not yet begun.
        self.in_flight = 0
        self.out: list[bytes] = []
        self.out_bytes = 0
        #: How long the next answer is taken to become: as the last ones were.
        self.answer_bytes = _ANSWER_BYTES
        #: Answers that are there while an earlier one is not.
        self.early_bytes = 0
        #: It is among those that are weighed.
        self.holding = False
        self.waiting: deque[Any] = deque()
        #: Inside `data_received`: answers are gathered and written once at its end.
        self.feeding = False
        #: After what is in `out`, nothing more will be written.
        self.ending = False
        #: The same, as soon as all that was begun is answered.
        self.finishing = False
        #: While lingering: until when a slow reader may take the last answer.
        self.cut_ns = NEVER
        #: Calls in a row that showed no living key.
        self.strangers = 0
        #: Bytes of answers so far; how many of them the peer had taken, and since when no more.
        self.written = 0
        self._taken = 0
        self._taken_ns = self.now_ns
        self._held_for = 0
        self._pumping = False
        #: Bytes that came with others and are looked at when there is room for their calls.
        self.unread = b""
        #: Calls that were begun in this turn of the loop; a page counts for more.
        self.turn_calls = 0

    @property
    def source(self) -> str:
        """The peer's address; empty on a Unix socket."""
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) and peer else ""

    # -- what a subclass says ------------------------------------------------------------

    def begin(self, call: Any) -> None:
        """Start a call that was read whole; it is in flight from here on."""
        raise NotImplementedError

    def overdue(self, now_ns: int) -> None:
        """`due_ns` has come."""
        if self.phase == LINGER:
            if self.transport.get_write_buffer_size() and now_ns < self.cut_ns:
                self.due_ns = now_ns + self.hub.linger_ns
            else:
                self.abort()
        elif self.phase < LINGER:
            self.end()

    def recheck(self) -> None:
        """A few times a second: whether its peer may still be here."""

    def reads(self, now_ns: int) -> bool:
        """
        Whether the peer takes its answers; False when some have waited too long without a move.

        The deadline of a full send buffer comes later: this one is for those that wait in it. As
        of the last `weighed`.
        """
        return now_ns - self._taken_ns < self.hub.write_ns

    def weighed(self, now_ns: int) -> tuple[int, int]:
        """The bytes that it holds, and since when its peer has not moved, by `monotonic_ns`."""
        waiting = self.transport.get_write_buffer_size()
        taken = self.written - waiting
        if not waiting or taken != self._taken:
            self._taken = taken
            self._taken_ns = now_ns
        kept = waiting + self.out_bytes + self.early_bytes + len(self.unread)
        kept += len(self.waiting) * _CALL_BYTES
        arrived = self.arrived_bytes()
        # While reading is paused, it is not the peer who lets a body wait.
        if arrived and not waiting and not self._held_for:
            return kept + arrived, self.body_began_ns
        return kept + arrived, self._taken_ns

    def arrived_bytes(self) -> int:
        """What is kept of a body or a frame whose end is not there yet."""
        return 0

    def make_way(self) -> None:
        """There is too much in memory, and this peer has not moved; unless it did just now."""
        if self.phase < GONE and self.transport.get_write_buffer_size():
            self.abort()
        else:
            self.holding = False

    def set_answers_max(self, size: int) -> None:
        """So many bytes of answers may wait before no more calls are read."""
        if self.phase < GONE and not self.transport.is_closing():
            self.transport.set_write_buffer_limits(high=size, low=size // 4)

    def stop(self) -> None:
        """The server stops: end when everything begun is answered."""
        self.finishing = True
        if not self.feeding:
            self.flush()

    def turn_away(self) -> None:
        """There are too many connections: say so and end."""
        raise NotImplementedError

    # -- asyncio.Protocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.adopt(transport)  # type: ignore[arg-type]
        if not self.hub.admit(self) and self.phase < LINGER:
            self.turn_away()

    def adopt(self, transport: asyncio.Transport) -> None:
        """Take over a transport, fresh or from another protocol."""
        self.transport = transport
        high = self.hub.limits.send_buffer_bytes_max
        transport.set_write_buffer_limits(high=high, low=high // 4)

    def connection_lost(self, exc: Exception | None) -> None:
        self.phase = GONE
        self.hub.forget(self)
        self.early_bytes = 0
        self.waiting.clear()
        self.unread = b""
        self.out.clear()

    def eof_received(self) -> bool:
        """The peer sends no more; it may still read. True keeps our half open."""
        if self.phase >= LINGER or not (self.in_flight or self.waiting):
            return False
        # A request that was begun will not come to its end any more.
        self.phase = IDLE
        self.hold(_PEER_ENDED)
        self.finishing = True
        return True

    def pause_writing(self) -> None:
        self.write_due_ns = self.hub.clock.monotonic_ns() + self.hub.write_ns
        self.hold(_WRITE_PAUSED)

    def resume_writing(self) -> None:
        self.write_due_ns = NEVER
        self.release(_WRITE_PAUSED)
        self.pump_soon()

    # -- caps ----------------------------------------------------------------------------

    def has_room(self) -> bool:
        """
        Whether one more call may begin.

        Calls in flight have no answers yet: each is taken to become as long as the last ones were.
        """
        hub = self.hub
        expected = self.out_bytes
        if in_flight := self.in_flight:
            expected += self.early_bytes + in_flight * self.answer_bytes
        return (
            expected <= hub.held.answers_max
            and in_flight + len(self.out) < hub.calls_max
            and not self._held_for & _WRITE_PAUSED
        )

    def take(self, call: Any) -> None:
        """A call was read whole: begin it, or let it wait for room."""
        if self.waiting or self.turn_calls >= TURN_CALLS or not self.has_room():
            self.waiting.append(call)
            self.hub.held.keep(self, _CALL_BYTES)
            self.hold(_FULL)
        else:
            self.turn_calls += 1
            self.begin(call)

    def pump_soon(self) -> None:
        """Begin what waits, in another turn of the loop: others are served in between."""
        if self.waiting and not self._pumping and self.phase < LINGER:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        self.feeding = True
        self.turn_calls = 0
        while self.waiting and self.turn_calls < TURN_CALLS and self.has_room() and not self.ending:
            self.turn_calls += 1
            self.begin(self.waiting.popleft())
        self.feeding = False
        self.flush()
        if self.phase >= LINGER:
            return
        if not self.waiting and self.unread:
            rest, self.unread = self.unread, b""
            self.data_received(rest)
        if not self.waiting:
            self.release(_FULL)
        elif self.has_room():
            # More was written than was begun; if there is no room, whatever makes some calls back.
            self.pump_soon()

    def hold(self, reason: int) -> None:
        """Read no more for this reason; while held, the peer's deadlines stand still."""
        if not self._held_for and self.phase < LINGER:
            self.transport.pause_reading()
            self.due_ns = NEVER
        self._held_for |= reason

    def release(self, reason: int) -> None:
        """This reason is over."""
        held = self._held_for
        self._held_for &= ~reason
        if held and not self._held_for and self.phase < LINGER:
            self.now_ns = self.hub.clock.monotonic_ns()
            self.restart_deadline()
            self.transport.resume_reading()

    @property
    def held(self) -> bool:
        """Whether reading is paused."""
        return bool(self._held_for)

    def restart_deadline(self) -> None:
        """Reading goes on: what was begun gets its time from now."""
        if self.phase == HEAD:
            self.due_ns = self.now_ns + self.hub.header_ns
        elif self.phase == BODY:
            self.begin_body()
        elif not self.in_flight and not self.waiting:
            self.due_ns = self.now_ns + self.idle_ns

    @property
    def idle_ns(self) -> int:
        """How long this kind of connection may rest."""
        return self.hub.idle_ns

    def begin_body(self, *, received: int = 0) -> None:
        """The body's time runs from now; so many bytes of it are there."""
        self.body_began_ns = self.now_ns
        self.body_received = received
        self.due_ns = self.now_ns + min(self.hub.header_ns, self.hub.body_ns)

    def body_is_slow(self, now_ns: int) -> bool:
        """
        Whether the body has had its time or drips; if not, it is looked at again.

        A pause of `header_time_s` is granted at the start; after it the mean rate counts.
        """
        took_ns = now_ns - self.body_began_ns
        if took_ns >= self.hub.body_ns:
            return True
        if self.body_received * NS < self.hub.limits.body_rate_min_bytes_s * took_ns:
            return True
        self.due_ns = min(now_ns + self.hub.header_ns // 4, self.body_began_ns + self.hub.body_ns)
        return False

    # -- writing and the end -------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Gather an answer for the next `flush`."""
        self.out.append(data)
        size = len(data)
        self.out_bytes += size
        if size > _ANSWER_BYTES:
            # Others wait while it is made: it counts as several calls of this turn.
            self.turn_calls += size // _ANSWER_BYTES
        if size > self.answer_bytes:
            self.answer_bytes = size
        elif self.answer_bytes > _ANSWER_BYTES_MIN:
            # A short one counts little by little: refusals stand between answers.
            self.answer_bytes -= (self.answer_bytes - size) >> 3

    def flush(self) -> None:
        """Write what was gathered, in one go."""
        out = self.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self.out_bytes = 0
            size = len(data)
            self.written += size
            if self.phase < LINGER:
                if not self.holding:
                    self.begin_holding()
                self.transport.write(data)
                held = self.hub.held
                held.bytes += size
                if held.bytes > held.weigh_at:
                    held.weigh(self.hub.clock.monotonic_ns())
        if self.ending or self.finishing:
            self._end_if_answered()

    def begin_holding(self) -> None:
        """The first bytes after a time without: whether they are taken, counts from here."""
        self._taken_ns = self.hub.clock.monotonic_ns()
        self.holding = True
        self.hub.held.begins(self)

    def _end_if_answered(self) -> None:
        rests = self.phase == IDLE and not self.in_flight and not self.waiting
        if self.phase < LINGER and (self.ending or rests):
            self._linger()

    def end(self) -> None:
        """Write what was gathered and nothing more."""
        self.ending = True
        if not self.feeding:
            self.flush()

    def _linger(self) -> None:
        self.phase = LINGER
        self.waiting.clear()
        self.unread = b""
        self.write_due_ns = NEVER
        now_ns = self.hub.clock.monotonic_ns()
        self.due_ns = now_ns + self.hub.linger_ns
        self.cut_ns = now_ns + self.hub.write_ns
        transport = self.transport
        if transport.is_closing():
            return
        if self._held_for & _PEER_ENDED:
            transport.close()
            return
        transport.write_eof()
        if self._held_for:
            self._held_for = 0
            transport.resume_reading()

    def abort(self) -> None:
        """Cut, without a word."""
        self.phase = GONE
        self.hub.held.forget(self)
        self.transport.abort()
