"""
How much of the long runs is done, and from which seed.

    FREEHOLD_FAULTS=full pytest -m fault -rP        # -rP shows the figures
    FREEHOLD_FAULTS=10 pytest -m fault tests/faults     # a tenth of it: percent
    FREEHOLD_FAULTS_SEED=17 pytest tests/faults
"""

from __future__ import annotations

import os
import sys
from typing import Final

_SAID: Final = os.environ.get("FREEHOLD_FAULTS", "")
#: The long runs are wanted, in full or a part of them.
FULL: Final = _SAID == "full" or _SAID.isdigit()
#: Every choice comes from it; a red run names it.
SEED: Final = int(os.environ.get("FREEHOLD_FAULTS_SEED", "20261120"))


def share(quick: int, full: int) -> int:
    """How many: in every run, or when all is asked for."""
    if _SAID.isdigit():
        return max(quick, full * int(_SAID) // 100)
    return full if FULL else quick


def note(figures: str) -> None:
    """A line of figures, for who asks to see it."""
    sys.stdout.write(f"{figures}\n")
