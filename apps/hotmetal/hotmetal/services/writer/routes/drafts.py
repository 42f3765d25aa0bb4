"""
The versions of a session's text.

A draft is final once it is published. It is *ready* as soon as the turn that wrote it is over,
which is what somebody waits for who asked the agent to write.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import ApiError, answer
from hotmetal.services.writer.agent.agents import Agents
from hotmetal.services.writer.agent.store import Draft
from hotmetal.services.writer.desk import agents_of

#: Nobody has so many; SQLite's numbers end somewhere.
_VERSION_MAX: Final = 2**31


async def list_drafts(request: Request) -> Response:
    """GET /api/sessions/:id/drafts: the versions without their text, and the phase; 404."""
    agents, id = agents_of(request), request.path_params["id"]
    row = await agents.row(id)
    drafts = [shown(agents, draft) for draft in agents.store.drafts(id)]
    return answer({"data": drafts, "phase": row.phase, "isGenerating": agents.is_writing(id)})


async def get_draft(request: Request) -> Response:
    """GET /api/sessions/:id/drafts/:version, with its text; 404."""
    agents, id = agents_of(request), request.path_params["id"]
    await agents.row(id)
    version = min(request.path_params["version"], _VERSION_MAX)
    draft = agents.store.draft(id, version)
    if draft is None:
        raise ApiError(404, "Draft not found")
    return answer(
        shown(agents, draft)
        | {
            "content": draft.content,
            "citations": None if draft.citations is None else msgspec.Raw(draft.citations.encode()),
            "feedback": draft.feedback,
        }
    )


def shown(agents: Agents, draft: Draft) -> dict[str, Any]:
    """A version as it is listed."""
    live = agents.live(draft.session_id)
    return {
        "id": draft.id,
        "version": draft.version,
        "title": draft.title,
        "wordCount": draft.word_count,
        "isFinal": bool(draft.is_final),
        "isReady": live is None or live.turn_id != draft.turn_id,
        "createdAt": draft.created_at,
    }


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions/{id}/drafts", list_drafts, methods=["GET"]),
    Route("/api/sessions/{id}/drafts/{version:int}", get_draft, methods=["GET"]),
]
