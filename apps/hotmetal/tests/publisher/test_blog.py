"""Publishing to the blog: statuses and messages, keys, what is put back, the audit log."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.publisher.publishers import KEY, World

pytestmark = pytest.mark.xdist_group("publisher")


def test_a_post_is_published_with_a_rendition_and_an_audit_row(world: World) -> None:
    """The answer says where it is; the row says it too."""
    id = world.draft()

    answer = world.publisher.post("/publish/blog", postId=id)

    assert answer.status_code == 200, answer.text
    url = world.cms.get(f"/api/posts/{id}").json()["url"]
    assert (answer.json()["success"], answer.json()["externalUrl"]) == (True, url)
    assert world.status(id) == "published"
    assert world.renditions(id) == [("blog", "published")]
    [row] = world.audit(id)
    assert (row.outlet, row.action, row.status) == ("blog", "publish", "success")
    assert json.loads(row.result_data or "") == {"externalUrl": url}
    assert row.error_message is None


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "postId is required"),
        ({"postId": ""}, 400, "postId is required"),
        ({"postId": 7}, 400, "postId"),
        ({"postId": "nowhere"}, 404, "there is no post 'nowhere'"),
        ({"postId": "../publications"}, 404, "there is no post"),
    ],
)
def test_what_cannot_be_published_says_why(
    world: World, *, body: dict[str, object], status: int, error: str
) -> None:
    """No row: nothing was attempted."""
    answer = world.publisher.http.post("/publish/blog", json=body)

    assert answer.status_code == status
    assert error in answer.json()["error"]


def test_a_published_or_empty_post_is_refused(world: World) -> None:
    """409 and 422, without a row."""
    published, empty = world.draft(status="published"), world.draft(content="  \n")

    first = world.publisher.post("/publish/blog", postId=published)
    second = world.publisher.post("/publish/blog", postId=empty)

    assert (first.status_code, first.json()) == (409, {"error": "Post is already published"})
    assert (second.status_code, second.json()["error"]) == (422, "Validation failed")
    assert world.audit(published) == world.audit(empty) == []


@pytest.mark.parametrize("path", ["blog", "blog/create", "linkedin", "attempts", "else"])
@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x"])
def test_publishing_wants_the_key(world: World, path: str, key: str | None) -> None:
    """401 for another or none, before anything else is looked at."""
    headers = {} if key is None else {"X-API-Key": key}
    url = world.publisher.http.base_url.join(f"/publish/{path}")

    answer = httpx.request("GET" if path == "attempts" else "POST", url, headers=headers)

    assert answer.status_code == 401


def test_a_post_is_made_and_published(world: World) -> None:
    """A draft first; the row's action is `create`."""
    said = {"title": "Made", "slug": "made", "content": "<p>x</p>", "author": "Ada"}

    answer = world.publisher.post("/publish/blog/create", **said)

    assert answer.status_code == 201, answer.text
    post = answer.json()["post"]
    assert (post["status"], post["author"]) == ("published", "Ada")
    assert world.status(post["id"]) == "published"
    created = world.calls("cms", "/api/posts")[0]
    assert (created["body"]["status"], "idempotency-key" in created["headers"]) == ("draft", True)
    assert world.audited(post["id"]) == [("blog", "create", "success")]


@pytest.mark.parametrize("missing", ["title", "slug", "content"])
def test_making_a_post_needs_its_parts(world: World, missing: str) -> None:
    """400 names the part."""
    said = {"title": "T", "slug": "t", "content": "<p>x</p>"}
    del said[missing]

    answer = world.publisher.post("/publish/blog/create", **said)

    assert (answer.status_code, answer.json()) == (400, {"error": f"{missing} is required"})


def test_a_post_is_made_once_for_what_it_is_for(world: World) -> None:
    """The second is told which post it is."""
    said = {"title": "T", "slug": "t", "content": "<p>x</p>", "externalId": "ses-42"}

    first = world.publisher.post("/publish/blog/create", **said)
    second = world.publisher.post("/publish/blog/create", **said)

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.json()["postId"] == first.json()["post"]["id"]
    assert len(world.cms.get("/api/posts?externalId=ses-42").json()["data"]) == 1


def test_without_its_rendition_a_post_is_put_back(world: World) -> None:
    """502, the status that it had, one failed row; and it can be published afterwards."""
    id = world.draft(status="review")
    world.fail("cms", status=422, path=f"/api/posts/{id}/renditions", method="POST")

    answer = world.publisher.post("/publish/blog", postId=id)

    assert answer.status_code == 502
    assert world.status(id) == "review"
    [row] = world.audit(id)
    assert (row.action, row.status) == ("publish", "failed")
    assert row.error_message == answer.json()["error"]
    assert world.publisher.post("/publish/blog", postId=id).status_code == 200
    assert world.audited(id) == [("blog", "publish", "success"), ("blog", "publish", "failed")]


@pytest.mark.parametrize("how", ["drop_before", "drop_after"])
@pytest.mark.parametrize(("part", "method"), [("", "PATCH"), ("/renditions", "POST")])
def test_a_lost_answer_of_the_cms_is_asked_for_again(
    world: World, how: str, *, part: str, method: str
) -> None:
    """Published once, one rendition, one row."""
    id = world.draft()
    world.fail("cms", status=how, path=f"/api/posts/{id}{part}", method=method)

    answer = world.publisher.post("/publish/blog", postId=id)

    assert answer.status_code == 200, answer.text
    assert world.renditions(id) == [("blog", "published")]
    assert world.audited(id) == [("blog", "publish", "success")]


def test_a_cms_that_says_nothing_needs_a_check_and_is_carried_on(world: World) -> None:
    """202 with what to do; asked to publish again, the same attempt goes on: one rendition."""
    id = world.draft()
    world.fail("cms", times=2, status="drop_after", path=f"/api/posts/{id}", method="PATCH")

    first = world.publisher.post("/publish/blog", postId=id)
    again = world.publisher.post("/publish/blog", postId=id)

    assert (first.status_code, first.json()["status"]) == (202, "needs_check")
    assert first.json()["attemptId"] in first.json()["toDo"]
    assert again.status_code == 200
    assert again.json()["attemptId"] == first.json()["attemptId"]
    assert world.renditions(id) == [("blog", "published")]
    assert world.audited(id) == [("blog", "resolve", "success"), ("blog", "publish", "needs_check")]


def test_of_two_at_once_one_publishes(world: World) -> None:
    """The others are told 429 or 409; one rendition, one row."""
    id = world.draft()
    world.fail("cms", slow_s=0.3, path=f"/api/posts/{id}", method="PATCH")

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(world.publisher.post, "/publish/blog", postId=id) for _ in range(6)]
        statuses = sorted(each.result().status_code for each in asked)

    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 429}
    assert world.renditions(id) == [("blog", "published")]
    assert world.audited(id) == [("blog", "publish", "success")]
