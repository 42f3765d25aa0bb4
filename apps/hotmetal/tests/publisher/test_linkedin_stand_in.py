"""The LinkedIn that stands in for it: its OAuth, its headers, its errors."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from hotmetal.services.publisher.linkedin import post_body
from hotmetal.stand_ins.in_thread import served
from hotmetal.stand_ins.linkedin import LinkedIn, Settings, linkedin_app

REDIRECT = "http://127.0.0.1:1/back"
CLIENT = {"client_id": "c", "client_secret": "s"}
REGISTERED = Settings(client_id="c", client_secret="s", redirect_uris=(REDIRECT,))
VERIFIER = "v" * 43
VERSIONED = {"LinkedIn-Version": "202509", "X-Restli-Protocol-Version": "2.0.0"}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        served(lambda _address: linkedin_app(LinkedIn(REGISTERED))) as address,
        httpx.Client(base_url=address) as http,
    ):
        yield http


def question(**more: str) -> dict[str, str]:
    asked = {"response_type": "code", "client_id": "c", "redirect_uri": REDIRECT, "state": "st"}
    return asked | {"scope": "openid"} | more


def code(http: httpx.Client, **more: str) -> str:
    asked = question(auto_approve="1", **more)
    answer = http.get("/oauth/v2/authorization", params=asked)
    assert answer.status_code == 302, answer.text
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["st"]
    return back["code"][0]


def exchange(http: httpx.Client, **said: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT} | CLIENT | said
    return http.post("/oauth/v2/accessToken", data=form)


def test_a_person_is_asked_and_may_say_no(http: httpx.Client) -> None:
    """A page that runs nothing; both answers lead back."""
    page = http.get("/oauth/v2/authorization", params=question(state="<i>"))
    no = http.post("/oauth/v2/authorization", data=question() | {"allow": "no"})
    yes = http.post("/oauth/v2/authorization", data=question() | {"allow": "yes"})

    assert page.status_code == 200
    assert "<i>" not in page.text
    assert "error=user_cancelled_authorize" in no.headers["location"]
    assert "code=" in yes.headers["location"]


@pytest.mark.parametrize("wrong", ["client_id", "redirect_uri", "response_type", "scope"])
def test_a_wrong_question_leads_nowhere(http: httpx.Client, wrong: str) -> None:
    """Least of all to an address that is not registered."""
    answer = http.get("/oauth/v2/authorization", params=question(**{wrong: ""}))

    assert (answer.status_code, "location" in answer.headers) == (400, False)


def test_a_code_works_once_for_who_it_is_for(http: httpx.Client) -> None:
    """With the secret, the redirect address and the verifier that belong to it."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    pkce = {
        "code_challenge": challenge.rstrip(b"=").decode(), "code_challenge_method": "S256",
    }  # fmt: skip
    fresh = code(http, **pkce)

    assert exchange(http, code=fresh, client_secret="no").status_code == 401
    assert exchange(http, code=fresh, code_verifier=VERIFIER).status_code == 200
    assert exchange(http, code=fresh, code_verifier=VERIFIER).status_code == 400
    assert exchange(http, code=code(http, **pkce)).status_code == 400
    assert exchange(http, code=code(http, **pkce), code_verifier="w").status_code == 400
    assert exchange(http, code=code(http), redirect_uri="http://x").status_code == 400
    assert exchange(http, code=code(http), grant_type="password").json()["error"] == (
        "unsupported_grant_type"
    )


def test_a_refresh_token_gives_fresh_tokens(http: httpx.Client) -> None:
    """One that is not known does not."""
    got = exchange(http, code=code(http)).json()
    again = exchange(http, grant_type="refresh_token", refresh_token=got["refresh_token"])
    unknown = exchange(http, grant_type="refresh_token", refresh_token="no")

    assert again.status_code == 200
    assert again.json()["access_token"] != got["access_token"]
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_grant")


def test_posts_are_taken_and_listed(http: httpx.Client) -> None:
    """201 with the id in a header; every mistake with LinkedIn's own status."""
    token = exchange(http, code=code(http)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    author = f"urn:li:person:{http.get('/v2/userinfo', headers=bearer).json()['sub']}"

    def post(headers: dict[str, str], **more: Any) -> httpx.Response:
        body = post_body(author, "Hello", article=None) | more
        return http.post("/rest/posts", json=body, headers=headers)

    made = post(VERSIONED | bearer)
    listed = http.get(
        "/rest/posts", params={"q": "author", "author": author}, headers=VERSIONED | bearer
    )
    assert made.status_code == 201
    [element] = listed.json()["elements"]
    assert (element["id"], element["commentary"]) == (made.headers["x-restli-id"], "Hello")
    assert post(bearer).status_code == 400
    assert post(VERSIONED).json()["code"] == "INVALID_ACCESS_TOKEN"
    assert post(VERSIONED | bearer, author="urn:li:person:else").status_code == 403
    assert post(VERSIONED | bearer, commentary="x" * 3001).status_code == 422
    assert post(VERSIONED | bearer, commentary="").status_code == 422


def test_a_token_expires() -> None:
    """401 says that it has."""
    settings = msgspec.structs.replace(REGISTERED, access_s=0, gives_refresh=False)
    with (
        served(lambda _address: linkedin_app(LinkedIn(settings))) as address,
        httpx.Client(base_url=address) as http,
    ):
        got = exchange(http, code=code(http)).json()
        headers = {"Authorization": f"Bearer {got['access_token']}"}
        answer = http.get("/v2/userinfo", headers=headers)

    assert "refresh_token" not in got
    assert (answer.status_code, answer.json()["code"]) == (401, "EXPIRED_ACCESS_TOKEN")
