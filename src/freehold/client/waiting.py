"""
Waiting until the data layer is there: how long between two looks, and what is said meanwhile.

A service that is started before its data layer has nothing to do but wait; whoever started it
must read why it does, without reading it twice a second. The log `freehold.client` gets a line
at the first vain look, another ever more rarely, and one when the wait is over.
"""

from __future__ import annotations

import logging
import math
from typing import Final

from freehold.client import backoff, failures
from freehold.clock import SystemClock
from freehold.errors import CallError, DeadlineExceeded, InvalidArgument, Overloaded, Unavailable
from freehold.ids import SystemIds

#: How long one look may take.
LOOK_S: Final = 5.0
#: Seconds after the first line at which it is said again; from then on, once in the last.
_SAID_AGAIN_S: Final = (5.0, 15.0, 60.0)
#: What passes when the data layer starts, has started, or has less to do.
_PASSES: Final = (Unavailable, Overloaded, DeadlineExceeded)
_log = logging.getLogger("freehold.client")


class Waiting:
    """
    One wait for one data layer.

    Args:
        timeout_s: How long it may take; None for ever.

    Raises:
        InvalidArgument: The time is not a positive number.
    """

    def __init__(self, timeout_s: float | None) -> None:
        if timeout_s is not None and not (0 < timeout_s < math.inf):
            raise InvalidArgument(
                f"the data layer cannot be given {timeout_s!r} seconds.",
                hint="Give a positive number of seconds, or None to wait for ever.",
                path="timeout_s",
            )
        self._timeout_s = timeout_s
        self._now_ns = SystemClock().monotonic_ns
        self._began_ns = self._now_ns()
        self._ids = SystemIds()
        self._looks = 0
        self._lines = 0

    @property
    def _waited_s(self) -> float:
        return (self._now_ns() - self._began_ns) / 1e9

    @property
    def look_s(self) -> float:
        """How long the next look may take."""
        if self._timeout_s is None:
            return LOOK_S
        return min(LOOK_S, max(self._timeout_s - self._waited_s, 0.001))

    def pause_s(self, error: CallError) -> float:
        """
        How long to wait after a vain look.

        Args:
            error: Why it was vain.

        Raises:
            CallError: The error itself: it does not pass by waiting, or the time is up.
        """
        if not isinstance(error, _PASSES) or isinstance(error, failures.BindingClosed):
            raise error
        waited_s = self._waited_s
        if self._timeout_s is not None and waited_s >= self._timeout_s:
            raise error
        self._looks += 1
        self._say(error, waited_s)
        pause_s = backoff.wait_s(self._looks, self._ids)
        if isinstance(error, Overloaded):
            pause_s = max(pause_s, float(error.retry_after_s))
        # The last look is at the very end of the time, not before it.
        left_s = math.inf if self._timeout_s is None else self._timeout_s - waited_s
        return min(pause_s, left_s)

    def _say(self, error: CallError, waited_s: float) -> None:
        due = 0.0
        if self._lines:
            due = sum(_SAID_AGAIN_S[: self._lines])
            due += max(self._lines - len(_SAID_AGAIN_S), 0) * _SAID_AGAIN_S[-1]
        if waited_s < due:
            return
        so_far = f" for {waited_s:.0f} s" if self._lines else ""
        self._lines += 1
        _log.warning("waiting%s for the data layer: %s %s", so_far, error.detail, error.hint)

    def is_over(self) -> None:
        """The data layer is there; said if the wait was."""
        if self._lines:
            _log.info("the data layer is there, after %.1f s", self._waited_s)
