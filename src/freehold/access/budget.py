"""
What one key may use up: calls in a second, and calls at the same time.

The rate is kept as one number, the moment at which the calls so far will have been paid for at
the key's rate; a burst is how far ahead of now that moment may lie. So a call costs a comparison
and an addition, and nothing has to be filled up by a timer.
"""

from __future__ import annotations

from typing import Final

from freehold.errors import RateLimited
from freehold.wire.limits import Limits

_NS: Final = 1_000_000_000


class KeyBudget:
    """
    The allowance of one key, see `freehold.db.caller.Allowance`. On the event loop's thread.

    Args:
        key_id: The key, for the refusal.
    """

    __slots__ = ("_ahead_ns", "_at_once", "_due_ns", "_in_flight", "_step_ns", "key_id", "used_ns")

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        #: Monotonic time of the last call that was begun; 0 for none yet.
        self.used_ns = 0
        self._in_flight = 0
        self._due_ns = 0
        self._step_ns = 1
        self._ahead_ns = 0
        self._at_once = 1

    def allow(
        self, limits: Limits, *, rate: int | None, burst: int | None, concurrency: int | None
    ) -> None:
        """Set what the key may: its own bounds, and for those left out the limits'."""
        self._step_ns = max(1, _NS // (rate or limits.key_rate_max))
        # A key with a rate of its own and no burst may have a second's calls at once.
        ahead = burst or (rate or limits.key_burst_max)
        self._ahead_ns = (ahead - 1) * self._step_ns
        self._at_once = concurrency or limits.key_calls_in_flight_max

    @property
    def in_flight(self) -> int:
        """Calls that were begun and are not answered yet."""
        return self._in_flight

    def begin(self, now_ns: int, /) -> None:
        """
        A call begins.

        Raises:
            RateLimited: It is one too many; it is not counted.
        """
        self.used_ns = now_ns
        due_ns = self._due_ns
        if due_ns < now_ns:
            due_ns = now_ns
        elif due_ns - now_ns > self._ahead_ns:
            raise self._too_fast(due_ns - now_ns - self._ahead_ns)
        if self._in_flight >= self._at_once:
            raise self._too_many()
        self._due_ns = due_ns + self._step_ns
        self._in_flight += 1

    def spend(self, calls: int, /) -> None:
        """So many more were in the call; they are done now, and paid for by those that come."""
        self._due_ns += calls * self._step_ns

    def end(self) -> None:
        """A call that was begun is answered."""
        self._in_flight -= 1

    def _too_fast(self, wait_ns: int) -> RateLimited:
        rate = _NS // self._step_ns
        return RateLimited(
            f"The key {self.key_id!r} has had its {rate} calls of this second.",
            hint="Wait as long as Retry-After says, or have the key given a higher --rate.",
            retry_after_s=-(-wait_ns // _NS),
        )

    def _too_many(self) -> RateLimited:
        return RateLimited(
            f"{self._in_flight} calls of the key {self.key_id!r} are on their way already.",
            hint="Wait for their answers, or have the key given a higher --concurrency.",
        )
