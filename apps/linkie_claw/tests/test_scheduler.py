"""The scheduler's side of posts: claims with lease and fence, results, retries, recovery."""

from __future__ import annotations

from typing import Any

import pytest
from linkie_claw.domains import posts, scheduler, settings
from linkie_claw.domains.posts import Post, PostStatusConflict
from linkie_claw.domains.scheduler import ClaimedPost, ClaimLost
from linkie_claw.schema import PostRow, User
from linkie_claw.testing import World

from freehold import UNSET, Reader
from freehold.errors import NotFound


def claim(world: World, limit: int = 10) -> list[ClaimedPost]:
    return world.call(scheduler.claim_ready_posts, limit)


def a_claimed_post(world: World, user: User) -> ClaimedPost:
    post = world.due_post(user)
    [claimed] = claim(world)
    assert claimed.id == post.id
    return claimed


def now_of(world: World, id: str) -> Post:
    post = world.call(scheduler.get_post_for_publishing, id)
    assert post is not None
    return post


def row_of(world: World, id: str) -> PostRow:
    def read(db: Reader) -> PostRow:
        return db.get(PostRow, id)

    return world.call(read)


# -- claiming -----------------------------------------------------------------------------


def test_due_posts_of_all_users_are_ready(world: World) -> None:
    """At their second and later, the longest waiting first; nothing else is."""
    alex, bo = world.user(), world.user("bo")
    now = world.now
    late = world.due_post(bo, scheduled_at=now - 60)
    due = world.due_post(alex)
    world.due_post(alex, scheduled_at=now + 1)
    world.post(alex, scheduled_at=now)
    tried = world.due_post(alex)
    for _ in range(3):
        world.call(scheduler.increment_post_retry_count, tried.id)

    ready = world.call(scheduler.get_posts_ready_to_publish)

    assert ready == [late, due]
    assert [each.id for each in claim(world)] == [late.id, due.id]


def test_a_post_is_claimed_once(world: World) -> None:
    """Two runs that overlap do not get the same, and what one got is not ready any more."""
    user = world.user()
    world.due_post(user)
    world.due_post(user)

    first, second, third = claim(world, 1), claim(world, 10), claim(world, 10)

    assert [len(each) for each in (first, second, third)] == [1, 1, 0]
    assert {first[0].id} & {second[0].id} == set()
    assert world.call(scheduler.get_posts_ready_to_publish) == []


def test_a_claim_has_a_lease_and_a_fence(world: World) -> None:
    """All posts of a run have its id; the fence counts the claims of the post."""
    user = world.user()
    posts_ids = {world.due_post(user).id, world.due_post(user).id}

    claimed = claim(world)

    assert {each.id for each in claimed} == posts_ids
    assert len({each.claim_id for each in claimed}) == 1
    assert [(each.fence, each.lease_until) for each in claimed] == [(1, world.now + 300)] * 2
    assert now_of(world, claimed[0].id).status == "publishing"
    assert now_of(world, claimed[0].id).updated_at == world.now


def test_a_claim_brings_what_publishing_needs(world: World) -> None:
    """Text, image, and the user's own webhook where there is one."""
    alex, bo = world.user(), world.user("bo")
    patch = settings.UserSettingsPatch(n8n_webhook_url="https://hooks.example/alex")
    world.call(settings.upsert_user_settings, alex.id, patch)
    mine = world.due_post(alex, content="C", image_url="https://i.example/1")
    world.due_post(bo, scheduled_at=world.now - 1)

    others, own = claim(world)

    assert (own.id, own.user_id, own.content) == (mine.id, alex.id, "C")
    assert own.image_url == "https://i.example/1"
    assert (own.webhook_url, others.webhook_url) == ("https://hooks.example/alex", None)


def test_one_post_can_be_claimed_by_its_id(world: World) -> None:
    """Only when it is scheduled; the answer says who won."""
    user = world.user()
    post, draft = world.due_post(user), world.post(user)

    won = world.call(scheduler.mark_post_as_publishing, post.id)

    assert won is not None
    assert (won.id, won.fence) == (post.id, 1)
    for id in (post.id, draft.id, "nothing"):
        assert world.call(scheduler.mark_post_as_publishing, id) is None


# -- results ------------------------------------------------------------------------------


def test_a_published_post_has_urn_and_time_and_no_claim(world: World) -> None:
    """With the fence or without: the automation's callback does not know it."""
    user = world.user()
    for fence in (None, 1):
        claimed = a_claimed_post(world, user)
        world.call(scheduler.increment_post_retry_count, claimed.id)
        world.wait(seconds=7)

        result = world.call(scheduler.mark_post_as_published, claimed.id, "urn:1", fence)

        post = now_of(world, claimed.id)
        assert (result.changed, result.post) == (True, post)
        assert (post.status, post.linkedin_post_urn) == ("published", "urn:1")
        assert (post.published_at, post.updated_at, post.retry_count) == (world.now, world.now, 0)
        row = row_of(world, claimed.id)
        assert (row.claim_id, row.lease_until, row.fence) == (None, None, 1)


def test_the_same_result_again_changes_nothing(world: World) -> None:
    """A callback may come twice."""
    user = world.user()
    published, failed = a_claimed_post(world, user).id, a_claimed_post(world, user).id
    world.call(scheduler.mark_post_as_published, published, "urn:1")
    world.call(scheduler.mark_post_as_failed, failed, "no")
    before = [now_of(world, published), now_of(world, failed)]
    world.wait(seconds=5)

    again = [
        world.call(scheduler.mark_post_as_published, published, "urn:1"),
        world.call(scheduler.mark_post_as_failed, failed, "another text"),
    ]

    assert [each.changed for each in again] == [False, False]
    assert [each.post for each in again] == before
    assert [now_of(world, published), now_of(world, failed)] == before


def test_another_result_is_refused_with_the_status(world: World) -> None:
    """Another urn, a failure of what is published, a result for what nobody publishes."""
    user = world.user()
    published, failed = a_claimed_post(world, user).id, a_claimed_post(world, user).id
    world.call(scheduler.mark_post_as_published, published, "urn:1")
    world.call(scheduler.mark_post_as_failed, failed)
    draft = world.post(user).id
    asked: list[tuple[Any, tuple[Any, ...], str]] = [
        (scheduler.mark_post_as_published, (published, "urn:2"), "published"),
        (scheduler.mark_post_as_failed, (published,), "published"),
        (scheduler.mark_post_as_published, (failed, "urn:1"), "failed"),
        (scheduler.mark_post_as_published, (draft, "urn:1"), "draft"),
        (scheduler.mark_post_as_failed, (draft,), "draft"),
        (scheduler.mark_dispatch_failed, (draft, "no"), "draft"),
        (scheduler.reschedule_post_for_retry, (draft, world.now), "draft"),
    ]

    for function, args, status in asked:
        with pytest.raises(PostStatusConflict) as refused:
            world.call(function, *args)
        assert refused.value.current_status == status


def test_a_result_for_no_post_is_not_found(world: World) -> None:
    """The callback's 404."""
    asked: list[tuple[Any, tuple[Any, ...]]] = [
        (scheduler.mark_post_as_published, ("nothing", "urn:1")),
        (scheduler.mark_post_as_failed, ("nothing",)),
        (scheduler.mark_dispatch_failed, ("nothing", "no")),
        (scheduler.reschedule_post_for_retry, ("nothing", world.now)),
    ]

    for function, args in asked:
        with pytest.raises(NotFound):
            world.call(function, *args)


@pytest.mark.parametrize("text", ["", "  ", None])
def test_a_failure_without_a_text_is_given_one(world: World, text: str | None) -> None:
    """So that the page shows something."""
    claimed = a_claimed_post(world, world.user())

    args = (claimed.id,) if text is None else (claimed.id, text)
    result = world.call(scheduler.mark_post_as_failed, *args)

    assert result.post.error_message == "Unknown publishing error"


def test_a_result_with_an_old_fence_is_refused(world: World) -> None:
    """Whoever lost the claim does not decide for whoever has it now."""
    user = world.user()
    old = a_claimed_post(world, user)
    world.wait(seconds=301)
    world.call(scheduler.recover_stale_posts)
    [new] = claim(world)
    before = now_of(world, old.id)
    assert (old.fence, new.fence) == (1, 2)
    asked: list[tuple[Any, tuple[Any, ...]]] = [
        (scheduler.mark_post_as_published, (old.id, "urn:1", old.fence)),
        (scheduler.mark_post_as_failed, (old.id, "no", old.fence)),
        (scheduler.mark_dispatch_failed, (old.id, "no", old.fence)),
        (scheduler.reschedule_post_for_retry, (old.id, world.now, old.fence)),
    ]

    for function, args in asked:
        with pytest.raises(ClaimLost) as refused:
            world.call(function, *args)
        assert (refused.value.post_id, refused.value.fence) == (old.id, 2)
    assert now_of(world, old.id) == before
    assert world.call(scheduler.mark_post_as_published, old.id, "urn:1", new.fence).changed


# -- retries ------------------------------------------------------------------------------


def test_a_failed_dispatch_waits_two_minutes_then_four_then_has_failed(world: World) -> None:
    """2 min · 2^retry_count, and the third time it is over."""
    post = world.due_post(world.user())
    waited = []
    for _ in range(2):
        [claimed] = claim(world)
        world.wait(seconds=3)
        back = world.call(scheduler.mark_dispatch_failed, post.id, "503", claimed.fence)
        assert (back.status, back.error_message) == ("scheduled", UNSET)
        assert isinstance(back.scheduled_at, int)
        waited.append((back.retry_count, back.scheduled_at - world.now))
        world.wait(seconds=back.scheduled_at - world.now - 1)
        assert claim(world) == []
        world.wait(seconds=1)
    [claimed] = claim(world)
    due_at = now_of(world, post.id).scheduled_at

    last = world.call(scheduler.mark_dispatch_failed, post.id, "503", claimed.fence)

    assert waited == [(1, 120), (2, 240)]
    assert (last.status, last.error_message, last.retry_count) == ("failed", "503", 3)
    assert last.scheduled_at == due_at
    world.wait(seconds=100_000)
    assert (claim(world), world.call(scheduler.recover_stale_posts)) == ([], [])


def test_the_steps_of_a_retry_exist_one_by_one_too(world: World) -> None:
    """The document's own functions: count, and put back for a time."""
    claimed = a_claimed_post(world, world.user())
    world.wait(seconds=5)
    changed_at = now_of(world, claimed.id).updated_at

    world.call(scheduler.increment_post_retry_count, claimed.id)

    assert now_of(world, claimed.id).retry_count == 1
    assert now_of(world, claimed.id).updated_at == changed_at
    world.call(scheduler.increment_post_retry_count, "nothing")
    back = world.call(scheduler.reschedule_post_for_retry, claimed.id, world.now + 60)
    assert (back.status, back.scheduled_at, back.retry_count) == ("scheduled", world.now + 60, 1)
    assert row_of(world, claimed.id).lease_until is None


# -- recovery -----------------------------------------------------------------------------


def test_a_claim_is_stale_after_five_minutes(world: World) -> None:
    """Not at the fifth minute, but after it; a change of the text does not prolong it."""
    user = world.user()
    claimed = a_claimed_post(world, user)
    world.wait(seconds=200)
    world.call(posts.update_post, claimed.id, posts.PostPatch(title="New"), user.id)
    world.wait(seconds=100)
    assert world.call(scheduler.get_stale_publishing_posts) == []
    assert world.call(scheduler.recover_stale_posts) == []
    assert world.call(scheduler.reset_stale_post, claimed.id) is None

    world.wait(seconds=1)

    assert [each.id for each in world.call(scheduler.get_stale_publishing_posts)] == [claimed.id]
    [recovered] = world.call(scheduler.recover_stale_posts)
    assert (recovered.status, recovered.retry_count) == ("scheduled", 1)
    assert recovered.scheduled_at == now_of(world, claimed.id).scheduled_at


def test_recovery_counts_and_ends(world: World) -> None:
    """A post whose callback never comes is sent three times and not for ever."""
    post = world.due_post(world.user())
    sent = 0
    for _ in range(10):
        sent += len(claim(world))
        world.wait(seconds=301)
        world.call(scheduler.recover_stale_posts)

    last = now_of(world, post.id)
    assert sent == 3
    assert (last.status, last.retry_count) == ("failed", 3)
    assert last.error_message == "Publishing timed out: no result came back"


def test_a_post_that_was_never_claimed_is_recovered_too(world: World) -> None:
    """It was created as publishing; then the time of its last change counts."""
    user = world.user()
    post = world.post(user, status="publishing", scheduled_at=world.now)
    exhausted = world.post(user, status="publishing")
    for _ in range(3):
        world.call(scheduler.increment_post_retry_count, exhausted.id)
    world.wait(seconds=301)

    recovered = {each.id: each for each in world.call(scheduler.recover_stale_posts)}

    assert recovered[post.id].status == "scheduled"
    assert recovered[exhausted.id].status == "failed"


def test_one_stale_post_can_be_reset_by_its_id(world: World) -> None:
    """The others stay."""
    user = world.user()
    one, other = a_claimed_post(world, user).id, a_claimed_post(world, user).id
    world.wait(seconds=301)

    reset = world.call(scheduler.reset_stale_post, one)

    assert reset is not None
    assert (reset.status, reset.retry_count) == ("scheduled", 1)
    assert now_of(world, other).status == "publishing"
    assert world.call(scheduler.reset_stale_post, one) is None


def test_recovered_posts_are_answered_in_one_order(world: World) -> None:
    """By id, on every engine."""
    user = world.user()
    ids = sorted(world.due_post(user).id for _ in range(5))
    claim(world)
    world.wait(seconds=301)

    assert [each.id for each in world.call(scheduler.recover_stale_posts)] == ids


def test_a_late_result_of_a_recovered_post_is_refused(world: World) -> None:
    """It is told the status that the post has now."""
    claimed = a_claimed_post(world, world.user())
    world.wait(seconds=301)
    world.call(scheduler.recover_stale_posts)

    with pytest.raises(PostStatusConflict) as refused:
        world.call(scheduler.mark_post_as_published, claimed.id, "urn:1", claimed.fence)

    assert refused.value.current_status == "scheduled"
