"""
What every answer tells a browser, and under which names browsers may come.

An answer is what its type says and nothing else, is shown in no other page's frame, and tells no
other site where its links were clicked. Answers of the API are kept nowhere.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hotmetal.services.web import refusal
from hotmetal.services.writer.sign_in import is_known_host

#: For what is no page: it loads nothing, runs nothing and is shown in no frame.
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; sandbox"
_IMAGES: Final = "/api/images/"


class Browsers:
    """
    Adds the headers, and turns away browsers that come under a stranger's name.

    Args:
        app: What stands behind it.
        hosts: The names that are this writer's. Callers that show the API key and whoever asks
            for `/health` or for an image may come under any: they have nothing to lose.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = _telling(scope["path"], send)
        request = Request(scope)
        if _needs_no_name(request) or is_known_host(request, self._hosts):
            await self._app(scope, receive, told)
        else:
            host = request.headers.get("host", "")[:100]
            words = f"{host!r} is no name of this writer; PUBLIC_URL says which one it has"
            await refusal(421, words)(scope, receive, told)


def _needs_no_name(request: Request) -> bool:
    path = request.url.path
    return "x-api-key" in request.headers or path == "/health" or path.startswith(_IMAGES)


def _telling(path: str, send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers.setdefault("Content-Security-Policy", _POLICY)
            if path.startswith("/api/") and not path.startswith(_IMAGES):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return told
