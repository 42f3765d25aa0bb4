"""Each limit of a request and of a connection, at the limit and one past it."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.wire.limits import Limits
from tests.server.toy import KEY, HttpAnswer, Toy, get, post, served

pytestmark = [pytest.mark.attack("A31"), pytest.mark.promise("P16")]


def asked(toy: Toy, request: bytes) -> HttpAnswer:
    client = toy.client()
    client.send(request)
    return client.answer()


def refused(toy: Toy, request: bytes) -> HttpAnswer:
    client = toy.client()
    client.send(request)
    answer = client.answer()
    assert answer.headers["connection"] == "close"
    assert client.is_ended()
    return answer


def test_a_body_at_the_limit_is_taken_and_one_past_it_is_not() -> None:
    """413 by the Content-Length alone, before a byte of the body was sent."""
    with served(limits={"body_bytes_max": 100}) as toy:
        assert asked(toy, post("Notes.echo", b'"' + b"x" * 98 + b'"')).status == 200

        head = post("Notes.echo", b"x" * 101)[:-101]
        answer = refused(toy, head)

        assert answer.status == 413
        assert answer.json["code"] == "too_large"
        assert "100 bytes" in answer.json["detail"]


def test_a_chunked_body_is_counted_as_it_comes() -> None:
    """No length is announced, so the pieces are added up; the last one is not waited for."""
    head = post("Notes.echo", b"").replace(
        b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"
    )
    with served(limits={"body_bytes_max": 100}) as toy:
        body = b'"' + b"x" * 98 + b'"'
        fine = b"32\r\n" + body[:50] + b"\r\n32\r\n" + body[50:] + b"\r\n0\r\n\r\n"
        assert asked(toy, head + fine).status == 200

        late = b"32\r\n" + b"x" * 50 + b"\r\n33\r\n" + b"x" * 51
        assert refused(toy, head + late).status == 413


def test_what_stands_around_chunks_is_counted_too() -> None:
    """A chunk's extension may be of any length in HTTP; here no longer than a body."""
    head = post("Notes.echo", b"").replace(
        b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"
    )
    with served(limits={"body_bytes_max": 1000, "header_bytes_max": 1000}) as toy:
        fine = b"1;" + b"x" * 900 + b"\r\n7\r\n0\r\n\r\n"
        assert asked(toy, head + fine).json == 7

        assert refused(toy, head + b"1;" + b"x" * 3000).status == 413


def test_a_whole_megabyte_is_taken_by_default_and_a_refused_one_can_be_read_about(
    toy: Toy,
) -> None:
    """The client is still sending when it is refused, and must not lose the answer to a reset."""
    limit = Limits().body_bytes_max
    assert asked(toy, post("Notes.echo", b'"' + b"x" * (limit - 2) + b'"')).status == 200

    assert refused(toy, post("Notes.echo", b"x" * (limit + 1))).status == 413


def test_a_body_of_a_refused_call_is_not_kept_and_the_connection_goes_on() -> None:
    """The body is read and dropped; the next call on the connection is fine."""
    with served() as toy:
        client = toy.client()

        client.send(post("Notes.echo", b"x" * 500_000, key="bad") + post("Notes.get"))

        assert client.answer().status == 401
        assert client.answer().status == 200


def test_an_address_at_the_limit_is_looked_up_and_one_past_it_is_not() -> None:
    """414 without waiting for the line's end."""
    with served(limits={"url_bytes_max": 64}) as toy:
        path = "/" + "p" * 63
        assert asked(toy, get(path)).status == 404

        assert refused(toy, b"GET " + path.encode() + b"p").status == 414


def test_headers_at_the_limit_are_taken_and_one_past_it_are_not() -> None:
    """431 by their number."""
    with served(limits={"header_count_max": 10}) as toy:
        extra = "".join(f"X-{n}: v\r\n" for n in range(8))
        assert asked(toy, get("/health", key=KEY, extra=extra)).status == 200

        assert refused(toy, get("/health", key=KEY, extra=extra + "Y: v\r\n")).status == 431


def test_header_bytes_at_the_limit_are_taken_and_one_past_it_are_not() -> None:
    """431 by their length: names, values, and the four bytes around them."""
    with served(limits={"header_bytes_max": 300}) as toy:
        room = 300 - len("Host: localhost\r\n") - len("X: \r\n")
        at_limit = get("/health", extra=f"X: {'v' * room}\r\n")
        assert asked(toy, at_limit).status == 200

        one_past = get("/health", extra=f"X: {'v' * (room + 1)}\r\n")
        answer = refused(toy, one_past)

        assert answer.status == 431
        assert answer.json["code"] == "too_large"


def test_a_header_that_never_ends_is_refused_while_it_comes() -> None:
    """httptools would keep two megabytes of it; here it ends with the limit."""
    with served(limits={"header_bytes_max": 1000, "url_bytes_max": 100}) as toy:
        client = toy.client()

        client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"v" * 1200)

        assert client.answer().status == 431
        assert client.is_ended()


def test_a_header_that_drips_past_the_limit_is_refused() -> None:
    """The same, in pieces."""
    with served(limits={"header_bytes_max": 1000, "url_bytes_max": 100}) as toy:
        client = toy.client()
        client.send(get("/health") + b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert client.answer().status == 200

        client.send(b"v" * 900)
        client.send(b"v" * 900)

        assert client.answer().status == 431
        assert client.is_ended()


@pytest.mark.attack("A32")
def test_connections_at_the_limit_are_served_and_one_past_it_is_told() -> None:
    """503 with a time to come back, at once and without being asked."""
    with served(limits={"connections_max": 3}) as toy:
        inside = [toy.client() for _ in range(3)]
        for client in inside:
            client.send(post("Notes.get"))
            assert client.answer().status == 200

        outside = toy.client()
        answer = outside.answer()

        assert answer.status == 503
        assert answer.json["code"] == "overloaded"
        assert answer.headers["retry-after"] == "1"
        assert answer.json["retryAfterS"] == 1
        assert outside.is_ended()


@pytest.mark.attack("A32")
def test_strangers_at_the_port_do_not_shut_the_owner_out(tmp_path: Path) -> None:
    """One connection in 32 is for the Unix socket."""
    with served(unix_path=tmp_path / "private" / "s", limits={"connections_max": 64}) as toy:
        inside = [toy.client() for _ in range(62)]
        inside[-1].send(post("Notes.get"))
        assert inside[-1].answer().status == 200
        assert toy.client().answer().status == 503

        owners = [toy.unix_client() for _ in range(2)]
        for owner in owners:
            owner.send(post("Notes.get"))
            assert owner.answer().status == 200


def test_a_connection_that_ends_makes_room_for_another() -> None:
    """The cap counts what is open now."""
    with served(limits={"connections_max": 1}) as toy:
        first = toy.client()
        first.send(post("Notes.get"))
        first.answer()
        first.close()
        toy.wait_until(lambda: toy.server.connections == 0)

        assert asked(toy, post("Notes.get")).status == 200


@pytest.mark.attack("A32")
def test_calls_in_flight_at_the_limit_are_begun_and_one_past_it_waits() -> None:
    """The next one begins when one is answered; none is lost, none is out of order."""
    with served(limits={"calls_in_flight_max": 4}) as toy:
        client = toy.client()
        client.send(post("Notes.hold") * 4 + post("Notes.echo", b"5"))
        toy.wait_until(lambda: len(toy.notes.held) == 4)
        assert len(toy.notes.seen) == 4

        toy.on_loop(toy.notes.release)

        answers = [client.answer().json for _ in range(5)]
        assert answers == ["released"] * 4 + [5]
        assert len(toy.notes.seen) == 5


@pytest.mark.attack("A32")
def test_a_flood_on_one_connection_is_taken_in_portions() -> None:
    """Thousands of pipelined calls are all answered, in order, through a cap of 8."""
    with served(limits={"calls_in_flight_max": 8}) as toy:
        client = toy.client()
        calls = b"".join(post("Notes.echo", str(n).encode()) for n in range(3000))

        client.send(calls)

        assert [client.answer().json for _ in range(3000)] == list(range(3000))


@pytest.mark.attack("A32")
def test_200_idle_connections_cost_others_nothing(toy: Toy) -> None:
    """They rest; a new one is served."""
    idle = [toy.client() for _ in range(200)]
    for client in idle:
        client.send(post("Notes.get"))
    for client in idle:
        assert client.answer().status == 200

    assert toy.on_loop(lambda: toy.server.connections) == 200
    assert asked(toy, post("Notes.get")).status == 200
