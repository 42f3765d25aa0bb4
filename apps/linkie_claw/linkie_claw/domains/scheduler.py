"""
The scheduler's side of posts, for the posts of all users: claim, result, retry, recovery.

A run claims due posts: one statement takes them from `scheduled` to `publishing`, so of two
runs that overlap only one gets a post. A claim has a lease (until when the post does not count
as stale) and a fence (a number that grows with each claim). Whoever brings a result may bring
the fence; a result of an older claim is refused.

Every way back costs a retry: a dispatch that failed, and a result that never came. At the
third the post has failed for good, so nothing is sent for ever.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from freehold import (
    Conflict,
    EpochSeconds,
    Reader,
    Struct,
    Writer,
    any_of,
    param,
    raises,
    select,
    statement,
    update,
)
from linkie_claw.domains.posts import Post, PostStatusConflict, post_of
from linkie_claw.ranges import Claims
from linkie_claw.schema import PostRow, UserSettingsRow

MAX_RETRIES: Final = 3
#: What a run has to publish a post and hear of the result.
LEASE_S: Final = 300
#: Before the first retry; doubled for each further one.
BACKOFF_S: Final = 120

#: What a failure without a text is given.
UNKNOWN_ERROR: Final = "Unknown publishing error"
NO_RESULT: Final = "Publishing timed out: no result came back"


class ClaimedPost(Struct):
    """A post that the caller, and nobody else, is to publish now."""

    id: str
    user_id: str
    title: str
    content: str
    image_url: str | None
    #: The user's own webhook, null for the default one.
    webhook_url: str | None
    retry_count: int
    claim_id: str
    lease_until: EpochSeconds
    #: Bring it with the result.
    fence: int


class PublishResult(Struct):
    """The post as it is now, and whether this call made it so."""

    changed: bool
    post: Post


class ClaimLost(Conflict):
    """The post was claimed again since; this result comes too late."""

    post_id: str
    fence: int

    def __init__(self, post_id: str, fence: int) -> None:
        super().__init__(
            f"post {post_id!r} has the fence {fence} now, and the result is of another claim.",
            hint="Drop the result; the newer claim decides.",
        )
        self.post_id = post_id
        self.fence = fence


class _Webhook(Struct):
    user_id: str
    url: str | None


_IS_DUE = sa.and_(
    PostRow.c.status == "scheduled",
    PostRow.c.scheduled_at <= param("now"),
    PostRow.c.retry_count < MAX_RETRIES,
)
_DUE_FIRST = (PostRow.c.scheduled_at, PostRow.c.id)
# A post that was created as `publishing` was never claimed and has no lease.
_IS_STALE = sa.and_(
    PostRow.c.status == "publishing",
    sa.func.coalesce(PostRow.c.lease_until, PostRow.c.updated_at + sa.literal_column(str(LEASE_S)))
    < param("now"),
)

_READY = select(PostRow).where(_IS_DUE).order_by(*_DUE_FIRST)
_STALE = select(PostRow).where(_IS_STALE).order_by(PostRow.c.updated_at, PostRow.c.id)

_CLAIM = update(PostRow).values(
    status="publishing",
    claim_id=param("claim"),
    lease_until=param("until"),
    fence=PostRow.c.fence + sa.literal_column("1"),
)
_CLAIM_READY = _CLAIM.where(
    PostRow.c.id.in_(
        sa.select(PostRow.c.id).where(_IS_DUE).order_by(*_DUE_FIRST).limit(param("limit"))
    )
).returning_record()
_CLAIM_ONE = _CLAIM.where(
    PostRow.c.id == param("id"), PostRow.c.status == "scheduled"
).returning_record()

_WEBHOOKS = statement(
    sa.select(UserSettingsRow.c.user_id, UserSettingsRow.c.n8n_webhook_url.label("url")).where(
        any_of(UserSettingsRow.c.user_id, param("user_ids"))
    ),
    into=_Webhook,
)

# Without a fence only the status is looked at: the automation's callback does not know it.
_RESULT = update(PostRow).where(
    PostRow.c.id == param("id"),
    PostRow.c.status == "publishing",
    PostRow.c.fence == sa.func.coalesce(param("claimed"), PostRow.c.fence),
)
_PUBLISHED = _RESULT.values(
    status="published",
    linkedin_post_urn=param("urn"),
    published_at=param("now"),
    retry_count=0,
    claim_id=None,
    lease_until=None,
).returning_record()
_FAILED = _RESULT.values(
    status="failed", error_message=param("message"), claim_id=None, lease_until=None
).returning_record()
_RESCHEDULED = _RESULT.values(
    status="scheduled", scheduled_at=param("time"), claim_id=None, lease_until=None
).returning_record()

_COUNTED = PostRow.c.retry_count + sa.literal_column("1")
_IS_LAST = _COUNTED >= MAX_RETRIES
_STATUS_AFTER_RETRY = sa.case(
    (_IS_LAST, sa.literal_column("'failed'")), else_=sa.literal_column("'scheduled'")
)
_MESSAGE_AFTER_RETRY = sa.case((_IS_LAST, param("message")), else_=PostRow.c.error_message)
# One time for each count that has another try.
_TIME_AFTER_RETRY = sa.case(
    *((PostRow.c.retry_count == count, param(f"time_{count}")) for count in range(MAX_RETRIES - 1)),
    else_=PostRow.c.scheduled_at,
)
_DISPATCH_FAILED = _RESULT.values(
    status=_STATUS_AFTER_RETRY,
    retry_count=_COUNTED,
    scheduled_at=_TIME_AFTER_RETRY,
    error_message=_MESSAGE_AFTER_RETRY,
    claim_id=None,
    lease_until=None,
).returning_record()

_RECOVER = (
    update(PostRow)
    .where(_IS_STALE)
    .values(
        status=_STATUS_AFTER_RETRY,
        retry_count=_COUNTED,
        error_message=_MESSAGE_AFTER_RETRY,
        claim_id=None,
        lease_until=None,
    )
)
_RECOVER_ALL = _RECOVER.returning_record()
_RECOVER_ONE = _RECOVER.where(PostRow.c.id == param("id")).returning_record()
# Counting is not work on the post, so its time of change stays what it was.
_COUNT = (
    update(PostRow)
    .where(PostRow.c.id == param("id"))
    .values(retry_count=_COUNTED, updated_at=PostRow.c.updated_at)
)


def get_posts_ready_to_publish(db: Reader) -> list[Post]:
    """The posts of all users that are due and may be tried, the longest waiting first."""
    return [post_of(row) for row in db.all(_READY, now=db.now)]


def get_stale_publishing_posts(db: Reader) -> list[Post]:
    """The posts of all users whose claim ended without a result, the oldest first."""
    return [post_of(row) for row in db.all(_STALE, now=db.now)]


def get_post_for_publishing(db: Reader, id: str) -> Post | None:
    """The post of whatever user, or null; for the automation, which knows only its id."""
    row = db.find(PostRow, id)
    return None if row is None else post_of(row)


def claim_ready_posts(db: Writer, limit: Claims = 10) -> list[ClaimedPost]:
    """Take due posts for publishing, the longest waiting first; nobody else gets the same."""
    rows = db.all(_CLAIM_READY, limit=limit, now=db.now, **_claim(db))
    rows.sort(key=lambda row: (row.scheduled_at or 0, row.id))
    return _claimed(db, rows)


def mark_post_as_publishing(db: Writer, id: str) -> ClaimedPost | None:
    """Take one scheduled post for publishing, due or not; null when it is not to be had."""
    row = db.first(_CLAIM_ONE, id=id, **_claim(db))
    return None if row is None else _claimed(db, [row])[0]


@raises(PostStatusConflict, ClaimLost)
def mark_post_as_published(
    db: Writer, id: str, linkedin_post_urn: str, fence: int | None = None
) -> PublishResult:
    """
    The post is on LinkedIn. The same result again changes nothing and is no error.

    Args:
        id: The post.
        linkedin_post_urn: What LinkedIn calls it.
        fence: The claim's; a result without one is of whatever claim is open.

    Raises:
        NotFound: There is no such post.
        PostStatusConflict: It is not being published.
        ClaimLost: It was claimed again since.
    """
    row = db.first(_PUBLISHED, id=id, urn=linkedin_post_urn, now=db.now, claimed=fence)
    if row is not None:
        return PublishResult(changed=True, post=post_of(row))
    row = _not_publishing(db, id)
    if row.status == "published" and row.linkedin_post_urn == linkedin_post_urn:
        return PublishResult(changed=False, post=post_of(row))
    raise _refused(row)


@raises(PostStatusConflict, ClaimLost)
def mark_post_as_failed(
    db: Writer, id: str, error_message: str = UNKNOWN_ERROR, fence: int | None = None
) -> PublishResult:
    """
    The post could not be published and is not tried again. A second time changes nothing.

    Raises:
        NotFound: There is no such post.
        PostStatusConflict: It is not being published.
        ClaimLost: It was claimed again since.
    """
    message = error_message.strip() or UNKNOWN_ERROR
    row = db.first(_FAILED, id=id, message=message, claimed=fence)
    if row is not None:
        return PublishResult(changed=True, post=post_of(row))
    row = _not_publishing(db, id)
    if row.status == "failed":
        return PublishResult(changed=False, post=post_of(row))
    raise _refused(row)


@raises(PostStatusConflict, ClaimLost)
def mark_dispatch_failed(db: Writer, id: str, error_message: str, fence: int | None = None) -> Post:
    """
    The post could not be handed on: try again in 2 minutes, then 4; the third time it failed.

    Raises:
        NotFound: There is no such post.
        PostStatusConflict: It is not being published.
        ClaimLost: It was claimed again since.
    """
    times = {f"time_{n}": db.now + BACKOFF_S * 2**n for n in range(MAX_RETRIES - 1)}
    row = db.first(_DISPATCH_FAILED, id=id, message=error_message, claimed=fence, **times)
    if row is None:
        raise _refused(_not_publishing(db, id))
    return post_of(row)


@raises(PostStatusConflict, ClaimLost)
def reschedule_post_for_retry(
    db: Writer, id: str, time: EpochSeconds, fence: int | None = None
) -> Post:
    """
    Put a post that is being published back, for that time; the retry is counted by itself.

    Raises:
        NotFound: There is no such post.
        PostStatusConflict: It is not being published.
        ClaimLost: It was claimed again since.
    """
    row = db.first(_RESCHEDULED, id=id, time=time, claimed=fence)
    if row is None:
        raise _refused(_not_publishing(db, id))
    return post_of(row)


def increment_post_retry_count(db: Writer, post_id: str) -> None:
    """Count a retry; the post does not count as changed. Nothing happens when there is none."""
    db.execute(_COUNT, id=post_id)


def reset_stale_post(db: Writer, id: str) -> Post | None:
    """Give one stale post another try, or let it fail at the third; null when it is not stale."""
    row = db.first(_RECOVER_ONE, id=id, now=db.now, message=NO_RESULT)
    return None if row is None else post_of(row)


def recover_stale_posts(db: Writer) -> list[Post]:
    """Do so with all stale posts, and answer them as they are now."""
    rows = db.all(_RECOVER_ALL, now=db.now, message=NO_RESULT)
    return [post_of(row) for row in sorted(rows, key=lambda row: row.id)]


def _claim(db: Writer) -> dict[str, Any]:
    return {"claim": db.new_id(), "until": db.now + LEASE_S}


def _claimed(db: Writer, rows: list[PostRow]) -> list[ClaimedPost]:
    owners = sorted({row.user_id for row in rows})
    urls = {each.user_id: each.url for each in db.all(_WEBHOOKS, user_ids=owners)}
    return [
        ClaimedPost(
            id=row.id,
            user_id=row.user_id,
            title=row.title,
            content=row.content,
            image_url=row.image_url,
            webhook_url=urls.get(row.user_id),
            retry_count=row.retry_count,
            claim_id=row.claim_id or "",
            lease_until=row.lease_until or 0,
            fence=row.fence,
        )
        for row in rows
    ]


def _not_publishing(db: Writer, id: str) -> PostRow:
    """The post that took no result; NotFound when there is none."""
    return db.get(PostRow, id)


def _refused(row: PostRow) -> Conflict:
    if row.status == "publishing":
        return ClaimLost(row.id, row.fence)
    return PostStatusConflict(row.id, row.status)
