"""
What the page needs of the scout, the publisher and the audit log.

The browser has a cookie of this writer and nothing else; the keys of the other services are shown
by the writer and never leave it. Their refusals are passed on in their words. A neighbour that
does not answer is a 502 that names it, so that nobody takes it for the writer's own absence.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.clients.hotmetal import ListAuditLogsFilters
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.desk import dal_of, desk_of, neighbours_of
from hotmetal.services.writer.neighbour import words_of
from hotmetal.services.writer.wishes import idempotency_key, required

T = TypeVar("T")
_AUDIT_MOST: Final = 100


class WantedRun(msgspec.Struct, rename="camel"):
    """What starts a run of the scout."""

    publication_id: str | None = None


class WantedPost(msgspec.Struct, rename="camel"):
    """What is to be put on LinkedIn."""

    post_id: str | None = None
    share_type: str | None = None


class Seen(msgspec.Struct, rename="camel"):
    """What a person saw: `published`, and where, or `not_published`."""

    outcome: str
    external_url: str | None = None


class _Attempts(msgspec.Struct):
    data: list[dict[str, Any]]


async def run_scout(request: Request) -> Response:
    """POST /api/scout/run {publicationId}: the scout looks; 202 with the run."""
    publication_id = required((await body_of(request, WantedRun)).publication_id, "publicationId")
    body = {"publicationId": publication_id}
    scout = neighbours_of(request).scout
    return await scout.ask("POST", "/api/scout/run", body=body, key=idempotency_key(request))


async def scout_status(request: Request) -> Response:
    """GET /api/scout/status?id: that run with its steps; ?publicationId: its runs, newest first."""
    asked, scout = request.query_params, neighbours_of(request).scout
    if run_id := asked.get("id"):
        return await scout.ask("GET", f"/api/scout/runs/{quote(run_id, safe='')}")
    publication_id = quote(required(asked.get("publicationId"), "publicationId"), safe="")
    return await scout.ask("GET", f"/api/scout/runs?publicationId={publication_id}&limit=5")


async def publish_linkedin(request: Request) -> Response:
    """
    POST /api/publish/linkedin {postId, shareType?}: the publisher's own route.

    Without a valid connection it is 409 with `needsConnection`: the publisher's 401 would say
    that the browser's sign-in has ended.
    """
    body = await body_of(request, WantedPost)
    wanted: dict[str, Any] = {"postId": required(body.post_id, "postId")}
    if body.share_type is not None:
        wanted["shareType"] = body.share_type
    said = await neighbours_of(request).publisher.call(
        "POST", "/publish/linkedin", body=wanted, key=idempotency_key(request)
    )
    if said.status_code == 401:
        raise ApiError(409, words_of(said), needsConnection=True)
    return Response(said.content, said.status_code, media_type="application/json")


async def linkedin(request: Request) -> Response:
    """
    GET /api/oauth/linkedin: whether it is connected, and where a browser goes to connect it.

    The browser goes to the publisher itself, whose cookie binds the way to LinkedIn and back.
    """
    said = await neighbours_of(request).publisher.call("GET", "/oauth/linkedin/status")
    status = _read(said, dict[str, Any])
    public_url = desk_of(request).settings.publisher_public_url
    return answer(status | {"connectUrl": f"{public_url.rstrip('/')}/oauth/linkedin"})


async def unsure_attempts(request: Request) -> Response:
    """GET /api/publish/attempts?postId: those of which nobody can tell how they ended."""
    post_id = required(request.query_params.get("postId"), "postId")
    said = await neighbours_of(request).publisher.call("GET", "/publish/attempts")
    attempts = _read(said, _Attempts).data
    return answer({"data": [each for each in attempts if each.get("postId") == post_id]})


async def resolve_attempt(request: Request) -> Response:
    """POST /api/publish/attempts/:id/resolve: what a person saw where the post should be."""
    id = quote(request.path_params["id"], safe="")
    saw = await body_of(request, Seen)
    body = {"outcome": saw.outcome} | (
        {} if saw.external_url is None else {"externalUrl": saw.external_url}
    )
    return await neighbours_of(request).publisher.ask(
        "POST", f"/publish/attempts/{id}/resolve", body=body
    )


async def list_audit(request: Request) -> Response:
    """GET /api/audit?postId: the attempts to publish, the last first."""
    post_id = request.query_params.get("postId") or None
    filters = ListAuditLogsFilters(post_id=post_id, limit=_AUDIT_MOST)
    return answer({"data": await dal_of(request).list_audit_logs(filters)})


def _read(said: httpx.Response, kind: type[T]) -> T:
    """What the publisher answered, as the type; `ApiError` 502 when it is a refusal or no JSON."""
    if said.status_code != 200:
        raise ApiError(502, f"the publisher: {words_of(said)}")
    try:
        return msgspec.json.decode(said.content, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        raise ApiError(502, "the publisher answered what cannot be read") from None


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/scout/run", run_scout, methods=["POST"]),
    Route("/api/scout/status", scout_status, methods=["GET"]),
    Route("/api/publish/linkedin", publish_linkedin, methods=["POST"]),
    Route("/api/publish/attempts", unsure_attempts, methods=["GET"]),
    Route("/api/publish/attempts/{id}/resolve", resolve_attempt, methods=["POST"]),
    Route("/api/oauth/linkedin", linkedin, methods=["GET"]),
    Route("/api/audit", list_audit, methods=["GET"]),
]
