"""
Notices when the machine's wall clock was set while an application is served.

Nothing is done about it, because nothing rests on it: the order of everything is `seq`, deadlines
and waits go by the monotonic clock, and what expires goes by the wall clock, however that came
to be. But who looks at `created_at` wants to know, and somebody should look at the machine.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

from freehold.clock import Clock

_LOG = logging.getLogger("freehold.app")
#: Less is how a time server brings a clock right.
JUMP_S: Final = 2.0
LOOK_EVERY_S: Final = 1.0
#: `/health` tells of the last jump for so long.
TOLD_FOR_S: Final = 3_600.0


class ClockWatch:
    """
    Compares how far both clocks have come since the last look.

    Args:
        clock: Its wall time may jump, its monotonic time does not.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_ns = clock.wall_ns()
        self._monotonic_ns = clock.monotonic_ns()
        self._told_until_ns = self._monotonic_ns
        #: How often it jumped since the start.
        self.jumps = 0

    @property
    def state(self) -> Literal["ok", "jumped"]:
        """`jumped` for an hour after the last time."""
        return "jumped" if self._clock.monotonic_ns() < self._told_until_ns else "ok"

    def look(self) -> float:
        """Compare once, and log a jump; how many seconds it was, 0.0 when there was none."""
        wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        passed_ns = monotonic_ns - self._monotonic_ns
        jumped_s = (wall_ns - self._wall_ns - passed_ns) / 1e9
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        if abs(jumped_s) <= JUMP_S:
            return 0.0
        self.jumps += 1
        self._told_until_ns = monotonic_ns + int(TOLD_FOR_S * 1e9)
        _LOG.warning(
            "the wall clock was set %s by %.1f s: times that are stored follow it, the order "
            "of commits does not; what expires does so by the new time",
            "forward" if jumped_s > 0 else "back",
            abs(jumped_s),
        )
        return jumped_s
