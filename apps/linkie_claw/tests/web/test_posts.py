"""
Posts through the routes: created, listed, read, changed, deleted; and nobody else's.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.worlds import Browser, World

NOT_MINE = {"error": "Post not found"}


def test_a_new_post_is_a_draft(world: World) -> None:
    """201 with the post: times as text, null image, and nothing that it does not have."""
    ada = world.person()

    post = ada.a_post(title="On ferries", content="They are late.")

    assert post["status"] == "draft"
    assert post["userId"] == ada.user_id
    assert post["retryCount"] == 0
    assert post["imageUrl"] is None
    assert post["createdAt"].endswith(".000Z")
    assert set(post) == {
        "id", "userId", "title", "content", "imageUrl", "status", "retryCount",
        "createdAt", "updatedAt",
    }  # fmt: skip
    assert ada.get(f"/api/posts/{post['id']}").json() == post


def test_a_post_may_be_scheduled_at_once(world: World) -> None:
    """A status given on create is taken; a scheduled post needs its time."""
    ada, when = world.person(), world.soon()

    post = ada.a_post(status="scheduled", scheduledAt=when, imageUrl="https://img.example/a.png")

    assert (post["status"], post["scheduledAt"]) == ("scheduled", when)
    assert post["imageUrl"] == "https://img.example/a.png"
    refused = ada.post("/api/posts", {"title": "T", "content": "C", "status": "scheduled"})
    assert refused.status_code == 400
    assert refused.json()["details"][0]["path"] == "scheduledAt"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": "t" * 201}, "title"),
        ({"title": None}, "title"),
        ({"content": ""}, "content"),
        ({"content": "c" * 3001}, "content"),
        ({"status": "sold"}, "status"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt"),
        ({"scheduledAt": "2030-01-01T00:00:00"}, "scheduledAt"),
        ({"scheduledAt": "0001-01-01T00:00:00Z"}, "data.scheduledAt"),
        ({"scheduledAt": "9999-12-31T23:59:59Z"}, "data.scheduledAt"),
        ({"imageUrl": ""}, "imageUrl"),
        ({"imageUrl": "javascript:alert(1)"}, "imageUrl"),
        ({"imageUrl": "data:text/html,hi"}, "imageUrl"),
        ({"imageUrl": "/images/../../secrets"}, "imageUrl"),
        ({"userId": "somebody-else"}, ""),
        ({"retryCount": 7}, ""),
        ({"title": "nul \x00 in it"}, "data.title"),
    ],
)
def test_what_is_not_a_post_is_refused(world: World, change: dict[str, Any], path: str) -> None:
    """400 with the place and the reason; nothing is stored."""
    ada = world.person()

    refused = ada.post("/api/posts", {"title": "T", "content": "C"} | change)

    assert refused.status_code == 400, refused.text
    assert refused.json()["error"] == "Validation failed"
    assert refused.json()["details"][0]["path"] == path
    assert ada.get("/api/posts").json() == []


def test_limits_are_inclusive(world: World) -> None:
    """200 characters of title and 3,000 of content are a post, in any script."""
    post = world.person().a_post(title="ß" * 200, content="𝄞" * 3000)

    assert (len(post["title"]), len(post["content"])) == (200, 3000)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 5000, b'{"title": NaN}'])
def test_bad_json_is_refused(world: World, body: bytes) -> None:
    """400 for each body that is no JSON."""
    ada = world.person()
    headers = {"Content-Type": "application/json"}

    refused = ada.http.post("/api/posts", content=body, headers=headers)

    assert refused.status_code == 400
    assert refused.json()["error"] in ("Invalid JSON body", "Validation failed")


def test_a_large_body_is_refused(world: World) -> None:
    """413 for more than a post can need, said or streamed."""
    ada = world.person()

    assert ada.post("/api/posts", {"title": "T", "content": "c" * 70_000}).status_code == 413

    def streamed() -> Any:
        for _ in range(70):
            yield b" " * 1000

    response = ada.http.post("/api/posts", content=streamed())
    assert response.status_code == 413


def test_lists_are_filtered(world: World) -> None:
    """By status, by month, by both; newest first without, earliest first with a month."""
    ada = world.person()
    draft = ada.a_post(title="draft")
    may = ada.a_post(status="scheduled", scheduledAt="2032-05-31T23:59:59Z")
    june = ada.a_post(status="scheduled", scheduledAt="2032-06-01T00:00:00Z")
    planned = ada.a_post(scheduledAt="2032-05-01T00:00:00Z")

    def ids(query: str) -> list[str]:
        return [post["id"] for post in ada.get(f"/api/posts{query}").json()]

    assert sorted(ids("")) == sorted(post["id"] for post in (draft, may, june, planned))
    assert ids("?status=scheduled") == [may["id"], june["id"]]
    assert ids("?status=scheduled&month=2032-05") == [may["id"]]
    assert ids("?month=2032-05") == [planned["id"], may["id"]]
    assert ids("?status=draft&month=2032-05") == [planned["id"]]
    assert ids("?status=published") == []


@pytest.mark.parametrize("query", ["status=sold", "month=2032", "month=2032-13", "month=may"])
def test_wrong_filters_are_refused(world: World, query: str) -> None:
    """400 with what is wrong."""
    refused = world.person().get(f"/api/posts?{query}")

    assert refused.status_code == 400
    assert refused.json()["error"] == "Invalid query parameters"


def test_a_post_is_changed_in_what_is_given(world: World) -> None:
    """What is left out stays; null clears image and time."""
    ada = world.person()
    post = ada.a_post(imageUrl="https://img.example/a.png", scheduledAt="2032-05-01T00:00:00Z")
    path = f"/api/posts/{post['id']}"

    changed = ada.patch(path, {"title": "Anew"}).json()
    assert changed["title"] == "Anew"
    assert changed["imageUrl"] == "https://img.example/a.png"

    cleared = ada.patch(path, {"imageUrl": None, "scheduledAt": None}).json()
    assert cleared["imageUrl"] is None
    assert "scheduledAt" not in cleared
    assert ada.patch(path, {"title": ""}).status_code == 400
    assert ada.patch(path, {"imageUrl": "file:///etc/passwd"}).status_code == 400
    assert ada.get(path).json() == cleared


def test_a_patch_does_not_change_the_status(world: World) -> None:
    """The status it has may be repeated; another is 409 with the present one, and stays."""
    ada = world.person()
    post = ada.a_post()
    path = f"/api/posts/{post['id']}"

    assert ada.patch(path, {"status": "draft", "title": "Same"}).status_code == 200
    for status in ("scheduled", "publishing", "published", "failed"):
        refused = ada.patch(path, {"status": status, "title": "Other"})
        assert refused.status_code == 409
        assert refused.json()["currentStatus"] == "draft"
    assert ada.get(path).json()["title"] == "Same"


def test_a_deleted_post_is_gone(world: World) -> None:
    """The first time it is answered with its id, then it is 404."""
    ada = world.person()
    post = ada.a_post()
    path = f"/api/posts/{post['id']}"

    assert ada.delete(path).json() == {"success": True, "id": post["id"]}
    assert ada.delete(path).status_code == 404
    assert ada.get(path).json() == NOT_MINE


def stranger_tries(stranger: Browser, post_id: str, when: str) -> list[tuple[int, Any]]:
    path = f"/api/posts/{post_id}"
    responses = [
        stranger.get(path),
        stranger.patch(path, {"title": "Mine now"}),
        stranger.patch(path, {"status": "draft"}),
        stranger.delete(path),
        stranger.post(f"{path}/schedule", {"scheduledAt": when}),
        stranger.post(f"{path}/unschedule"),
        stranger.post("/api/posts/recover", {"postId": post_id, "action": "fail"}),
    ]
    return [(response.status_code, response.json()) for response in responses]


def test_another_users_post_is_a_missing_post(world: World) -> None:
    """Each route answers 404 for it, word for word as for one that never was."""
    ada, eve = world.person(), world.person()
    post = ada.a_post()
    when = world.soon()

    tried = stranger_tries(eve, post["id"], when)

    assert tried == stranger_tries(eve, "no-such-post", when)
    assert tried == [(404, NOT_MINE)] * 7
    assert eve.get("/api/posts").json() == []
    assert ada.get(f"/api/posts/{post['id']}").json() == post
