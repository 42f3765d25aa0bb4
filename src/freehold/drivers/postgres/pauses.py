"""
How long to rest before a server that is away is asked once more: twice as long each time.
"""

from __future__ import annotations

import asyncio
from typing import Final

_FIRST_S: Final = 0.01
_LONGEST_S: Final = 0.5


class Pauses:
    """The pauses of one wait."""

    __slots__ = ("_next_s",)

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    async def rest(self) -> None:
        """Sleep; the next one is longer, up to half a second."""
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 2, _LONGEST_S)
