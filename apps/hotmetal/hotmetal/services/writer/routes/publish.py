"""Publishing a session's draft to the CMS."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import answer, body_of
from hotmetal.services.writer.agent.publishing import Publishing, Wish
from hotmetal.services.writer.desk import agents_of
from hotmetal.services.writer.wishes import checked_slug


async def publish(request: Request) -> Response:
    """
    POST /api/sessions/:id/publish: the post's id, slug, title and address.

    404 without the session; 400 without a draft or a slug; 409 when it was published; 429 while it
    is being published; 502 when the CMS does not take it, and then it can be tried again.
    """
    session = await agents_of(request).session(request.path_params["id"])
    publishing: Publishing = request.app.state.publishing
    publishing.check(session)
    wish = await body_of(request, Wish)
    return answer(await publishing.publish(session, wish, slug=checked_slug(wish.slug)))


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions/{id}/publish", publish, methods=["POST"]),
]
