"""The talk with a session's agent: one message, one turn, streamed or answered at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import ApiError, answer, body_of, refusal
from hotmetal.services.writer.agent.agents import Agents
from hotmetal.services.writer.agent.store import Turn
from hotmetal.services.writer.agent.turn import Event, Live
from hotmetal.services.writer.desk import agents_of
from hotmetal.services.writer.wishes import idempotency_key, new_id, required

_STREAM: Final = "text/event-stream"
_MESSAGE_MAX: Final = 20_000


class Said(msgspec.Struct, rename="camel"):
    """A message, or the id of a turn that failed and is to run again."""

    message: str | None = None
    retry: str | None = None


async def chat(request: Request) -> Response:
    """
    POST /api/sessions/:id/chat: the agent's answer.

    With `Accept: text/event-stream` as it comes, else at its end. 404 without the session,
    400 without a message, 429 while another message is answered, 502 when the language model
    fails. The same `Idempotency-Key` gives the answer again and is not a second turn.
    """
    agents = agents_of(request)
    body = await body_of(request, Said)
    session = await agents.session(request.path_params["id"])
    key = idempotency_key(request)
    turn_id = body.retry
    if turn_id is None and key is not None:
        turn_id = new_id(f"turn:{session.id}", key)
    before = None if turn_id is None else agents.store.turn(turn_id)
    if body.retry is not None and (before is None or before.session_id != session.id):
        raise ApiError(404, "Turn not found")
    if before is not None and (again := _again(agents, before)) is not None:
        return again
    message = required(body.message if before is None else before.message, "message")
    if len(message) > _MESSAGE_MAX:
        raise ApiError(400, f"message must be {_MESSAGE_MAX} characters or less")
    live = agents.begin_turn(session, message, turn_id=turn_id)
    if _STREAM in request.headers.get("accept", ""):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_streamed(live), media_type=_STREAM, headers=headers)
    return _answered(await live.result())


def _again(agents: Agents, turn: Turn) -> Response | None:
    """The answer that a turn has already; None when it is to run again."""
    if turn.state != "done":
        return None
    return answer(agents.answer_of(turn) | {"turnId": turn.id})


async def list_turns(request: Request) -> Response:
    """GET /api/sessions/:id/chat: the talk so far, a message and its answer each; 404."""
    agents, id = agents_of(request), request.path_params["id"]
    row = await agents.row(id)
    turns = [_shown(turn) for turn in agents.store.turns(id)]
    return answer({"data": turns, "phase": row.phase, "isGenerating": agents.is_writing(id)})


def _shown(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "state": turn.state,
        "message": turn.message,
        "answer": turn.answer,
        "error": turn.error,
        "model": turn.model,
        "createdAt": turn.created_at,
        "endedAt": turn.ended_at,
    }


async def _streamed(live: Live) -> AsyncIterator[bytes]:
    async for event in live.follow():
        yield b"event: %s\ndata: %s\n\n" % (
            event.kind.encode(),
            msgspec.json.encode(event.fields),
        )


def _answered(event: Event) -> Response:
    if event.kind == "done":
        return answer(event.fields)
    fields = dict(event.fields)
    return refusal(fields.pop("status"), fields.pop("error"), **fields)


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions/{id}/chat", chat, methods=["POST"]),
    Route("/api/sessions/{id}/chat", list_turns, methods=["GET"]),
]
