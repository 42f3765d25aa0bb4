"""
How often what crashes is started again: after a wait that grows, and not for ever.
"""

from __future__ import annotations

from collections import deque
from typing import Final

#: So many crashes within so many seconds, and it is left alone.
CRASHES_MAX: Final = 5
WINDOW_S: Final = 60.0
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class Restarts:
    """The crashes of one process."""

    def __init__(self) -> None:
        self._crashes: deque[float] = deque(maxlen=CRASHES_MAX)

    def crashed(self, now_s: float) -> float | None:
        """
        How long to wait before it is started again; None when it is not.

        Args:
            now_s: Monotonic time.
        """
        self._crashes.append(now_s)
        recent = [crash for crash in self._crashes if now_s - crash < WINDOW_S]
        if len(recent) >= CRASHES_MAX:
            return None
        return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (len(recent) - 1))

    def forget(self) -> None:
        """Something was changed; what was before says nothing."""
        self._crashes.clear()
