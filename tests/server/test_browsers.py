"""Browsers: which pages may call, what they are told, and what no answer lets them do."""

from __future__ import annotations

import pytest

from freehold.server.gate import BadName, Gate
from tests.server.toy import KEY, HttpAnswer, Toy, get, post, served

STUDIO = "http://studio.example"
FROM_STUDIO = f"Origin: {STUDIO}\r\n"
UPGRADE = "Connection: Upgrade\r\nUpgrade: freehold\r\n"

pytestmark = pytest.mark.attack("A21")


def asked(toy: Toy, request: bytes, *, unix: bool = False) -> HttpAnswer:
    client = toy.unix_client() if unix else toy.client()
    client.send(request)
    return client.answer(headless=request.startswith(b"HEAD"))


def preflight(path: str = "/rpc/Notes/get", origin: str = STUDIO) -> bytes:
    asks = (
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
    )
    return get(path, verb="OPTIONS", extra=f"Origin: {origin}\r\n{asks}")


REQUESTS = {
    "a call": post("Notes.get"),
    "a transaction": post("Notes.get").replace(b"/rpc/Notes/get", b"/rpc"),
    "an upgrade": get("/frames", extra=UPGRADE),
    "frames without one": get("/frames"),
    "a preflight": get("/rpc/Notes/get", verb="OPTIONS"),
    **{path: get(path, key=KEY) for path in ("/health", "/metrics", "/openapi.json")},
    "/contract.json": get("/contract.json", key=KEY),
    "nothing": get("/nothing", key=KEY),
}
#: Names that a web page's own name server may point here, and spellings of ours that are none.
REBOUND = [
    "evil.com", "evil.com:8791", "localhost.", "localhost.:8791", "127.0.0.1.", "[::1%lo]",
    "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::1].evil.com", "127.0.0.1.evil.com", "0x7f.1",
    "localhost:80@evil.com", "evil.com, localhost", "xn--localhost", "127.0.0.1:8791.evil.com",
]  # fmt: skip


@pytest.mark.parametrize("unix", [False, True], ids=["port", "unix"])
@pytest.mark.parametrize("what", REQUESTS)
def test_no_listener_answers_to_another_name(toy: Toy, what: str, *, unix: bool) -> None:
    """421, or 400 for what is no host at all; whatever is asked for, on the port and the socket."""
    for host in REBOUND:
        request = REQUESTS[what].replace(b"Host: localhost", b"Host: " + host.encode())
        answer = asked(toy, request, unix=unix)

        assert answer.status in (400, 421), host
        assert answer.headers["connection"] == "close"
    assert toy.notes.seen == []


@pytest.mark.parametrize("unix", [False, True], ids=["port", "unix"])
@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize(
    "said",
    [
        "Origin: http://evil.com\r\n",
        "Origin: null\r\n",
        "Origin: http://localhost:8791\r\n",
        "Origin: http://evil.com\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: Cross-Site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: \r\n",
    ],
)
def test_no_listener_answers_a_strange_page(toy: Toy, what: str, said: str, *, unix: bool) -> None:
    """403 before anything is looked at: forms, images, links and upgrades as well as fetch."""
    request = REQUESTS[what].replace(b"Host: localhost\r\n", f"Host: localhost\r\n{said}".encode())

    answer = asked(toy, request, unix=unix)

    assert answer.status == 403
    assert answer.json["error"] == "OriginRefused"
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert toy.notes.seen == []


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_a_person_who_types_the_address_is_served(toy: Toy, site: str) -> None:
    """A browser says so."""
    assert asked(toy, get("/health", extra=f"Sec-Fetch-Site: {site}\r\n")).status == 200


# -- pages that may call -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/rpc/Notes/get", "/rpc", "/health", "/contract.json"])
def test_an_allowed_page_is_told_what_it_may_send(path: str) -> None:
    """204 to its question, and no key is asked for: browsers send none with it."""
    with served(origins=(STUDIO,)) as toy:
        client = toy.client()
        client.send(preflight(path) + post("Notes.get", extra=FROM_STUDIO))
        told, called = client.answer(), client.answer()

    assert told.status == 204
    assert told.headers["access-control-allow-origin"] == STUDIO
    assert told.headers["access-control-allow-methods"] == "get, head, post"
    given = told.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-type", "idempotency-key", "freehold-min-seq"} <= {*given}
    assert told.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in told.headers
    assert called.status == 200


def test_an_allowed_page_may_read_what_it_is_answered() -> None:
    """Results, refusals of every kind and pages; and the headers that a client reads."""
    requests = {
        200: post("Notes.get", extra=FROM_STUDIO),
        401: post("Notes.get", key="bad", extra=FROM_STUDIO),
        409: post("Notes.clash", extra=FROM_STUDIO),
        413: post("Notes.echo", b"x" * 2_000, extra=FROM_STUDIO),
        404: get("/nothing", extra=FROM_STUDIO),
        405: get("/rpc/Notes/get", extra=FROM_STUDIO),
    }
    with served(origins=(STUDIO,), limits={"body_bytes_max": 1_000}) as toy:
        answers = {status: asked(toy, request) for status, request in requests.items()}
        page = asked(toy, get("/health", extra=FROM_STUDIO))

    for status, answer in [*answers.items(), (200, page)]:
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == STUDIO
        assert answer.headers["access-control-expose-headers"] == "freehold-seq, retry-after"
        assert answer.headers["vary"] == "origin"
        assert answer.headers["cache-control"] == "no-store"


def test_what_one_request_may_is_not_what_the_next_one_may() -> None:
    """On one connection, which a proxy may share out; also when the next head is known."""
    with served(origins=(STUDIO,)) as toy:
        client = toy.client()
        answers = []
        for request in (post("Notes.get"), post("Notes.get", extra=FROM_STUDIO), post("Notes.get")):
            client.send(request)
            answers.append(client.answer())

    allowed = ["access-control-allow-origin" in answer.headers for answer in answers]
    assert allowed == [False, True, False]


def test_a_refused_page_learns_nothing_by_asking_first(toy: Toy) -> None:
    """Without the answer that it wants, its browser does not send the call."""
    answer = asked(toy, preflight())

    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_options_without_an_origin_is_no_question_of_a_page(toy: Toy) -> None:
    """It is a verb like another that is not spoken there."""
    assert asked(toy, get("/rpc/Notes/get", verb="OPTIONS")).status == 405
    assert asked(toy, get("/health", verb="OPTIONS")).status == 405


# -- what an answer lets a browser do ------------------------------------------------------


@pytest.mark.attack("A23")
@pytest.mark.parametrize("what", [*REQUESTS, "malformed", "head"])
def test_no_answer_is_framed_sniffed_kept_or_embedded(toy: Toy, what: str) -> None:
    """On every page and on every refusal."""
    extra = {"malformed": b"nonsense\r\n\r\n", "head": get("/health", verb="HEAD")}
    answer = asked(toy, (REQUESTS | extra)[what].replace(b"Upgrade: freehold", b"Upgrade: h2c"))

    if what == "a call":
        assert answer.status == 200
        return  # nobody is taken to it by a link, and a strange page may not POST
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"


# -- settings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "", "studio.example", "https://studio.example/", "ftp://a", "http://a b"],
)
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(origin: str) -> None:
    """It would never match, and who gave it would look for the reason for long."""
    with pytest.raises(BadName, match="browser sends"):
        Gate(origins=[origin])


@pytest.mark.parametrize("host", ["*", "", "http://data.example", "data.example/", "a b", "dätä"])
def test_a_host_that_nobody_calls_is_refused_at_the_start(host: str) -> None:
    """The same."""
    with pytest.raises(BadName, match="Host header"):
        Gate([host])
