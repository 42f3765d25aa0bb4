"""
Time, the only place that reads it.

Wall time is what gets stored; monotonic time is what durations, deadlines and
leases are measured with. A function of an application never asks here: it has `db.now`,
which stays the same when the function is run again.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Protocol


class Clock(Protocol):
    """Where the library gets its time from."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC; may jump."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since some moment; never goes back."""

    def cpu_ns(self) -> int:
        """Nanoseconds that this thread has used the processor."""


class SystemClock:
    """The machine's clocks."""

    # Not wrapped: every call reads the clock a few times.
    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)
    cpu_ns = staticmethod(time.thread_time_ns)


class ManualClock:
    """A clock that stands still until it is moved; for tests and replays."""

    def __init__(self, wall_s: float = 1_800_000_000.0) -> None:
        self._wall_ns = _nanoseconds(wall_s)
        self._monotonic_ns = 0

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def cpu_ns(self) -> int:
        """Nothing: while a test moves the time, nobody works."""
        return 0

    def advance(self, *, seconds: float) -> None:
        """
        Let time pass on both clocks.

        Raises:
            ValueError: It would go back; `jump` moves the wall clock alone.
        """
        if seconds < 0:
            raise ValueError("time does not go back; jump() moves the wall clock alone")
        step = _nanoseconds(seconds)
        self._wall_ns += step
        self._monotonic_ns += step

    def jump(self, *, seconds: float) -> None:
        """Move the wall clock alone, as an operator or a time server does."""
        self._wall_ns += _nanoseconds(seconds)


def _nanoseconds(seconds: float) -> int:
    """As many as were written down: a float of today's seconds is off by a hundred of them."""
    return round(Decimal(repr(seconds)) * 1_000_000_000)
