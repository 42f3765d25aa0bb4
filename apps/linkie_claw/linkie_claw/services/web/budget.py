"""
How often somebody may try: guesses of secrets, beginnings of sign-ins, calls that cost money.

Counted in this process and forgotten with it. Whoever knows the secret is never counted, so a
guesser next door cannot lock the scheduler out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from linkie_claw.services.web.answers import Refused

#: Then the oldest are forgotten: a flood of addresses must not fill the memory.
SOURCES_MAX: Final = 10_000


class Budget:
    """
    So many tries for each source in a span of time.

    Args:
        most: How many.
        seconds: The span.
        clock: Seconds that never go back.
    """

    def __init__(
        self, most: int, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        #: When the source's span began, and its tries since; the oldest span first.
        self._tries: dict[str, tuple[float, int]] = {}

    def take(self, source: str) -> None:
        """
        Count a try.

        Raises:
            Refused: 429; there were too many, and the answer says when to come back.
        """
        now = self._clock()
        began, count = self._tries.get(source, (now, 0))
        if now - began >= self._seconds:
            began, count = now, 0
            self._tries.pop(source, None)
        if count >= self._most:
            wait = max(1, round(began + self._seconds - now))
            raise Refused(429, "Too many tries; wait a little.", headers={"Retry-After": str(wait)})
        if source not in self._tries and len(self._tries) >= SOURCES_MAX:
            del self._tries[next(iter(self._tries))]
        self._tries[source] = (began, count + 1)
