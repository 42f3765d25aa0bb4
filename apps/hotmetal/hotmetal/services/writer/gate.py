"""
Who is let in: callers that show the API key.

Open to everybody are `/health`, the images (posts of the CMS show them) and the page itself;
whatever else stands under `/api/` is behind the gate, also what nobody has written yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from hotmetal.services.web import is_key, refusal

HEADER: Final = "x-api-key"
_IMAGES: Final = "/api/images/"

#: Another proof than the key: whether the request carries it.
Proof = Callable[[Request], bool]


class Gate:
    """
    Passes on what may pass.

    Args:
        app: What stands behind it.
        key: The server's API key; without one it answers 500 to everybody.
        proofs: Other ways to be let in, such as the page's cookie.
    """

    def __init__(self, app: ASGIApp, *, key: str | None, proofs: Sequence[Proof] = ()) -> None:
        self._app = app
        self._key = key
        self._proofs = tuple(proofs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _is_open(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if self._key is None:
            answer = refusal(500, "the server has no API key: WRITER_API_KEY is not set")
            await answer(scope, receive, send)
        elif self._is_let_in(request, self._key):
            await self._app(scope, receive, send)
        else:
            await refusal(401, "Unauthorized: show the API key in X-API-Key")(scope, receive, send)

    def _is_let_in(self, request: Request, key: str) -> bool:
        shown = request.headers.get(HEADER)
        if shown is not None:
            return is_key(shown, key)
        return any(proof(request) for proof in self._proofs)


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    if not (path == "/api" or path.startswith("/api/")):
        return True
    return scope["method"] in ("GET", "HEAD") and path.startswith(_IMAGES)
