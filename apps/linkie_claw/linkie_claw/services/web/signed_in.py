"""
Who is signed in: a random token in a cookie, of which the data layer keeps a hash.

Signing in and out is in `sign_in`; here is what every other route asks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from linkie_claw.clients.linkie_claw import SessionAndUser
from linkie_claw.services.web.answers import Refused
from linkie_claw.services.web.state import Web, web_of

SESSION: Final = "linkie_session"
#: Remembers a sign-in that is under way.
FLOW: Final = "linkie_flow"
_VALUE_LENGTH_MAX: Final = 128


@dataclass(frozen=True)
class SignedIn:
    """The user of a request, and what proves it."""

    id: str
    token: str = field(repr=False)


async def signed_in(request: Request) -> SignedIn:
    """
    The user who asks.

    Raises:
        Refused: 401 when nobody is signed in, or no longer.
    """
    token = cookie(request, SESSION)
    found = await session_of(request)
    if found is None or token is None:
        raise Refused(401, "Unauthorized")
    return SignedIn(found.user.id, token)


async def session_of(request: Request) -> SessionAndUser | None:
    """The session that the request's cookie names, while it lives."""
    token = cookie(request, SESSION)
    if token is None:
        return None
    return await web_of(request).dal.get_session_and_user(session_token=token)


def cookie(request: Request, name: str) -> str | None:
    """The value of one of our cookies, when it could be one that we set."""
    value = request.cookies.get(_full_name(web_of(request), name), "")
    is_ours = 0 < len(value) <= _VALUE_LENGTH_MAX and value.isascii() and value.isprintable()
    return value if is_ours else None


def set_cookie(web: Web, response: Response, name: str, value: str, *, seconds: int) -> None:
    """Give the browser a cookie that no script reads and no other site's form sends."""
    response.set_cookie(
        _full_name(web, name),
        value,
        max_age=seconds,
        path="/",
        secure=web.settings.is_https,
        httponly=True,
        samesite="lax",
    )


def remove_cookie(web: Web, response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    set_cookie(web, response, name, "", seconds=0)


def _full_name(web: Web, name: str) -> str:
    # The prefix makes browsers refuse the cookie from another subdomain, and without TLS.
    return f"__Host-{name}" if web.settings.is_https else name
