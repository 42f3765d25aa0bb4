"""Dashboard and analytics, held against counting by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from linkie_claw.domains import analytics, posts, scheduler
from linkie_claw.domains.analytics import (
    ContentGenerationStats,
    DashboardStats,
    DayCount,
    DayStatusCount,
    StatusCount,
    WeekdayCount,
)
from linkie_claw.schema import User
from linkie_claw.testing import START_S, World

DAY_S = 86_400


def publish(world: World, user: User, urn: str = "urn:1") -> posts.Post:
    post = world.due_post(user)
    world.call(scheduler.claim_ready_posts)
    return world.call(scheduler.mark_post_as_published, post.id, urn).post


def fail(world: World, user: User) -> None:
    post = world.due_post(user)
    world.call(scheduler.claim_ready_posts)
    world.call(scheduler.mark_post_as_failed, post.id)


def test_the_dashboard_counts_by_status(world: World) -> None:
    """What is being published counts in the total alone."""
    user, bo = world.user(), world.user("bo")
    publish(world, bo)
    world.post(user)
    world.post(user)
    publish(world, user)
    fail(world, user)
    world.post(user, status="publishing")
    world.due_post(user)

    stats = world.call(analytics.get_dashboard_stats, user.id)

    assert stats == DashboardStats(total_posts=6, drafts=2, scheduled=1, published=1, failed=1)
    assert world.call(analytics.get_generation_count, user.id) == 6
    nothing = DashboardStats(total_posts=0, drafts=0, scheduled=0, published=0, failed=0)
    assert world.call(analytics.get_dashboard_stats, world.user("cy").id) == nothing


@pytest.mark.parametrize(
    ("published", "failed", "percent"),
    [(0, 0, 0), (0, 3, 0), (3, 0, 100), (1, 1, 50), (2, 1, 67), (1, 2, 33), (1, 7, 13), (3, 5, 38)],
)
def test_the_success_rate_is_rounded_halves_up(
    world: World, published: int, failed: int, percent: int
) -> None:
    """Of what was tried to its end; 0 when nothing was."""
    user = world.user()
    for status, count in (("published", published), ("failed", failed), ("draft", 2)):
        for _ in range(count):
            world.post(user, status=status)

    assert world.call(analytics.get_publishing_success_rate, user.id) == percent


def test_posts_are_counted_by_the_utc_day_on_which_they_were_made(world: World) -> None:
    """Oldest first; days without any are left out, and so is what is too old."""
    user, bo = world.user(), world.user("bo")
    for pause_s in (0, 5 * DAY_S, 16 * 3_600 - 1, 1, 3_600):
        world.wait(seconds=pause_s)
        world.post(user)
        world.post(bo)

    counts = world.call(analytics.get_posts_over_time, user.id)

    # Began on the 15th at 08:00: the 20th at 08:00, at 23:59:59, the 21st at 00:00 and 01:00.
    assert counts == [
        DayCount(date="2027-01-15", count=1),
        DayCount(date="2027-01-20", count=2),
        DayCount(date="2027-01-21", count=2),
    ]
    assert world.call(analytics.get_posts_over_time, user.id, 5) == counts[1:]


def test_the_first_second_of_the_range_is_in_it(world: World) -> None:
    """As many seconds ago as the days have."""
    user = world.user()
    world.post(user)
    world.wait(seconds=2 * DAY_S)
    assert len(world.call(analytics.get_posts_over_time, user.id, 2)) == 1
    world.wait(seconds=1)
    assert world.call(analytics.get_posts_over_time, user.id, 2) == []


def test_posts_are_counted_by_day_and_status(world: World) -> None:
    """The day they were made, the status they have."""
    user = world.user()
    world.post(user)
    fail(world, user)
    world.post(user)
    world.wait(seconds=DAY_S)
    world.post(user)

    assert world.call(analytics.get_posts_by_status, user.id, 30) == [
        DayStatusCount(date="2027-01-15", status="draft", count=2),
        DayStatusCount(date="2027-01-15", status="failed", count=1),
        DayStatusCount(date="2027-01-16", status="draft", count=1),
    ]


def test_the_trend_counts_what_was_published_on_the_day_it_was(world: World) -> None:
    """Neither the day it was made nor what only bears a time of publishing."""
    user = world.user()
    post = world.due_post(user)
    world.wait(seconds=DAY_S)
    world.call(scheduler.claim_ready_posts)
    world.call(scheduler.mark_post_as_published, post.id, "urn:1")
    world.post(user, published_at=world.now)

    assert world.call(analytics.get_publishing_trend, user.id, 30) == [
        DayCount(date="2027-01-16", count=1)
    ]


def test_top_posts_are_the_latest_published(world: World) -> None:
    """With what a list shows of them."""
    user, bo = world.user(), world.user("bo")
    published = []
    for number in range(3):
        published.append(publish(world, user, f"urn:{number}"))
        publish(world, bo)
        world.wait(seconds=1)
    world.post(user)

    top = world.call(analytics.get_top_posts, user.id, 2)

    assert [(each.id, each.linkedin_post_urn) for each in top] == [
        (published[2].id, "urn:2"),
        (published[1].id, "urn:1"),
    ]
    assert (top[0].title, top[0].content) == ("A title", "A text")
    assert top[0].published_at == published[2].published_at
    assert len(world.call(analytics.get_top_posts, user.id)) == 3


def test_generation_stats_count_generations_and_the_posts_of_the_time(world: World) -> None:
    """Of the last days alone."""
    user, bo = world.user(), world.user("bo")
    world.generation(user)
    world.post(user)
    world.wait(seconds=10 * DAY_S)
    for _ in range(2):
        world.generation(user)
    world.generation(bo)
    world.post(user)
    fail(world, user)

    recent = world.call(analytics.get_content_generation_stats, user.id, 7)
    longer = world.call(analytics.get_content_generation_stats, user.id)

    assert recent == ContentGenerationStats(
        total_generations=2,
        posts_by_status=[
            StatusCount(status="draft", count=1),
            StatusCount(status="failed", count=1),
        ],
    )
    assert longer.total_generations == 3
    assert longer.posts_by_status[0] == StatusCount(status="draft", count=2)


def test_scheduling_patterns_count_by_weekday_from_sunday(world: World) -> None:
    """All that have a time, past ones of the range and those to come."""
    user = world.user()
    midnight = START_S - START_S % DAY_S
    # 15 January 2027 is a Friday.
    assert datetime.fromtimestamp(midnight, UTC).strftime("%a") == "Fri"
    for day, second in ((0, 0), (0, DAY_S - 1), (1, 0), (2, 5), (9, 5), (-1, 0), (-31, 0)):
        world.post(user, scheduled_at=midnight + day * DAY_S + second)
    world.post(user)

    assert world.call(analytics.get_scheduling_patterns, user.id, 30) == [
        WeekdayCount(day="Sun", count=2),
        WeekdayCount(day="Thu", count=1),
        WeekdayCount(day="Fri", count=2),
        WeekdayCount(day="Sat", count=1),
    ]
