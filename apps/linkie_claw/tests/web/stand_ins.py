"""
The outside world on this machine: servers that speak the protocols of n8n, Google, GitHub,
LinkedIn, Replicate and Gemini, keep what they were asked, and fail when they are told to.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID: Final = "our-client-id"
CLIENT_SECRET: Final = "our-client-secret"
API_KEY: Final = "an-api-key-canary-5150"
VOICES: Final = (
    "storytelling", "professional", "short-punchy",
    "data-driven", "conversational", "provocative",
)  # fmt: skip
#: The smallest lossless WebP there is.
WEBP: Final = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
PNG: Final = b"\x89PNG\r\n\x1a\n" + b"\x00" * 24
#: Longer than any time limit of a test.
_FOREVER_S: Final = 10.0


@dataclass
class Heard:
    """One request that a stand-in got."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Person:
    """Who signs in at a provider."""

    subject: str
    email: str | None
    verified: bool = True
    name: str = "Ada"


@dataclass
class _Grant:
    challenge: str | None
    redirect: str
    person: Person


@dataclass
class StandIns:
    """What the world does and what it has heard."""

    #: For each place, what it does with the next requests; then it does well again.
    orders: defaultdict[str, list[int | str]] = field(default_factory=lambda: defaultdict(list))
    heard: list[Heard] = field(default_factory=list)
    person: Person = field(default_factory=lambda: Person("subject-1", "ada@people.example"))
    #: What the text models say; the six voices when None.
    text: str | None = None
    #: Where the image model says its image is; a file of its own when None.
    image_url: str | None = None
    #: How often a prediction is said to be under way before it is done.
    looks: int = 0
    #: Called for each post that n8n gets, before it answers.
    on_post: Callable[[dict[str, Any]], None] | None = None
    _grants: dict[str, _Grant] = field(default_factory=dict)
    _tokens: dict[str, Person] = field(default_factory=dict)
    _predictions: dict[str, list[Any]] = field(default_factory=dict)
    address: str = ""

    def posts_to(self, prefix: str) -> list[Heard]:
        """What was asked of the paths that begin like this."""
        return [each for each in self.heard if each.path.startswith(prefix)]

    def forget(self) -> None:
        """A new test: nothing was heard, nothing is ordered."""
        self.orders.clear()
        self.heard.clear()
        self.person = Person("subject-1", "ada@people.example")
        self.text, self.image_url, self.looks, self.on_post = None, None, 0, None

    def app(self, address: str) -> Starlette:
        """The servers, all on one port."""
        self.address = address
        return Starlette(
            routes=[
                Route("/n8n/{tag}", self._n8n, methods=["POST"]),
                Route("/{provider}/authorize", self._authorize),
                Route("/{provider}/token", self._token, methods=["POST"]),
                Route("/{provider}/profile", self._profile),
                Route("/{provider}/emails", self._emails),
                Route("/replicate/v1/predictions/{id}", self._prediction),
                Route("/replicate/files/{name}", self._file),
                Route(
                    "/replicate/v1/models/{owner}/{name}/predictions",
                    self._predict,
                    methods=["POST"],
                ),
                Route("/gemini/v1beta/models/{model}", self._gemini, methods=["POST"]),
            ]
        )

    async def _hears(self, request: Request, place: str) -> Response | None:
        """Keep the request; the answer, when something else than the usual was ordered."""
        body: Any = None
        if request.method == "POST":
            is_form = "form" in request.headers.get("content-type", "")
            text = (await request.body()).decode()
            body = dict(parse_qsl(text)) if is_form else json.loads(text)
        self.heard.append(Heard(request.url.path, dict(request.headers), body))
        if not self.orders[place]:
            return None
        order = self.orders[place].pop(0)
        if order == "hang":
            await _gone(request)
        if order == "nonsense":
            return Response("<html>not what was asked for</html>", media_type="text/html")
        if order == "redirect":
            return RedirectResponse(f"{self.address}/n8n/elsewhere", 307)
        return JSONResponse({"error": "ordered"}, int(order) if order != "hang" else 504)

    async def _n8n(self, request: Request) -> Response:
        ordered = await self._hears(request, "n8n")
        if self.on_post is not None:
            await asyncio.to_thread(self.on_post, self.heard[-1].body)
        return ordered or JSONResponse({"message": "Workflow was started"})

    # -- OAuth ------------------------------------------------------------------------------

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        if "code_challenge" in asked:
            assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._grants[code] = _Grant(asked.get("code_challenge"), asked["redirect_uri"], self.person)
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{answer}", 302)

    async def _token(self, request: Request) -> Response:
        provider = request.path_params["provider"]
        ordered = await self._hears(request, f"{provider}/token")
        if ordered is not None:
            return ordered
        form = self.heard[-1].body
        challenge = None
        if "code_verifier" in form:
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        grant = self._grants.pop(form["code"], None)
        if (
            grant is None
            or (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET)
            or (grant.challenge, grant.redirect) != (challenge, form["redirect_uri"])
        ):
            # GitHub says it with 200.
            return JSONResponse({"error": "invalid_grant"}, 200 if provider == "github" else 400)
        token = f"access-canary-{secrets.token_urlsafe(16)}"
        self._tokens[token] = grant.person
        return JSONResponse(
            {
                "access_token": token,
                "token_type": "bearer",
                "refresh_token": f"refresh-canary-{secrets.token_urlsafe(8)}",
                "expires_in": 5_184_000,
                "scope": "openid email",
            }
        )

    def _bearer(self, request: Request) -> Person:
        return self._tokens[request.headers["authorization"].removeprefix("Bearer ")]

    async def _profile(self, request: Request) -> Response:
        provider = request.path_params["provider"]
        ordered = await self._hears(request, f"{provider}/profile")
        if ordered is not None:
            return ordered
        person = self._bearer(request)
        if provider == "github":
            return JSONResponse(
                {"id": person.subject, "login": person.name.lower(), "name": person.name}
            )
        return JSONResponse(
            {
                "sub": person.subject,
                "name": person.name,
                "email": person.email,
                "email_verified": person.verified,
            }
        )

    async def _emails(self, request: Request) -> Response:
        person = self._bearer(request)
        emails: list[dict[str, Any]] = [
            {"email": "old@people.example", "primary": False, "verified": False}
        ]
        if person.email is not None:
            emails.append({"email": person.email, "primary": True, "verified": person.verified})
        return JSONResponse(emails)

    # -- generators -------------------------------------------------------------------------

    def _texts(self) -> str:
        if self.text is not None:
            return self.text
        texts = ", ".join(f'{{"id": "{voice}", "content": "As {voice}."}}' for voice in VOICES)
        return f"[{texts}]"

    async def _predict(self, request: Request) -> Response:
        ordered = await self._hears(request, "replicate")
        if request.headers["authorization"] != f"Bearer {API_KEY}":
            return JSONResponse({"title": "Unauthenticated"}, 401)
        if ordered is not None:
            return ordered
        is_image = "flux" in request.path_params["name"]
        texts = self._texts()
        output = (
            [self.image_url or f"{self.address}/replicate/files/{secrets.token_hex(8)}.webp"]
            if is_image
            else [texts[: len(texts) // 2], texts[len(texts) // 2 :]]
        )
        number = f"p{secrets.token_hex(8)}"
        self._predictions[number] = [self.looks, output]
        return JSONResponse(self._look(number), 201)

    def _look(self, number: str) -> dict[str, Any]:
        prediction = self._predictions[number]
        if prediction[0]:
            prediction[0] -= 1
            return {"id": number, "status": "processing", "output": None}
        return {"id": number, "status": "succeeded", "output": prediction[1]}

    async def _prediction(self, request: Request) -> Response:
        ordered = await self._hears(request, "replicate/look")
        if ordered is not None:
            return ordered
        return JSONResponse(self._look(request.path_params["id"]))

    async def _file(self, request: Request) -> Response:
        return await self._hears(request, "replicate/file") or Response(WEBP)

    async def _gemini(self, request: Request) -> Response:
        ordered = await self._hears(request, "gemini")
        if request.headers["x-goog-api-key"] != API_KEY:
            return JSONResponse({"error": {"status": "PERMISSION_DENIED"}}, 403)
        if ordered is not None:
            return ordered
        part: dict[str, Any] = {"text": self._texts()}
        if "image" in request.path_params["model"]:
            part = {
                "inlineData": {
                    "mimeType": "image/png",
                    "data": base64.b64encode(PNG).decode(),
                }
            }
        return JSONResponse({"candidates": [{"content": {"role": "model", "parts": [part]}}]})


async def _gone(request: Request) -> None:
    """Wait until who asked has given up."""
    for _ in range(round(_FOREVER_S / 0.02)):
        if await request.is_disconnected():
            return
        await asyncio.sleep(0.02)
