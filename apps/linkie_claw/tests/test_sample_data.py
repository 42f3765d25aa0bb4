"""The sample data: the document's user, with something in every page."""

from __future__ import annotations

from typing import Any

from linkie_claw.domains import analytics, generations, posts, scheduler, settings, users
from linkie_claw.schema import schema
from linkie_claw.seed import EMAIL, USER_ID, seed
from linkie_claw.testing import World

from freehold import Reader


def dump(db: Reader) -> list[Any]:
    return [db.all(record) for record in schema.records]


def test_the_user_is_the_documents(world: World) -> None:
    """Alex Rivera, with a verified address."""
    world.call(seed)

    user = world.call(users.get_user_by_email, EMAIL)

    assert user is not None
    assert (user.id, user.name, user.email) == (USER_ID, "Alex Rivera", "alex@example.com")
    assert user.email_verified is not None


def test_there_is_a_post_of_each_status(world: World) -> None:
    """With what belongs to it."""
    world.call(seed)

    found = {post.status: post for post in world.call(posts.get_all_posts, USER_ID)}

    assert set(found) == {"draft", "scheduled", "publishing", "published", "failed"}
    assert found["draft"].title == "Test Post 1"
    assert isinstance(found["scheduled"].scheduled_at, int)
    assert found["scheduled"].scheduled_at > world.now
    assert found["published"].linkedin_post_urn
    assert (found["failed"].retry_count, bool(found["failed"].error_message)) == (3, True)
    assert world.call(scheduler.get_stale_publishing_posts) == []


def test_there_are_a_generation_and_settings(world: World) -> None:
    """Not connected to LinkedIn yet."""
    world.call(seed)

    [generation] = world.call(generations.get_recent_generations, user_id=USER_ID)
    found = world.call(settings.get_user_settings, USER_ID)

    assert generation.idea == "AI-powered content studio"
    assert found is not None
    assert found.linkedin_connected is False


def test_every_page_of_analytics_shows_something(world: World) -> None:
    """Recent enough for the last thirty days."""
    world.call(seed)

    assert world.call(analytics.get_dashboard_stats, USER_ID).total_posts == 5
    assert world.call(analytics.get_publishing_success_rate, USER_ID) == 50
    for ask in (
        analytics.get_posts_over_time,
        analytics.get_posts_by_status,
        analytics.get_publishing_trend,
        analytics.get_top_posts,
        analytics.get_scheduling_patterns,
    ):
        assert world.call(ask, USER_ID) != []


def test_loading_it_again_changes_nothing(world: World) -> None:
    """Also when time has passed and things have changed."""
    world.call(seed)
    world.call(posts.delete_post, "post-draft", USER_ID)
    before = world.call(dump)
    world.wait(seconds=1_000)

    world.call(seed)

    assert world.call(dump) == before
