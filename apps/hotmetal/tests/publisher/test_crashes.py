"""A publisher that is killed in the middle: the post is there once, each attempt has one row."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.publisher.publishers import World, beside, wait_for

pytestmark = pytest.mark.xdist_group("publisher")


@contextlib.contextmanager
def killed_while_it_waits(world: World, who: str, path: str, body: dict[str, str]) -> Iterator[str]:
    """Ask for something; kill the publisher when the stand-in holds its question; start it."""

    def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            url = world.publisher.http.base_url.join(path)
            httpx.post(url, json=body, headers=world.publisher.http.headers, timeout=30)

    asking = threading.Thread(target=ask)
    asking.start()
    part = "/rest/posts" if who == "linkedin" else f"/api/posts/{body['postId']}"
    method = "POST" if who == "linkedin" else "PATCH"
    wait_for(lambda: bool(world.calls(who, part, method)), "the question to be there")
    world.publisher.kill()
    asking.join(10)
    yield body["postId"]
    world.publisher.start()


@pytest.mark.parametrize("held", ["slow_s", "hold_s"])
def test_linkedin_before_and_after_the_work(connected: World, held: str) -> None:
    """What was on its way is found by the next publisher; nothing is sent again."""
    world = connected
    id = world.draft()
    world.fail("linkedin", path="/rest/posts", method="POST", **{held: 0.9})

    with killed_while_it_waits(world, "linkedin", "/publish/linkedin", {"postId": id}):
        assert world.audit(id) == []

    wait_for(lambda: bool(world.audit(id)), "the audit row")
    assert world.audited(id) == [("linkedin", "publish", "success")]
    assert world.shared(world.title(id)) == 1
    assert world.publisher.post("/publish/linkedin", postId=id).status_code == 409
    wait_for(lambda: world.renditions(id) == [("linkedin", "published")], "the rendition")


def test_linkedin_never_got_it(connected: World) -> None:
    """The row says failed, once it is certain; asked again, it is shared once."""
    world = connected
    id = world.draft()
    world.fail("linkedin", path="/rest/posts", method="POST", slow_s=0.7, status=500)

    with killed_while_it_waits(world, "linkedin", "/publish/linkedin", {"postId": id}):
        pass

    wait_for(lambda: bool(world.audit(id)), "the audit row")
    assert world.audited(id) == [("linkedin", "publish", "failed")]
    assert world.publisher.post("/publish/linkedin", postId=id).status_code == 200
    assert world.shared(world.title(id)) == 1


@pytest.mark.parametrize("held", ["slow_s", "hold_s"])
def test_the_blog_before_and_after_the_work(world: World, held: str) -> None:
    """The attempt is carried on: published, one rendition, one row."""
    id = world.draft()
    world.fail("cms", path=f"/api/posts/{id}", method="PATCH", **{held: 0.7})

    with killed_while_it_waits(world, "cms", "/publish/blog", {"postId": id}):
        assert world.audit(id) == []

    wait_for(lambda: bool(world.audit(id)), "the audit row")
    assert world.status(id) == "published"
    assert world.renditions(id) == [("blog", "published")]
    assert world.audited(id) == [("blog", "publish", "success")]


def test_another_publisher_takes_up_what_was_left_behind(world: World) -> None:
    """It shares the folder; an attempt of one that lives it leaves alone."""
    other = beside(world, world.publisher.folder)
    other.start()
    try:
        living, left = world.draft(), world.draft()
        world.fail("cms", path=f"/api/posts/{living}", method="PATCH", slow_s=0.8)
        world.fail("cms", path=f"/api/posts/{left}", method="PATCH", slow_s=0.8)
        asking = threading.Thread(
            target=other.post, args=["/publish/blog"], kwargs={"postId": living}
        )
        asking.start()
        wait_for(lambda: bool(world.calls("cms", f"/api/posts/{living}", "PATCH")), "the question")
        busy = world.publisher.post("/publish/blog", postId=living)
        with killed_while_it_waits(world, "cms", "/publish/blog", {"postId": left}):
            wait_for(lambda: bool(world.audit(left)), "the other to write the row")
        asking.join(10)
    finally:
        other.close()

    assert busy.status_code == 429
    for id in (living, left):
        assert world.audited(id) == [("blog", "publish", "success")]
        assert world.renditions(id) == [("blog", "published")]


def test_the_data_layer_is_away(world: World, tmp_path: Path) -> None:
    """The publisher starts, says which binding waits for what, and answers 503 meanwhile."""
    lonely = beside(world, tmp_path / "lonely")
    lonely._environment["FREEHOLD_DAL"] = f"unix:{tmp_path}/nobody.sock"
    id = world.draft()
    try:
        lonely.start()
        answer = lonely.post("/publish/blog", postId=id)
        health = lonely.http.get("/health").json()
        code = lonely.end()
    finally:
        lonely.close()

    assert (answer.status_code, world.status(id)) == (503, "draft")
    for said in (answer.json()["error"], health["dataLayer"], lonely.log.read_text()):
        assert "DAL" in said
        assert "nobody.sock" in said
        assert "freehold dev" in said
    assert health["status"] == "ok"
    # The signal's own end, or none.
    assert code in (0, -signal.SIGTERM)
    assert "Traceback" not in lonely.log.read_text()


def test_the_cms_is_away(world: World, tmp_path: Path) -> None:
    """502 says where nobody answers; there was no attempt, so there is no row."""
    lonely = beside(world, tmp_path / "lonely")
    lonely._environment["CMS_URL"] = "http://127.0.0.1:9"
    try:
        lonely.start()
        answer = lonely.post("/publish/blog", postId="post-x")
    finally:
        lonely.close()

    assert answer.status_code == 502
    assert "CMS_URL" in answer.json()["error"]
    assert world.audit("post-x") == []


def test_a_row_whose_writing_was_not_noted_is_not_written_twice(world: World) -> None:
    """As after a kill between the data layer's answer and the note of it."""
    id = world.draft()
    assert world.publisher.post("/publish/blog", postId=id).status_code == 200
    world.publisher.kill()
    with contextlib.closing(sqlite3.connect(world.publisher.folder / "attempts.db")) as db, db:
        db.execute("UPDATE attempts SET chores = '[\"audit\"]' WHERE post_id = ?", (id,))

    world.publisher.start()

    def is_noted() -> bool:
        with contextlib.closing(sqlite3.connect(world.publisher.folder / "attempts.db")) as db:
            asked = "SELECT chores FROM attempts WHERE post_id = ?"
            return bool(db.execute(asked, (id,)).fetchone() == ("[]",))

    wait_for(is_noted, "the chore to be done")
    assert world.audited(id) == [("blog", "publish", "success")]
