"""
A search provider that speaks Brave's wire, for tests.

`GET /res/v1/news/search` and `/res/v1/web/search`: `X-Subscription-Token`, `q`, `count`,
`freshness`; 422 for a wrong token, as the provider has it. What it finds is told by what it is
asked: each query has stories of its own.

https://api-dashboard.search.brave.com/app/documentation
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hotmetal.services.settings import HOST, SettingMissing, number, required
from hotmetal.services.web import answer, is_key, serve
from hotmetal.stand_ins.on_demand import OnDemand

PORT: Final = 8797
_COUNT_MOST: Final = {"news": 50, "web": 20}
_FRESH: Final = ("pd", "pw", "pm", "py")


class Search:
    """
    The provider.

    Args:
        key: The subscription token that it takes.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    async def search(self, request: Request) -> Response:
        """One page of results."""
        if not is_key(request.headers.get("x-subscription-token"), self._key):
            return _refused(422, "SUBSCRIPTION_TOKEN_INVALID")
        kind, asked = request.path_params["kind"], request.query_params
        query, fresh = asked.get("q", ""), asked.get("freshness", "")
        try:
            count = int(asked.get("count", "20"))
        except ValueError:
            return _refused(422, "VALIDATION")
        fits = 1 <= len(query) <= 400 and len(query.split()) <= 50
        if not fits or not 1 <= count <= _COUNT_MOST[kind] or fresh not in ("", *_FRESH):
            return _refused(422, "VALIDATION")
        results = [_result(kind, query, number) for number in range(count)]
        if kind == "news":
            return answer({"type": "news", "query": {"original": query}, "results": results})
        web = {"type": "search", "results": results, "family_friendly": True}
        return answer({"type": "search", "query": {"original": query}, "web": web})


def _refused(status: int, code: str) -> Response:
    return answer({"type": "ErrorResponse", "error": {"code": code, "status": status}}, status)


def _result(kind: str, query: str, number: int) -> dict[str, Any]:
    mark = hashlib.sha256(f"{kind}\0{query}".encode()).hexdigest()[:8]
    return {
        "type": "news_result" if kind == "news" else "search_result",
        "title": f"{query.title()[:60]}: {kind} {number} of {mark}",
        "url": f"https://{kind}.example/{mark}/{number}",
        "description": f"What {kind} number {number} tells of <strong>{query}</strong>.",
        "page_age": "2027-01-15T06:00:00",
        "age": "2 hours ago",
        "meta_url": {"scheme": "https", "netloc": f"{kind}.example"},
    }


def search_app(key: str) -> ASGIApp:
    """The application."""
    provider = Search(key)
    routes = [
        Route(f"/res/v1/{kind}/search", _of_kind(provider, kind), methods=["GET"])
        for kind in _COUNT_MOST
    ]
    return OnDemand(Starlette(routes=routes))


def _of_kind(provider: Search, kind: str) -> Any:
    async def search(request: Request) -> Response:
        request.path_params["kind"] = kind
        return await provider.search(request)

    return search


def main() -> None:
    """Serve on `PORT` until told to stop; `BRAVE_API_KEY` is what callers show."""
    try:
        port = number("PORT", PORT)
        key = required("BRAVE_API_KEY", "what callers of the search show")
    except SettingMissing as missing:
        sys.exit(f"search: {missing}")
    serve(search_app(key), host=HOST, port=port)


if __name__ == "__main__":
    main()
