"""A scout whose clock a test sets: `SCOUT_TEST_CLOCK` names a file with the epoch seconds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from hotmetal.services.scout.__main__ import main as scout_main


class FileClock:
    """What the file says; sleeping is looking again soon."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0

    def now(self) -> int:
        """Epoch seconds; while the file is being written, those of before."""
        self._last = int(self._path.read_text() or self._last)
        return self._last

    async def sleep(self, seconds: float) -> None:
        """Not for so long."""
        await asyncio.sleep(min(seconds, 0.02))


def main() -> int:
    """The scout."""
    return scout_main(FileClock(Path(os.environ["SCOUT_TEST_CLOCK"])))
