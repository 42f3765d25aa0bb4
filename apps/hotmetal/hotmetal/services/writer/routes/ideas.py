"""Ideas: stories that a publication could run, and how one becomes a session."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from freehold.errors import AlreadyExists
from hotmetal.clients.hotmetal import (
    CreateSessionInput,
    DataLayer,
    Idea,
    IdeaAlreadyPromoted,
    IdeaDismissed,
    ListIdeasFilters,
    Publication,
    Session,
)
from hotmetal.services.assignment import write_assignment
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.desk import dal_of
from hotmetal.services.writer.wishes import found, idempotency_key, new_id, one_of, required

Status = Literal["new", "reviewed", "promoted", "dismissed"]


class IdeaChange(msgspec.Struct):
    """What changes an idea."""

    status: str | None = None


async def count_new(request: Request) -> Response:
    """GET /api/ideas/new-count: over all publications."""
    return answer({"count": await dal_of(request).count_ideas_by_status("new")})


async def count_ideas(request: Request) -> Response:
    """GET /api/publications/:pubId/ideas/count: whatever their status."""
    count = await dal_of(request).count_ideas_by_publication(request.path_params["pub_id"])
    return answer({"count": count})


async def list_ideas(request: Request) -> Response:
    """GET /api/publications/:pubId/ideas?status: an unknown status is 400."""
    status = request.query_params.get("status") or None
    wanted = None if status is None else one_of(status, Status, name="status")
    pub_id = request.path_params["pub_id"]
    dal = dal_of(request)
    ideas = await dal.list_ideas_by_publication(pub_id, ListIdeasFilters(status=wanted))
    return answer({"data": ideas})


async def get_idea(request: Request) -> Response:
    """GET /api/ideas/:id, or 404."""
    return answer(await _idea(request))


async def change_idea(request: Request) -> Response:
    """PATCH /api/ideas/:id: any of the four statuses; 404."""
    idea = await _idea(request)
    body = await body_of(request, IdeaChange)
    status = one_of(required(body.status, "status"), Status, name="status")
    changed = await dal_of(request).update_idea_status(idea.id, status)
    return answer(found(changed, "Idea"))


async def promote_idea(request: Request) -> Response:
    """
    POST /api/ideas/:id/promote: 201 with the session that is to become the post.

    404 without the idea or its publication, 409 with the holder's `sessionId` when it was
    promoted, 400 when it was dismissed. The same `Idempotency-Key` gives the same session.
    """
    dal, idea = dal_of(request), await _idea(request)
    key = idempotency_key(request)
    session_id = new_id(f"promote:{idea.id}", key)
    if idea.status == "promoted":
        return await _already(dal, idea.session_id, session_id)
    if idea.status == "dismissed":
        raise _dismissed()
    publication = await dal.get_publication_by_id(idea.publication_id)
    if publication is None:
        raise ApiError(404, "Publication not found for this idea")
    try:
        session = await _promote(dal, idea, publication, session_id=session_id)
    except (AlreadyExists, IdeaAlreadyPromoted):
        # Of two requests under one key, the later one finds the id of the session taken.
        return await _already(dal, (await _idea(request)).session_id, session_id)
    except IdeaDismissed:
        raise _dismissed() from None
    return answer(session, 201)


async def _promote(
    dal: DataLayer, idea: Idea, publication: Publication, *, session_id: str
) -> Session:
    """
    The session and the promotion, both or neither.

    No key of the data layer names it: the guard of `promoteIdea` is what holds, and a repeated
    request finds its own session as the holder.
    """
    async with dal.transaction() as t:
        made = t.create_session(
            CreateSessionInput(
                id=session_id,
                user_id=publication.user_id,
                title=idea.title,
                publication_id=publication.id,
                idea_id=idea.id,
                seed_context=seed_context(idea, publication),
            )
        )
        t.promote_idea(idea.id, session_id)
    return made.value


async def _already(dal: DataLayer, holder: str | None, mine: str) -> Response:
    """The session again for whoever asked for just this one before; 409 for everybody else."""
    if holder == mine and (session := await dal.get_session_by_id(mine)) is not None:
        return answer(session, 201)
    raise ApiError(409, "Idea has already been promoted", sessionId=holder)


def _dismissed() -> ApiError:
    return ApiError(400, "Cannot promote a dismissed idea")


async def _idea(request: Request) -> Idea:
    return found(await dal_of(request).get_idea_by_id(request.path_params["id"]), "Idea")


def seed_context(idea: Idea, publication: Publication) -> str:
    """What the agent is told about the post."""
    return write_assignment(
        publication=publication.name,
        tone=publication.writing_tone,
        title=idea.title,
        angle=idea.angle,
        summary=idea.summary,
        sources=[(each.title, each.url, each.snippet) for each in idea.sources or ()],
    )


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/ideas/new-count", count_new, methods=["GET"]),
    Route("/api/publications/{pub_id}/ideas/count", count_ideas, methods=["GET"]),
    Route("/api/publications/{pub_id}/ideas", list_ideas, methods=["GET"]),
    Route("/api/ideas/{id}", get_idea, methods=["GET"]),
    Route("/api/ideas/{id}", change_idea, methods=["PATCH"]),
    Route("/api/ideas/{id}/promote", promote_idea, methods=["POST"]),
]
