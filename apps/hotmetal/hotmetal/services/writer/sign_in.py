"""
How a browser shows that it may: a cookie in place of the API key.

Whoever has the key gets the cookie, by the form of the page or by the link that `freehold dev`
prints. The cookie says until when it holds and is signed with the key: nothing is stored, a new
key ends every sign-in, and no script can read it. Because browsers send cookies by themselves,
a request that comes with one counts only when this page made it, and under a name of this host.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import ApiError, answer, body_of, is_key

#: How long a sign-in holds.
HOLDS_S: Final = 7 * 86_400
#: The names of this machine; every other name must be said, or a stranger's name could be made
#: to lead here and its page would be of the same origin as ours.
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_PURPOSE: Final = b"hotmetal writer: cookie of the page, 1"
_SAFE: Final = frozenset({"GET", "HEAD"})


class ShownKey(msgspec.Struct):
    """What the form sends."""

    key: str = ""


class SignIn:
    """
    The sign-in of one writer.

    Args:
        key: The API key; None when the server has none, and then nobody is signed in.
        public_url: Where browsers find the page, when that is not this machine's own name.
        clock: The time in epoch seconds.
    """

    def __init__(
        self,
        key: str | None,
        *,
        public_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._clock = clock
        public = urlsplit(public_url or "")
        self._hosts = LOOPBACK | ({public.hostname} if public.hostname else set())
        self._is_https = public.scheme == "https"

    @property
    def hosts(self) -> Collection[str]:
        """The names under which a browser may come."""
        return self._hosts

    def routes(self) -> list[BaseRoute]:
        """`/sign-in`, `/signed-in` and `/sign-out`."""
        return [
            Route("/signed-in", self._see, methods=["GET"]),
            Route("/sign-in", self._by_link, methods=["GET"]),
            Route("/sign-in", self._by_form, methods=["POST"]),
            Route("/sign-out", self._out, methods=["POST"]),
        ]

    def is_signed_in(self, request: Request) -> bool:
        """Whether the request has a cookie that holds, and was made by the page itself."""
        value = request.cookies.get(_cookie_name(request))
        return value is not None and self._holds(value) and self.is_own(request)

    def is_own(self, request: Request) -> bool:
        """
        Whether the page made the request.

        Browsers say it in `Sec-Fetch-Site`, which no script can set; where they do not (plain HTTP
        to another machine), `Origin` does. Reading may also be begun by the person: an address
        that is typed has no site.
        """
        if not is_known_host(request, self._hosts):
            return False
        is_reading = request.method in _SAFE
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin" or (is_reading and site == "none")
        origin = request.headers.get("origin")
        if origin is None:
            return is_reading
        return urlsplit(origin).netloc == request.headers.get("host")

    async def _see(self, request: Request) -> Response:
        """GET /signed-in: whether the cookie holds, so that the page need not try in vain."""
        return answer({"signedIn": self.is_signed_in(request)})

    async def _by_link(self, request: Request) -> Response:
        """GET /sign-in?key=…: the cookie, and on to the page, so that the key leaves the bar."""
        shown = request.query_params.get("key")
        if shown is None:
            return RedirectResponse("/", 303)
        if not is_key(shown, self._required_key()):
            return PlainTextResponse("That is not the key of this writer.\n", 401)
        return self._with_cookie(RedirectResponse("/", 303), request)

    async def _by_form(self, request: Request) -> Response:
        """POST /sign-in {key}: the cookie, or 401."""
        if not self.is_own(request):
            raise ApiError(403, "sign in on the writer's own page")
        shown = (await body_of(request, ShownKey)).key
        if not is_key(shown, self._required_key()):
            raise ApiError(401, "that is not the key of this writer")
        return self._with_cookie(answer({"signedIn": True}), request)

    async def _out(self, request: Request) -> Response:
        """POST /sign-out: the cookie is forgotten."""
        if not self.is_own(request):
            raise ApiError(403, "sign out on the writer's own page")
        response = answer({"signedIn": False})
        response.delete_cookie(
            _cookie_name(request), httponly=True, samesite="strict", secure=self._is_https
        )
        return response

    def _required_key(self) -> str:
        if self._key is None:
            raise ApiError(500, "the server has no API key: WRITER_API_KEY is not set")
        return self._key

    def _with_cookie(self, response: Response, request: Request) -> Response:
        until = int(self._clock()) + HOLDS_S
        response.set_cookie(
            _cookie_name(request),
            f"{until}.{self._signature(until)}",
            max_age=HOLDS_S,
            httponly=True,
            samesite="strict",
            secure=self._is_https,
        )
        return response

    def _holds(self, value: str) -> bool:
        said, _, signature = value.partition(".")
        # Digits only, and few: `int` would also take other alphabets and reads without end.
        if self._key is None or not (said.isascii() and said.isdigit() and len(said) <= 12):
            return False
        until = int(said)
        return is_key(signature, self._signature(until)) and self._clock() < until

    def _signature(self, until: int) -> str:
        own = hmac.digest(self._required_key().encode(), _PURPOSE, hashlib.sha256)
        return hmac.new(own, str(until).encode(), hashlib.sha256).hexdigest()


def is_known_host(request: Request, hosts: Collection[str]) -> bool:
    """Whether the request came under one of the names, whatever the port."""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return name in hosts


def _cookie_name(request: Request) -> str:
    """Cookies do not tell ports apart, so the name does: two writers, two sign-ins."""
    _, port = request.scope.get("server") or ("", 0)
    return f"hotmetal_writer_{port}"
