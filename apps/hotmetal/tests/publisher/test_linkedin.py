"""Publishing to LinkedIn: what is sent, once; what is asked when no answer came; who settles it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.publisher.publishers import World, wait_for

pytestmark = pytest.mark.xdist_group("publisher")

POSTS = "/rest/posts"


def share(world: World, post_id: str, **more: Any) -> tuple[int, dict[str, Any]]:
    answer = world.publisher.post("/publish/linkedin", postId=post_id, **more)
    return answer.status_code, answer.json()


def test_without_a_connection_it_is_refused(world: World) -> None:
    """401, and where to go; no row."""
    world.disconnect()
    id = world.draft()

    status, said = share(world, id)

    assert (status, world.audit(id)) == (401, [])
    assert "/oauth/linkedin" in said["error"]


def test_a_post_is_shared_with_its_article(connected: World) -> None:
    """Title, hook, text, footer; headers of the versioned API; rendition and row."""
    world = connected
    id = world.draft(hook="Look (here)", content="<p>One &amp; two</p><p>#three</p>", excerpt="E")

    status, said = share(world, id)

    assert status == 200, said
    url = world.cms.get(f"/api/posts/{id}").json()["url"]
    [sent] = world.calls("linkedin", POSTS)
    assert sent["body"]["commentary"] == "\n\n".join(
        [world.title(id), "Look \\(here\\)", "One & two", "\\#three",
         f"Originally published at {url.replace('_', chr(92) + '_')}"]
    )  # fmt: skip
    assert sent["body"]["content"]["article"] == {
        "source": url, "title": world.title(id), "description": "E",
    }  # fmt: skip
    assert sent["headers"]["x-restli-protocol-version"] == "2.0.0"
    assert sent["headers"]["linkedin-version"].isdigit()
    assert said["externalId"].startswith("urn:li:share:")
    assert world.renditions(id) == [("linkedin", "published")]
    [row] = world.audit(id)
    assert (row.outlet, row.action, row.status) == ("linkedin", "publish", "success")
    result = {"externalUrl": said["externalUrl"], "externalId": said["externalId"]}
    assert json.loads(row.result_data or "") == result


def test_a_text_has_no_article_and_another_word_is_refused(connected: World) -> None:
    """`shareType` is text or article."""
    id = connected.draft()

    assert share(connected, id, shareType="video")[0] == 400
    assert share(connected, id, shareType="text")[0] == 200
    assert "content" not in connected.calls("linkedin", POSTS)[0]["body"]


def test_what_is_missing_or_empty_is_refused(connected: World) -> None:
    """400, 404, 422, without a row."""
    empty = connected.draft(content="<p> </p><script>x</script>")

    assert share(connected, "") == (400, {"error": "postId is required"})
    assert share(connected, "nowhere")[0] == 404
    status, said = share(connected, empty)
    assert (status, said["details"]) == (422, ["LinkedIn content is empty"])
    assert connected.audit(empty) == []


def test_a_post_is_never_shared_twice(connected: World) -> None:
    """409, also when the publisher's own file is lost: the audit log has it."""
    world = connected
    id = world.draft()
    assert share(world, id)[0] == 200
    assert share(world, id) == (409, {"error": "Post is already published to LinkedIn"})

    world.publisher.kill()
    for file in world.publisher.folder.glob("attempts.db*"):
        file.unlink()
    world.publisher.start()

    assert share(world, id)[0] == 409
    assert world.shared(world.title(id)) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 422, 429, 500, 503])
def test_a_refusal_is_a_failed_rendition_and_a_502(connected: World, status: int) -> None:
    """One failed row; then it can be tried again, and is shared once."""
    world = connected
    id = world.draft()
    world.fail("linkedin", status=status, path=POSTS, method="POST")

    answered, said = share(world, id)

    assert answered == 502
    assert str(status) in said["error"]
    assert world.renditions(id) == [("linkedin", "failed")]
    assert [row.error_message for row in world.audit(id)] == [said["error"]]
    assert share(world, id)[0] == 200
    assert world.shared(world.title(id)) == 1


def test_a_lost_answer_is_looked_for(connected: World) -> None:
    """The post is there: success, with its id, and nothing is sent again."""
    world = connected
    id = world.draft()
    world.fail("linkedin", status="drop_after", path=POSTS, method="POST")

    status, said = share(world, id)

    assert status == 200, said
    assert said["externalId"] in [post["id"] for post in world.linkedin.posts]
    assert len(world.calls("linkedin", POSTS)) == 1
    assert world.audited(id) == [("linkedin", "publish", "success")]


def test_a_lost_question_needs_a_check_until_it_is_certain(connected: World) -> None:
    """202 while it may be on its way; when it is certain that it is not there it is sent."""
    world = connected
    id = world.draft()
    world.fail("linkedin", status="drop_before", path=POSTS, method="POST")

    status, said = share(world, id)
    early = share(world, id)
    time.sleep(1.1)
    late = share(world, id)

    assert (status, said["status"], said["attemptId"] in said["toDo"]) == (202, "needs_check", True)
    assert early[0] in (202, 200)
    assert late[0] in (200, 409)
    assert world.shared(world.title(id)) == 1
    by_action = sorted(world.audited(id))
    assert by_action == [
        ("linkedin", "publish", "needs_check"),
        ("linkedin", "publish", "success"),
        ("linkedin", "resolve", "failed"),
    ]


def test_a_post_that_appears_late_is_found_before_anything_is_sent(connected: World) -> None:
    """LinkedIn takes longer than the publisher waits, and does it all the same."""
    world = connected
    id = world.draft()
    world.fail("linkedin", slow_s=5.0, path=POSTS, method="POST")

    first = share(world, id)
    wait_for(lambda: world.shared(world.title(id)) == 1, "LinkedIn to take it")
    again = share(world, id)

    assert first[0] == 202
    assert again[0] == 200
    assert again[1]["attemptId"] == first[1]["attemptId"]
    assert world.shared(world.title(id)) == 1
    assert len(world.calls("linkedin", POSTS)) == 1


@pytest.mark.parametrize("is_there", [True, False])
def test_a_person_settles_what_nobody_can_tell(connected: World, is_there: bool) -> None:
    """LinkedIn lets nobody read the list: 202; what the person saw ends the attempt."""
    world = connected
    id = world.draft()
    world.fail("linkedin", status="drop_before", path=POSTS, method="POST")
    world.fail("linkedin", times=99, status=403, path=POSTS, method="GET")
    status, said = share(world, id)
    assert (status, share(world, id)[0]) == (202, 202)
    path = f"/publish/attempts/{said['attemptId']}"
    listed = world.publisher.http.get("/publish/attempts").json()["data"]
    assert said["attemptId"] in [each["id"] for each in listed]

    assert world.publisher.post(f"{path}/resolve", outcome="published").status_code == 400
    seen = {"outcome": "published", "externalUrl": "https://l.example/1"}
    resolved = world.publisher.post(
        f"{path}/resolve", **(seen if is_there else {"outcome": "not_published"})
    )

    assert resolved.status_code == 200
    ends = "success" if is_there else "failed"
    assert world.publisher.http.get(path).json()["status"] == ends
    assert world.publisher.post(f"{path}/resolve", outcome="not_published").status_code == 409
    assert world.audited(id)[0] == ("linkedin", "resolve", ends)
    assert share(world, id)[0] == (409 if is_there else 200)


def test_of_two_at_once_one_shares(connected: World) -> None:
    """The others are told 429 or 409."""
    world = connected
    id = world.draft()
    world.fail("linkedin", slow_s=0.4, path=POSTS, method="POST")

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(share, world, id) for _ in range(6)]
        statuses = sorted(each.result()[0] for each in asked)

    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 429}
    assert world.shared(world.title(id)) == 1
    assert world.audited(id) == [("linkedin", "publish", "success")]


def test_a_rendition_that_cannot_be_written_is_written_later(connected: World) -> None:
    """The share is a success, whatever the CMS does."""
    world = connected
    id = world.draft()
    world.fail("cms", times=2, status=503, path=f"/api/posts/{id}/renditions", method="POST")

    assert share(world, id)[0] == 200
    until = time.monotonic() + 10
    while not world.renditions(id) and time.monotonic() < until:
        time.sleep(0.1)

    assert world.renditions(id) == [("linkedin", "published")]
    assert world.audited(id) == [("linkedin", "publish", "success")]
