"""
What a user does with a post's time: schedule, take back, recover by hand.
"""

from __future__ import annotations

import pytest
from tests.web.worlds import World


def test_a_draft_is_scheduled_and_taken_back(world: World) -> None:
    """Scheduled with its time; a draft again without it."""
    ada = world.person()
    post, when = ada.a_post(), world.soon()
    path = f"/api/posts/{post['id']}"

    scheduled = ada.post(f"{path}/schedule", {"scheduledAt": when})
    assert scheduled.status_code == 200
    assert (scheduled.json()["status"], scheduled.json()["scheduledAt"]) == ("scheduled", when)

    later = world.soon(seconds=900)
    moved = ada.post(f"{path}/schedule", {"scheduledAt": later.replace("Z", "+00:00")})
    assert moved.json()["scheduledAt"] == later

    back = ada.post(f"{path}/unschedule")
    assert back.json()["status"] == "draft"
    assert "scheduledAt" not in back.json()
    refused = ada.post(f"{path}/unschedule")
    assert refused.status_code == 400
    assert refused.json()["error"] == (
        'Cannot unschedule a post with status "draft". Only scheduled posts can be unscheduled.'
    )


@pytest.mark.parametrize("seconds", [-3600, 0])
def test_a_time_must_be_in_the_future(world: World, seconds: int) -> None:
    """By the data layer's clock, which a test has moved away from everybody else's."""
    world.layer.wait(seconds=120)
    ada = world.person()
    post = ada.a_post()
    path = f"/api/posts/{post['id']}"

    refused = ada.post(f"{path}/schedule", {"scheduledAt": world.soon(seconds=seconds)})

    assert refused.status_code == 400
    assert refused.json()["error"] == "Scheduled time must be in the future"
    assert ada.get(path).json()["status"] == "draft"


@pytest.mark.parametrize(
    "body", [{}, {"scheduledAt": None}, {"scheduledAt": 5}, {"scheduledAt": "soon"}, []]
)
def test_a_schedule_needs_a_time(world: World, body: object) -> None:
    """400 with details, whatever is sent instead."""
    ada = world.person()
    post = ada.a_post()

    refused = ada.post(f"/api/posts/{post['id']}/schedule", body)

    assert refused.status_code == 400
    assert refused.json()["error"] == "Validation failed"


def test_what_is_published_or_under_way_is_not_scheduled(world: World) -> None:
    """400, each with its sentence; a failed post may be scheduled again and keeps its error."""
    ada = world.person()
    post = world.due(ada)
    path = f"/api/posts/{post['id']}/schedule"
    when = {"scheduledAt": world.soon()}
    world.cron()

    under_way = ada.post(path, when)
    world.callback({"postId": post["id"], "status": "failed", "error": "no rights"})
    after_failure = ada.post(path, when)
    world.layer.wait(seconds=61)
    world.cron()
    world.callback({"postId": post["id"], "status": "published", "linkedinPostUrn": "urn:li:1"})
    published = ada.post(path, {"scheduledAt": world.soon()})

    assert under_way.status_code == published.status_code == 400
    assert under_way.json()["error"] == "Cannot reschedule a post that is currently publishing"
    assert published.json()["error"] == "Cannot schedule a published post"
    assert after_failure.json()["status"] == "scheduled"
    assert after_failure.json()["errorMessage"] == "no rights"
    assert after_failure.json()["retryCount"] == 0


def test_a_stuck_post_is_listed_after_an_hour_and_tried_again(world: World) -> None:
    """Not before; retry makes it due at once, with no retry counted."""
    ada = world.person()
    post = world.due(ada)
    world.cron()
    world.layer.wait(seconds=3_590)
    assert ada.get("/api/posts/recover").json() == {"posts": [], "count": 0}
    world.layer.wait(seconds=20)
    stuck = ada.get("/api/posts/recover").json()
    assert (stuck["count"], stuck["posts"][0]["id"]) == (1, post["id"])

    again = ada.post("/api/posts/recover", {"postId": post["id"], "action": "retry"})

    assert (again.json()["status"], again.json()["retryCount"]) == ("scheduled", 0)
    assert world.cron().json()["total"] == 1


def test_a_stuck_post_is_given_up(world: World) -> None:
    """It has failed, and says why; a second time there is nothing to recover: 409."""
    ada = world.person()
    post = world.due(ada)
    world.cron()

    failed = ada.post("/api/posts/recover", {"postId": post["id"], "action": "fail"})
    again = ada.post("/api/posts/recover", {"postId": post["id"], "action": "fail"})

    assert failed.json()["status"] == "failed"
    assert failed.json()["errorMessage"] == "Manual recovery: publishing timed out"
    assert again.status_code == 409
    assert again.json()["error"] == (
        'Cannot recover a post with status "failed". '
        'Only posts with "publishing" status can be recovered.'
    )


@pytest.mark.parametrize(
    "body", [{}, {"postId": "x"}, {"postId": "", "action": "fail"}, {"postId": "x", "action": "y"}]
)
def test_recovery_needs_a_post_and_an_action(world: World, body: object) -> None:
    """400 with details."""
    assert world.person().post("/api/posts/recover", body).status_code == 400
