"""
LinkedIn: who connects, and what the one who is connected posts.

OAuth's authorization code flow with a secret and, when it is asked for, PKCE; OpenID's userinfo;
the versioned posts API. What it knows is in memory: a new start is an empty network.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import secrets
import sys
import time
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hotmetal.services.settings import HOST, SettingMissing, number, required
from hotmetal.services.web import answer, raw_body, serve
from hotmetal.stand_ins.on_demand import OnDemand

PORT: Final = 8797
_COMMENTARY_MAX: Final = 3000
#: The parameters of a question for a code that come back with its answer.
_KEPT: Final = ("redirect_uri", "code_challenge", "code_challenge_method", "scope")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The application that is registered, and how long what it gets lives."""

    client_id: str
    client_secret: str
    redirect_uris: tuple[str, ...]
    access_s: int = 60 * 86_400
    #: Applications that are not LinkedIn's partners get no refresh tokens.
    gives_refresh: bool = True


class LinkedIn:
    """
    The network.

    Args:
        settings: Who may ask, and for how long.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codes: dict[str, dict[str, str]] = {}
        self._access: dict[str, float] = {}
        self._refresh: set[str] = set()
        self.person = {"sub": "Person_1", "name": "Ada Lovelace", "email": "ada@people.example"}
        self.posts: list[dict[str, Any]] = []

    def routes(self) -> list[Route]:
        """What it answers."""
        authorize = "/oauth/v2/authorization"
        return [
            Route("/health", self._health),
            Route(authorize, self._authorize, methods=["GET"]),
            Route(authorize, self._consent, methods=["POST"]),
            Route("/oauth/v2/accessToken", self._token, methods=["POST"]),
            Route("/v2/userinfo", self._userinfo, methods=["GET"]),
            Route("/rest/posts", self._post, methods=["POST"]),
            Route("/rest/posts", self._listed, methods=["GET"]),
        ]

    async def _health(self, _request: Request) -> Response:
        return answer({"status": "ok", "service": "linkedin"})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if wrong := self._wrong_question(asked):
            # Nobody is sent to an address that is not registered.
            return HTMLResponse(f"<h1>{html.escape(wrong)}</h1>", 400)
        if asked.pop("auto_approve", None):
            return self._back(asked, is_allowed=True)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        return HTMLResponse(
            "<!doctype html><title>LinkedIn (stand-in)</title><h1>LinkedIn (stand-in)</h1>"
            f"<p>Shall the application {html.escape(asked['client_id'])} post for"
            f" {html.escape(self.person['name'])}?</p><form method='post'>{hidden}"
            "<button name='allow' value='yes'>Allow</button>"
            "<button name='allow' value='no'>Cancel</button></form>"
        )

    async def _consent(self, request: Request) -> Response:
        asked = _form(await raw_body(request))
        is_allowed = asked.pop("allow", "") == "yes"
        if wrong := self._wrong_question(asked):
            return HTMLResponse(f"<h1>{html.escape(wrong)}</h1>", 400)
        return self._back(asked, is_allowed=is_allowed)

    def _wrong_question(self, asked: dict[str, str]) -> str | None:
        if asked.get("client_id") != self._settings.client_id:
            return "The passed in client_id is invalid"
        if asked.get("redirect_uri") not in self._settings.redirect_uris:
            return "The redirect_uri does not match the registered value"
        if asked.get("response_type") != "code" or not asked.get("scope"):
            return "A required parameter is missing"
        if asked.get("code_challenge") and asked.get("code_challenge_method") != "S256":
            return "The code_challenge_method is not supported"
        return None

    def _back(self, asked: dict[str, str], *, is_allowed: bool) -> Response:
        told = {"state": asked["state"]} if "state" in asked else {}
        if is_allowed:
            code = secrets.token_urlsafe(24)
            self._codes[code] = {name: asked[name] for name in _KEPT if name in asked}
            told["code"] = code
        else:
            told |= {"error": "user_cancelled_authorize", "error_description": "The user said no"}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(told)}", 302)

    async def _token(self, request: Request) -> Response:
        said = _form(await raw_body(request))
        shown = (said.get("client_id", ""), said.get("client_secret", ""))
        if shown != (self._settings.client_id, self._settings.client_secret):
            return _oauth_error(401, "invalid_client", "Client authentication failed")
        if said.get("grant_type") == "refresh_token":
            if said.get("refresh_token") not in self._refresh:
                return _oauth_error(400, "invalid_grant", "The provided refresh token is invalid")
            return self._tokens(said["refresh_token"])
        if said.get("grant_type") != "authorization_code":
            return _oauth_error(400, "unsupported_grant_type", "The grant_type is not supported")
        # A code works once, whatever comes of it.
        asked = self._codes.pop(said.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != said.get("redirect_uri"):
            text = (
                "Unable to retrieve access token: appid/redirect uri/code verifier does not match"
            )
            return _oauth_error(400, "invalid_request", text)
        if challenge := asked.get("code_challenge"):
            digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
            answered = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if not hmac.compare_digest(challenge, answered):
                return _oauth_error(400, "invalid_request", "The code_verifier does not match")
        return self._tokens(None)

    def _tokens(self, refresh: str | None) -> Response:
        access = f"access-canary-{secrets.token_urlsafe(16)}"
        self._access[access] = time.time() + self._settings.access_s
        said: dict[str, Any] = {"access_token": access, "expires_in": self._settings.access_s}
        if self._settings.gives_refresh:
            refresh = refresh or f"refresh-canary-{secrets.token_urlsafe(16)}"
            self._refresh.add(refresh)
            said |= {"refresh_token": refresh, "refresh_token_expires_in": 365 * 86_400}
        return answer(said | {"scope": "openid,profile,w_member_social", "token_type": "Bearer"})

    def _stranger(self, request: Request) -> Response | None:
        """What somebody without a token that works is told."""
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        until = self._access.get(shown) if kind == "Bearer" else None
        if until is None:
            return _api_error(401, "INVALID_ACCESS_TOKEN", "Invalid access token")
        if until <= time.time():
            text = "The token used in the request has expired"
            return _api_error(401, "EXPIRED_ACCESS_TOKEN", text)
        return None

    async def _userinfo(self, request: Request) -> Response:
        return self._stranger(request) or answer(self.person)

    def _unspoken(self, request: Request) -> Response | None:
        """What somebody is told who leaves out what the versioned API asks for."""
        if not request.headers.get("linkedin-version", "").isdigit():
            return _api_error(400, "VERSION_MISSING", "A version must be present")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            return _api_error(400, "ILLEGAL_ARGUMENT", "Only Rest.li protocol 2.0.0 is spoken")
        return self._stranger(request)

    async def _post(self, request: Request) -> Response:
        if refused := self._unspoken(request):
            return refused
        said = msgspec.json.decode(await raw_body(request))
        author = f"urn:li:person:{self.person['sub']}"
        if said.get("author") != author:
            return _api_error(403, "ACCESS_DENIED", "Not allowed to post for this author")
        commentary = said.get("commentary", "")
        needed = ("visibility", "distribution", "lifecycleState")
        if not commentary or any(name not in said for name in needed):
            return _api_error(422, "INVALID_FIELDS", "A required field is missing")
        if _length(_plain(commentary)) > _COMMENTARY_MAX:
            return _api_error(422, "FIELD_LENGTH_TOO_LONG", "commentary is over 3000 characters")
        now_ms = int(time.time() * 1000)
        urn = f"urn:li:share:{7_000_000_000_000_000_000 + len(self.posts)}"
        self.posts.append(said | {"id": urn, "createdAt": now_ms, "publishedAt": now_ms})
        return Response(status_code=201, headers={"x-restli-id": urn})

    async def _listed(self, request: Request) -> Response:
        if refused := self._unspoken(request):
            return refused
        asked = request.query_params
        if asked.get("q") != "author" or "author" not in asked:
            return _api_error(400, "ILLEGAL_ARGUMENT", "Posts are found by q=author&author=...")
        count = int(asked.get("count", "10"))
        found = [post for post in reversed(self.posts) if post["author"] == asked["author"]]
        paging = {"start": 0, "count": count, "links": []}
        return answer({"paging": paging, "elements": found[:count]})


def _form(raw: bytes) -> dict[str, str]:
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True))


def _plain(commentary: str) -> str:
    """The text without the backslashes that take their meaning from reserved characters."""
    plain, escaped = [], False
    for character in commentary:
        escaped = character == "\\" and not escaped
        if not escaped:
            plain.append(character)
    return "".join(plain)


def _length(text: str) -> int:
    """In units of UTF-16, the way a page counts."""
    return len(text.encode("utf-16-le")) // 2


def _oauth_error(status: int, error: str, text: str) -> Response:
    return answer({"error": error, "error_description": text}, status)


def _api_error(status: int, code: str, text: str) -> Response:
    return answer({"status": status, "code": code, "message": text}, status)


def linkedin_app(linkedin: LinkedIn) -> ASGIApp:
    """The network as an application, which fails on demand."""
    return OnDemand(Starlette(routes=linkedin.routes()))


def main() -> None:
    """Serve on `PORT` until told to stop; the client and `REDIRECT_URI` are settings."""
    what = "the application that is registered here"
    try:
        settings = Settings(
            client_id=required("LINKEDIN_CLIENT_ID", what),
            client_secret=required("LINKEDIN_CLIENT_SECRET", what),
            redirect_uris=(required("REDIRECT_URI", "where the browser goes back to"),),
        )
        port = number("PORT", PORT)
    except SettingMissing as missing:
        sys.exit(f"linkedin: {missing}")
    serve(linkedin_app(LinkedIn(settings)), host=HOST, port=port)


if __name__ == "__main__":
    main()
