"""The one place where the scout asks what time it is, so that a test can move it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as the scout knows it."""

    def now(self) -> int:
        """Epoch seconds."""

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""


class WallClock:
    """The machine's."""

    def now(self) -> int:
        """Epoch seconds."""
        return int(time.time())

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        await asyncio.sleep(seconds)
