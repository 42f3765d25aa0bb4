"""
Ideas: stories that a publication could run, and the one rule about them.

An idea is promoted once. The check and the change are one statement, so two callers that ask
at the same moment cannot both get it. Otherwise a status may follow any other.
"""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa

from freehold import (
    EpochSeconds,
    Input,
    Reader,
    Struct,
    Writer,
    param,
    raises,
    select,
    statement,
    update,
)
from freehold.errors import Conflict, NotFound, ReferenceBroken
from hotmetal.schema import IdeaRow, IdeaStatus

_DAY_S: Final = 86_400


class IdeaAlreadyPromoted(Conflict):
    """
    The idea is gone: `session_id` names the session that has it.

    It is null when the status was set by hand, so that no session holds the idea.
    """

    idea_id: str
    session_id: str | None

    def __init__(self, idea_id: str, session_id: str | None) -> None:
        holder = "" if session_id is None else f" by session {session_id!r}"
        super().__init__(
            f"idea {idea_id!r} was already promoted{holder}.",
            hint="Open that session, or promote another idea.",
        )
        self.idea_id = idea_id
        self.session_id = session_id


class IdeaDismissed(Conflict):
    """Somebody decided against the idea."""

    idea_id: str

    def __init__(self, idea_id: str) -> None:
        super().__init__(
            f"idea {idea_id!r} was dismissed.",
            hint="Set its status to 'reviewed' first, if it is wanted after all.",
        )
        self.idea_id = idea_id


class Source(Struct, forbid_unknown_fields=False):
    """Where a story was found."""

    url: str
    title: str = ""
    snippet: str = ""
    published_at: str | None = None


class Idea(Struct):
    """A story that a publication could run."""

    id: str
    publication_id: str
    topic_id: str | None
    title: str
    angle: str
    summary: str
    sources: list[Source] | None
    status: IdeaStatus
    session_id: str | None
    relevance_score: float | None
    created_at: EpochSeconds
    updated_at: EpochSeconds


class CreateIdeaInput(Input):
    """A new idea; the caller chooses the id. `sources` is the JSON text of a list."""

    id: str
    publication_id: str
    topic_id: str | None = None
    title: str
    angle: str
    summary: str
    sources: str | None = None
    relevance_score: float | None = None


class ListIdeasFilters(Input):
    """Which ideas of the publication."""

    status: IdeaStatus | None = None


_OF_PUBLICATION = (
    select(IdeaRow)
    .where(IdeaRow.c.publication_id == param("pub_id"))
    .where_given(IdeaRow.c.status == param("status"))
    .order_by(
        IdeaRow.c.relevance_score.desc().nulls_last(),
        IdeaRow.c.created_at.desc(),
        IdeaRow.c.id.desc(),
    )
)
_RECENT = (
    select(IdeaRow)
    .where(IdeaRow.c.publication_id == param("pub_id"))
    .where(IdeaRow.c.created_at >= param("since"))
    .order_by(IdeaRow.c.created_at.desc(), IdeaRow.c.id.desc())
)
_COUNT = sa.select(sa.func.count()).select_from(IdeaRow.__table__)
_COUNT_OF_PUBLICATION = statement(
    _COUNT.where(IdeaRow.c.publication_id == param("pub_id")), into=int
)
_COUNT_WITH_STATUS = statement(_COUNT.where(IdeaRow.c.status == param("status")), into=int)

_PROMOTE = (
    update(IdeaRow)
    .where(IdeaRow.c.id == param("id"))
    .where(sa.or_(IdeaRow.c.status == "new", IdeaRow.c.status == "reviewed"))
    .values(status="promoted", session_id=param("session_id"))
    .returning_record()
)

_SOURCES: Final = msgspec.json.Decoder(list[Source])


def create_idea(db: Writer, data: CreateIdeaInput) -> Idea:
    """
    Add an idea, as new.

    Raises:
        AlreadyExists: The id is taken.
        ReferenceBroken: There is no such publication or topic.
    """
    return _idea(db.insert(_row(data)))


def create_ideas(db: Writer, items: list[CreateIdeaInput]) -> int:
    """
    Add those ideas whose id does not exist yet; answers how many were added.

    Safe to repeat: whoever makes ids from what an idea says can store the same list again.

    Raises:
        ReferenceBroken: There is no such publication or topic; then none is added.
    """
    return db.insert_many([_row(item) for item in items], on_conflict="ignore")


def get_idea_by_id(db: Reader, id: str) -> Idea | None:
    """The idea, or null."""
    row = db.find(IdeaRow, id)
    return None if row is None else _idea(row)


def list_ideas_by_publication(
    db: Reader, pub_id: str, filters: ListIdeasFilters | None = None
) -> list[Idea]:
    """The publication's ideas, the most relevant first, then the newest."""
    status = None if filters is None else filters.status
    return [_idea(row) for row in db.all(_OF_PUBLICATION, pub_id=pub_id, status=status)]


def update_idea_status(db: Writer, id: str, status: IdeaStatus) -> Idea | None:
    """Set any status and answer the idea as it is now, or null when there is none."""
    row = db.update(IdeaRow, id, {"status": status})
    return None if row is None else _idea(row)


@raises(IdeaAlreadyPromoted, IdeaDismissed)
def promote_idea(db: Writer, id: str, session_id: str) -> Idea:
    """
    Hand an idea to the writing session that turns it into a post.

    Only a new or reviewed idea can be promoted, once: a second call is refused whichever
    session asks, also the one that has the idea. A caller whose answer was lost reads
    the idea: its session id says who has it.

    Raises:
        NotFound: There is no such idea.
        IdeaAlreadyPromoted: A session has it; the error names which.
        IdeaDismissed: Somebody decided against it.
        ReferenceBroken: There is no such session.
    """
    try:
        row = db.first(_PROMOTE, id=id, session_id=session_id)
    except ReferenceBroken:
        raise ReferenceBroken(
            f"there is no session {session_id!r}.",
            hint="Create the session first, then promote the idea to it.",
            path="sessionId",
        ) from None
    if row is not None:
        return _idea(row)
    found = db.find(IdeaRow, id)
    if found is None:
        raise NotFound(f"there is no idea {id!r}.", path="id")
    if found.status == "dismissed":
        raise IdeaDismissed(id)
    raise IdeaAlreadyPromoted(id, found.session_id)


def count_ideas_by_publication(db: Reader, pub_id: str) -> int:
    """How many ideas the publication has, whatever their status."""
    return db.scalar(_COUNT_OF_PUBLICATION, pub_id=pub_id) or 0


def count_ideas_by_status(db: Reader, status: IdeaStatus) -> int:
    """How many ideas have the status, over all publications."""
    return db.scalar(_COUNT_WITH_STATUS, status=status) or 0


def get_recent_ideas_by_publication(db: Reader, pub_id: str, since_days: int = 7) -> list[Idea]:
    """The publication's ideas of the last days, the newest first."""
    since = max(0, db.now - since_days * _DAY_S)
    return [_idea(row) for row in db.all(_RECENT, pub_id=pub_id, since=since)]


def _row(data: CreateIdeaInput) -> IdeaRow:
    return IdeaRow(
        id=data.id,
        publication_id=data.publication_id,
        topic_id=data.topic_id,
        title=data.title,
        angle=data.angle,
        summary=data.summary,
        sources=data.sources,
        relevance_score=data.relevance_score,
    )


def _idea(row: IdeaRow) -> Idea:
    return Idea(
        id=row.id,
        publication_id=row.publication_id,
        topic_id=row.topic_id,
        title=row.title,
        angle=row.angle,
        summary=row.summary,
        sources=_sources(row.sources),
        status=row.status,
        session_id=row.session_id,
        relevance_score=row.relevance_score,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _sources(text: str | None) -> list[Source] | None:
    """What the stored text says; null when it is no list of sources."""
    if text is None:
        return None
    try:
        return _SOURCES.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
