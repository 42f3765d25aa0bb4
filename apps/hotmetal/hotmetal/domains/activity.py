"""Activity: what was worked on lately, over all publications."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from freehold import EpochSeconds, Reader, Struct, param, statement
from hotmetal.schema import PublicationRow, Session, SessionStatus

_DAY_S: Final = 86_400
_DAYS_MAX: Final = 90
_ENTRIES_MAX: Final = 100


class ActivityEntry(Struct):
    """A session that is being written or was completed, with its publication's name."""

    id: str
    title: str | None
    status: SessionStatus
    publication_id: str | None
    publication_name: str | None
    cms_post_id: str | None
    created_at: EpochSeconds
    updated_at: EpochSeconds


_RECENT = statement(
    sa.select(
        Session.c.id,
        Session.c.title,
        Session.c.status,
        Session.c.publication_id,
        PublicationRow.c.name.label("publication_name"),
        Session.c.cms_post_id,
        Session.c.created_at,
        Session.c.updated_at,
    )
    .select_from(
        Session.__table__.outerjoin(
            PublicationRow.__table__, PublicationRow.c.id == Session.c.publication_id
        )
    )
    .where(sa.or_(Session.c.status == "active", Session.c.status == "completed"))
    .where(Session.c.updated_at >= param("cutoff"))
    .order_by(Session.c.updated_at.desc(), Session.c.id.desc())
    .limit(_ENTRIES_MAX),
    into=ActivityEntry,
)


def get_recent_activity(db: Reader, cutoff_days: int = 30) -> list[ActivityEntry]:
    """The sessions changed in the last days (1 to 90), the last changed first, at most 100."""
    days = min(max(cutoff_days, 1), _DAYS_MAX)
    return db.all(_RECENT, cutoff=db.now - days * _DAY_S)
