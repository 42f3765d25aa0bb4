"""What a post needs besides its text, out of its draft."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import ApiError, answer
from hotmetal.services.writer.agent.model import ModelFailed
from hotmetal.services.writer.agent.seo import make_image_prompt, make_seo
from hotmetal.services.writer.agent.store import Draft
from hotmetal.services.writer.desk import agents_of, desk_of


async def generate_seo(request: Request) -> Response:
    """POST /api/sessions/:id/generate-seo: title, description, excerpt, hook, slug; 400, 502."""
    desk, draft = desk_of(request), await _draft(request, "No draft exists.")
    try:
        seo = await make_seo(desk.settings, desk.agents.model, draft)
    except ModelFailed as failed:
        raise _failure(failed) from None
    return answer(seo.model_dump())


async def generate_image_prompt(request: Request) -> Response:
    """POST /api/sessions/:id/generate-image-prompt: at most 1000 characters; 400, 502."""
    desk, draft = desk_of(request), await _draft(request, "No draft found")
    try:
        prompt = await make_image_prompt(desk.settings, desk.agents.model, draft)
    except ModelFailed as failed:
        raise _failure(failed) from None
    return answer({"prompt": prompt})


async def _draft(request: Request, words: str) -> Draft:
    agents, id = agents_of(request), request.path_params["id"]
    await agents.row(id)
    draft = agents.store.current_draft(id)
    if draft is None:
        raise ApiError(400, words)
    return draft


def _failure(failed: ModelFailed) -> ApiError:
    return ApiError(502, str(failed), code=f"model_{failed.kind}")


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions/{id}/generate-seo", generate_seo, methods=["POST"]),
    Route("/api/sessions/{id}/generate-image-prompt", generate_image_prompt, methods=["POST"]),
]
