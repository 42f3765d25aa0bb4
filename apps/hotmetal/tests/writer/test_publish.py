"""
Publishing to a CMS that fails in every way it can: one post, one audit row for each attempt.

The CMS stand-in speaks over HTTP and is told when to fail; the data layer is a real one.
"""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hotmetal.clients.hotmetal import AuditLog, DataLayer, DataLayerSync, ListAuditLogsFilters
from hotmetal.services.writer.agent.store import Store
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.stand_ins.cms import cms_app
from hotmetal.stand_ins.in_thread import served
from tests.writer.callers import KEY, Caller, until

from tests.e2e.processes import ServerProcess

CMS_KEY = "the-key-of-the-cms"


class Press:
    """The writer, its CMS and its data layer, and what a test looks at in them."""

    def __init__(self, ask: Caller, cms: str, dal: DataLayerSync) -> None:
        self.ask = ask
        self.dal = dal
        self.cms = httpx.Client(base_url=cms, headers={"Authorization": f"Bearer {CMS_KEY}"})

    def fail(self, **plan: Any) -> None:
        """What the CMS does next."""
        self.cms.post("/_stand_in/fail", json=plan).raise_for_status()

    def posts(self, session_id: str) -> list[Any]:
        """The posts of the session in the CMS."""
        found = self.cms.get("/api/posts", params={"externalId": session_id})
        return list(found.json()["data"])

    def publish(self, session_id: str, **wish: Any) -> tuple[int, Any]:
        return self.ask("POST", f"/api/sessions/{session_id}/publish", {"slug": "kites"} | wish)

    def audited(self, *post_ids: str) -> list[str]:
        """The statuses of the audit rows about these, in this order."""
        return [row.status for id in post_ids for row in rows_of(self.dal, id)]


def rows_of(dal: DataLayerSync, post_id: str) -> list[AuditLog]:
    """The audit rows about a post, or about a session that became none; the oldest first."""
    return dal.list_audit_logs(ListAuditLogsFilters(post_id=post_id))[::-1]


@pytest.fixture(scope="module")
def press(data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Press]:
    folder = tmp_path_factory.mktemp("press")
    with served(lambda url: cms_app(folder / "cms", key=CMS_KEY, url=url)) as cms:
        settings = WriterSettings(
            api_key=KEY, data_dir=folder, cms_url=cms, cms_key=CMS_KEY, cms_timeout_s=1,
            check_for_s=1,
        )  # fmt: skip
        dal = DataLayer.connect(data_layer.address)
        with (
            served(lambda _: writer_app(settings, dal)) as address,
            DataLayerSync.connect(data_layer.address) as sync,
        ):
            press = Press(Caller(address), cms, sync)
            yield press
            press.ask.close()
            press.cms.close()


@pytest.fixture(autouse=True)
def quiet_cms(press: Press) -> None:
    """No failure of an earlier test is left."""
    press.cms.post("/_stand_in/forget", json={})


def test_a_draft_becomes_a_post(press: Press) -> None:
    """HTML without scripts, the session completed, one audit row, intermediate drafts gone."""
    ask = press.ask
    id = ask.written(publicationId="pub-harbour-light")
    ask.says(id, "Add that <script>alert(1)</script> nobody *believed* it.")
    ask.says(id, "Call it Wind pays")
    status, said = press.publish(id, excerpt=" Short. ", hook="A kite!", seoTitle="Kites")

    [post] = press.posts(id)
    assert (status, said) == (200, {
        "success": True, "postId": post["id"], "slug": "kites", "title": "Wind pays",
        "url": post["url"],
    })  # fmt: skip
    assert post["status"] == "published"
    assert "<script" not in post["content"]
    assert "<em>believed</em>" in post["content"]
    assert "<h2>Sources</h2>" in post["content"]
    assert (post["excerpt"], post["hook"], post["seoTitle"]) == ("Short.", "A kite!", "Kites")
    assert post["author"] == press.dal.get_publication_by_id("pub-harbour-light").default_author  # type: ignore[union-attr]
    session = ask.get(f"/api/sessions/{id}")
    assert (session["status"], session["cmsPostId"]) == ("completed", post["id"])
    drafts = ask.get(f"/api/sessions/{id}/drafts")
    assert drafts["phase"] == "published"
    assert [(d["version"], d["isFinal"]) for d in drafts["data"]] == [(1, False), (3, True)]
    [row] = rows_of(press.dal, post["id"])
    assert (row.outlet, row.action, row.status) == ("blog", "publish", "success")
    assert json.loads(row.result_data or "") == {
        "externalUrl": post["url"], "externalId": post["id"],
    }  # fmt: skip


def test_it_is_published_once(press: Press) -> None:
    """The second time is 409, also after the text was talked about again."""
    id = press.ask.written()
    _, said = press.publish(id)
    press.ask.says(id, "Add that it rained all day.")

    again = press.publish(id, slug="other")
    assert again == (409, {"error": "This session has already been published.",
                           "postId": said["postId"]})  # fmt: skip
    assert len(press.posts(id)) == 1
    drafts = press.ask.get(f"/api/sessions/{id}/drafts")
    assert (len(drafts["data"]), drafts["phase"]) == (1, "published"), "the text stands"


def test_what_is_wrong_is_said(press: Press) -> None:
    """The rules in the document's order."""
    ask, empty, id = press.ask, press.ask.session(), press.ask.written()

    assert ask.error("POST", "/api/sessions/none/publish", {}) == (404, "Session not found")
    path = f"/api/sessions/{empty}/publish"
    assert ask.error("POST", path, {}) == (400, "No draft exists to publish.")
    path = f"/api/sessions/{id}/publish"
    assert ask.error("POST", path, {}) == (400, "slug is required")
    assert ask.error("POST", path, {"slug": "A b"}) == (
        400, "Slug must contain only lowercase letters, numbers, and hyphens",
    )  # fmt: skip
    assert press.posts(id) == []


def test_two_at_once_are_one_post(press: Press) -> None:
    """The second request is told that the first is under way: 429."""
    id = press.ask.written()
    press.fail(path="/api/posts", method="POST", slow_s=0.4)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(press.publish, id) for _ in range(2)]
        statuses = sorted(each.result()[0] for each in asked)

    assert statuses == [200, 429]
    assert len(press.posts(id)) == 1


@pytest.mark.parametrize(
    "plan",
    [
        {"status": 503},
        {"status": "drop_before"},
        {"status": "drop_after"},
        {"slow_s": 1.5},
        {"hold_s": 1.5},
    ],
    ids=str,
)
def test_an_answer_that_never_came_is_asked_for(press: Press, plan: dict[str, Any]) -> None:
    """Whether or not the CMS has the post, one request ends with one post and one row."""
    id = press.ask.written()
    press.fail(path="/api/posts", method="POST", **plan)
    status, said = press.publish(id)

    assert status == 200, said
    [post] = press.posts(id)
    assert press.audited(id, post["id"]) == ["success"]
    calls = press.cms.get("/_stand_in/calls").json()["data"]
    asked = [(c["method"], c["headers"].get("idempotency-key")) for c in calls
             if c["path"] == "/api/posts"]  # fmt: skip
    assert asked[:2] == [("POST", f"publish:{id}"), ("GET", None)], "asked before sent again"


def test_a_cms_that_refuses_leaves_the_draft_to_be_tried_again(press: Press) -> None:
    """502 with its words, the phase is revising, a failed row; then it works: two rows in all."""
    id = press.ask.written()
    press.fail(path="/api/posts", method="POST", status=422, body={"error": "no kites here"})

    assert press.publish(id) == (
        502,
        {"error": "Failed to publish: the CMS answered 422: no kites here"},
    )
    assert press.ask.get(f"/api/sessions/{id}/drafts")["phase"] == "revising"
    assert press.ask.get(f"/api/sessions/{id}")["status"] == "active"
    status, said = press.publish(id, slug="kites-2")
    assert (status, said["slug"]) == (200, "kites-2")
    assert press.audited(id, said["postId"]) == ["failed", "success"]


def test_a_cms_that_stays_broken_is_502(press: Press) -> None:
    """It is asked, has nothing, fails again: then it is known that nothing was published."""
    id = press.ask.written()
    press.fail(path="/api/posts", method="POST", status=500, times=2)

    status, said = press.publish(id)
    assert (status, "answered 500" in said["error"]) == (502, True)
    assert until(lambda: press.audited(id)) == ["failed"]
    assert press.posts(id) == []


def test_an_outcome_that_nobody_can_tell_needs_a_look(press: Press) -> None:
    """
    The CMS takes the post, breaks off and then answers nothing: `needs_check`, once.

    The next attempt finds that post and gives it its own text: there is never a second one.
    """
    id = press.ask.written()
    press.fail(path="/api/posts", method="POST", status="drop_after")
    press.fail(path="/api/posts", method="GET", status=503, times=50)
    status, said = press.publish(id)
    assert (status, said["code"]) == (502, "outcome_unknown")
    assert until(lambda: press.audited(id)) == ["needs_check"]
    assert press.ask.get(f"/api/sessions/{id}/drafts")["phase"] == "revising"

    press.cms.post("/_stand_in/forget", json={})
    press.ask.says(id, "Call it Second thoughts")
    status, said = press.publish(id, slug="second-thoughts")
    calls = press.cms.get("/_stand_in/calls").json()["data"]
    assert [c["method"] for c in calls] == ["GET", "PATCH"], "asked first, and never sent again"
    [post] = press.posts(id)
    assert (status, said["postId"]) == (200, post["id"])
    assert (post["title"], post["slug"]) == ("Second thoughts", "second-thoughts")
    assert press.audited(id, post["id"]) == ["needs_check", "success"]


def test_a_missing_cms_is_said_and_nothing_waits(data_layer: ServerProcess, tmp_path: Path) -> None:
    """Nothing was sent, so nothing is in doubt: 502 at once, and a failed row."""
    settings = WriterSettings(api_key=KEY, data_dir=tmp_path, cms_url="http://127.0.0.1:9")
    dal = DataLayer.connect(data_layer.address)
    with served(lambda _: writer_app(settings, dal)) as address:
        ask = Caller(address)
        id = ask.written()
        answer = ask("POST", f"/api/sessions/{id}/publish", {"slug": "a"})
        ask.close()
    with DataLayerSync.connect(data_layer.address) as sync:
        rows = [row.status for row in rows_of(sync, id)]

    said = "no CMS answers at http://127.0.0.1:9; CMS_URL says where it is"
    assert answer == (502, {"error": f"Failed to publish: {said}"})
    assert rows == ["failed"]


def test_what_the_data_layer_was_told_it_is_not_told_twice(
    data_layer: ServerProcess, press: Press, tmp_path: Path
) -> None:
    """A process that ends between the data layer's commit and its own note tells it again."""
    settings = WriterSettings(
        api_key=KEY, data_dir=tmp_path, cms_url=str(press.cms.base_url), cms_key=CMS_KEY
    )

    def start() -> DataLayer:
        return DataLayer.connect(data_layer.address)

    with served(lambda _: writer_app(settings, start())) as address:
        ask = Caller(address)
        id = ask.written()
        _, said = ask("POST", f"/api/sessions/{id}/publish", {"slug": "kites"})
        ask.close()
    store = Store(tmp_path / "writer.db")
    [attempt] = store.attempts(id)
    assert (attempt.state, attempt.is_audited) == ("saved", 1)
    store.change_attempt(attempt, "landed", is_audited=0)
    with served(lambda _: writer_app(settings, start())):
        until(lambda: store.attempts(id)[0].state == "saved")
    store.close()

    assert press.audited(id, said["postId"]) == ["success"]
    assert len(press.posts(id)) == 1


def test_a_publication_gets_its_counterpart(press: Press) -> None:
    """Made after creating; when that failed, made at the first publishing."""
    ask = press.ask
    with_one = ask.made("/api/publications", {"name": "Kites", "slug": "kites"})
    assert with_one["cmsPublicationId"] is not None
    press.fail(path="/api/publications", status=500)
    without = ask.made("/api/publications", {"name": "Kites 2", "slug": "kites-2"})
    assert without["cmsPublicationId"] is None

    id = ask.written(publicationId=without["id"])
    press.publish(id)
    known = ask.get(f"/api/publications/{without['id']}")["cmsPublicationId"]
    assert known is not None
    assert press.posts(id)[0]["publicationId"] == known
