"""Writing sessions: one post each, on its way from an idea to the CMS."""

from __future__ import annotations

import sqlalchemy as sa

from freehold import (
    UNSET,
    EpochSeconds,
    Input,
    Maybe,
    Patch,
    Reader,
    Writer,
    param,
    select,
    statement,
)
from hotmetal.schema import Session, SessionStatus


class CreateSessionInput(Input):
    """A new session; the caller chooses the id, and a blank title is none."""

    id: str
    user_id: str
    title: str | None = None
    publication_id: str | None = None
    idea_id: str | None = None
    seed_context: str | None = None


class UpdateSessionInput(Patch):
    """What may change in a session; what is left out stays, null clears."""

    title: Maybe[str | None] = UNSET
    status: Maybe[SessionStatus] = UNSET
    current_draft_version: Maybe[int | None] = UNSET
    cms_post_id: Maybe[str | None] = UNSET
    publication_id: Maybe[str | None] = UNSET
    idea_id: Maybe[str | None] = UNSET
    seed_context: Maybe[str | None] = UNSET
    featured_image_url: Maybe[str | None] = UNSET


class ListSessionsFilters(Input):
    """Which sessions; all that are given must hold."""

    user_id: str | None = None
    status: SessionStatus | None = None


_LIST = (
    select(Session)
    .where_given(Session.c.user_id == param("user_id"))
    .where_given(Session.c.status == param("status"))
    .order_by(Session.c.updated_at.desc(), Session.c.id.desc())
)

_COUNT_COMPLETED = statement(
    sa.select(sa.func.count())
    .select_from(Session.__table__)
    .where(Session.c.publication_id == param("pub_id"))
    .where(Session.c.status == "completed")
    .where(Session.c.updated_at >= param("week_start")),
    into=int,
)


def create_session(db: Writer, data: CreateSessionInput) -> Session:
    """
    Open a writing session: active, without a draft.

    Raises:
        AlreadyExists: The id is taken.
        ReferenceBroken: There is no such publication or idea.
    """
    return db.insert(
        Session(
            id=data.id,
            user_id=data.user_id,
            title=(data.title or "").strip() or None,
            publication_id=data.publication_id,
            idea_id=data.idea_id,
            seed_context=data.seed_context,
        )
    )


def get_session_by_id(db: Reader, id: str) -> Session | None:
    """The session, or null."""
    return db.find(Session, id)


def list_sessions(db: Reader, filters: ListSessionsFilters | None = None) -> list[Session]:
    """The sessions that match, the last changed first."""
    wanted = filters or ListSessionsFilters()
    return db.all(_LIST, user_id=wanted.user_id, status=wanted.status)


def update_session(db: Writer, id: str, data: UpdateSessionInput) -> Session | None:
    """
    Change the given fields and answer the session as it is now, or null when there is none.

    Any status may follow any other: the order of work is the writer's, not the data layer's.

    Raises:
        ReferenceBroken: There is no such publication or idea.
    """
    return db.update(Session, id, data)


def count_completed_sessions_for_week(db: Reader, pub_id: str, week_start: EpochSeconds) -> int:
    """How many of the publication's sessions are completed and were changed since then."""
    return db.scalar(_COUNT_COMPLETED, pub_id=pub_id, week_start=week_start) or 0
