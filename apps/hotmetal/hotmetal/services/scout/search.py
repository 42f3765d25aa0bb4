"""Looking for a topic's stories: what was found today is not asked for again."""

from __future__ import annotations

import logging
from typing import Final, Protocol

import httpx

from hotmetal.services.scout.feed import FeedRefused
from hotmetal.services.scout.store import Store
from hotmetal.services.scout.stories import KINDS, Kind, Story

LOG: Final = logging.getLogger("hotmetal.scout")


class Provider(Protocol):
    """Somebody who finds stories."""

    @property
    def name(self) -> str:
        """Part of what is remembered."""

    async def find(self, query: str, kind: Kind) -> list[Story]:
        """What there is, the best first; raises when it cannot tell."""


class Searches:
    """
    Searches with a memory of a day.

    Args:
        provider: Who is asked.
        store: What remembers.
    """

    def __init__(self, provider: Provider, store: Store) -> None:
        self._provider = provider
        self._store = store

    async def about(self, query: str) -> list[Story]:
        """News of the last day and pages of the last week; a search that fails finds nothing."""
        found: list[Story] = []
        for kind in KINDS:
            found += await self._of_kind(query, kind)
        return found

    async def _of_kind(self, query: str, kind: Kind) -> list[Story]:
        source = self._provider.name
        known = self._store.remembered(query, source, kind)
        if known is not None:
            return known
        try:
            found = await self._provider.find(query, kind)
        except (httpx.HTTPError, FeedRefused, ValueError) as error:
            LOG.warning("searching %s for %s: %s", source, kind, f"{type(error).__name__} {error}")
            return []
        self._store.remember(query, source, kind, found)
        return found
