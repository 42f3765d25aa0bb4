"""
What every request passes: sign-in, host, origin, headers; and how errors are told.
"""

from __future__ import annotations

import dataclasses
import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from linkie_claw.services.web import reading
from linkie_claw.services.web.app import ROUTES
from linkie_claw.services.web.settings import Settings
from tests.web.serving import served
from tests.web.worlds import Browser, World, web_served

OPEN = ("/api/auth/", "/api/cron/", "/api/webhooks/", "/api/internal/")
USER_ROUTES = [
    (method, route.path.replace("{id}", "x"))
    for route in ROUTES
    for method in sorted((route.methods or set()) - {"HEAD"})
    if route.path.startswith("/api/") and not route.path.startswith(OPEN)
]


def test_every_user_route_wants_a_session(world: World) -> None:
    """401 with the same words, whatever the body; the list is the routes themselves."""
    browser = world.browser()

    answers = {
        (method, path): browser.http.request(method, path, json={"any": "thing"})
        for method, path in USER_ROUTES
    }

    assert len(answers) >= 25
    assert {each.status_code for each in answers.values()} == {401}
    assert {each.text for each in answers.values()} == {'{"error":"Unauthorized"}'}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "127.0.0.1@evil", "[::"]
)
def test_another_host_is_turned_away(world: World, host: str) -> None:
    """421: a page that lets its own name lead here is not answered."""
    ada = world.person()

    refused = ada.get("/api/posts", headers={"Host": host})

    assert refused.status_code in (400, 421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "LOCALHOST", "[::1]:80"])
def test_this_machine_has_several_names(world: World, host: str) -> None:
    """All loopback names, whatever the port."""
    assert world.person().get("/api/posts", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Content-Type": "application/json"},
        {"Origin": "null", "Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain; application/json"},
        {},
    ],
)
def test_another_sites_page_changes_nothing(world: World, headers: dict[str, str]) -> None:
    """403 although the cookie is there: forms, text that is JSON, scripts from elsewhere."""
    ada = world.person()
    post = ada.a_post()
    cookie = f"linkie_session={ada.http.cookies['linkie_session']}"

    with httpx.Client(base_url=world.address, headers={"Cookie": cookie} | headers) as page:
        answers = [
            page.post("/api/posts", content=b'{"title": "T", "content": "C"}'),
            page.delete(f"/api/posts/{post['id']}"),
            page.patch("/api/settings", content=b"{}"),
            page.post("/api/auth/signout"),
        ]

    assert [each.status_code for each in answers] == [403] * 4
    assert [each["id"] for each in ada.get("/api/posts").json()] == [post["id"]]


def test_our_own_page_and_programs_pass(world: World) -> None:
    """The same origin, and who sends JSON and says nothing of a page."""
    ada = world.person()
    cookie = f"linkie_session={ada.http.cookies['linkie_session']}"
    body = {"title": "T", "content": "C"}
    said: list[dict[str, str]] = [
        {"Origin": world.address},
        {"Origin": world.address, "Sec-Fetch-Site": "same-origin"},
        {"Content-Type": "application/json; charset=utf-8"},
    ]

    for headers in said:
        response = httpx.post(
            f"{world.address}/api/posts", json=body, headers={"Cookie": cookie} | headers
        )
        assert response.status_code == 201, headers


@pytest.mark.parametrize("path", ["/", "/api/posts", "/api/nowhere", "/page/app.js", "/images/x"])
def test_every_answer_has_its_headers(world: World, path: str) -> None:
    """No framing, no sniffing, no scripts but our own, nothing kept by caches."""
    headers = world.browser().get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_unknown_paths_and_methods_are_json(world: World) -> None:
    """404 and 405 in the shape of all errors."""
    browser = world.browser()

    missing, wrong = browser.get("/api/nowhere"), browser.put("/api/posts", {})

    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})
    assert (wrong.status_code, wrong.json()) == (405, {"error": "Method Not Allowed"})


def test_a_body_that_does_not_come_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408 after its time, and the connection is closed."""
    monkeypatch.setattr(reading, "BODY_TIME_S", 0.2)
    ada = world.person()
    parts = urlsplit(world.address)
    head = (
        f"POST /api/posts HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Cookie: linkie_session={ada.http.cookies['linkie_session']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(head.encode() + b'{"title"')
        heard = b""
        while part := line.recv(65_536):
            heard += part

    assert heard.startswith(b"HTTP/1.1 408 ")


def test_without_a_data_layer_it_is_said(world: World, tmp_path: Path) -> None:
    """503 that names the binding and the address, and says what to do; nothing else does."""
    nowhere = f"unix:{tmp_path / 'nobody.sock'}"
    settings = dataclasses.replace(world.settings, data_layer=nowhere)
    with web_served(settings, world.layer) as other:
        browser = Browser(other.public_url)
        with browser.http:
            browser.http.cookies.set("linkie_session", "any")
            refused = browser.get("/api/posts")
            page = browser.get("/api/auth/providers")

    assert refused.status_code == 503
    assert refused.json()["error"] == "The data layer is not there."
    assert f"no data layer at {nowhere} (binding DAL)" in refused.json()["details"]
    assert "freehold dev" in refused.json()["details"]
    assert refused.headers["retry-after"] == "2"
    assert page.status_code == 200


def test_what_nobody_expected_is_logged_and_not_told(
    world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """500 with no word from inside; the log has the trace."""
    blocked = tmp_path / "a-file"
    blocked.write_text("canary")
    ada = world.person()
    settings = dataclasses.replace(world.settings, folder=blocked)
    with (
        caplog.at_level(logging.ERROR, logger="linkie_claw.web"),
        web_served(settings, world.layer) as other,
    ):
        browser = Browser(other.public_url)
        with browser.http:
            browser.http.cookies.update(ada.http.cookies)
            broken = browser.post("/api/generate/image", {"idea": "An idea of ten letters"})

    assert broken.status_code == 500
    assert broken.json() == {"error": "Internal server error"}
    assert broken.headers["x-content-type-options"] == "nosniff"
    assert "NotADirectoryError" in caplog.text
    assert str(blocked) in caplog.text


def test_guessing_has_a_budget(world: World) -> None:
    """429 after so many wrong secrets and begun sign-ins; who knows the secret is let in."""
    settings = dataclasses.replace(world.settings, tries_per_minute=3)
    right = {"Authorization": f"Bearer {world.settings.cron_secret}"}
    with web_served(settings, world.layer) as other:
        browser = Browser(other.public_url)
        with browser.http:
            guesses = [browser.get("/api/cron/publish-scheduled") for _ in range(3)]
            late = browser.post("/api/webhooks/publish-status")
            begun = browser.get("/api/auth/signin/google")
            good = browser.get("/api/cron/publish-scheduled", headers=right)

    assert [each.status_code for each in guesses] == [401] * 3
    assert (late.status_code, begun.status_code, good.status_code) == (429, 429, 200)
    assert 1 <= int(late.headers["retry-after"]) <= 60


def test_generating_has_a_budget(world: World) -> None:
    """429 for the user who has used it up, and for nobody else."""
    ada, bob = world.person(), world.person()
    settings = dataclasses.replace(world.settings, generations_per_hour=1)
    idea = {"idea": "An idea of ten letters"}
    with web_served(settings, world.layer) as other:
        found = []
        for person in (ada, ada, bob):
            browser = Browser(other.public_url)
            with browser.http:
                browser.http.cookies.update(person.http.cookies)
                found.append(browser.post("/api/generate/text", idea).status_code)

    assert found == [200, 429, 200]


def test_the_page_is_served(world: World) -> None:
    """With its own script and style, and none inside it."""
    browser = world.browser()

    page = browser.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script src=" in page.text
    assert "onclick" not in page.text
    assert "style=" not in page.text
    script = browser.get("/page/app.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in script.text
    assert browser.get("/page/app.css").headers["content-type"].startswith("text/css")


def test_an_application_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it is not made, and says which variable to set."""
    from linkie_claw.services.web.app import create_app

    from freehold.errors import Unavailable

    monkeypatch.delenv("FREEHOLD_DAL", raising=False)

    with (
        pytest.raises(Unavailable, match="FREEHOLD_DAL is not set"),
        served(lambda _: create_app(Settings())),
    ):
        pass
