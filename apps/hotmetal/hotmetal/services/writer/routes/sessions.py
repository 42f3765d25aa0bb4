"""Sessions: one post each, on its way from an idea to the CMS."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from freehold.errors import AlreadyExists
from hotmetal.clients.hotmetal import (
    CreateSessionInput,
    DataLayer,
    ListSessionsFilters,
    Session,
    UpdateSessionInput,
)
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.desk import dal_of
from hotmetal.services.writer.wishes import found, idempotency_key, new_id, one_of, required

SessionStatus = Literal["active", "completed", "archived"]


class NewSession(msgspec.Struct, rename="camel"):
    """What opens a session."""

    user_id: str | None = None
    title: str | None = None
    publication_id: str | None = None
    idea_id: str | None = None
    seed_context: str | None = None


class SessionChange(msgspec.Struct, rename="camel"):
    """What changes a session; what is left out stays."""

    title: str | UnsetType | None = UNSET
    status: str | UnsetType = UNSET


async def create_session(request: Request) -> Response:
    """POST /api/sessions: userId required; 201. The same `Idempotency-Key` gives the same one."""
    body = await body_of(request, NewSession)
    key = idempotency_key(request)
    session = CreateSessionInput(
        id=new_id("session", key),
        user_id=required(body.user_id, "userId"),
        title=body.title,
        publication_id=body.publication_id,
        idea_id=body.idea_id,
        seed_context=body.seed_context,
    )
    dal = dal_of(request)
    if key is None:
        return answer(await dal.create_session(session), 201)
    return answer(await _create_once(dal, session), 201)


async def _create_once(dal: DataLayer, session: CreateSessionInput) -> Session:
    """The session of this id; also when the data layer has forgotten the key long ago."""
    try:
        keyed = dal.with_options(idempotency_key=f"session:{session.id}")
        return await keyed.create_session(session)
    except AlreadyExists:
        made = await dal.get_session_by_id(session.id)
        if made is None or made.user_id != session.user_id:
            raise ApiError(422, "the Idempotency-Key was used for another session") from None
        return made


async def list_sessions(request: Request) -> Response:
    """GET /api/sessions?userId&status: those that match; an unknown status is 400."""
    status = request.query_params.get("status") or None
    filters = ListSessionsFilters(
        user_id=request.query_params.get("userId") or None,
        status=None if status is None else one_of(status, SessionStatus, name="status"),
    )
    return answer({"data": await dal_of(request).list_sessions(filters)})


async def get_session(request: Request) -> Response:
    """GET /api/sessions/:id, or 404."""
    session = await dal_of(request).get_session_by_id(request.path_params["id"])
    return answer(found(session, "Session"))


async def change_session(request: Request) -> Response:
    """PATCH /api/sessions/:id: title and status; 404."""
    body = await body_of(request, SessionChange)
    change = UpdateSessionInput(title=body.title)
    if body.status is not UNSET:
        change.status = one_of(body.status, SessionStatus, name="status")
    session = await dal_of(request).update_session(request.path_params["id"], change)
    return answer(found(session, "Session"))


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions", create_session, methods=["POST"]),
    Route("/api/sessions", list_sessions, methods=["GET"]),
    Route("/api/sessions/{id}", get_session, methods=["GET"]),
    Route("/api/sessions/{id}", change_session, methods=["PATCH"]),
]
