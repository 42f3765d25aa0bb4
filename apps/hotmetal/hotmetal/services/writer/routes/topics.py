"""Topics: what the scout looks for on behalf of a publication."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.clients.hotmetal import CreateTopicInput, UpdateTopicInput
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.desk import dal_of
from hotmetal.services.writer.wishes import found, idempotency_key, new_id, required, trimmed

_PRIORITIES: Final[tuple[Literal[1, 2, 3], ...]] = (1, 2, 3)


class NewTopic(msgspec.Struct, rename="camel"):
    """What creates a topic."""

    name: str | None = None
    description: str | None = None
    priority: int | None = None


class TopicChange(msgspec.Struct, rename="camel"):
    """What changes a topic; what is left out stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


async def create_topic(request: Request) -> Response:
    """POST /api/publications/:pubId/topics: name required, priority 1 to 3; 201."""
    dal, pub_id = dal_of(request), request.path_params["pub_id"]
    found(await dal.get_publication_by_id(pub_id), "Publication")
    body = await body_of(request, NewTopic)
    key = idempotency_key(request)
    topic = CreateTopicInput(
        id=new_id("topic", key),
        publication_id=pub_id,
        name=required(body.name, "name"),
        description=trimmed(body.description),
        priority=1 if body.priority is None else _checked_priority(body.priority),
    )
    made = dal if key is None else dal.with_options(idempotency_key=f"topic:{topic.id}")
    return answer(await made.create_topic(topic), 201)


async def list_topics(request: Request) -> Response:
    """GET /api/publications/:pubId/topics: all of them, the most urgent first."""
    topics = await dal_of(request).list_topics_by_publication(request.path_params["pub_id"])
    return answer({"data": topics})


async def change_topic(request: Request) -> Response:
    """PATCH /api/topics/:id: only what is given; 404."""
    body = await body_of(request, TopicChange)
    change = UpdateTopicInput(description=body.description, is_active=body.is_active)
    if body.name is not UNSET:
        change.name = required(body.name, "name")
    if body.priority is not UNSET:
        change.priority = _checked_priority(body.priority)
    topic = await dal_of(request).update_topic(request.path_params["id"], change)
    return answer(found(topic, "Topic"))


async def delete_topic(request: Request) -> Response:
    """DELETE /api/topics/:id: its ideas stay; 404."""
    dal, id = dal_of(request), request.path_params["id"]
    found(await dal.get_topic_by_id(id), "Topic")
    await dal.delete_topic(id)
    return answer({"deleted": True})


def _checked_priority(priority: int) -> Literal[1, 2, 3]:
    for known in _PRIORITIES:
        if priority == known:
            return known
    raise ApiError(400, "priority must be 1, 2, or 3")


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/publications/{pub_id}/topics", create_topic, methods=["POST"]),
    Route("/api/publications/{pub_id}/topics", list_topics, methods=["GET"]),
    Route("/api/topics/{id}", change_topic, methods=["PATCH"]),
    Route("/api/topics/{id}", delete_topic, methods=["DELETE"]),
]
