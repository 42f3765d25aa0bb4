"""
Publications: blogs with their tone, their cadence and the schedule of their scout.

A stored schedule may be missing or unreadable; it is read as the default, daily at 8, and a
missing time zone as UTC. What is written through here is always good.
"""

from __future__ import annotations

import sqlalchemy as sa

from freehold import (
    UNSET,
    EpochSeconds,
    Input,
    Maybe,
    Patch,
    Reader,
    Struct,
    Writer,
    given,
    param,
    select,
    statement,
    update,
)
from freehold.errors import InvalidArgument
from hotmetal.schedule import (
    DEFAULT_SCHEDULE,
    DEFAULT_TIMEZONE,
    Schedule,
    compute_next_run,
    format_schedule,
    is_timezone,
    parse_schedule,
)
from hotmetal.schema import AutoPublishMode, IdeaRow, PublicationRow, Session


class Publication(Struct):
    """A blog with its tone, cadence and schedule."""

    id: str
    user_id: str
    cms_publication_id: str | None
    name: str
    slug: str
    description: str | None
    writing_tone: str | None
    default_author: str | None
    auto_publish_mode: AutoPublishMode
    cadence_posts_per_week: int | None
    scout_schedule: Schedule
    timezone: str
    next_scout_at: EpochSeconds | None
    created_at: EpochSeconds
    updated_at: EpochSeconds


class ScheduledPublication(Struct):
    """What the scout needs to know of a publication to give it its next run."""

    id: str
    scout_schedule: Schedule
    timezone: str


class CreatePublicationInput(Input):
    """A new publication; the caller chooses the id. What is left out gets its default."""

    id: str
    user_id: str
    name: str
    slug: str
    description: str | None = None
    writing_tone: str | None = None
    default_author: str | None = None
    auto_publish_mode: AutoPublishMode | None = None
    cadence_posts_per_week: int | None = None
    scout_schedule: Schedule | None = None
    timezone: str | None = None


class UpdatePublicationInput(Patch):
    """What may change in a publication; what is left out stays, null clears."""

    name: Maybe[str] = UNSET
    slug: Maybe[str] = UNSET
    description: Maybe[str | None] = UNSET
    writing_tone: Maybe[str | None] = UNSET
    default_author: Maybe[str | None] = UNSET
    auto_publish_mode: Maybe[AutoPublishMode] = UNSET
    cadence_posts_per_week: Maybe[int | None] = UNSET
    cms_publication_id: Maybe[str | None] = UNSET
    scout_schedule: Maybe[Schedule | None] = UNSET
    timezone: Maybe[str | None] = UNSET
    next_scout_at: Maybe[EpochSeconds | None] = UNSET


_NEWEST_FIRST = (PublicationRow.c.created_at.desc(), PublicationRow.c.id.desc())
_ALL = select(PublicationRow).order_by(*_NEWEST_FIRST)
_OF_USER = _ALL.where(PublicationRow.c.user_id == param("user_id"))

_DUE = (
    select(PublicationRow)
    .where(PublicationRow.c.next_scout_at <= param("now"))
    .order_by(PublicationRow.c.next_scout_at, PublicationRow.c.id)
)
_WITHOUT_NEXT_RUN = (
    select(PublicationRow)
    .where(PublicationRow.c.next_scout_at.is_(None))
    .order_by(PublicationRow.c.created_at, PublicationRow.c.id)
)
_IDS = statement(sa.select(PublicationRow.c.id).order_by(PublicationRow.c.id), into=str)

_SET_NEXT_RUN = (
    update(PublicationRow)
    .where(PublicationRow.c.id == param("id"))
    .values(next_scout_at=param("next_run"), updated_at=PublicationRow.c.updated_at)
)

_CLAIM_RUN = (
    update(PublicationRow)
    .where(PublicationRow.c.id == param("id"))
    .where(PublicationRow.c.next_scout_at.is_not_distinct_from(param("seen_next_run")))
    .values(next_scout_at=param("next_run"), updated_at=PublicationRow.c.updated_at)
)

# Losing its publication is not work on a session, so its time of change stays what it was.
_DETACH_SESSIONS = (
    update(Session)
    .where(Session.c.publication_id == param("id"))
    .values(publication_id=None, idea_id=None, updated_at=Session.c.updated_at)
)
_DETACH_SESSIONS_ELSEWHERE = (
    update(Session)
    .where(
        Session.c.idea_id.in_(
            sa.select(IdeaRow.c.id).where(IdeaRow.c.publication_id == param("id"))
        )
    )
    .values(idea_id=None, updated_at=Session.c.updated_at)
)


def create_publication(db: Writer, data: CreatePublicationInput) -> Publication:
    """
    Add a publication and give its scout the first run.

    Raises:
        AlreadyExists: The id is taken.
        ReferenceBroken: There is no such user.
        InvalidArgument: There is no such time zone.
    """
    schedule = data.scout_schedule or DEFAULT_SCHEDULE
    timezone = _checked_timezone(data.timezone or DEFAULT_TIMEZONE)
    row = PublicationRow(
        id=data.id,
        user_id=data.user_id,
        name=data.name,
        slug=data.slug,
        description=data.description,
        writing_tone=data.writing_tone,
        default_author="Shahar" if data.default_author is None else data.default_author,
        auto_publish_mode=data.auto_publish_mode or "draft",
        cadence_posts_per_week=(
            3 if data.cadence_posts_per_week is None else data.cadence_posts_per_week
        ),
        scout_schedule=format_schedule(schedule),
        timezone=timezone,
        next_scout_at=compute_next_run(schedule, timezone, after=db.now),
    )
    return _publication(db.insert(row))


def get_publication_by_id(db: Reader, id: str) -> Publication | None:
    """The publication, or null."""
    row = db.find(PublicationRow, id)
    return None if row is None else _publication(row)


def list_publications_by_user(db: Reader, user_id: str) -> list[Publication]:
    """The user's publications, the newest first."""
    return [_publication(row) for row in db.all(_OF_USER, user_id=user_id)]


def list_all_publications(db: Reader) -> list[Publication]:
    """All publications, the newest first."""
    return [_publication(row) for row in db.all(_ALL)]


def update_publication(db: Writer, id: str, data: UpdatePublicationInput) -> Publication | None:
    """
    Change the given fields and answer the publication as it is now, or null when there is none.

    The next run stays as it is unless it is given: whoever changes the schedule knows whether
    the run that is waiting should still happen.

    Raises:
        InvalidArgument: There is no such time zone.
    """
    changes = given(data)
    if (timezone := changes.get("timezone")) is not None:
        _checked_timezone(timezone)
    if (schedule := changes.get("scout_schedule")) is not None:
        changes["scout_schedule"] = format_schedule(schedule)
    row = db.update(PublicationRow, id, changes)
    return None if row is None else _publication(row)


def delete_publication(db: Writer, id: str) -> None:
    """
    Remove a publication with its topics, ideas, outlets and tokens.

    Its sessions stay as what somebody wrote, without publication and idea; sessions of other
    publications that work on one of its ideas lose that idea. Nothing happens when there is no
    such publication.
    """
    db.execute(_DETACH_SESSIONS, id=id)
    db.execute(_DETACH_SESSIONS_ELSEWHERE, id=id)
    db.delete(PublicationRow, id)


def get_due_publications(db: Reader, now: EpochSeconds) -> list[ScheduledPublication]:
    """The publications whose run is due, the longest waiting first."""
    return [_scheduled(row) for row in db.all(_DUE, now=now)]


def get_publications_with_null_schedule(db: Reader) -> list[ScheduledPublication]:
    """The publications that have no next run, the oldest first."""
    return [_scheduled(row) for row in db.all(_WITHOUT_NEXT_RUN)]


def update_publication_next_scout_at(db: Writer, id: str, next_run: EpochSeconds) -> None:
    """Set the next run and nothing else; the publication does not count as changed."""
    db.execute(_SET_NEXT_RUN, id=id, next_run=next_run)


def claim_scout_run(
    db: Writer, id: str, seen_next_run: EpochSeconds | None, next_run: EpochSeconds
) -> bool:
    """
    Whether the run that the caller saw is the caller's: one statement compares and moves on.

    Of several scouts that saw the same run one is answered true. False says that somebody was
    faster, that the schedule was changed, or that there is no such publication. Only the next
    run is set; the publication does not count as changed.

    Args:
        id: The publication.
        seen_next_run: Its next run as the caller read it; null when it had none.
        next_run: The run after that one.
    """
    return db.execute(_CLAIM_RUN, id=id, seen_next_run=seen_next_run, next_run=next_run) == 1


def get_all_publication_ids(db: Reader) -> list[str]:
    """The ids of all publications, in their own order."""
    return db.all(_IDS)


def _publication(row: PublicationRow) -> Publication:
    return Publication(
        id=row.id,
        user_id=row.user_id,
        cms_publication_id=row.cms_publication_id,
        name=row.name,
        slug=row.slug,
        description=row.description,
        writing_tone=row.writing_tone,
        default_author=row.default_author,
        auto_publish_mode=row.auto_publish_mode,
        cadence_posts_per_week=row.cadence_posts_per_week,
        scout_schedule=parse_schedule(row.scout_schedule),
        timezone=row.timezone or DEFAULT_TIMEZONE,
        next_scout_at=row.next_scout_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _scheduled(row: PublicationRow) -> ScheduledPublication:
    return ScheduledPublication(
        id=row.id,
        scout_schedule=parse_schedule(row.scout_schedule),
        timezone=row.timezone or DEFAULT_TIMEZONE,
    )


def _checked_timezone(name: str) -> str:
    if not is_timezone(name):
        raise InvalidArgument(
            f"{name!r} is not a time zone.",
            hint="Use a name of the IANA database, like 'Europe/Lisbon' or 'UTC'.",
            path="data.timezone",
        )
    return name
