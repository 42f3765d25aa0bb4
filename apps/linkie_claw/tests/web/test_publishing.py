"""
The scheduler's run and the automation's word: due posts go out once, failures come back later.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import httpx
import pytest
from starlette.datastructures import Secret
from tests.web.worlds import Browser, World, web_served

RAN_EMPTY = {"processed": 0, "failed": 0, "total": 0, "recovered": 0}


def ran(processed: int = 0, *, failed: int = 0, recovered: int = 0) -> dict[str, int]:
    """What a run of the scheduler answers."""
    total = processed + failed
    return {"processed": processed, "failed": failed, "total": total, "recovered": recovered}


def state_of(browser: Browser, post: dict[str, Any]) -> tuple[str, int]:
    """The post's status and its retries."""
    found = browser.get(f"/api/posts/{post['id']}").json()
    return found["status"], found["retryCount"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_due_post_goes_out_and_is_published(world: World, method: str) -> None:
    """Claimed, handed to the automation with a key, and published by its callback."""
    ada = world.person()
    post = world.due(ada, content="Hello #world", imageUrl="https://img.example/a.png")

    run = world.cron(method)

    assert (run.status_code, run.json()) == (200, ran(1))
    assert state_of(ada, post) == ("publishing", 0)
    (sent,) = world.outside.posts_to("/n8n/default")
    assert sent.body == {
        "postId": post["id"],
        "userId": ada.user_id,
        "content": "Hello #world",
        "imageUrl": "https://img.example/a.png",
    }
    assert sent.headers["idempotency-key"] == f"{post['id']}:1"
    assert world.cron().json() == RAN_EMPTY

    told = world.callback(
        {"postId": post["id"], "status": "published", "linkedinPostUrn": "urn:li:share:7"}
    )

    assert (told.status_code, told.json()) == (200, {"success": True})
    published = ada.get(f"/api/posts/{post['id']}").json()
    assert published["status"] == "published"
    assert published["linkedinPostUrn"] == "urn:li:share:7"
    assert published["publishedAt"].endswith("Z")


def test_what_is_not_due_stays(world: World) -> None:
    """A draft, and a post whose time is to come."""
    ada = world.person()
    ada.a_post()
    ada.a_post(status="scheduled", scheduledAt=world.soon())

    assert world.cron().json() == RAN_EMPTY
    assert world.outside.heard == []


def test_a_run_takes_ten_at_most(world: World) -> None:
    """The longest waiting first; the next run takes the rest."""
    ada = world.person()
    start = world.layer.now
    posts = [
        ada.a_post(title=f"{number}", status="scheduled", scheduledAt=world.soon(seconds=number))
        for number in range(1, 13)
    ]
    world.layer.wait(seconds=int(world.layer.now - start) + 13)

    assert world.cron().json() == ran(10)
    sent = {each.body["postId"] for each in world.outside.heard}
    assert sent == {post["id"] for post in posts[:10]}
    assert world.cron().json() == ran(2)


@pytest.mark.parametrize("order", [500, 404, 301, "redirect", "hang"])
def test_a_dispatch_that_fails_is_tried_again(world: World, order: int | str) -> None:
    """Scheduled again in two minutes with one retry; redirects are not followed."""
    ada = world.person()
    post = world.due(ada)
    world.outside.orders["n8n"].append(order)

    run = world.cron()

    assert run.json() == ran(failed=1)
    assert state_of(ada, post) == ("scheduled", 1)
    assert world.outside.posts_to("/n8n/elsewhere") == []
    world.layer.wait(seconds=110)
    assert world.cron().json() == RAN_EMPTY
    world.layer.wait(seconds=11)
    assert world.cron().json() == ran(1)


def test_the_third_failure_is_the_last(world: World) -> None:
    """After 2 and 4 minutes it failed for good, and its user reads why."""
    ada = world.person()
    post = world.due(ada)
    world.outside.orders["n8n"] += [503, 503, 503]

    assert world.cron().json() == ran(failed=1)
    world.layer.wait(seconds=121)
    assert world.cron().json() == ran(failed=1)
    assert state_of(ada, post) == ("scheduled", 2)
    world.layer.wait(seconds=230)
    assert world.cron().json() == RAN_EMPTY
    world.layer.wait(seconds=11)
    assert world.cron().json() == ran(failed=1)

    failed = ada.get(f"/api/posts/{post['id']}").json()
    assert (failed["status"], failed["retryCount"]) == ("failed", 3)
    assert failed["errorMessage"] == "The webhook answered 503"
    keys = [each.headers["idempotency-key"] for each in world.outside.heard]
    assert keys == [f"{post['id']}:{fence}" for fence in (1, 2, 3)]
    world.layer.wait(seconds=86_400)
    assert world.cron().json() == RAN_EMPTY


def test_a_post_without_an_answer_is_recovered_and_gives_up_in_the_end(world: World) -> None:
    """Five minutes without a callback cost a retry each; the third ends it."""
    ada = world.person()
    post = world.due(ada)
    assert world.cron().json() == ran(1)
    world.layer.wait(seconds=290)
    assert world.cron().json() == RAN_EMPTY

    world.layer.wait(seconds=11)
    assert world.cron().json() == ran(1, recovered=1)
    assert state_of(ada, post) == ("publishing", 1)
    world.layer.wait(seconds=301)
    assert world.cron().json() == ran(1, recovered=1)
    world.layer.wait(seconds=301)
    assert world.cron().json() == ran(recovered=1)
    assert state_of(ada, post) == ("failed", 3)


def test_two_runs_at_the_same_time_send_each_post_once(world: World) -> None:
    """Whatever they take, no post goes out twice."""
    ada = world.person()
    posts = [ada.a_post(status="scheduled", scheduledAt=world.soon()) for _ in range(16)]
    world.layer.wait(seconds=61)
    answers: list[dict[str, int]] = []
    runs = [threading.Thread(target=lambda: answers.append(world.cron().json())) for _ in range(4)]

    for run in runs:
        run.start()
    for run in runs:
        run.join()

    sent = [each.body["postId"] for each in world.outside.heard]
    assert sorted(sent) == sorted(post["id"] for post in posts)
    assert sum(answer["total"] for answer in answers) == 16


def test_a_callback_that_comes_before_the_dispatch_fails_wins(world: World) -> None:
    """Published is published, although the automation's own answer was an error."""
    ada = world.person()
    post = world.due(ada)
    world.outside.orders["n8n"].append(500)
    done = {"postId": post["id"], "status": "published", "linkedinPostUrn": "urn:li:share:8"}

    def tell(_: dict[str, Any]) -> None:
        assert world.callback(done).status_code == 200

    world.outside.on_post = tell

    assert world.cron().json() == ran(1)
    assert state_of(ada, post) == ("published", 0)


def test_a_users_own_webhook_is_used(world: World) -> None:
    """Instead of the default one."""
    ada = world.person()
    own = f"{world.outside.address}/n8n/ada"
    assert ada.patch("/api/settings", {"n8nWebhookUrl": own}).status_code == 200
    world.due(ada)

    assert world.cron().json() == ran(1)
    assert [each.path for each in world.outside.heard] == ["/n8n/ada"]


def test_without_any_webhook_the_dispatch_fails(world: World) -> None:
    """As if nobody had answered: counted, and tried again."""
    ada = world.person()
    post = world.due(ada)
    settings = dataclasses.replace(world.settings, webhook_url="")

    with web_served(settings, world.layer) as other:
        run = httpx.post(
            f"{other.public_url}/api/cron/publish-scheduled",
            headers={"Authorization": f"Bearer {world.settings.cron_secret}"},
        )

    assert run.json() == ran(failed=1)
    assert state_of(ada, post) == ("scheduled", 1)


# -- the callback ---------------------------------------------------------------------------


def test_the_same_result_twice_changes_nothing(world: World) -> None:
    """200 both times, for published and for failed; another result is 409 with the status."""
    ada = world.person()
    post, other = world.due(ada), world.due(ada)
    world.cron()
    published = {"postId": post["id"], "status": "published", "linkedinPostUrn": "urn:li:share:9"}
    failed = {"postId": other["id"], "status": "failed"}

    assert [world.callback(published).status_code for _ in range(2)] == [200, 200]
    before = ada.get(f"/api/posts/{post['id']}").json()
    assert world.callback(published).status_code == 200
    assert ada.get(f"/api/posts/{post['id']}").json() == before
    assert [world.callback(failed).status_code for _ in range(2)] == [200, 200]

    different = world.callback(published | {"linkedinPostUrn": "urn:li:share:10"})
    assert different.status_code == 409
    assert different.json()["currentStatus"] == "published"
    assert world.callback(published | {"status": "failed"}).status_code == 409
    assert world.callback(failed | {"status": "published", "linkedinPostUrn": "u"}).json() == {
        "error": "Invalid state transition",
        "currentStatus": "failed",
    }


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (None, "Unknown publishing error"),
        ("  ", "Unknown publishing error"),
        ("LinkedIn says no", "LinkedIn says no"),
        ({"code": 422, "why": "twice"}, '{"code":422,"why":"twice"}'),
    ],
)
def test_a_failure_says_why(world: World, error: Any, message: str) -> None:
    """Its text, an object as JSON, or a sentence of its own."""
    ada = world.person()
    post = world.due(ada)
    world.cron()

    told = world.callback({"postId": post["id"], "status": "failed", "error": error})

    assert told.status_code == 200
    assert ada.get(f"/api/posts/{post['id']}").json()["errorMessage"] == message


def test_a_result_of_an_older_dispatch_is_refused(world: World) -> None:
    """Where the automation brings the dispatch's key back, only the newest one counts."""
    ada = world.person()
    post = world.due(ada)
    world.cron()
    world.layer.wait(seconds=301)
    world.cron()
    body = {"postId": post["id"], "status": "failed", "error": "too late"}

    old = world.callback(body | {"callbackId": f"{post['id']}:1"})
    new = world.callback(body | {"callbackId": f"{post['id']}:2"})

    assert old.status_code == 409
    assert old.json()["currentStatus"] == "publishing"
    assert new.status_code == 200


def test_a_callback_for_no_post_or_a_draft_is_refused(world: World) -> None:
    """404 and 409."""
    post = world.person().a_post()
    body = {"status": "published", "linkedinPostUrn": "urn:li:share:1"}

    assert world.callback(body | {"postId": "no-such-post"}).status_code == 404
    assert world.callback(body | {"postId": post["id"]}).json()["currentStatus"] == "draft"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"postId": "x", "status": "done"},
        {"postId": "x", "status": "published"},
        {"postId": "", "status": "failed"},
        {"postId": "x", "status": "failed", "error": 7},
    ],
)
def test_a_callback_that_says_nothing_is_refused(world: World, body: Any) -> None:
    """400 with details; the URN is needed with `published`."""
    refused = world.callback(body)

    assert refused.status_code == 400
    assert refused.json()["error"] == "Validation failed"


# -- secrets --------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["", "wrong", "ä", "cron-secret-canary-012345678"])
def test_a_wrong_secret_is_refused(world: World, secret: str) -> None:
    """401 on each route of machines, and nothing is done; a cookie does not help."""
    ada = world.person()
    post = world.due(ada)
    bearer = {b"Authorization": f"Bearer {secret}".strip().encode()}
    path = f"{world.address}/api"

    responses = [
        httpx.post(f"{path}/cron/publish-scheduled", headers=bearer),
        httpx.get(f"{path}/internal/posts/{post['id']}", headers=bearer),
        httpx.post(f"{path}/webhooks/publish-status", headers={"x-webhook-secret": "no"}),
        ada.post("/api/cron/publish-scheduled"),
    ]

    assert {(each.status_code, each.text) for each in responses} == {
        (401, '{"error":"Unauthorized"}')
    }
    assert world.outside.heard == []


def test_an_unset_secret_lets_nobody_in(world: World) -> None:
    """500, also for the empty secret."""
    settings = dataclasses.replace(
        world.settings, cron_secret=Secret(""), callback_secret=Secret("")
    )
    with web_served(settings, world.layer) as other:
        path = f"{other.public_url}/api"
        responses = [
            httpx.post(f"{path}/cron/publish-scheduled", headers={"Authorization": "Bearer"}),
            httpx.get(f"{path}/internal/posts/x"),
            httpx.post(f"{path}/webhooks/publish-status", headers={"x-webhook-secret": ""}),
        ]

    assert [each.status_code for each in responses] == [500] * 3
    assert {each.text for each in responses} == {'{"error":"Server misconfigured"}'}


def test_the_automation_reads_a_post_with_its_marks_escaped(world: World) -> None:
    """Each of LinkedIn's reserved characters has a backslash before it; nothing else has."""
    marks = r"|{}@[]()<>#\*_~"
    ada = world.person()
    post = ada.a_post(content=f"a b-c, 100%! {marks}")
    bearer = {"Authorization": f"Bearer {world.settings.cron_secret}"}

    found = httpx.get(f"{world.address}/api/internal/posts/{post['id']}", headers=bearer)
    missing = httpx.get(f"{world.address}/api/internal/posts/none", headers=bearer)

    assert found.json()["content"] == "a b-c, 100%! " + "".join(f"\\{mark}" for mark in marks)
    assert found.json() == post | {"content": found.json()["content"]}
    assert missing.status_code == 404
