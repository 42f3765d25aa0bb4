"""Publications: blogs with their tone, their cadence and the schedule of their scout."""

from __future__ import annotations

import logging
import time
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from freehold.errors import CallError
from hotmetal import schedule as calendar
from hotmetal.clients.hotmetal import (
    CreatePublicationInput,
    Publication,
    Schedule,
    UpdatePublicationInput,
)
from hotmetal.services.cms import CmsFailed
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.cms_publications import with_cms_publication
from hotmetal.services.writer.desk import Desk, dal_of, desk_of
from hotmetal.services.writer.wishes import (
    checked_slug,
    found,
    idempotency_key,
    new_id,
    one_of,
    required,
    trimmed,
)

LOG: Final = logging.getLogger("hotmetal.writer")
Mode = Literal["draft", "publish", "full-auto"]
_USER: Final = "default"
_CADENCE_MAX: Final = 1_000


class NewPublication(msgspec.Struct, rename="camel"):
    """What creates a publication."""

    user_id: str | None = None
    name: str | None = None
    slug: str | None = None
    description: str | None = None
    writing_tone: str | None = None
    default_author: str | None = None
    auto_publish_mode: str | None = None
    cadence_posts_per_week: int | None = None
    scout_schedule: dict[str, Any] | None = None
    timezone: str | None = None


class PublicationChange(msgspec.Struct, rename="camel"):
    """What changes a publication; what is left out stays."""

    name: str | UnsetType = UNSET
    slug: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    writing_tone: str | UnsetType | None = UNSET
    default_author: str | UnsetType | None = UNSET
    auto_publish_mode: str | UnsetType = UNSET
    cadence_posts_per_week: int | UnsetType = UNSET
    cms_publication_id: str | UnsetType | None = UNSET
    scout_schedule: dict[str, Any] | UnsetType = UNSET
    timezone: str | UnsetType = UNSET


async def create_publication(request: Request) -> Response:
    """POST /api/publications: made here first, then in the CMS as well as that goes; 201."""
    desk, key = desk_of(request), idempotency_key(request)
    wanted = _new(await body_of(request, NewPublication), new_id("publication", key))
    dal = desk.dal
    if key is not None:
        dal = dal.with_options(idempotency_key=f"publication:{wanted.id}")
    publication = await dal.create_publication(wanted)
    return answer(shown(await _in_cms(desk, publication)), 201)


async def list_publications(request: Request) -> Response:
    """GET /api/publications?userId: that user's, or all."""
    dal, user = dal_of(request), request.query_params.get("userId")
    listed = await (dal.list_publications_by_user(user) if user else dal.list_all_publications())
    return answer({"data": [shown(each) for each in listed]})


async def get_publication(request: Request) -> Response:
    """GET /api/publications/:id, with its topics, or 404."""
    dal, id = dal_of(request), request.path_params["id"]
    publication = found(await dal.get_publication_by_id(id), "Publication")
    return answer(shown(publication) | {"topics": await dal.list_topics_by_publication(id)})


async def change_publication(request: Request) -> Response:
    """PATCH /api/publications/:id: a new next run only with a new schedule or zone; 404."""
    dal, id = dal_of(request), request.path_params["id"]
    now = found(await dal.get_publication_by_id(id), "Publication")
    change = _change(await body_of(request, PublicationChange))
    schedule = (
        now.scout_schedule if change.scout_schedule in (UNSET, None) else (change.scout_schedule)
    )
    zone = now.timezone if change.timezone in (UNSET, None) else change.timezone
    if (schedule, zone) != (now.scout_schedule, now.timezone):
        change.next_scout_at = _next_run(schedule, zone)
    return answer(shown(found(await dal.update_publication(id, change), "Publication")))


async def delete_publication(request: Request) -> Response:
    """DELETE /api/publications/:id: with its topics and ideas; 404."""
    dal, id = dal_of(request), request.path_params["id"]
    found(await dal.get_publication_by_id(id), "Publication")
    await dal.delete_publication(id)
    return answer({"deleted": True})


async def _in_cms(desk: Desk, publication: Publication) -> Publication:
    """The publication, with its id in the CMS if the CMS gave one; publishing tries again."""
    try:
        return await with_cms_publication(desk, publication)
    except (CmsFailed, CallError) as error:
        LOG.warning("publication %s has no publication in the CMS: %s", publication.id, error)
        return publication


def shown(publication: Publication) -> dict[str, Any]:
    """The publication as it is answered; its schedule has the fields of its kind only."""
    fields: dict[str, Any] = msgspec.to_builtins(publication)
    schedule = fields["scoutSchedule"]
    fields["scoutSchedule"] = {name: x for name, x in schedule.items() if x is not None}
    return fields


def _new(body: NewPublication, id: str) -> CreatePublicationInput:
    new = CreatePublicationInput(
        id=id,
        user_id=trimmed(body.user_id) or _USER,
        name=required(body.name, "name"),
        slug=checked_slug(body.slug),
        description=trimmed(body.description),
        writing_tone=trimmed(body.writing_tone),
        default_author=trimmed(body.default_author),
    )
    if body.auto_publish_mode is not None:
        new.auto_publish_mode = one_of(body.auto_publish_mode, Mode, name="autoPublishMode")
    if body.cadence_posts_per_week is not None:
        new.cadence_posts_per_week = _checked_cadence(body.cadence_posts_per_week)
    if body.scout_schedule is not None:
        new.scout_schedule = _checked_schedule(body.scout_schedule)
    if body.timezone is not None:
        new.timezone = _checked_timezone(body.timezone)
    return new


def _change(body: PublicationChange) -> UpdatePublicationInput:
    change = UpdatePublicationInput(
        description=body.description,
        writing_tone=body.writing_tone,
        default_author=body.default_author,
        cms_publication_id=body.cms_publication_id,
    )
    if body.name is not UNSET:
        change.name = required(body.name, "name")
    if body.slug is not UNSET:
        change.slug = checked_slug(body.slug)
    if body.auto_publish_mode is not UNSET:
        change.auto_publish_mode = one_of(body.auto_publish_mode, Mode, name="autoPublishMode")
    if body.cadence_posts_per_week is not UNSET:
        change.cadence_posts_per_week = _checked_cadence(body.cadence_posts_per_week)
    if body.scout_schedule is not UNSET:
        change.scout_schedule = _checked_schedule(body.scout_schedule)
    if body.timezone is not UNSET:
        change.timezone = _checked_timezone(body.timezone)
    return change


def _checked_cadence(posts: int) -> int:
    if not 0 <= posts <= _CADENCE_MAX:
        raise ApiError(400, f"cadencePostsPerWeek must be from 0 to {_CADENCE_MAX}")
    return posts


def _checked_schedule(fields: dict[str, Any]) -> Schedule:
    try:
        checked = msgspec.convert(fields, calendar.Schedule)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"Invalid scoutSchedule: {error}") from None
    return msgspec.convert(msgspec.to_builtins(checked), Schedule)


def _checked_timezone(name: str) -> str:
    if not calendar.is_timezone(name):
        raise ApiError(400, f"Invalid timezone: {name!r} is not a zone of the IANA database")
    return name


def _next_run(schedule: Schedule, timezone: str) -> int:
    """The first run from now on; every schedule that is stored is a good one."""
    kind = msgspec.convert(msgspec.to_builtins(schedule), calendar.Schedule)
    return calendar.compute_next_run(kind, timezone, after=int(time.time()))


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/publications", create_publication, methods=["POST"]),
    Route("/api/publications", list_publications, methods=["GET"]),
    Route("/api/publications/{id}", get_publication, methods=["GET"]),
    Route("/api/publications/{id}", change_publication, methods=["PATCH"]),
    Route("/api/publications/{id}", delete_publication, methods=["DELETE"]),
]
