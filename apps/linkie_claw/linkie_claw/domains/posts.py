"""
Posts of one user: written, listed, scheduled, taken back, recovered by hand.

A post's status changes only by the functions that are named after the change; each is one
statement that holds the statuses it may start from, so two callers cannot both make it. What
the scheduler does with posts of all users is in `scheduler`.
"""

from __future__ import annotations

from typing import Final, Literal

from freehold import (
    UNSET,
    Conflict,
    EpochSeconds,
    Input,
    InvalidArgument,
    Maybe,
    Patch,
    Reader,
    Struct,
    Writer,
    given,
    param,
    raises,
    select,
    update,
)
from linkie_claw.ranges import Rows
from linkie_claw.schema import PostRow, PostStatus
from linkie_claw.utc_days import month_window

#: A post that is being published for longer is shown to its user as stuck.
STUCK_AFTER_S: Final = 3_600


class Post(Struct):
    """
    A post as its user sees it.

    What it does not have is left out, but for the image, which is null.
    """

    id: str
    user_id: str
    title: str
    content: str
    image_url: str | None
    scheduled_at: Maybe[EpochSeconds] = UNSET
    published_at: Maybe[EpochSeconds] = UNSET
    status: PostStatus
    linkedin_post_urn: Maybe[str] = UNSET
    error_message: Maybe[str] = UNSET
    retry_count: int
    created_at: EpochSeconds
    updated_at: EpochSeconds


class NewPost(Input):
    """A new post: a draft unless told; its id is made here."""

    user_id: str
    title: str
    content: str
    image_url: str | None = None
    status: PostStatus = "draft"
    scheduled_at: EpochSeconds | None = None
    published_at: EpochSeconds | None = None
    linkedin_post_urn: str | None = None
    error_message: str | None = None


class PostPatch(Patch):
    """What may change in a post; what is left out stays, null clears. The status is not in it."""

    title: Maybe[str] = UNSET
    content: Maybe[str] = UNSET
    image_url: Maybe[str | None] = UNSET
    scheduled_at: Maybe[EpochSeconds | None] = UNSET


class PostStatusConflict(Conflict):
    """The post's status does not allow the change."""

    post_id: str
    current_status: PostStatus

    def __init__(self, post_id: str, current_status: PostStatus) -> None:
        super().__init__(
            f"post {post_id!r} is {current_status}, which does not allow this.",
            hint="Read the post again and decide anew.",
        )
        self.post_id = post_id
        self.current_status: PostStatus = current_status


_NEWEST_FIRST = (PostRow.c.created_at.desc(), PostRow.c.id.desc())
_BY_TIME = (PostRow.c.scheduled_at, PostRow.c.id)

_ALL = select(PostRow).order_by(*_NEWEST_FIRST)
_RECENT = _ALL.limit(param("limit"))
_SCHEDULED = select(PostRow).where(PostRow.c.status == "scheduled").order_by(*_BY_TIME)
_SCHEDULED_IN = _SCHEDULED.where(PostRow.c.scheduled_at >= param("start")).where(
    PostRow.c.scheduled_at < param("end")
)
_IN_MONTH = (
    select(PostRow)
    .where(PostRow.c.scheduled_at >= param("start"))
    .where(PostRow.c.scheduled_at < param("end"))
    .order_by(*_BY_TIME)
)
_DRAFTS = (
    select(PostRow)
    .where(PostRow.c.status == "draft")
    .order_by(PostRow.c.updated_at.desc(), PostRow.c.id.desc())
    .limit(param("limit"))
)
_STUCK = (
    select(PostRow)
    .where(PostRow.c.status == "publishing")
    .where(PostRow.c.updated_at < param("before"))
    .order_by(PostRow.c.updated_at, PostRow.c.id)
)

_ONE = update(PostRow).where(PostRow.c.id == param("id"))
_SCHEDULE = (
    _ONE.where(PostRow.c.status.in_(("draft", "scheduled", "failed")))
    .values(status="scheduled", scheduled_at=param("time"), retry_count=0)
    .returning_record()
)
_UNSCHEDULE = (
    _ONE.where(PostRow.c.status == "scheduled")
    .values(status="draft", scheduled_at=None, retry_count=0)
    .returning_record()
)
_RETRY_BY_HAND = (
    _ONE.where(PostRow.c.status == "publishing")
    .values(
        status="scheduled",
        scheduled_at=param("time"),
        retry_count=0,
        claim_id=None,
        lease_until=None,
    )
    .returning_record()
)
_FAIL_BY_HAND = (
    _ONE.where(PostRow.c.status == "publishing")
    .values(
        status="failed",
        error_message="Manual recovery: publishing timed out",
        claim_id=None,
        lease_until=None,
    )
    .returning_record()
)


def post_of(row: PostRow) -> Post:
    """The post as callers get it: without the claim, and without what it does not have."""
    return Post(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        content=row.content,
        image_url=row.image_url,
        scheduled_at=UNSET if row.scheduled_at is None else row.scheduled_at,
        published_at=UNSET if row.published_at is None else row.published_at,
        status=row.status,
        linkedin_post_urn=UNSET if row.linkedin_post_urn is None else row.linkedin_post_urn,
        error_message=UNSET if row.error_message is None else row.error_message,
        retry_count=row.retry_count,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def get_all_posts(db: Reader, user_id: str) -> list[Post]:
    """The user's posts, the newest first."""
    return [post_of(row) for row in db.owned_by(user_id).all(_ALL)]


def get_post_by_id(db: Reader, id: str, user_id: str) -> Post | None:
    """The user's post, or null."""
    row = db.owned_by(user_id).find(PostRow, id)
    return None if row is None else post_of(row)


def create_post(db: Writer, data: NewPost) -> Post:
    """
    Add a post. A scheduled one needs its time; one in the past is published at once.

    Raises:
        ReferenceBroken: There is no such user.
        InvalidArgument: It is to be scheduled and has no time.
    """
    if data.status == "scheduled" and data.scheduled_at is None:
        raise InvalidArgument(
            "a scheduled post needs a time.", hint="Give scheduledAt.", path="data.scheduledAt"
        )
    row = PostRow(
        id=db.new_id(),
        user_id=data.user_id,
        title=data.title,
        content=data.content,
        image_url=data.image_url,
        scheduled_at=data.scheduled_at,
        published_at=data.published_at,
        status=data.status,
        linkedin_post_urn=data.linkedin_post_urn,
        error_message=data.error_message,
    )
    return post_of(db.owned_by(data.user_id).insert(row))


@raises(PostStatusConflict)
def update_post(db: Writer, id: str, data: PostPatch, user_id: str) -> Post | None:
    """
    Change the given fields and answer the post as it is now, or null when there is none.

    The time can be planned for a draft, and moved for a scheduled post to another time to
    come; what is being published or has been keeps its own.

    Raises:
        PostStatusConflict: The post's status does not allow another time.
        InvalidArgument: A scheduled post would lose its time, or get one that has passed.
    """
    mine = db.owned_by(user_id)
    if data.scheduled_at is not UNSET:
        row = mine.find(PostRow, id)
        if row is None:
            return None
        if row.status in ("publishing", "published"):
            raise PostStatusConflict(id, row.status)
        if row.status == "scheduled":
            _check_time(db, data.scheduled_at, path="data.scheduledAt")
    changed = mine.update(PostRow, id, given(data))
    return None if changed is None else post_of(changed)


def delete_post(db: Writer, id: str, user_id: str) -> Post | None:
    """Remove the user's post and answer what it was, or null; its image is for the caller."""
    mine = db.owned_by(user_id)
    row = mine.find(PostRow, id)
    if row is None:
        return None
    mine.delete(PostRow, id)
    return post_of(row)


def get_scheduled_posts(db: Reader, user_id: str, month: str | None = None) -> list[Post]:
    """
    The user's scheduled posts, of one month ("2027-01", UTC) or all; the next one first.

    Raises:
        InvalidArgument: That is no month.
    """
    mine = db.owned_by(user_id)
    if month is None:
        return [post_of(row) for row in mine.all(_SCHEDULED)]
    start, end = month_window(month)
    return [post_of(row) for row in mine.all(_SCHEDULED_IN, start=start, end=end)]


def get_posts_by_month(db: Reader, month: str, user_id: str) -> list[Post]:
    """
    The user's posts of any status whose time is in the month (UTC), the first one first.

    Raises:
        InvalidArgument: That is no month.
    """
    start, end = month_window(month)
    return [post_of(row) for row in db.owned_by(user_id).all(_IN_MONTH, start=start, end=end)]


def get_recent_drafts(db: Reader, limit: Rows = 5, *, user_id: str) -> list[Post]:
    """The user's drafts, the last changed first."""
    return [post_of(row) for row in db.owned_by(user_id).all(_DRAFTS, limit=limit)]


def get_recent_posts(db: Reader, user_id: str, limit: Rows = 5) -> list[Post]:
    """The user's newest posts of any status."""
    return [post_of(row) for row in db.owned_by(user_id).all(_RECENT, limit=limit)]


@raises(PostStatusConflict)
def schedule_post(db: Writer, id: str, user_id: str, scheduled_at: EpochSeconds) -> Post | None:
    """
    Give a draft, a scheduled or a failed post its time; it starts with no retry. Null: no post.

    Raises:
        InvalidArgument: The time is not in the future.
        PostStatusConflict: It is being published, or has been.
    """
    _check_time(db, scheduled_at, path="scheduledAt")
    row = db.owned_by(user_id).first(_SCHEDULE, id=id, time=scheduled_at)
    return _changed(db, row, id=id, user_id=user_id)


@raises(PostStatusConflict)
def unschedule_post(db: Writer, id: str, user_id: str) -> Post | None:
    """
    Make a scheduled post a draft again, without a time. Null: no post.

    Raises:
        PostStatusConflict: It is not scheduled.
    """
    row = db.owned_by(user_id).first(_UNSCHEDULE, id=id)
    return _changed(db, row, id=id, user_id=user_id)


def get_stuck_posts(db: Reader, user_id: str) -> list[Post]:
    """The user's posts that are being published for more than an hour, the longest first."""
    before = db.now - STUCK_AFTER_S
    return [post_of(row) for row in db.owned_by(user_id).all(_STUCK, before=before)]


@raises(PostStatusConflict)
def recover_post(
    db: Writer, id: str, user_id: str, action: Literal["retry", "fail"]
) -> Post | None:
    """
    End by hand what publishing did not end: try again now, or give up. Null: no post.

    Raises:
        PostStatusConflict: It is not being published.
    """
    mine = db.owned_by(user_id)
    if action == "retry":
        row = mine.first(_RETRY_BY_HAND, id=id, time=db.now)
    else:
        row = mine.first(_FAIL_BY_HAND, id=id)
    return _changed(db, row, id=id, user_id=user_id)


def _check_time(db: Writer, time: int | None, *, path: str) -> None:
    if time is None:
        raise InvalidArgument(
            "a scheduled post needs a time.", hint="Call unschedulePost to take it away.", path=path
        )
    if time <= db.now:
        raise InvalidArgument(
            f"the time {time} is not in the future; it is {db.now} now.",
            hint="Give epoch seconds to come.",
            path=path,
        )


def _changed(db: Writer, row: PostRow | None, *, id: str, user_id: str) -> Post | None:
    """The post that a change answered with; null without a post, else why it was refused."""
    if row is not None:
        return post_of(row)
    there = db.owned_by(user_id).find(PostRow, id)
    if there is None:
        return None
    raise PostStatusConflict(id, there.status)
