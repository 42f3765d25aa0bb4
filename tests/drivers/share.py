"""
How much of the long runs is done: a share in every run of the tests, all of it when asked.

    FREEHOLD_FAULTS=full pytest -m fault
"""

from __future__ import annotations

import os

#: The long runs are wanted in full.
FULL = os.environ.get("FREEHOLD_FAULTS") == "full"


def share(quick: int, full: int) -> int:
    """How many: in every run, or when all is asked for."""
    return full if FULL else quick
