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

# Why reading is paused; it goes on when there is no reason left.
_WRITE_PAUSED: Final = 1
_FULL: Final = 2
_PEER_ENDED: Final = 4


class Connection(asyncio.Protocol):
    """One open connection; a subclass knows what its bytes mean."""

    __slots__ = (
        "_held_for",
        "_pumping",
        "_taken",
        "_taken_ns",
        "body_began_ns",
        "body_received",
        "cut_ns",
        "due_ns",
        "ending",
        "feeding",
        "finishing",
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

        The deadline of a full send buffer comes later: this one is for those that wait in it.
        """
        if self.written == self._taken:
            # Nothing was written since all was taken: most connections, at every look.
            self._taken_ns = now_ns
            return True
        waiting = self.transport.get_write_buffer_size()
        taken = self.written - waiting
        if not waiting or taken != self._taken:
            self._taken = taken
            self._taken_ns = now_ns
            return True
        return now_ns - self._taken_ns < self.hub.write_ns

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
        """Whether one more call may begin."""
        return (
            self.in_flight + len(self.out) < self.hub.limits.calls_in_flight_max
            and self.out_bytes <= self.hub.limits.send_buffer_bytes_max
            and not self._held_for & _WRITE_PAUSED
        )

    def take(self, call: Any) -> None:
        """A call was read whole: begin it, or let it wait for room."""
        if self.waiting or self.turn_calls >= TURN_CALLS or not self.has_room():
            self.waiting.append(call)
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
        self.out_bytes += len(data)

    def flush(self) -> None:
        """Write what was gathered, in one go."""
        out = self.out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            self.out_bytes = 0
            self.written += len(data)
            if self.phase < LINGER:
                self.transport.write(data)
        if self.ending or self.finishing:
            self._end_if_answered()

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
        self.transport.abort()
