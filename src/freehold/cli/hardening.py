"""
What a process that holds secrets gives up before it reads them: its memory is written nowhere.

A core dump has every key in it. So there is none, and on Linux no other process of the same
user may look into the memory either. The pages that the system swaps out are not in our hands.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from contextlib import suppress
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def keep_memory_private() -> None:
    """No core dump, and no debugger but root's; does what the system allows, and never raises."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
