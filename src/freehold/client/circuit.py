"""
When nobody has been there for a while, calls are told so at once instead of trying for long.

    open       calls try; each vain attempt counts, any answer sets the count back
    shut       after `backoff.ATTEMPTS_MAX` in a row: refused for `SHUT_S` without an attempt
    half open  then one call finds out, and the others are refused until it has

A call that may have been sent is never said to be undone by this: see `repeat.honest`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from freehold.client import backoff, failures
from freehold.errors import CallError

#: How long nobody tries; then one call finds out.
SHUT_S: Final = 0.5


class Circuit:
    """
    Of one binding; may be asked from any thread.

    Args:
        now_ns: Monotonic time.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()
        #: Vain attempts in a row.
        self.failures = 0
        self._until_ns = 0
        self._error: CallError | None = None

    def refusal(self) -> CallError | None:
        """Why a call should not even try; None when it may."""
        if not self.is_shut:
            return None
        with self._lock:
            error, now_ns = self._error, self._now_ns()
            if error is None:
                return None
            if now_ns < self._until_ns:
                return failures.again(error)
            # This one finds out; were it never to come back, another does after a while.
            self._until_ns = now_ns + int(SHUT_S * 1e9)
            return None

    @property
    def is_shut(self) -> bool:
        """Nobody was there lately; who tries all the same finds out for the others."""
        return self._error is not None

    def was_vain(self, error: CallError | None = None) -> None:
        """Nobody was there, or (without an error) somebody hung up before a word."""
        with self._lock:
            self.failures += 1
            if error is not None and self.failures >= backoff.ATTEMPTS_MAX:
                self._error = error
                self._until_ns = self._now_ns() + int(SHUT_S * 1e9)

    def is_well(self) -> None:
        """A data layer has answered."""
        if self.failures:
            with self._lock:
                self.failures, self._error = 0, None
