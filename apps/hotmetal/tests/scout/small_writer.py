"""
The writer's routes that the scout uses, small enough to be held and counted.

Sessions are real ones of the data layer; the text is a word. Idempotency is the real writer's: a
key is a session, a turn, a post.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from hotmetal.clients.hotmetal import (
    CreateSessionInput,
    DataLayer,
    UpdateSessionInput,
)
from hotmetal.services.web import ApiError, answer, raw_body, with_errors
from hotmetal.stand_ins.on_demand import OnDemand
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from tests.scout.gates import Gates

from freehold.errors import AlreadyExists


class SmallWriter:
    """What it knows is what a test looks at: turns and posts by session."""

    def __init__(self, dal_address: str) -> None:
        self._address = dal_address
        self.turns: dict[str, set[str]] = {}
        self.posts: dict[str, list[dict[str, Any]]] = {}
        #: Where answers are held, each after its work.
        self.gates = Gates()
        #: Looks at the drafts that see none that is ready.
        self.looks_before_ready = 0

    def app(self, _address: str) -> ASGIApp:
        """The application, which fails on demand."""

        @contextlib.asynccontextmanager
        async def life(_app: Starlette) -> AsyncIterator[None]:
            async with DataLayer.connect(self._address) as self._dal:
                yield

        session = "/api/sessions/{id}"
        routes = [
            Route("/api/sessions", self._open, methods=["POST"]),
            Route(session, self._change, methods=["PATCH"]),
            Route(f"{session}/chat", self._chat, methods=["POST"]),
            Route(f"{session}/drafts", self._drafts, methods=["GET"]),
            Route(f"{session}/publish", self._publish, methods=["POST"]),
        ]
        return OnDemand(with_errors(Starlette(routes=routes, lifespan=life)))

    async def _open(self, request: Request) -> Response:
        body = await _json(request)
        id = str(uuid.uuid5(uuid.NAMESPACE_OID, request.headers["idempotency-key"]))
        data = CreateSessionInput(
            id=id,
            user_id=body["userId"],
            title=body["title"],
            publication_id=body["publicationId"],
            idea_id=body["ideaId"],
            seed_context=body["seedContext"],
        )
        with contextlib.suppress(AlreadyExists):
            await self._dal.create_session(data)
        await self.gates("open")
        return answer({"id": id}, 201)

    async def _change(self, request: Request) -> Response:
        status = (await _json(request))["status"]
        id = request.path_params["id"]
        return answer(await self._dal.update_session(id, UpdateSessionInput(status=status)))

    async def _chat(self, request: Request) -> Response:
        id = request.path_params["id"]
        self.turns.setdefault(id, set()).add(request.headers["idempotency-key"])
        await self.gates("tell")
        return answer({"text": "Written."})

    async def _drafts(self, request: Request) -> Response:
        id = request.path_params["id"]
        if not self.turns.get(id):
            return answer({"data": [], "phase": "idle", "isGenerating": False})
        is_ready = self.looks_before_ready <= 0
        self.looks_before_ready -= 1
        drafts = [{"version": 1, "isReady": is_ready}, {"version": 2, "isReady": is_ready}]
        return answer({"data": drafts, "phase": "revising", "isGenerating": not is_ready})

    async def _publish(self, request: Request) -> Response:
        id, body = request.path_params["id"], await _json(request)
        posts = self.posts.setdefault(id, [])
        if posts:
            raise ApiError(409, "already published")
        posts.append(body)
        done = UpdateSessionInput(status="completed", cms_post_id=f"post-{id}")
        await self._dal.update_session(id, done)
        await self.gates("publish")
        return answer({"ok": True})


async def _json(request: Request) -> Any:
    return msgspec.json.decode(await raw_body(request))
