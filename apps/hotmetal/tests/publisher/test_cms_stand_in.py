"""The CMS that stands in for one: its wire, its keys, its failures on demand, its pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hotmetal.stand_ins.cms import cms_app
from hotmetal.stand_ins.in_thread import served

HOME = Path(__file__).parents[2]
KEY = "the-cms-key"
POST = {"title": "The plug", "slug": "the-plug", "content": "<p>One berth.</p>"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("cms")
    with served(lambda address: cms_app(folder, key=KEY, url=address)) as address:
        yield address


@pytest.fixture
def cms(address: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=address, headers=headers, timeout=5) as http:
        yield http
        http.post("/_stand_in/forget", json={})


def made(cms: httpx.Client, **more: Any) -> dict[str, Any]:
    answered = cms.post("/api/posts", json=POST | more)
    assert answered.status_code == 201, answered.text
    return dict(answered.json())


def test_a_post_is_made_read_changed_and_listed(cms: httpx.Client) -> None:
    """It begins as a draft; its time of publishing is when its status first says so."""
    post = made(cms, externalId="ses-1", hook="Look")
    id = post["id"]

    assert (post["status"], post["publishedAt"], post["excerpt"]) == ("draft", None, None)
    assert cms.get(f"/api/posts/{id}").json() == post
    published = cms.patch(f"/api/posts/{id}", json={"status": "published"}).json()
    assert published["publishedAt"] is not None
    listed = cms.get("/api/posts", params={"externalId": "ses-1", "status": "published"}).json()
    assert listed == {"data": [published]}
    back = cms.patch(f"/api/posts/{id}", json={"status": "draft"}).json()
    assert back["publishedAt"] is None


def test_publications_and_renditions_are_made_and_listed(cms: httpx.Client) -> None:
    """Each with an id and a time."""
    publication = cms.post("/api/publications", json={"name": "Paper", "slug": "paper"})
    post = made(cms)
    path = f"/api/posts/{post['id']}/renditions"
    rendition = cms.post(path, json={"outlet": "blog", "status": "published"})

    assert (publication.status_code, rendition.status_code) == (201, 201)
    assert publication.json() in cms.get("/api/publications").json()["data"]
    assert cms.get(path).json() == {"data": [rendition.json()]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/api/posts", {"title": "T"}, 400, "slug"),
        ("POST", "/api/posts", POST | {"status": "gone"}, 400, "gone"),
        ("POST", "/api/posts", POST | {"slug": "../x"}, 400, "slug"),
        ("POST", "/api/posts", POST | {"titel": "T"}, 400, "titel"),
        ("POST", "/api/posts/nowhere/renditions", {"outlet": "blog", "status": "ready"}, 404, "no"),
        ("GET", "/api/posts/nowhere", None, 404, "nowhere"),
        ("GET", "/api/posts?title=T", None, 400, "title"),
        ("PUT", "/api/posts", POST, 405, "method"),
    ],
)
def test_what_cannot_be_done_says_why(
    cms: httpx.Client, *, method: str, path: str, body: object, status: int, says: str
) -> None:
    """Every error is `{"error": ...}`."""
    answered = cms.request(method, path, json=body)

    assert answered.status_code == status
    assert says in answered.json()["error"]


@pytest.mark.parametrize("shown", ["", "Bearer wrong", f"Basic {KEY}"])
def test_the_api_wants_its_key(cms: httpx.Client, shown: str) -> None:
    """The pages for readers do not."""
    answered = cms.get("/api/posts", headers={"Authorization": shown})

    assert answered.status_code == 401
    assert cms.get("/", headers={"Authorization": ""}).status_code == 200


def test_a_key_makes_a_thing_once(cms: httpx.Client) -> None:
    """The same again is answered the same; something else under the key is a conflict."""
    headers = {"Idempotency-Key": "ses-9/publish"}
    said = POST | {"externalId": "ses-9"}

    first = cms.post("/api/posts", json=said, headers=headers)
    second = cms.post("/api/posts", json=said, headers=headers)
    other = cms.post("/api/posts", json=said | {"title": "Else"}, headers=headers)

    assert first.json() == second.json()
    assert other.status_code == 409
    assert len(cms.get("/api/posts", params={"externalId": "ses-9"}).json()["data"]) == 1


def test_it_fails_when_it_is_told_to(cms: httpx.Client) -> None:
    """With a status, without the work, with the work done, and slowly; then no more."""
    cms.post("/_stand_in/fail", json={"times": 2, "status": 503, "path": "/api/posts"})
    assert [cms.get("/api/posts").status_code for _ in range(3)] == [503, 503, 200]

    for status, done in (("drop_before", 0), ("drop_after", 1)):
        cms.post("/_stand_in/fail", json={"status": status, "method": "POST"})
        with pytest.raises(httpx.RemoteProtocolError):
            cms.post("/api/posts", json=POST | {"externalId": status})
        assert len(cms.get("/api/posts", params={"externalId": status}).json()["data"]) == done

    cms.post("/_stand_in/fail", json={"slow_s": 0.1})
    begun = time.monotonic()
    made(cms)
    assert time.monotonic() - begun >= 0.1


def test_it_tells_what_it_was_asked_but_no_credentials(cms: httpx.Client) -> None:
    """With the keys of idempotency, without the key of the API."""
    cms.post("/api/posts", json=POST, headers={"Idempotency-Key": "k-1"})

    (call,) = cms.get("/_stand_in/calls").json()["data"]

    assert (call["method"], call["path"], call["body"]) == ("POST", "/api/posts", POST)
    assert call["headers"] == {"idempotency-key": "k-1"}
    assert KEY not in cms.get("/_stand_in/calls").text


def test_a_foreign_page_cannot_tell_it_to_fail(cms: httpx.Client) -> None:
    """What a browser sends for a page without asking is not JSON by its type."""
    answered = cms.post("/_stand_in/fail", content='{"status": 503}')

    assert answered.status_code == 415
    assert cms.get("/api/posts").status_code == 200


def test_readers_see_what_is_published_and_nothing_runs(cms: httpx.Client) -> None:
    """Texts are escaped, content is cleaned, and the page's policy refuses scripts."""
    content = "<p>Fine <em>print</em></p><script>alert(1)</script><img src=x onerror=alert(2)>"
    said = {"title": "<b>Plug</b>", "slug": "evil", "content": content, "hook": "<i>h</i>"}
    draft = made(cms, **said)
    shown = made(cms, status="published", featuredImageUrl="javascript:alert(3)", **said)

    page = cms.get(shown["url"])
    assert cms.get(draft["url"]).status_code == 404
    assert draft["url"] != shown["url"]
    assert "<em>print</em>" in page.text
    assert not any(bad in page.text for bad in ("<script", "onerror", "<b>", "<i>", "javascript:"))
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "script-src" not in page.headers["content-security-policy"]
    assert "&lt;b&gt;Plug&lt;/b&gt;" in cms.get("/").text


def test_it_survives_a_kill(tmp_path: Path) -> None:
    """As a process of its own: what it answered is there after a `kill -9`, keys too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = os.environ | {"PORT": str(port), "DATA_DIR": str(tmp_path), "CMS_API_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "k"}
    address = f"http://127.0.0.1:{port}"
    answers = []
    for _ in range(2):
        command = [sys.executable, "-m", "hotmetal.stand_ins.cms"]
        process = subprocess.Popen(command, env=environ, cwd=HOME)
        try:
            _wait_for(f"{address}/health")
            answers.append(httpx.post(f"{address}/api/posts", json=POST, headers=headers).json())
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    assert answers[0] == answers[1]
    assert answers[0]["url"] == f"{address}/posts/the-plug"


def test_it_says_what_is_not_set() -> None:
    """One line, no traceback."""
    environ = {name: value for name, value in os.environ.items() if name != "CMS_API_KEY"}
    command = [sys.executable, "-m", "hotmetal.stand_ins.cms"]
    ended = subprocess.run(
        command, env=environ, cwd=HOME, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "CMS_API_KEY is not set" in ended.stderr


def _wait_for(url: str) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            httpx.get(url)
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer")
