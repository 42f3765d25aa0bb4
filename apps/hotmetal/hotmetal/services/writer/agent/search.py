"""Web search for the agent: the Brave Search API, when a key for it is set."""

from __future__ import annotations

from typing import Final

import httpx
import msgspec

from hotmetal.services.writer.settings import WriterSettings

_RESULTS: Final = 5
_TIMEOUT_S: Final = 10.0


class Found(msgspec.Struct, frozen=True):
    """One result."""

    title: str = ""
    url: str = ""
    description: str = ""


class _Web(msgspec.Struct, frozen=True):
    results: list[Found] = []


class _Answer(msgspec.Struct, frozen=True):
    web: _Web = _Web()


class SearchFailed(Exception):
    """The search did not answer."""


class Search:
    """
    Searches the web.

    Args:
        url: The base of the API.
        key: Its key.
    """

    def __init__(self, url: str, *, key: str) -> None:
        headers = {"X-Subscription-Token": key, "Accept": "application/json"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S)

    async def web(self, query: str) -> list[Found]:
        """
        The first results.

        Raises:
            SearchFailed: It did not answer, or in words that cannot be read.
        """
        params: dict[str, str | int] = {"q": query[:400], "count": _RESULTS}
        try:
            answer = await self._http.get("/res/v1/web/search", params=params)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=_Answer).web.results[:_RESULTS]
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise SearchFailed(f"the web search did not answer: {type(error).__name__}") from None

    async def close(self) -> None:
        """Give back its connections."""
        await self._http.aclose()


def make_search(settings: WriterSettings) -> Search | None:
    """The search that is set, if one is."""
    if settings.search_key is None:
        return None
    return Search(settings.search_url, key=settings.search_key)
