"""
What every request passes before a handler sees it: whose host it asks for, where its page came
from, and what the browser may do with the answer.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from linkie_claw.services.web.answers import Refused
from linkie_claw.services.web.log import say_broken
from linkie_claw.services.web.settings import Settings

_UNSAFE: Final = ("POST", "PUT", "PATCH", "DELETE")
#: These carry their own secret in a header that no foreign page can set, and no cookie.
_WITH_A_SECRET: Final = ("/api/cron/", "/api/webhooks/", "/api/internal/")
_JSON: Final = "application/json"

_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class HostDoor:
    """Turns away requests for hosts that this service is not: a page that rebinds its name."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).getlist("host")
        if len(asked) == 1 and _host_name(asked[0]) in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = Refused(421, "This service has another name.")
        await refusal.answer()(scope, receive, send)


class OriginDoor:
    """
    Turns away changes that another site's page asks for.

    A browser says where the page came from; whoever says nothing is no browser, and has to send
    JSON, which no foreign form can.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._public = settings.public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _UNSAFE:
            headers = Headers(scope=scope)
            if not scope["path"].startswith(_WITH_A_SECRET) and not self._is_ours(headers):
                refusal = Refused(403, "Another site may not ask for this.")
                await refusal.answer()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        if origin is not None:
            return origin == self._public or origin == self._asked(headers)
        if site is not None:
            return True
        return headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON

    def _asked(self, headers: Headers) -> str | None:
        # The Host header has passed the door above, so it is one of ours. Where the public is
        # served over TLS, a page that came without it is not ours.
        return f"http://{headers.get('host')}" if self._public.startswith("http://") else None


class HeadersDoor:
    """Adds what keeps an answer from being framed, sniffed, cached or scripted."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        if settings.is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class LastDoor:
    """Answers for what nobody expected: 500, a log line, and nothing from inside."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            say_broken("a request broke", error, method=scope["method"], path=scope["path"])
            if not has_begun:
                refusal = Refused(500, "Internal server error")
                await refusal.answer()(scope, receive, send)


def _host_name(text: str) -> str:
    try:
        return (urlsplit(f"//{text}").hostname or "").lower()
    except ValueError:
        return ""
