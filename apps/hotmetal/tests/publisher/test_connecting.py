"""Connecting LinkedIn: states, browsers, what comes back, what is kept and what goes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hotmetal.clients.hotmetal import CreatePublicationOutletInput
from tests.publisher.publishers import CANARIES, World, beside

pytestmark = pytest.mark.xdist_group("publisher")

CALLBACK = "/oauth/linkedin/callback"
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def browser(world: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=str(world.publisher.http.base_url), timeout=10) as browser:
        yield browser


def allowed(browser: httpx.Client) -> str:
    """Begin and say yes: the path to which LinkedIn sends the browser back."""
    url = browser.get("/oauth/linkedin").json()["authorizeUrl"]
    back = urlsplit(httpx.get(f"{url}&auto_approve=1").headers["location"])
    return f"{back.path}?{back.query}"


def test_a_browser_is_sent_to_linkedin_and_a_program_is_told_where(
    world: World, browser: httpx.Client
) -> None:
    """With a state, a challenge, and the redirect address of the setting; with its cookie."""
    told = browser.get("/oauth/linkedin", headers={"Host": "evil.example"})
    sent = browser.get("/oauth/linkedin", headers=PAGE)

    url = urlsplit(told.json()["authorizeUrl"])
    asked = parse_qs(url.query)
    assert (sent.status_code, url.path) == (302, "/oauth/v2/authorization")
    assert asked["redirect_uri"] == [
        f"{world.publisher.http.base_url}{CALLBACK}".replace("//o", "/o")
    ]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 43
    assert asked["state"] != parse_qs(urlsplit(sent.headers["location"]).query)["state"]
    cookie = told.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert browser.cookies["hotmetal_browser"] not in told.text + sent.headers["location"]


def test_the_connection_is_stored_sealed(world: World, browser: httpx.Client) -> None:
    """The answer says who it is and for how long; no token is in it."""
    answer = browser.get(allowed(browser))

    said = answer.json()
    assert (said["status"], said["personUrn"]) == ("connected", "urn:li:person:Person_1")
    assert said["expiresIn"] == 60 * 86_400
    assert browser.get("/oauth/linkedin/status").json() == {
        "connected": True,
        "configured": True,
    }
    newest = world.connections()[0]
    assert (newest.external_id, newest.display_name) == ("Person_1", "Ada Lovelace")
    assert not any(canary in answer.text + str(newest) for canary in CANARIES)


def test_a_state_works_once(browser: httpx.Client) -> None:
    """Of many who come with it at once one is connected."""
    path = allowed(browser)

    with ThreadPoolExecutor(5) as pool:
        cookies = dict(browser.cookies)
        url = browser.base_url.join(path)
        asked = [pool.submit(httpx.get, url, cookies=cookies) for _ in range(5)]
        statuses = sorted(each.result().status_code for each in asked)

    assert statuses == [200, 400, 400, 400, 400]


def test_a_state_is_of_no_use_in_another_browser(browser: httpx.Client) -> None:
    """Not without a cookie, not with one of its own; and the right one can still finish."""
    path = allowed(browser)
    with httpx.Client(base_url=browser.base_url) as other:
        without = other.get(path)
        other.get("/oauth/linkedin")
        with_its_own = other.get(path)

    assert (without.status_code, with_its_own.status_code) == (400, 400)
    assert "state" in without.json()["error"]
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "Missing code or state"),
        ("?code=c", "Missing code or state"),
        ("?state=s", "Missing code or state"),
        ("?code=c&state=made-up", "Invalid or expired state"),
        (f"?code={'c' * 3000}&state=s", "Invalid or expired state"),
        ("?error=user_cancelled&error_description=%3Cb%3Eno%3C/b%3E", "user_cancelled <b>no</b>"),
    ],
)
def test_what_comes_back_wrong_is_a_400(browser: httpx.Client, query: str, says: str) -> None:
    """As JSON, and as a page on which nothing of the provider's is HTML."""
    browser.get("/oauth/linkedin")

    told = browser.get(f"{CALLBACK}{query}")
    page = browser.get(f"{CALLBACK}{query}", headers=PAGE)

    assert (told.status_code, page.status_code) == (400, 400)
    assert says in told.json()["error"]
    assert "<b>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_person_sees_a_page(browser: httpx.Client) -> None:
    """When it worked, too."""
    page = browser.get(allowed(browser), headers=PAGE)

    assert page.status_code == 200
    assert "LinkedIn is connected" in page.text


def test_a_refused_exchange_is_a_502(world: World, browser: httpx.Client) -> None:
    """And leaves the connection that was there."""
    path = allowed(browser)
    before = [each.id for each in world.connections()]
    world.fail("linkedin", status=500, path="/oauth/v2/accessToken")

    answer = browser.get(path)

    assert answer.status_code == 502
    assert [each.id for each in world.connections()] == before


def test_the_older_connection_goes_and_one_in_use_stays(
    world: World, browser: httpx.Client
) -> None:
    """An outlet keeps its connection; the newest is the one that publishes."""
    browser.get(allowed(browser))
    used = world.connections()[0]
    outlet = world.dal.create_publication_outlet(
        CreatePublicationOutletInput(
            publication_id=world.dal.get_all_publication_ids()[0], connection_id=used.id
        )
    )

    browser.get(allowed(browser))
    between = world.connections()[0]
    browser.get(allowed(browser))

    left = [each.id for each in world.connections()]
    assert used.id in left
    assert between.id not in left
    assert left.index(used.id) > 0
    world.dal.delete_publication_outlet(outlet.id)


def test_two_that_connect_at_once_leave_one(world: World, browser: httpx.Client) -> None:
    """Each removes only what is older than its own."""
    world.disconnect()
    paths = [allowed(browser) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        cookies = dict(browser.cookies)
        asked = [pool.submit(httpx.get, browser.base_url.join(p), cookies=cookies) for p in paths]
        assert {each.result().status_code for each in asked} == {200}

    assert len(world.connections()) == 1


def test_without_an_application_it_says_what_is_not_set(world: World) -> None:
    """503, and which variables."""
    lonely = beside(world, world.publisher.folder)
    del lonely._environment["LINKEDIN_CLIENT_ID"]
    try:
        lonely.start()
        answer = lonely.http.get("/oauth/linkedin")
    finally:
        lonely.close()

    assert answer.status_code == 503
    assert "LINKEDIN_CLIENT_ID" in answer.json()["error"]
