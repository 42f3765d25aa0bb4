"""Doors at which a stand-in holds an answer back until the test lets it go."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.scout.scouts import wait_for

_HELD_MOST_S: Final = 30.0


class Gates:
    """Each door that was closed holds the next one who comes, and nobody after."""

    def __init__(self) -> None:
        self._closed: set[str] = set()
        self._holding: set[str] = set()

    def close(self, name: str) -> None:
        """Hold the next one."""
        self._closed.add(name)

    def wait(self, name: str) -> None:
        """Wait until somebody is held there."""
        wait_for(lambda: name in self._holding, f"somebody to be held at {name}")

    def open(self, name: str) -> None:
        """Let go whoever is held; a name that nobody waits at is no harm."""
        self._holding.discard(name)

    def open_all(self) -> None:
        """At the end of a test: nobody is held."""
        self._closed.clear()
        self._holding.clear()

    async def __call__(self, name: str) -> None:
        """Pass, or be held."""
        if name not in self._closed:
            return
        self._closed.discard(name)
        self._holding.add(name)
        until = asyncio.get_running_loop().time() + _HELD_MOST_S
        # The test lives in another thread, so it is looked at and not waited for.
        while name in self._holding and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
