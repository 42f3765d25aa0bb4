"""
What all connections of a server hold in memory together, and who goes when it is too much.

A connection has bounds of its own; a thousand at their bounds are gigabytes. So there is one
account: answers that wait for their readers, calls that wait for room, bodies that are on their
way. Whatever is kept is added as it comes; only weighing finds what is gone again, in each round of
the sweep and whenever the account has grown beyond its bound.

1. Beyond half of `held_bytes_max`, a connection whose answers wait has no further call begun, and
   is not read, until its reader has taken nearly all of them.
2. Beyond the whole, those whose peers have not moved for `_PATIENCE_NS` go, the longest first,
   until the rest fits. Beyond half as much again patience is shorter. A peer that takes its
   answer, however large, stays; a body that is on its way for longer is refused, and may come
   again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from freehold.clock import Clock
from freehold.wire.limits import Limits

if TYPE_CHECKING:
    from freehold.server.connection import Connection

_LOG: Final = logging.getLogger("freehold.server")
_NS: Final = 1_000_000_000

#: How long a peer may rest while there is too much.
_PATIENCE_NS: Final = _NS
_SHORT_PATIENCE_NS: Final = _NS // 2
#: What one connection may have waiting while there is too much, beside one answer.
_TIGHT_BYTES: Final = 64 * 1_024
#: Weighed again after so many parts of the bound more: weighing asks every holder.
_STEPS: Final = 16
#: One line in the log for this long, however often it happens.
_QUIET_NS: Final = 60 * _NS


class Held:
    """The account of one server; on the event loop's thread only."""

    __slots__ = (
        "_clock",
        "_half",
        "_most",
        "_quiet_until_ns",
        "_roomy",
        "_squeezed",
        "_step",
        "_weighed_ns",
        "answers_max",
        "bytes",
        "cut",
        "holders",
        "tight",
        "weigh_at",
    )

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._most = limits.held_bytes_max
        self._half = self._most // 2
        self._roomy = limits.send_buffer_bytes_max
        self._step = max(1, self._most // _STEPS)
        self._quiet_until_ns = 0
        self._weighed_ns = clock.monotonic_ns()
        self._squeezed: set[Connection] = set()
        #: Those that may hold something; whoever is not here holds nothing.
        self.holders: set[Connection] = set()
        #: What they hold, at most; exact after `weigh`.
        self.bytes = 0
        #: Beyond so much of it, `weigh`.
        self.weigh_at = self._half
        #: There is nearly too much.
        self.tight = False
        #: What one connection may have waiting now.
        self.answers_max = self._roomy
        #: How many connections had to go.
        self.cut = 0

    def begins(self, connection: Connection) -> None:
        """The connection holds something from here on."""
        self.holders.add(connection)
        if self.tight:
            self._squeeze(connection)

    def keep(self, connection: Connection, size: int) -> None:
        """So many bytes more are kept for a connection."""
        if not connection.holding:
            connection.begin_holding()
        self.bytes += size
        if self.bytes > self.weigh_at:
            self.weigh(self._clock.monotonic_ns())

    def forget(self, connection: Connection) -> None:
        """The connection is no more, or another one has its socket."""
        self.holders.discard(connection)
        self._squeezed.discard(connection)

    def weigh(self, now_ns: int) -> None:
        """Count what is held by now, and make room if that is too much."""
        total = 0
        resting: list[tuple[int, int, Connection]] = []
        for connection in [*self.holders]:
            size, since_ns = connection.weighed(now_ns)
            if size:
                total += size
                resting.append((since_ns, size, connection))
            else:
                connection.holding = False
                self.holders.discard(connection)
        if total > self._half:
            self._tighten()
        elif self.tight and total <= self._half - self._half // 4:
            # Some way below, so that it is not one and the other in turns.
            self._loosen()
        before_ns, self._weighed_ns = self._weighed_ns, now_ns
        if total > self._most:
            total = self._make_room(resting, now_ns - before_ns, total)
        self.bytes = total
        self.weigh_at = max(self._half, total + self._step)

    def _make_room(
        self, resting: list[tuple[int, int, Connection]], unseen_ns: int, total: int
    ) -> int:
        """Let those go that have rested for longest; what is held after that."""
        patience_ns = _SHORT_PATIENCE_NS if total > self._most + self._half else _PATIENCE_NS
        if unseen_ns >= patience_ns:
            # It was this loop that did not move; nobody can be blamed before the next time.
            return total
        now_ns = self._weighed_ns
        due = [each for each in resting if now_ns - each[0] >= patience_ns]
        due.sort(key=lambda each: (each[0], -each[1]))
        if due and now_ns >= self._quiet_until_ns:
            self._quiet_until_ns = now_ns + _QUIET_NS
            _LOG.warning(
                "%d connections hold %d bytes and held_bytes_max is %d; those that do not move go",
                len(resting), total, self._most,
            )  # fmt: skip
        for _, size, connection in due:
            if total <= self._most:
                break
            total -= size
            self.cut += 1
            self.forget(connection)
            # Another connection may be in the middle of something.
            asyncio.get_running_loop().call_soon(connection.make_way)
        return total

    def _tighten(self) -> None:
        if self.tight:
            return
        self.tight = True
        self.answers_max = min(self._roomy, _TIGHT_BYTES)
        for connection in [*self.holders]:
            self._squeeze(connection)

    def _squeeze(self, connection: Connection) -> None:
        self._squeezed.add(connection)
        connection.set_answers_max(self.answers_max)

    def _loosen(self) -> None:
        self.tight = False
        self.answers_max = self._roomy
        squeezed, self._squeezed = self._squeezed, set()
        for connection in squeezed:
            connection.set_answers_max(self.answers_max)
            connection.pump_soon()
