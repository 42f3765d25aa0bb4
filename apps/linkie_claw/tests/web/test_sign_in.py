"""
Signing in through providers, offline, and out; and the ways in which nobody gets in.
"""

from __future__ import annotations

import dataclasses
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from linkie_claw.services.web.app import create_app
from tests.web.serving import served
from tests.web.stand_ins import Person
from tests.web.worlds import Browser, World, web_served

NOT_BEGUN = "This sign-in was not begun in this browser, or it took too long."


def somebody(**fields: object) -> Person:
    """A new person at a provider."""
    mark = secrets.token_hex(6)
    return dataclasses.replace(Person(f"s-{mark}", f"{mark}@people.example"), **fields)  # type: ignore[arg-type]


def to_provider(world: World, browser: Browser, provider: str) -> str:
    """Begin, let the provider say yes; the address at which it sends the browser back."""
    begun = browser.get(f"/api/auth/signin/{provider}")
    assert begun.status_code == 303
    allowed = httpx.get(begun.headers["location"], verify=False)
    assert allowed.headers["location"].startswith(f"{world.address}/api/auth/callback/{provider}?")
    return allowed.headers["location"]


def signs_in(world: World, browser: Browser, provider: str) -> str:
    """The whole way; the user's id."""
    back = browser.get(to_provider(world, browser, provider))
    assert (back.status_code, back.headers["location"]) == (303, "/"), back.text
    browser.user_id = browser.get("/api/auth/session").json()["user"]["id"]
    return browser.user_id


@pytest.mark.parametrize("provider", ["google", "github"])
def test_the_whole_way_in_and_out(world: World, provider: str) -> None:
    """A new user with name and address; after signing out the cookie is worth nothing."""
    world.outside.person = somebody(name="Grace")
    browser = world.browser()
    assert browser.get("/api/auth/session").json() == {"user": None}
    assert browser.get("/api/posts").status_code == 401

    signs_in(world, browser, provider)

    user = browser.get("/api/auth/session").json()["user"]
    assert (user["name"], user["email"]) == ("Grace", world.outside.person.email)
    assert browser.a_post()["userId"] == user["id"]
    token = browser.http.cookies["linkie_session"]
    assert browser.post("/api/auth/signout").json() == {"success": True}
    assert browser.get("/api/posts").status_code == 401
    browser.http.cookies.set("linkie_session", token)
    assert browser.get("/api/posts").status_code == 401


def test_the_same_account_is_the_same_user(world: World) -> None:
    """Also when its address has changed at the provider: the subject counts."""
    world.outside.person = somebody()
    first = signs_in(world, world.browser(), "google")
    world.outside.person = dataclasses.replace(world.outside.person, email="new@people.example")

    assert signs_in(world, world.browser(), "google") == first


def test_accounts_with_the_same_verified_address_are_one_user(world: World) -> None:
    """Google's and GitHub's, whatever the case of the letters."""
    world.outside.person = somebody()
    google = signs_in(world, world.browser(), "google")
    email = str(world.outside.person.email).upper()
    world.outside.person = dataclasses.replace(world.outside.person, subject="77", email=email)

    assert signs_in(world, world.browser(), "github") == google
    accounts = world.dal.get_accounts_by_user(user_id=google)
    assert [account.provider for account in accounts] == ["github", "google"]


@pytest.mark.parametrize("provider", ["google", "github"])
def test_an_address_that_is_not_verified_lets_nobody_in(world: World, provider: str) -> None:
    """Neither into the account of whoever has it, nor ahead of whoever will have it."""
    world.outside.person = somebody()
    signs_in(world, world.browser(), "google")
    taken = dataclasses.replace(world.outside.person, subject="evil", verified=False)

    for person in (taken, somebody(verified=False), somebody(email=None, verified=False)):
        world.outside.person = person
        thief = world.browser()
        refused = thief.get(to_provider(world, thief, provider))
        assert refused.status_code == 403
        assert thief.get("/api/auth/session").json() == {"user": None}
    assert world.dal.get_user_by_account(provider=provider, provider_account_id="evil") is None


def test_an_answer_counts_in_the_browser_that_asked(world: World) -> None:
    """Not in another one, not with another state, not at another provider, not twice."""
    world.outside.person = somebody()
    ada, eve = world.browser(), world.browser()
    back = to_provider(world, ada, "google")
    to_provider(world, eve, "google")
    query = parse_qs(urlsplit(back).query)
    code, state = query["code"][0], query["state"][0]

    def tries(browser: Browser, **params: str) -> tuple[int, str]:
        response = browser.get("/api/auth/callback/google", params=params)
        return response.status_code, response.json().get("error", "")

    assert tries(eve, code=code, state=state) == (400, NOT_BEGUN)
    assert tries(world.browser(), code=code, state=state) == (400, NOT_BEGUN)
    assert tries(ada, code=code, state=state[::-1]) == (400, NOT_BEGUN)
    assert tries(ada, code=code) == (400, NOT_BEGUN)
    assert tries(ada, code=code, state="s" * 5000) == (400, NOT_BEGUN)
    elsewhere = ada.get("/api/auth/callback/github", params={"code": code, "state": state})
    assert elsewhere.json()["error"] == NOT_BEGUN

    assert ada.get(back).status_code == 303
    assert ada.get(back).json()["error"] == NOT_BEGUN


def test_a_sign_in_takes_ten_minutes_at_most(world: World) -> None:
    """Then its state has ended, by the data layer's clock."""
    browser = world.browser()
    back = to_provider(world, browser, "google")
    world.layer.wait(seconds=601)

    assert browser.get(back).json()["error"] == NOT_BEGUN


def test_the_question_to_the_provider_is_bound(world: World) -> None:
    """State, PKCE and our own address are in it; the cookie is out of every script's reach."""
    browser = world.browser()

    begun = browser.get("/api/auth/signin/google")

    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{world.address}/api/auth/callback/google"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) >= 43
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert asked["state"][0] not in begun.headers["set-cookie"]


def test_a_provider_that_says_no_ends_it(world: World) -> None:
    """400, and the state is used up."""
    browser = world.browser()
    state = parse_qs(urlsplit(to_provider(world, browser, "google")).query)["state"][0]
    no = {"error": "access_denied", "state": state}

    refused = browser.get("/api/auth/callback/google", params=no)

    assert (refused.status_code, refused.json()["error"]) == (400, "google did not let you in.")
    assert browser.get("/api/auth/callback/google", params=no).json()["error"] == NOT_BEGUN


@pytest.mark.parametrize("provider", ["google", "github"])
def test_a_code_that_is_none_is_refused(world: World, provider: str) -> None:
    """400; GitHub says it with 200 and an error inside."""
    browser = world.browser()
    state = parse_qs(urlsplit(to_provider(world, browser, provider)).query)["state"][0]

    refused = browser.get(
        f"/api/auth/callback/{provider}", params={"code": "stolen", "state": state}
    )

    assert refused.status_code == 400
    assert refused.json()["error"] == f"{provider} did not take the code; begin again."


@pytest.mark.parametrize(
    ("place", "order", "status"),
    [
        ("google/token", 500, 502),
        ("google/token", "nonsense", 502),
        ("google/token", "hang", 504),
        ("google/profile", 503, 502),
        ("google/profile", "nonsense", 502),
    ],
)
def test_a_provider_that_fails_is_told_apart(
    world: World, place: str, order: int | str, status: int
) -> None:
    """502 when it answers wrongly, 504 when it does not; nobody is signed in."""
    browser = world.browser()
    back = to_provider(world, browser, "google")
    world.outside.orders[place].append(order)

    refused = browser.get(back)

    assert refused.status_code == status
    assert refused.json() == {"error": "google does not answer as it should; try again."}
    assert browser.get("/api/auth/session").json() == {"user": None}


def test_every_sign_in_has_a_new_token(world: World) -> None:
    """The one from before ends, so a token that somebody planted is of no use to him."""
    browser = world.browser()
    before = browser.post("/api/auth/signin/offline", {"email": "twice@people.example"})
    planted = before.cookies["linkie_session"]

    after = browser.post("/api/auth/signin/offline", {"email": "twice@people.example"})

    assert after.cookies["linkie_session"] != planted
    assert before.json() == after.json()
    other = world.browser()
    other.http.cookies.set("linkie_session", planted)
    assert other.get("/api/posts").status_code == 401
    world.dal.delete_user(id=before.json()["user"]["id"])


def test_a_session_ends_by_itself(world: World) -> None:
    """After its days, whatever the browser still sends."""
    ada = world.person()
    assert ada.get("/api/posts").status_code == 200

    world.layer.wait(seconds=30 * 86_400 + 60)

    ada.http.cookies.set("linkie_session", ada.http.cookies["linkie_session"])
    assert ada.get("/api/posts").status_code == 401


@pytest.mark.parametrize("token", ["", "nobody", "x" * 5000, '"; DROP', "%00"])
def test_a_cookie_that_is_none_of_ours_is_nobody(world: World, token: str) -> None:
    """401, never an error."""
    headers = {"Cookie": f"linkie_session={token}"}

    assert httpx.get(f"{world.address}/api/posts", headers=headers).status_code == 401


def test_offline_sign_in_is_off_unless_asked_for(world: World) -> None:
    """404, as if there were no such provider; the list of providers says so, too."""
    settings = dataclasses.replace(world.settings, offline_sign_in=False, providers=())
    with web_served(settings, world.layer) as other:
        browser = Browser(other.public_url)
        with browser.http:
            refused = browser.post("/api/auth/signin/offline", {"email": "a@b.example"})
            listed = browser.get("/api/auth/providers").json()
            google = browser.get("/api/auth/signin/google")

    assert refused.status_code == google.status_code == 404
    assert listed == {"providers": [], "offline": False}
    assert world.browser().get("/api/auth/providers").json() == {
        "providers": ["google", "github"],
        "offline": True,
    }


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a b@c.example", "a@b.example\n", 7, None])
def test_offline_sign_in_wants_an_address(world: World, email: object) -> None:
    """400 with details."""
    refused = world.browser().post("/api/auth/signin/offline", {"email": email})

    assert refused.status_code == 400
    assert refused.json()["details"][0]["path"] == "email"


def test_over_tls_cookies_are_secure(world: World) -> None:
    """And named so that no other subdomain can set them."""
    settings = dataclasses.replace(world.settings, public_url="https://linkie.example")
    with served(lambda _: create_app(settings, now=lambda: world.layer.now)) as address:
        response = httpx.post(
            f"{address}/api/auth/signin/offline",
            json={"email": "tls@people.example"},
            headers={"Host": "linkie.example", "Origin": "https://linkie.example"},
        )

    assert response.status_code == 200, response.text
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("__Host-linkie_session=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "max-age=31536000" in response.headers["strict-transport-security"]
    world.dal.delete_user(id=response.json()["user"]["id"])


def test_no_token_is_stored_or_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Session tokens and providers' tokens are in no file of the data layer and in no line."""
    world.outside.person = somebody()
    browser = world.browser()
    with caplog.at_level("DEBUG", logger="linkie_claw"):
        signs_in(world, browser, "google")

    session = browser.http.cookies["linkie_session"]
    canaries = [session.encode(), b"access-canary-", b"refresh-canary-"]
    for path in world.folder.iterdir():
        if path.is_file():
            data = path.read_bytes()
            assert [canary for canary in canaries if canary in data] == []
    assert session not in caplog.text
    assert "canary" not in caplog.text
