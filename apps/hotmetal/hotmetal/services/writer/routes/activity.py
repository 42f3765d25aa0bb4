"""What was worked on lately."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import answer
from hotmetal.services.writer.desk import dal_of

_DAYS: Final = 30
_DAYS_MAX: Final = 90


async def list_activity(request: Request) -> Response:
    """GET /api/activity?days: the sessions of the last 1 to 90 days; 30 when it is no number."""
    entries = await dal_of(request).get_recent_activity(_days(request.query_params.get("days")))
    return answer({"data": entries})


def _days(said: str | None) -> int:
    try:
        return min(max(int(said or _DAYS), 1), _DAYS_MAX)
    except ValueError:
        return _DAYS


ROUTES: Final[list[BaseRoute]] = [Route("/api/activity", list_activity, methods=["GET"])]
