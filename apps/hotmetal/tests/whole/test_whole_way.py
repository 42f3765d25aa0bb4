"""
The whole way of `make run`, offline, with a kill -9 of every process in the middle of its work.

News become ideas, an idea a talk, the talk a draft, the draft a post, and the log knows it all.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import httpx
import pytest
from hotmetal.clients.hotmetal import ListAuditLogsFilters
from tests.whole.running import HotMetal, stored, until

PUBLICATION: Final = "pub-harbour-light"
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("whole")]


def ideas(writer: httpx.Client) -> list[dict[str, Any]]:
    """The publication's ideas."""
    answer = until(lambda: stored(writer, f"/api/publications/{PUBLICATION}/ideas"))
    found: list[dict[str, Any]] = answer["data"]
    return found


def looked(house: HotMetal, scout: httpx.Client, *, kill: bool) -> dict[str, Any]:
    """A run of the scout, once it has ended; it may be killed in the middle."""
    answer = scout.post("/api/scout/run", json={"publicationId": PUBLICATION})
    assert answer.status_code == 202, answer.text
    if kill:
        house.kill("scout")
    path = f"/api/scout/runs/{answer.json()['id']}"

    def ended() -> dict[str, Any] | None:
        told = stored(scout, path)
        return told if told and told["state"] not in ("queued", "running") else None

    return until(ended, "the run to end")


def test_from_news_to_a_post_with_every_process_killed_on_the_way(house: HotMetal) -> None:
    """Nothing is done twice, nothing is lost, and each attempt is in the audit log."""
    writer, scout = house.face("writer"), house.face("scout")
    before = {idea["id"] for idea in ideas(writer)}

    # The scout is killed in its run, and the run comes to its end.
    assert looked(house, scout, kill=True)["state"] == "finished"
    found = [idea for idea in ideas(writer) if idea["id"] not in before]
    assert found
    # Looking again finds nothing that is there already.
    assert looked(house, scout, kill=False)["state"] == "finished"
    titles = [(idea["title"], idea["angle"]) for idea in ideas(writer)]
    assert len(titles) == len(set(titles))

    # A decision is made once, also when the data layer dies between two askings.
    idea = found[0]["id"]
    promote = f"/api/ideas/{idea}/promote"
    once = {"Idempotency-Key": f"promote-{idea}"}
    house.kill("data-layer")
    made = until(lambda: created(writer.post(promote, headers=once)), "the idea to be promoted")
    assert created(writer.post(promote, headers=once)) == made
    refused = writer.post(promote)
    assert (refused.status_code, refused.json()["sessionId"]) == (409, made["id"])

    # The writer is killed while it writes; the message is sent again, and it writes on.
    session = made["id"]
    say(house, writer, session)
    drafts = until(lambda: stored(writer, f"/api/sessions/{session}/drafts"))
    assert drafts["data"]
    assert drafts["data"][-1]["isReady"]

    # The CMS holds its answer, and the writer is killed: the post is out, and nobody was told.
    cms = house.face("cms")
    cms.post("/_stand_in/fail", json={"times": 1, "hold_s": 3, "path": "/api/posts"})
    publish = f"/api/sessions/{session}/publish"
    asked = len(calls(cms))
    asking = threading.Thread(target=ignoring, args=(writer, publish, {"slug": "whole-way"}))
    asking.start()
    until(lambda: len(calls(cms)) > asked, "the CMS to be asked")
    house.kill("writer")
    asking.join()
    until(lambda: is_completed(writer, session), "the session to be completed")
    posts = until(lambda: stored(cms, "/api/posts", externalId=session))["data"]
    assert [post["status"] for post in posts] == ["published"]
    assert writer.post(publish, json={"slug": "whole-way"}).status_code == 409
    assert "<h" in httpx.get(posts[0]["url"]).text

    # Every attempt is there once, and the day shows what was done.
    with house.dal() as dal:
        rows = dal.list_audit_logs(ListAuditLogsFilters(post_id=posts[0]["id"]))
    assert [(row.outlet, row.action, row.status) for row in rows][-1:] == [
        ("blog", "publish", "success")
    ]
    activity = until(lambda: stored(writer, "/api/activity"))["data"]
    assert next(each for each in activity if each["id"] == session)["status"] == "completed"


def test_the_publisher_is_killed_with_a_post_on_its_way(house: HotMetal) -> None:
    """It is out once, and the one attempt has one row."""
    publisher, cms = house.face("publisher"), house.face("cms")
    post = {"title": "A tug at noon", "slug": "tug-at-noon", "content": "<p>It charges.</p>"}
    made = cms.post("/api/posts", json=post | {"status": "draft"}).json()
    cms.post("/_stand_in/fail", json={"times": 1, "hold_s": 3, "path": f"/api/posts/{made['id']}"})
    before = len(calls(cms))
    asking = threading.Thread(
        target=ignoring, args=(publisher, "/publish/blog", {"postId": made["id"]})
    )
    asking.start()
    until(lambda: len(calls(cms)) > before, "the CMS to be asked")
    house.kill("publisher")
    asking.join()

    def rows() -> list[tuple[str, str]]:
        with house.dal() as dal:
            found = dal.list_audit_logs(ListAuditLogsFilters(post_id=made["id"]))
        return [(row.outlet, row.status) for row in found]

    until(rows, "the attempt to be audited")
    answer = until(lambda: settled(publisher, made["id"]), "the post to be out")
    assert answer.status_code in (200, 409)
    assert stored(cms, f"/api/posts/{made['id']}")["status"] == "published"
    renditions = stored(cms, f"/api/posts/{made['id']}/renditions")["data"]
    assert [each["outlet"] for each in renditions if each["status"] == "published"] == ["blog"]
    assert rows().count(("blog", "success")) == 1


def test_ctrl_c_ends_everything(house: HotMetal) -> None:
    """One signal, no process left, no traceback; and nothing was given up on before."""
    assert house.interrupt() == 0
    assert not any(house.pid(name) for name in ("data-layer", "writer", "scout", "publisher"))
    assert "Traceback" not in house.log


def created(answer: httpx.Response) -> dict[str, Any] | None:
    """What was made; None while somebody is away."""
    if answer.status_code in (502, 503):
        return None
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def say(house: HotMetal, writer: httpx.Client, session: str) -> None:
    """Ask for a draft, kill the writer at the first word, and ask again until it is there."""
    path, body = f"/api/sessions/{session}/chat", {"message": "Write the draft now."}
    sent = {"Accept": "text/event-stream", "Idempotency-Key": "the-draft"}
    try:
        with writer.stream("POST", path, json=body, headers=sent) as answer:
            for _ in answer.iter_lines():
                house.kill("writer")
                break
    except httpx.HTTPError:
        pass
    again = {"Idempotency-Key": "the-draft"}
    until(lambda: writer.post(path, json=body, headers=again).status_code == 200, "the draft")


def ignoring(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """A call whose answer nobody waits for any more."""
    try:
        client.post(path, json=body)
    except httpx.HTTPError:
        return


def calls(cms: httpx.Client) -> list[dict[str, Any]]:
    """The changes that the CMS was asked for."""
    told = cms.get("/_stand_in/calls").json()
    found = told["data"] if isinstance(told, dict) else told
    return [call for call in found if call["method"] in ("POST", "PATCH")]


def is_completed(writer: httpx.Client, session: str) -> bool:
    """The data layer knows that the session became a post."""
    row = stored(writer, f"/api/sessions/{session}")
    return bool(row and row["status"] == "completed" and row["cmsPostId"])


def settled(publisher: httpx.Client, post_id: str) -> httpx.Response | None:
    """The answer to asking again, once it is neither under way nor unknown."""
    answer = publisher.post("/publish/blog", json={"postId": post_id})
    return None if answer.status_code in (202, 429, 502, 503) else answer
