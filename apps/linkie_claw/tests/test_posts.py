"""Posts of one user: their shape, their lists, and the changes that their status allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from linkie_claw.domains import posts, scheduler
from linkie_claw.domains.posts import PostPatch, PostStatusConflict
from linkie_claw.schema import PostStatus, User
from linkie_claw.testing import World

from freehold.errors import InvalidArgument, ReferenceBroken

STATUSES: tuple[PostStatus, ...] = ("draft", "scheduled", "publishing", "published", "failed")


def a_post_in(world: World, user: User, status: PostStatus) -> posts.Post:
    """A post of that status, as it comes to it in life."""
    if status == "draft":
        return world.post(user)
    post = world.due_post(user)
    if status != "scheduled":
        world.call(scheduler.claim_ready_posts)
    if status == "published":
        world.call(scheduler.mark_post_as_published, post.id, "urn:li:share:1")
    if status == "failed":
        world.call(scheduler.mark_post_as_failed, post.id, "no")
    found = world.call(posts.get_post_by_id, post.id, user.id)
    assert found is not None
    assert found.status == status
    return found


def ids(found: list[posts.Post]) -> list[str]:
    return [post.id for post in found]


# -- the shape ----------------------------------------------------------------------------


def test_a_new_post_is_a_draft_of_its_user(world: World) -> None:
    """With an id and times of our own, and no retry."""
    user = world.user()

    post = world.post(user, title="T", content="C", image_url="https://i.example/1")

    assert post.id
    assert post == posts.Post(
        id=post.id, user_id=user.id, title="T", content="C", image_url="https://i.example/1",
        status="draft", retry_count=0, created_at=world.now, updated_at=world.now,
    )  # fmt: skip


def test_what_a_post_lacks_is_left_out_but_the_image_is_null(world: World) -> None:
    """The document's mapper: optional nulls become absent, imageUrl stays null."""
    user = world.user()
    post = world.post(user)
    failed = a_post_in(world, user, "failed")

    on_the_wire = msgspec.to_builtins(post)

    assert on_the_wire == {
        "id": post.id,
        "userId": user.id,
        "title": "A title",
        "content": "A text",
        "imageUrl": None,
        "status": "draft",
        "retryCount": 0,
        "createdAt": world.now,
        "updatedAt": world.now,
    }
    assert {"scheduledAt", "errorMessage"} <= set(msgspec.to_builtins(failed))


def test_the_claim_on_a_post_never_leaves(world: World) -> None:
    """Lease and fence are the scheduler's."""
    publishing = a_post_in(world, world.user(), "publishing")

    assert not {"claimId", "leaseUntil", "fence"} & set(msgspec.to_builtins(publishing))


@pytest.mark.parametrize("status", STATUSES)
def test_a_post_may_be_created_in_any_status(world: World, status: PostStatus) -> None:
    """As the document has it; all that belongs to the status can be given."""
    user = world.user()

    post = world.post(
        user,
        status=status,
        scheduled_at=world.now,
        published_at=world.now,
        linkedin_post_urn="urn:1",
        error_message="e",
    )

    assert world.call(posts.get_post_by_id, post.id, user.id) == post
    assert (post.status, post.published_at) == (status, world.now)


def test_a_scheduled_post_needs_a_time(world: World) -> None:
    """Without one it would wait for ever."""
    with pytest.raises(InvalidArgument) as refused:
        world.post(world.user(), status="scheduled")

    assert refused.value.path == "data.scheduledAt"


def test_a_post_of_nobody_is_refused(world: World) -> None:
    """Its user must exist."""
    user = world.user()
    nobody = msgspec.structs.replace(user, id="nobody")

    with pytest.raises(ReferenceBroken):
        world.post(nobody)


# -- lists --------------------------------------------------------------------------------


def test_all_posts_are_the_users_newest_first(world: World) -> None:
    """Of the same second, the later one first."""
    alex, bo = world.user(), world.user("bo")
    made = [world.post(alex), world.post(alex)]
    world.post(bo)
    world.wait(seconds=1)
    made.append(world.post(alex))

    first, *same_second = ids(world.call(posts.get_all_posts, alex.id))
    assert first == made[2].id
    assert same_second == sorted([made[0].id, made[1].id], reverse=True)
    assert ids(world.call(posts.get_recent_posts, alex.id)) == [first, *same_second]
    assert ids(world.call(posts.get_recent_posts, alex.id, 1)) == [first]


JANUARY_S = 1_798_761_600
FEBRUARY_S = 1_801_440_000


def test_a_month_begins_with_its_first_second_and_ends_before_the_next(world: World) -> None:
    """In UTC; the last second of the month belongs to it."""
    user = world.user()
    times = [JANUARY_S - 1, FEBRUARY_S - 1, JANUARY_S, FEBRUARY_S]
    before, last, first, after = (
        world.post(user, status="scheduled", scheduled_at=time).id for time in times
    )
    planned = world.post(user, scheduled_at=JANUARY_S + 1).id

    scheduled = ids(world.call(posts.get_scheduled_posts, user.id, "2027-01"))
    everything = ids(world.call(posts.get_posts_by_month, "2027-01", user.id))

    assert scheduled == [first, last]
    assert everything == [first, planned, last]
    assert ids(world.call(posts.get_scheduled_posts, user.id)) == [before, first, last, after]
    assert world.call(posts.get_scheduled_posts, user.id, "2028-01") == []


@pytest.mark.parametrize("month", ["", "2027", "2027-13", "2027-1", "27-01", "2027-01-01", "x"])
def test_what_is_no_month_is_refused(world: World, month: str) -> None:
    """By both lists."""
    with pytest.raises(InvalidArgument) as refused:
        world.call(posts.get_scheduled_posts, "user", month)
    with pytest.raises(InvalidArgument) as refused_too:
        world.call(posts.get_posts_by_month, month, "user")

    assert refused.value.path == refused_too.value.path == "month"


def test_recent_drafts_are_the_last_changed(world: World) -> None:
    """Five unless told, and nothing but drafts."""
    user = world.user()
    drafts = [world.post(user).id for _ in range(6)]
    world.due_post(user)
    world.wait(seconds=1)
    world.call(posts.update_post, drafts[0], PostPatch(title="New"), user.id)

    recent = ids(world.call(posts.get_recent_drafts, user_id=user.id))

    assert len(recent) == 5
    assert recent[0] == drafts[0]
    assert len(world.call(posts.get_recent_drafts, 50, user_id=user.id)) == 6


# -- change and removal -------------------------------------------------------------------


def test_an_update_changes_what_it_is_given(world: World) -> None:
    """Left out stays, null clears, and the time of change is set."""
    user = world.user()
    post = world.post(user, image_url="https://i.example/1", scheduled_at=world.now + 9)
    world.wait(seconds=5)

    renamed = world.call(posts.update_post, post.id, PostPatch(title="New"), user.id)
    bare = world.call(
        posts.update_post, post.id, PostPatch(image_url=None, scheduled_at=None), user.id
    )

    expected = msgspec.structs.replace(post, title="New", updated_at=world.now)
    assert renamed == expected
    assert bare == msgspec.structs.replace(expected, image_url=None, scheduled_at=msgspec.UNSET)
    assert world.call(posts.update_post, "nothing", PostPatch(title="x"), user.id) is None


def test_the_status_is_not_among_what_an_update_changes() -> None:
    """The document's code let it set any status, past every guard."""
    with pytest.raises(msgspec.ValidationError, match="unknown field `status`"):
        msgspec.convert({"status": "published"}, PostPatch)


@pytest.mark.parametrize("status", ["publishing", "published"])
def test_what_is_or_was_published_keeps_its_time(world: World, status: PostStatus) -> None:
    """It is what happened; a text can still be put right."""
    user = world.user()
    post = a_post_in(world, user, status)

    with pytest.raises(PostStatusConflict) as refused:
        world.call(posts.update_post, post.id, PostPatch(scheduled_at=None), user.id)

    assert (refused.value.current_status, refused.value.post_id) == (status, post.id)
    changed = world.call(posts.update_post, post.id, PostPatch(title="New"), user.id)
    assert changed is not None
    assert changed.title == "New"


def test_a_scheduled_post_moves_to_a_time_to_come(world: World) -> None:
    """It neither loses its time nor gets one that has passed."""
    user = world.user()
    post = world.due_post(user)

    for time in (None, world.now, world.now - 1):
        with pytest.raises(InvalidArgument) as refused:
            world.call(posts.update_post, post.id, PostPatch(scheduled_at=time), user.id)
        assert refused.value.path == "data.scheduledAt"
    moved = world.call(posts.update_post, post.id, PostPatch(scheduled_at=world.now + 1), user.id)
    assert moved is not None
    assert moved.scheduled_at == world.now + 1


def test_a_removed_post_is_answered_once(world: World) -> None:
    """With what it was, so that its image can be removed too."""
    user = world.user()
    post = world.post(user, image_url="https://i.example/1")

    assert world.call(posts.delete_post, post.id, user.id) == post
    assert world.call(posts.delete_post, post.id, user.id) is None
    assert world.call(posts.get_post_by_id, post.id, user.id) is None


# -- the states ---------------------------------------------------------------------------

Change = Callable[[World, str, str], Any]

CHANGES: dict[str, tuple[Change, set[PostStatus], PostStatus]] = {
    "schedule": (
        lambda world, id, user: world.call(posts.schedule_post, id, user, world.now + 60),
        {"draft", "scheduled", "failed"},
        "scheduled",
    ),
    "unschedule": (
        lambda world, id, user: world.call(posts.unschedule_post, id, user),
        {"scheduled"},
        "draft",
    ),
    "retry by hand": (
        lambda world, id, user: world.call(posts.recover_post, id, user, "retry"),
        {"publishing"},
        "scheduled",
    ),
    "fail by hand": (
        lambda world, id, user: world.call(posts.recover_post, id, user, "fail"),
        {"publishing"},
        "failed",
    ),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_starts_from_its_own_statuses(world: World, name: str, status: PostStatus) -> None:
    """From any other it is refused, tells the status, and changes nothing."""
    change, allowed, then = CHANGES[name]
    user = world.user()
    before = a_post_in(world, user, status)

    if status in allowed:
        assert change(world, before.id, user.id).status == then
        return
    with pytest.raises(PostStatusConflict) as refused:
        change(world, before.id, user.id)
    assert (refused.value.post_id, refused.value.current_status) == (before.id, status)
    assert refused.value.code == "conflict"
    assert world.call(posts.get_post_by_id, before.id, user.id) == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_no_post_is_null(world: World, name: str) -> None:
    """As every change of what is not there."""
    user = world.user()

    assert CHANGES[name][0](world, "nothing", user.id) is None


def test_scheduling_starts_the_retries_anew_and_keeps_the_error(world: World) -> None:
    """The document's own behaviour: the message of the failure stays until something else."""
    user = world.user()
    post = a_post_in(world, user, "failed")

    scheduled = world.call(posts.schedule_post, post.id, user.id, world.now + 60)

    assert scheduled is not None
    assert (scheduled.retry_count, scheduled.scheduled_at) == (0, world.now + 60)
    assert scheduled.error_message == "no"


@pytest.mark.parametrize("late_s", [0, 1, 3_600])
def test_a_post_is_scheduled_for_the_future(world: World, late_s: int) -> None:
    """Now is too late."""
    user = world.user()
    post = world.post(user)

    with pytest.raises(InvalidArgument) as refused:
        world.call(posts.schedule_post, post.id, user.id, world.now - late_s)

    assert refused.value.path == "scheduledAt"


def test_unscheduling_takes_time_and_retries_away(world: World) -> None:
    """It is a draft like any other."""
    user = world.user()
    post = world.due_post(user)
    world.call(scheduler.increment_post_retry_count, post.id)

    draft = world.call(posts.unschedule_post, post.id, user.id)

    assert draft is not None
    assert (draft.scheduled_at, draft.retry_count) == (msgspec.UNSET, 0)


def test_a_post_is_stuck_after_an_hour(world: World) -> None:
    """Only those that are being published; the longest first."""
    user, bo = world.user(), world.user("bo")
    first = a_post_in(world, user, "publishing")
    world.wait(seconds=10)
    second = a_post_in(world, user, "publishing")
    a_post_in(world, bo, "publishing")
    a_post_in(world, user, "scheduled")

    world.wait(seconds=3_590)
    assert world.call(posts.get_stuck_posts, user.id) == []
    world.wait(seconds=1)
    assert ids(world.call(posts.get_stuck_posts, user.id)) == [first.id]
    world.wait(seconds=10)
    assert ids(world.call(posts.get_stuck_posts, user.id)) == [first.id, second.id]


def test_recovering_by_hand(world: World) -> None:
    """Again now, without a retry counted; or failed, and it says why."""
    user = world.user()
    again, given_up = (a_post_in(world, user, "publishing").id for _ in range(2))
    world.wait(seconds=4_000)

    retried = world.call(posts.recover_post, again, user.id, "retry")
    failed = world.call(posts.recover_post, given_up, user.id, "fail")

    assert retried is not None
    assert failed is not None
    assert (retried.scheduled_at, retried.retry_count) == (world.now, 0)
    assert failed.error_message == "Manual recovery: publishing timed out"
    assert [each.id for each in world.call(scheduler.claim_ready_posts)] == [again]
