"""
How long to wait between two attempts to connect: full jitter, so that clients who lost the
same server do not come back at the same moment.
"""

from __future__ import annotations

from typing import Final

from freehold.ids import Ids

FIRST_S: Final = 0.05
LONGEST_S: Final = 2.0
#: Attempts on behalf of waiting calls once a connection was there: a restart of the data
#: layer is ridden out (1.5 s at most, half of it on average). Who has never been connected
#: is told at once, because then most likely nobody has started it.
ATTEMPTS_MAX: Final = 6


def wait_s(failures: int, ids: Ids) -> float:
    """A time between 0 and a bound that doubles with each failure in a row."""
    if not failures:
        return 0.0
    bound = min(LONGEST_S, FIRST_S * 2.0 ** min(failures - 1, 16))
    share = int.from_bytes(ids.seed()[:8], "big") / 2.0**64
    return bound * share
