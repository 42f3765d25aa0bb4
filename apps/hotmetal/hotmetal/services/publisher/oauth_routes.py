"""
The routes that connect a LinkedIn account.

They have no API key, because a browser goes there. What protects them is the state: 256 bits, kept
as a hash, bound to a cookie of the browser that asked, and good once and for ten minutes.
"""

from __future__ import annotations

import hashlib
import html
import logging
import re
import secrets
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from freehold.errors import CallError, ReferenceBroken
from hotmetal.clients.hotmetal import CreateSocialConnectionInput
from hotmetal.services.publisher.desk import Desk, desk_of
from hotmetal.services.publisher.linkedin import person_urn
from hotmetal.services.publisher.oauth_client import OAuthFailed, Person, Tokens
from hotmetal.services.publisher.settings import CALLBACK
from hotmetal.services.publisher.tokens import PROVIDER, USER
from hotmetal.services.web import ApiError, answer

LOG: Final = logging.getLogger("hotmetal.publisher")

COOKIE: Final = "hotmetal_browser"
STATE_S: Final = 600
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LENGTH_MAX: Final = 2048
_WORDS_MAX: Final = 200
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def routes() -> list[Route]:
    """All of them, open."""
    return [
        Route("/oauth/linkedin", begin, methods=["GET"]),
        Route(CALLBACK, callback, methods=["GET"]),
        Route("/oauth/linkedin/status", status, methods=["GET"]),
    ]


async def begin(request: Request) -> Response:
    """`GET /oauth/linkedin`: where a browser goes to allow it; one that shows pages goes there."""
    desk = desk_of(request)
    if not desk.oauth.is_set:
        said = "LINKEDIN_CLIENT_ID and LINKEDIN_CLIENT_SECRET are not set"
        raise ApiError(503, f"the server has no LinkedIn application: {said}")
    browser = _browser(request) or secrets.token_urlsafe(32)
    state = secrets.token_urlsafe(32)
    await desk.dal.store_oauth_state(state, PROVIDER, STATE_S, _bound(browser))
    url = desk.oauth.authorize_url(state)
    is_page = _wants_page(request)
    response = RedirectResponse(url, 302) if is_page else answer({"authorizeUrl": url})
    response.headers.update(_HEADERS)
    response.set_cookie(
        COOKIE, browser, max_age=STATE_S, path="/oauth", httponly=True, samesite="lax",
        secure=desk.settings.public_url.startswith("https:"),
    )  # fmt: skip
    return response


async def callback(request: Request) -> Response:
    """`GET /oauth/linkedin/callback`: back from LinkedIn, with a code or with a no."""
    try:
        connected = await _connect(request)
    except ApiError as error:
        if not _wants_page(request):
            raise
        return _page("Not connected", error.message, error.status)
    except CallError:
        if not _wants_page(request):
            raise
        LOG.exception("the data layer did not store a connection")
        return _page("Not connected", "The data layer does not answer. Begin again later.", 503)
    if _wants_page(request):
        said = f"HotMetal posts as {connected['personUrn']} from now on. You can close this page."
        return _page("LinkedIn is connected", said)
    response = answer(connected)
    response.headers.update(_HEADERS)
    return response


async def status(request: Request) -> Response:
    """`GET /oauth/linkedin/status`: whether a connection has not expired, or can be made at all."""
    desk = desk_of(request)
    is_connected = await desk.dal.has_valid_social_connection(USER, PROVIDER)
    return answer({"connected": is_connected, "configured": desk.oauth.is_set})


async def _connect(request: Request) -> dict[str, Any]:
    desk, said = desk_of(request), request.query_params
    if "error" in said:
        words = " ".join(filter(None, (said["error"], said.get("error_description"))))
        raise ApiError(400, f"LinkedIn did not connect: {words[:_WORDS_MAX]}")
    code, state = said.get("code", ""), said.get("state", "")
    if not code or not state:
        raise ApiError(400, "Missing code or state")
    browser = _browser(request)
    # Without its cookie it is another browser, and the state stays good for the right one.
    is_ours = (
        max(len(code), len(state)) <= _LENGTH_MAX
        and browser is not None
        and await desk.dal.validate_and_consume_oauth_state(state, PROVIDER, _bound(browser))
    )
    if not is_ours:
        raise ApiError(400, "Invalid or expired state: begin again at /oauth/linkedin")
    try:
        tokens = await desk.oauth.exchange(code, state=state)
        person = await desk.oauth.person(tokens.access_token)
    except OAuthFailed as error:
        raise ApiError(502, f"LinkedIn did not connect: {error}") from None
    await _store(desk, tokens, person, state=state)
    return {
        "status": "connected",
        "personUrn": person_urn(person.sub),
        "expiresIn": tokens.expires_in,
    }


async def _store(desk: Desk, tokens: Tokens, person: Person, *, state: str) -> None:
    """
    The new connection first, then the older ones go, so that there always is one.

    One that an outlet of a publication uses stays, with its tokens: what stands in an outlet is
    the person's, and publishing takes the newest connection anyway.
    """
    key = f"publisher/connect/{hashlib.sha256(state.encode()).hexdigest()}"
    made = await desk.dal.with_options(idempotency_key=key).create_social_connection(
        CreateSocialConnectionInput(
            user_id=USER,
            provider=PROVIDER,
            display_name=person.name,
            connection_type="person",
            external_id=person.sub,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            token_expires_at=tokens.expires_at,
            scopes=tokens.scopes,
        )
    )
    is_older = False
    for each in await desk.dal.get_social_connections_by_user(USER):
        # Newest first: one that was made beside this one removes this one, never both each other.
        if is_older and each.provider == PROVIDER:
            try:
                await desk.dal.delete_social_connection(each.id)
            except ReferenceBroken:
                LOG.info("connection %s stays: an outlet of a publication uses it", each.id)
        is_older = is_older or each.id == made.id


def _browser(request: Request) -> str | None:
    """What the browser's cookie says, when it is one of ours."""
    shown = request.cookies.get(COOKIE, "")
    return shown if _BROWSER.fullmatch(shown) else None


def _bound(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _page(title: str, text: str, status: int = 200) -> Response:
    if status >= 500:
        LOG.warning("a browser was told %s: %s", status, text)
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        "<style>body{font:1.1rem/1.6 system-ui,sans-serif;margin:4rem auto;max-width:32rem;"
        "padding:0 1rem;color-scheme:light dark}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></html>",
        status,
        headers=_HEADERS | {"Content-Security-Policy": _POLICY},
    )
