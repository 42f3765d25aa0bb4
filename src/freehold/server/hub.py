"""
What all connections of one server share: limits, clock, dispatcher, and the sweep.

The sweep is one timer for all deadlines: it looks at every open connection a few times a
second and tells those whose time has come. A timer per connection would be armed and disarmed
on every call, which costs more than the call's parsing. It looks at a few hundred in one turn of
the loop, so that thousands which rest hold up nobody; what they hold in memory is asked only of
those that may hold something, see `held`.

What a connection does when its time has come, it knows itself, see `connection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from freehold.clock import Clock
from freehold.errors import CallError
from freehold.ids import Ids
from freehold.rpc.failures import Failures
from freehold.rpc.together import TOGETHER
from freehold.server.gate import Gate
from freehold.server.held import Held
from freehold.server.known_heads import KnownHeads
from freehold.server.meter import CallMeter
from freehold.server.seams import Authenticator, CallDispatcher
from freehold.server.strangers import Strangers
from freehold.wire.limits import Limits

if TYPE_CHECKING:
    from freehold.server.connection import Connection

NS: Final = 1_000_000_000
NEVER: Final = 2**63 - 1

_SWEEP_S_MAX: Final = 0.25
_SWEEP_S_MIN: Final = 0.005
#: This part of all connections is for the Unix socket: however many strangers come to the port,
#: the owner gets in.
_OWNERS_PART: Final = 32
#: Of the sweep, in one turn of the loop: connections that are looked at, and told that their time
#: has come. A round takes at most so many turns, as long as few are told.
_LOOKS_MIN: Final = 256
_TURNS_MAX: Final = 32
_TOLD_MAX: Final = 16
#: Connections over the cap that are told so at the same time; more are cut without a word.
_TURNED_AWAY_MAX: Final = 64


class Hub:
    """The middle of a server; one per server, used on the event loop's thread only."""

    def __init__(
        self,
        dispatcher: CallDispatcher,
        authenticator: Authenticator,
        *,
        pages: Any,
        gate: Gate,
        limits: Limits,
        clock: Clock,
        ids: Ids,
        meter: CallMeter,
        strangers: Strangers,
        welcome: Callable[[], dict[str, Any]],
    ) -> None:
        """
        Args:
            dispatcher: Runs the calls.
            authenticator: Knows the callers.
            pages: The ASGI application for everything that is not a call.
            gate: Which hosts and origins are let in.
            limits: What a stranger may ask for.
            clock: Deadlines are measured with its monotonic time.
            ids: For incident numbers.
            meter: Where calls are counted.
            strangers: Where wrong keys are.
            welcome: What a hello is answered with.
        """
        self.dispatcher = dispatcher
        self.authenticator = authenticator
        self.method_names = frozenset((*dispatcher.names, TOGETHER))
        #: The raw path of each call.
        self.methods = {
            b"/rpc/" + name.replace(".", "/").encode(): name for name in dispatcher.names
        } | {b"/rpc": TOGETHER}
        self.pages = pages
        self.gate = gate
        self.limits = limits
        self.clock = clock
        self.meter = meter
        self.strangers = strangers
        self.welcome = welcome
        self.known_heads = KnownHeads()
        self.held = Held(limits, clock)
        self.calls_max = limits.calls_in_flight_max
        self.connections: set[Connection] = set()
        self.turned_away: set[Connection] = set()
        #: Pages that are being made; kept here because asyncio forgets running tasks.
        self.page_tasks: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.emptied = asyncio.Event()
        self.header_ns = int(limits.header_time_s * NS)
        self.body_ns = int(limits.body_time_s * NS)
        self.idle_ns = int(limits.idle_time_s * NS)
        self.frames_idle_ns = int(limits.frames_idle_time_s * NS)
        self.write_ns = int(limits.write_time_s * NS)
        self.linger_ns = int(limits.linger_time_s * NS)
        self._failures = Failures(ids)
        self._sweeper: asyncio.Handle | None = None
        self._swept_ns = 0
        self._granted = False
        self._sweep_s = _sweep_interval_s(limits)

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False when it is one too many, and must say so and go."""
        most = self.limits.connections_max
        if not connection.trusted:
            most -= most // _OWNERS_PART
        if len(self.connections) < most:
            self.connections.add(connection)
            return True
        if len(self.turned_away) < _TURNED_AWAY_MAX:
            self.turned_away.add(connection)
        else:
            connection.abort()
        return False

    def forget(self, connection: Connection) -> None:
        """The connection is no more."""
        self.connections.discard(connection)
        self.turned_away.discard(connection)
        self.held.forget(connection)
        if self.stopping and not self.connections and not self.turned_away:
            self.emptied.set()

    def replace(self, old: Connection, new: Connection) -> None:
        """The same socket goes on under another protocol."""
        self.held.forget(old)
        self.connections.discard(old)
        self.connections.add(new)

    def stop(self) -> None:
        """Tell every connection; `emptied` is set when the last one is gone."""
        self.stopping = True
        for connection in [*self.connections, *self.turned_away]:
            connection.stop()
        if not self.connections and not self.turned_away:
            self.emptied.set()

    def cut(self) -> None:
        """End what has not ended by itself."""
        for connection in [*self.connections, *self.turned_away]:
            connection.abort()
        for task in self.page_tasks:
            task.cancel()

    def start_sweeping(self) -> None:
        """Begin to look at the deadlines; the loop must be running."""
        self._swept_ns = self.clock.monotonic_ns()
        self._sweeper = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    def stop_sweeping(self) -> None:
        """Look no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        now_ns = self.clock.monotonic_ns()
        # A sweep that comes late says that this loop was busy or the machine asleep, not that
        # clients were slow: what they sent meanwhile is still unread. They get one more round;
        # one only, or a loop that is always late would have no deadlines at all.
        late = now_ns - self._swept_ns > 4 * self._sweep_s * NS + NS // 10
        self._swept_ns = now_ns
        self._granted = late and not self._granted
        self.held.weigh(now_ns)
        if not self._granted:
            for connection in [each for each in self.held.holders if not each.reads(now_ns)]:
                connection.abort()
        self._look([*self.connections, *self.turned_away], 0, now_ns)

    def _look(self, connections: list[Connection], start: int, now_ns: int) -> None:
        """
        Look at some of the connections, and at the rest in the next turn of the loop.

        All others wait while this looks, so it does little in one turn: many are only looked at,
        few are told that their time has come.
        """
        told = 0
        size = max(_LOOKS_MIN, len(connections) // _TURNS_MAX)
        place = start
        for place in range(start, min(start + size, len(connections))):
            connection = connections[place]
            if connection.rechecks:
                connection.recheck()
            if now_ns < connection.due_ns and now_ns < connection.write_due_ns:
                continue
            if not self._granted:
                self._tell(connection, now_ns)
                told += 1
                if told == _TOLD_MAX:
                    break
        loop = asyncio.get_running_loop()
        if place + 1 < len(connections):
            self._sweeper = loop.call_soon(self._look, connections, place + 1, now_ns)
        else:
            self._sweeper = loop.call_later(self._sweep_s, self._sweep)

    @staticmethod
    def _tell(connection: Connection, now_ns: int) -> None:
        if now_ns >= connection.write_due_ns:
            connection.abort()
        else:
            connection.overdue(now_ns)

    def broke(self, error: BaseException) -> CallError:
        """A defect of ours: its text goes to the log, its number to the caller."""
        return self._failures.told(error, "the server")


def _sweep_interval_s(limits: Limits) -> float:
    """A quarter of the shortest deadline, so that none is missed by much."""
    shortest = min(
        limits.header_time_s,
        limits.body_time_s,
        limits.idle_time_s,
        limits.frames_idle_time_s,
        limits.write_time_s,
        limits.linger_time_s,
    )
    return min(_SWEEP_S_MAX, max(_SWEEP_S_MIN, shortest / 4))
