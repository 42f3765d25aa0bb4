"""Strict HTTP: hosts, origins, and everything that two readers could read in two ways."""

from __future__ import annotations

import pytest

from tests.server.toy import KEY, HttpAnswer, Toy, get, post, served

CHUNKED = "Transfer-Encoding: chunked\r\n"


def asked(toy: Toy, request: bytes) -> HttpAnswer:
    """The answer to one request on a connection of its own."""
    client = toy.client()
    client.send(request)
    return client.answer()


def asked_and_ended(toy: Toy, request: bytes) -> HttpAnswer:
    """The same, where the server ends the connection after it."""
    client = toy.client()
    client.send(request)
    answer = client.answer()
    assert answer.headers["connection"] == "close"
    assert client.is_ended()
    return answer


# -- host and origin -----------------------------------------------------------------------


@pytest.mark.attack("A21")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LocalHost", "localhost:1"])
def test_a_loopback_host_is_let_in_with_any_port(toy: Toy, host: str) -> None:
    """Tunnels and containers change the port."""
    assert asked(toy, post("Notes.get", host=host)).status == 200


@pytest.mark.attack("A21")
@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "localhost.",
        "localhost.evil.com",
        "127.0.0.1.nip.io",
        "127.0.0.2",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "127.1",
    ],
)
def test_another_host_is_refused_on_every_path(toy: Toy, host: str) -> None:
    """A rebound name arrives in Host; 421 whatever it asks for, pages too."""
    for request in (
        post("Notes.get", host=host),
        get("/health").replace(b"localhost", host.encode()),
    ):
        answer = asked_and_ended(toy, request)

        assert answer.status == 421
    assert toy.notes.seen == []


@pytest.mark.attack("A21")
@pytest.mark.parametrize(
    "host", ["", "a b", "localhost:", "localhost:port", "localhost:123456", "a@b"]
)
def test_what_is_no_host_is_malformed(toy: Toy, host: str) -> None:
    """400, and the end."""
    assert asked_and_ended(toy, post("Notes.get", host=host)).status == 400


def test_a_configured_host_is_let_in() -> None:
    """With its port only, where it was given with one."""
    with served(hosts=("data.example", "other.example:8443")) as toy:
        assert asked(toy, post("Notes.get", host="data.example:80")).status == 200
        assert asked(toy, post("Notes.get", host="Data.Example")).status == 200
        assert asked(toy, post("Notes.get", host="other.example:8443")).status == 200
        assert asked(toy, post("Notes.get", host="other.example")).status == 421


@pytest.mark.attack("A21")
@pytest.mark.parametrize("origin", ["http://evil.com", "null", "", "http://localhost:8791"])
def test_a_web_page_of_an_origin_that_is_not_listed_is_refused(toy: Toy, origin: str) -> None:
    """Even one from this machine: another program may have served it."""
    answer = asked_and_ended(toy, post("Notes.get", extra=f"Origin: {origin}\r\n"))

    assert answer.status == 403
    assert answer.json["code"] == "permission_denied"


def test_a_listed_origin_is_let_in() -> None:
    """By the exact origin."""
    with served(origins=("http://studio.example",)) as toy:
        fine = post("Notes.get", extra="Origin: http://studio.example\r\n")
        other = post("Notes.get", extra="Origin: https://studio.example\r\n")

        assert asked(toy, fine).status == 200
        assert asked(toy, other).status == 403


# -- strict HTTP ---------------------------------------------------------------------------


def edited(old: str, new: str) -> bytes:
    """A good call with something changed in it."""
    request = post("Notes.echo")
    assert old.encode() in request
    return request.replace(old.encode(), new.encode("latin-1"), 1)


MALFORMED = {
    "length and transfer encoding": edited(
        "Content-Length: 2\r\n", "Content-Length: 2\r\n" + CHUNKED
    ),
    "transfer encoding and length": edited(
        "Content-Length: 2\r\n", CHUNKED + "Content-Length: 2\r\n"
    ),
    "two lengths": edited("Content-Length: 2\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n"),
    "a list of lengths": edited("Length: 2", "Length: 2, 2"),
    "a signed length": edited("Length: 2", "Length: +2"),
    "a length beyond counting": edited("Length: 2", "Length: " + "9" * 40),
    "two hosts": edited("Host: localhost\r\n", "Host: localhost\r\nHost: localhost\r\n"),
    "two hosts apart": edited("Content-Length: 2\r\n", "Content-Length: 2\r\nhOST: evil\r\n"),
    "no host": edited("Host: localhost\r\n", ""),
    "two keys": edited("Host", f"Authorization: Bearer {KEY}\r\nHost"),
    "two idempotency keys": edited("Host", "Idempotency-Key: a\r\nIdempotency-Key: b\r\nHost"),
    "bare LF after the request line": edited("HTTP/1.1\r\n", "HTTP/1.1\n"),
    "bare LF after a header": edited("Host: localhost\r\n", "Host: localhost\n"),
    "bare LF at the end": edited("\r\n\r\n", "\n\n"),
    "a folded header": edited("Host: localhost\r\n", "Host: localhost\r\n folded\r\n"),
    "a space before the colon": edited("Host:", "Host :"),
    "a NUL in a header": edited("localhost", "local\0host"),
    "a control character in the address": edited("/rpc", "/rp\x01c"),
    "bytes beyond ASCII in the address": edited("/echo", "/ech\xf6"),
    "another transfer encoding": edited("Content-Length: 2\r\n", "Transfer-Encoding: gzip\r\n"),
    "transfer encodings": edited("Content-Length: 2\r\n", "Transfer-Encoding: gzip, chunked\r\n"),
    "a proxy's address": edited("/rpc", "http://localhost/rpc"),
    "an unknown verb": edited("POST", "BREW"),
    "a small verb": edited("POST", "post"),
    "chunks without a size": edited("Content-Length: 2\r\n\r\n", CHUNKED + "\r\nx\r\n"),
    "trailers": edited(
        "Content-Length: 2\r\n\r\n{}", CHUNKED + "\r\n2\r\n{}\r\n0\r\nX-Late: 1\r\nX: 2\r\n\r\n"
    ),
    "chunks in HTTP/1.0": edited("HTTP/1.1", "HTTP/1.0").replace(
        b"Content-Length: 2\r\n", CHUNKED.encode()
    ),
    "an upgrade to HTTP/2": edited("Host", "Connection: Upgrade\r\nUpgrade: h2c\r\nHost"),
    "a WebSocket": edited("Host", "Connection: Upgrade\r\nUpgrade: websocket\r\nHost"),
    "an expectation": edited("Host", "Expect: 200-miracle\r\nHost"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    "nonsense": b"\x01\x02\x03 nonsense \r\n\r\n",
}


@pytest.mark.attack("A27")
@pytest.mark.parametrize("case", MALFORMED)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(
    toy: Toy, case: str
) -> None:
    """400 with a problem; a second request behind it is never looked at."""
    answer = asked_and_ended(toy, MALFORMED[case] + post("Notes.get"))

    assert answer.status == 400
    assert answer.json["code"] == "invalid_argument"
    assert toy.notes.seen == []


@pytest.mark.attack("A27")
def test_a_tunnel_is_refused(toy: Toy) -> None:
    """This is no proxy."""
    answer = asked_and_ended(toy, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n")

    assert answer.status == 400


@pytest.mark.attack("A27")
@pytest.mark.parametrize("version", ["2.0", "0.9"])
def test_another_version_is_refused(toy: Toy, version: str) -> None:
    """505, and how to speak."""
    request = get("/health").replace(b"HTTP/1.1", f"HTTP/{version}".encode())

    assert asked_and_ended(toy, request).status == 505


@pytest.mark.attack("A45")
def test_what_is_refused_is_told_without_control_characters(toy: Toy) -> None:
    """A stranger's bytes must not paint the terminal of who reads the answer or the log."""
    answer = asked(
        toy, post("Notes.echo", content_type="\x1b[31m\xff".encode("latin-1").decode("latin-1"))
    )

    assert b"\x1b" not in answer.body
