"""
How a browser is let in: a cookie for the key, and only for requests that the page itself made.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hotmetal.clients.hotmetal import DataLayer
from hotmetal.services.writer.face import writer_app
from hotmetal.services.writer.settings import WriterSettings
from hotmetal.services.writer.sign_in import HOLDS_S, SignIn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.writer.callers import KEY
from tests.writer.serving import served

from tests.e2e.processes import ServerProcess

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def address(data_layer: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = WriterSettings(
        api_key=KEY,
        data_dir=tmp_path_factory.mktemp("writer"),
        public_url="https://desk.example/",
    )
    with served(lambda: writer_app(settings, DataLayer.connect(data_layer.address))) as address:
        yield address


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client


@pytest.fixture
def signed_in(browser: httpx.Client) -> httpx.Client:
    # httpx does not send a cookie marked for https only over HTTP; this one was not sealed.
    name, value = cookie_of(browser.get("/sign-in", params={"key": KEY}))
    browser.cookies.clear()
    browser.headers["Cookie"] = f"{name}={value}"
    return browser


def cookie_of(answer: httpx.Response) -> tuple[str, str]:
    name, _, value = answer.headers["set-cookie"].split(";")[0].partition("=")
    return name, value


# In and out


def test_the_link_gives_a_cookie_and_leaves_the_address_bar(browser: httpx.Client) -> None:
    answer = browser.get("/sign-in", params={"key": KEY})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    said = answer.headers["set-cookie"].lower()
    assert all(word in said for word in ("httponly", "samesite=strict", "secure", "max-age"))
    assert KEY not in said


def test_the_form_gives_the_same(browser: httpx.Client) -> None:
    answer = browser.post("/sign-in", json={"key": KEY}, headers=OWN)

    assert answer.status_code == 200
    name, value = cookie_of(answer)
    headers = OWN | {"Cookie": f"{name}={value}"}
    assert browser.get("/api/sessions", headers=headers).status_code == 200


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", KEY.upper(), "ä"])
def test_a_wrong_key_gives_none(browser: httpx.Client, key: str) -> None:
    by_link = browser.get("/sign-in", params={"key": key})
    by_form = browser.post("/sign-in", json={"key": key}, headers=OWN)

    assert (by_link.status_code, by_form.status_code) == (401, 401)
    assert "set-cookie" not in by_link.headers
    assert "set-cookie" not in by_form.headers


def test_signing_out_takes_the_cookie_away(signed_in: httpx.Client) -> None:
    answer = signed_in.post("/sign-out", headers=OWN)

    assert answer.status_code == 200
    assert "max-age=0" in answer.headers["set-cookie"].lower()


def test_the_cookie_opens_the_routes_without_the_key(signed_in: httpx.Client) -> None:
    assert signed_in.get("/api/sessions", headers=OWN).status_code == 200
    made = signed_in.post("/api/sessions", json={"userId": "default"}, headers=OWN)

    assert made.status_code == 201


@pytest.mark.parametrize(
    "forged",
    ["", ".", "9999999999.", "9999999999." + "0" * 64, "٩٩٩٩٩٩٩٩٩٩.x", "1" * 5000 + ".x", "x.y.z"],
)
def test_no_other_cookie_does(browser: httpx.Client, address: str, forged: str) -> None:
    name = f"hotmetal_writer_{httpx.URL(address).port}"
    headers = {**OWN, "Cookie": f"{name}={forged}".encode()}

    assert browser.get("/api/sessions", headers=headers).status_code == 401  # type: ignore[arg-type]


def test_a_changed_date_spoils_the_signature(signed_in: httpx.Client) -> None:
    name, _, value = signed_in.headers["cookie"].partition("=")
    until, _, signature = value.partition(".")
    later = {**OWN, "Cookie": f"{name}={int(until) + 1}.{signature}"}

    assert signed_in.get("/api/sessions", headers=later).status_code == 401


def test_a_sign_in_ends_by_itself_and_with_its_key() -> None:
    """The clock is the test's; another key refuses what this one signed."""
    now = [1_800_000_000.0]

    def browser_of(key: str) -> TestClient:
        sign_in = SignIn(key, clock=lambda: now[0])

        async def see(request: Request) -> PlainTextResponse:
            return PlainTextResponse(str(sign_in.is_signed_in(request)))

        app = Starlette(routes=[*sign_in.routes(), Route("/see", see)])
        return TestClient(app, base_url="http://127.0.0.1:8792", headers=OWN)

    browser = browser_of("one")
    browser.get("/sign-in", params={"key": "one"}, follow_redirects=False)
    other = browser_of("two")
    other.cookies = browser.cookies

    assert browser.get("/see").text == "True"
    assert other.get("/see").text == "False"
    now[0] += HOLDS_S
    assert browser.get("/see").text == "False"


# Who made the request


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        # Another port of this machine is the same site, and not the same origin.
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_what_another_site_sends_is_not_let_in(
    signed_in: httpx.Client, headers: dict[str, str]
) -> None:
    """The browser adds the cookie to a form of another site; it is refused all the same."""
    for path in ("/api/sessions", "/sign-in", "/sign-out"):
        answer = signed_in.post(path, json={"userId": "default", "key": KEY}, headers=headers)

        assert answer.status_code in (401, 403), path
        assert "set-cookie" not in answer.headers


def test_without_the_newer_header_the_origin_counts(signed_in: httpx.Client, address: str) -> None:
    made = signed_in.post("/api/sessions", json={"userId": "default"}, headers={"Origin": address})

    assert made.status_code == 201
    assert signed_in.get("/api/sessions").status_code == 200
    framed = signed_in.get("/api/sessions", headers={"Sec-Fetch-Site": "cross-site"})
    assert framed.status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8792", "127.0.0.1.evil.example", ""]
)
def test_a_strangers_name_does_not_lead_here(signed_in: httpx.Client, host: str) -> None:
    """DNS rebinding: a name of somebody else that points at this machine."""
    for path in ("/", "/page/app.js", "/api/sessions", "/sign-in?key=" + KEY):
        answer = signed_in.get(path, headers=OWN | {"Host": host})

        assert answer.status_code in (400, 421), path
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:8792", "desk.example"])
def test_its_own_names_do(signed_in: httpx.Client, host: str) -> None:
    assert signed_in.get("/api/sessions", headers=OWN | {"Host": host}).status_code == 200


def test_callers_with_the_key_may_use_any_name(browser: httpx.Client) -> None:
    headers = {"Host": "writer.internal:8792", "X-API-Key": KEY}

    assert browser.get("/api/sessions", headers=headers).status_code == 200
    assert browser.get("/health", headers={"Host": "writer.internal"}).status_code == 200


# What browsers are told


def test_every_answer_has_the_headers(browser: httpx.Client) -> None:
    for path in ("/", "/page/app.js", "/api/sessions", "/health", "/nothing"):
        headers = browser.get(path).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert browser.get("/api/sessions").headers["cache-control"] == "no-store"


def test_the_page_is_its_files_and_nothing_else(browser: httpx.Client) -> None:
    assert browser.get("/").headers["content-type"] == "text/html; charset=utf-8"
    script = browser.get("/page/app.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("__init__.py", "../sign_in.py", "%2e%2e/sign_in.py", "views", "", "/etc/passwd"):
        assert browser.get(f"/page/{path}").status_code == 404


def test_a_file_that_the_browser_has_is_not_sent_again(browser: httpx.Client) -> None:
    tag = browser.get("/page/style.css").headers["etag"]

    for shown in (tag, f'"x", W/{tag}'):
        again = browser.get("/page/style.css", headers={"If-None-Match": shown})
        assert (again.status_code, again.content) == (304, b"")
    assert browser.get("/page/style.css", headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_page_names_no_other_host() -> None:
    """Nothing is loaded from elsewhere: no address with a host stands in its files."""
    folder = Path(writer_app.__code__.co_filename).parent / "page"
    found = [
        f"{path.name}:{number}"
        for path in folder.rglob("*")
        if path.suffix in (".html", ".js", ".css")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "://" in line.replace("http://www.w3.org/2000/svg", "")
    ]

    assert found == []
