"""
A turn under way: what happens in it, for whoever listens, as often and as late as they like.

The turn does not know its listeners. One that goes away loses nothing but its own view: the turn
runs on and is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

Kind = Literal["text", "tool", "phase", "draft", "done", "error"]


class Event(msgspec.Struct, frozen=True):
    """Something that happened; `fields` are its JSON members."""

    kind: Kind
    fields: dict[str, Any]


class Live:
    """
    The events of one turn so far, and a way to wait for more.

    Args:
        turn_id: The turn.
    """

    def __init__(self, turn_id: str) -> None:
        self.turn_id = turn_id
        self._events: list[Event] = []
        self._wake = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether the last event has been told."""
        return bool(self._events) and self._events[-1].kind in ("done", "error")

    def tell(self, kind: Kind, **fields: Any) -> None:
        """Add an event; `done` or `error` is the last one."""
        self._events.append(Event(kind, fields))
        waking, self._wake = self._wake, asyncio.Event()
        waking.set()

    async def follow(self) -> AsyncIterator[Event]:
        """All events from the first one on, until the turn is over."""
        seen = 0
        while True:
            # Taken before looking, so that nothing told meanwhile is waited for.
            wake = self._wake
            while seen < len(self._events):
                yield self._events[seen]
                seen += 1
            if self.is_over:
                return
            await wake.wait()

    async def result(self) -> Event:
        """The last event, once it has come."""
        async for event in self.follow():
            last = event
        return last
