"""
Searching the web with Brave's Search API: `GET /res/v1/{news,web}/search`.

https://api-dashboard.search.brave.com/app/documentation
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from hotmetal.services.scout.stories import FOUND_MOST, Kind, Story, story

#: `pd` is the past day, `pw` the past week.
_FRESHNESS: Final[dict[Kind, str]] = {"news": "pd", "web": "pw"}
_TIMEOUT_S: Final = 15.0


class Brave:
    """
    The provider.

    Args:
        http: Carries the calls.
        base_url: Where the API is.
        key: The subscription token.
    """

    #: Part of what is remembered: another provider finds other things.
    name: Final = "brave"

    def __init__(self, http: httpx.AsyncClient, base_url: str, key: str) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._key = key

    async def find(self, query: str, kind: Kind) -> list[Story]:
        """
        What there is, at most five stories, the best first.

        Raises:
            httpx.HTTPError: The provider did not answer, or refused.
            ValueError: Its answer is not JSON.
        """
        answer = await self._http.get(
            f"{self._base_url}/res/v1/{kind}/search",
            # The API refuses longer queries: 400 characters, 50 words.
            params={
                "q": " ".join(query[:400].split()[:50]),
                "count": FOUND_MOST,
                "freshness": _FRESHNESS[kind],
            },
            headers={"X-Subscription-Token": self._key, "Accept": "application/json"},
            timeout=_TIMEOUT_S,
        )
        answer.raise_for_status()
        found = (_story(each) for each in _results(answer.json(), kind))
        return [each for each in found if each is not None][:FOUND_MOST]


def _results(body: Any, kind: Kind) -> list[Any]:
    """News stand in `results`, pages in `web.results`."""
    holder = body if kind == "news" or not isinstance(body, dict) else body.get("web")
    results = holder.get("results") if isinstance(holder, dict) else None
    return results if isinstance(results, list) else []


def _story(result: Any) -> Story | None:
    if not isinstance(result, dict):
        return None
    texts = {name: result.get(name) for name in ("url", "title", "description", "page_age")}
    url, title, snippet, age = (v if isinstance(v, str) else "" for v in texts.values())
    return story(url, title, snippet, age or None)
