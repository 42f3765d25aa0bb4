"""
Dashboard and analytics: what a user's posts and generations come to, by day, status, weekday.

Days are UTC days; those without rows are left out. The database groups by the number of the
day, a division of whole numbers that every engine does alike; dates and weekdays are made of
it here.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import sqlalchemy as sa

from freehold import EpochSeconds, Reader, Struct, param, statement
from linkie_claw.ranges import Days, Rows
from linkie_claw.schema import Generation, PostRow, PostStatus
from linkie_claw.utc_days import DAY_S, WEEKDAYS, Weekday, day_text, weekday


class DashboardStats(Struct):
    """How many posts there are, and in which state; those being published count in the total."""

    total_posts: int
    drafts: int
    scheduled: int
    published: int
    failed: int


class DayCount(Struct):
    """How many on that day."""

    date: str
    count: int


class DayStatusCount(Struct):
    """How many of that status on that day."""

    date: str
    status: PostStatus
    count: int


class StatusCount(Struct):
    """How many of that status."""

    status: PostStatus
    count: int


class WeekdayCount(Struct):
    """How many on that day of the week."""

    day: Weekday
    count: int


class TopPost(Struct):
    """A published post in the list of the latest."""

    id: str
    title: str
    content: str
    published_at: EpochSeconds | None
    linkedin_post_urn: str | None


class ContentGenerationStats(Struct):
    """How much was generated, and what became of the posts."""

    total_generations: int
    posts_by_status: list[StatusCount]


class _Day(Struct):
    day: int
    count: int


class _DayStatus(Struct):
    day: int
    status: PostStatus
    count: int


_COUNT: Final = sa.func.count().label("count")


def _day(column: Any) -> Any:
    """The number of the day: whole numbers divide to whole numbers, on every engine."""
    return (column // sa.literal_column(str(DAY_S), sa.Integer)).label("day")


def _per_day(column: Any) -> Any:
    day = _day(column)
    return sa.select(day, _COUNT).where(column >= param("since")).group_by(day).order_by(day)


_BY_STATUS = statement(
    sa.select(PostRow.c.status, _COUNT).group_by(PostRow.c.status).order_by(PostRow.c.status),
    into=StatusCount,
)
_BY_STATUS_SINCE = statement(
    sa.select(PostRow.c.status, _COUNT)
    .where(PostRow.c.created_at >= param("since"))
    .group_by(PostRow.c.status)
    .order_by(PostRow.c.status),
    into=StatusCount,
)
_CREATED_PER_DAY = statement(_per_day(PostRow.c.created_at), into=_Day)
_PUBLISHED_PER_DAY = statement(
    _per_day(PostRow.c.published_at).where(PostRow.c.status == "published"), into=_Day
)
_SCHEDULED_PER_DAY = statement(_per_day(PostRow.c.scheduled_at), into=_Day)
_CREATED_DAY = _day(PostRow.c.created_at)
_STATUS_PER_DAY = statement(
    sa.select(_CREATED_DAY, PostRow.c.status, _COUNT)
    .where(PostRow.c.created_at >= param("since"))
    .group_by(_CREATED_DAY, PostRow.c.status)
    .order_by(_CREATED_DAY, PostRow.c.status),
    into=_DayStatus,
)
_TOP = statement(
    sa.select(
        PostRow.c.id,
        PostRow.c.title,
        PostRow.c.content,
        PostRow.c.published_at,
        PostRow.c.linkedin_post_urn,
    )
    .where(PostRow.c.status == "published")
    .order_by(PostRow.c.published_at.desc(), PostRow.c.id.desc())
    .limit(param("limit")),
    into=TopPost,
)
_COUNT_POSTS = statement(sa.select(_COUNT).select_from(PostRow.__table__), into=int)
_COUNT_GENERATIONS = statement(
    sa.select(_COUNT)
    .select_from(Generation.__table__)
    .where(Generation.c.created_at >= param("since")),
    into=int,
)


def get_dashboard_stats(db: Reader, user_id: str) -> DashboardStats:
    """How many posts the user has, and in which state."""
    counts = _counts(db, user_id)
    return DashboardStats(
        total_posts=counts.total(),
        drafts=counts["draft"],
        scheduled=counts["scheduled"],
        published=counts["published"],
        failed=counts["failed"],
    )


def get_publishing_success_rate(db: Reader, user_id: str) -> int:
    """How many percent of the user's posts that were tried are published; 0 when none was."""
    counts = _counts(db, user_id)
    published, tried = counts["published"], counts["published"] + counts["failed"]
    # A half is rounded up, as the pages have always shown it.
    return (200 * published + tried) // (2 * tried) if tried else 0


def get_posts_over_time(db: Reader, user_id: str, days: Days = 30) -> list[DayCount]:
    """How many posts the user made on each of the last days."""
    return _days(db.owned_by(user_id).all(_CREATED_PER_DAY, since=_since(db, days)))


def get_generation_count(db: Reader, user_id: str) -> int:
    """How many posts the user has: in the studio each one is made of a generation."""
    return db.owned_by(user_id).scalar(_COUNT_POSTS) or 0


def get_posts_by_status(db: Reader, user_id: str, days: Days = 30) -> list[DayStatusCount]:
    """How many of the posts made on each of the last days are of which status now."""
    rows = db.owned_by(user_id).all(_STATUS_PER_DAY, since=_since(db, days))
    return [
        DayStatusCount(date=day_text(row.day), status=row.status, count=row.count) for row in rows
    ]


def get_publishing_trend(db: Reader, user_id: str, days: Days = 30) -> list[DayCount]:
    """How many of the user's posts were published on each of the last days."""
    return _days(db.owned_by(user_id).all(_PUBLISHED_PER_DAY, since=_since(db, days)))


def get_top_posts(db: Reader, user_id: str, limit: Rows = 10) -> list[TopPost]:
    """The user's published posts, the latest first."""
    return db.owned_by(user_id).all(_TOP, limit=limit)


def get_content_generation_stats(
    db: Reader, user_id: str, days: Days = 30
) -> ContentGenerationStats:
    """The user's generations of the last days, and the status of the posts made in them."""
    mine, since = db.owned_by(user_id), _since(db, days)
    return ContentGenerationStats(
        total_generations=mine.scalar(_COUNT_GENERATIONS, since=since) or 0,
        posts_by_status=mine.all(_BY_STATUS_SINCE, since=since),
    )


def get_scheduling_patterns(db: Reader, user_id: str, days: Days = 30) -> list[WeekdayCount]:
    """On which weekdays the user's posts are scheduled, since so many days and to come."""
    rows = db.owned_by(user_id).all(_SCHEDULED_PER_DAY, since=_since(db, days))
    counts: Counter[Weekday] = Counter()
    for row in rows:
        counts[weekday(row.day)] += row.count
    return [WeekdayCount(day=day, count=counts[day]) for day in WEEKDAYS if counts[day]]


def _counts(db: Reader, user_id: str) -> Counter[PostStatus]:
    return Counter({row.status: row.count for row in db.owned_by(user_id).all(_BY_STATUS)})


def _since(db: Reader, days: int) -> int:
    return db.now - days * DAY_S


def _days(rows: list[_Day]) -> list[DayCount]:
    return [DayCount(date=day_text(row.day), count=row.count) for row in rows]
