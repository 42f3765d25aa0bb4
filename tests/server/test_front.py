"""Calls over HTTP: what is answered, what is refused, and how."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from freehold.wire.frames import frame
from tests.server.toy import KEY, HttpAnswer, Toy, get, post

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


# -- calls ---------------------------------------------------------------------------------


def test_a_call_is_answered_with_the_bare_result_and_its_seq(toy: Toy) -> None:
    """200, the method's result, the codec of the request, and the commit it belongs to."""
    answer = asked(toy, post("Notes.add", b'{"text": "hi"}'))

    assert answer.status == 200
    assert answer.body == b'"hi"'
    assert answer.headers == {
        "content-type": "application/json",
        "content-length": "4",
        "freehold-seq": "1",
    }


@pytest.mark.parametrize(
    "content_type", ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"]
)
def test_messagepack_by_content_type(toy: Toy, content_type: str) -> None:
    """The same path in MessagePack, under the names it is known by."""
    body = msgspec.msgpack.encode({"a": 1})

    answer = asked(toy, post("Notes.echo", body, content_type=content_type))

    assert answer.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(answer.body) == {"a": 1}


def test_an_error_in_messagepack_is_a_messagepack_map(toy: Toy) -> None:
    """A client reads one codec only."""
    answer = asked(toy, post("Notes.clash", b"\x80", content_type="application/msgpack"))

    assert answer.status == 409
    assert answer.headers["content-type"] == "application/msgpack"
    assert msgspec.msgpack.decode(answer.body)["code"] == "conflict"


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", "Application/JSON", 'application/json;charset="utf-8"'],
)
def test_json_in_its_usual_spellings(toy: Toy, content_type: str) -> None:
    """Clients add a charset; it may only be the one that JSON has."""
    assert asked(toy, post("Notes.echo", content_type=content_type)).status == 200


def test_a_call_without_a_body_has_no_arguments(toy: Toy) -> None:
    """No Content-Type is asked for where there is no content."""
    assert asked(toy, post("Notes.get", b"", content_type=None)).body == b"[]"


def test_a_chunked_body_is_put_together(toy: Toy) -> None:
    """The transfer's pieces are nobody's business."""
    head = (
        post("Notes.echo").replace(b"Content-Length: 2\r\n", CHUNKED.encode()).removesuffix(b"{}")
    )

    answer = asked(toy, head + b'3\r\n{"a\r\n4\r\n": 1\r\n1\r\n}\r\n0\r\n\r\n')

    assert answer.json == {"a": 1}


def test_the_options_of_a_call_reach_the_dispatcher(toy: Toy) -> None:
    """Each header arrives in the request, read strictly."""
    extra = (
        "Idempotency-Key: k-1\r\nFreehold-Min-Seq: 7\r\n"
        "Freehold-Timeout-Ms: 250\r\nFreehold-Contract: abc\r\n"
    )

    asked(toy, post("Notes.get", extra=extra))

    request = toy.notes.seen[-1]
    assert request.idempotency_key == "k-1"
    assert request.min_seq == 7
    assert request.timeout_ms == 250
    assert request.contract == "abc"
    assert request.caller.key_id == "toy"


@pytest.mark.promise("P17")
def test_a_defect_of_the_server_says_nothing_about_itself(toy: Toy) -> None:
    """The text of an unknown error goes to the log and never to the wire."""
    answer = asked(toy, post("Notes.crash"))

    assert answer.status == 500
    assert answer.json["code"] == "internal"
    assert "incident" in answer.json["data"]
    assert b"secret" not in answer.body


def test_a_problem_has_all_its_parts(toy: Toy) -> None:
    """What a program and what a person need, in one shape."""
    answer = asked(toy, post("Notes.clash"))

    assert answer.status == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "freehold-seq" not in answer.headers, "no commit was seen"
    assert answer.json == {
        "type": "about:blank",
        "title": "The data does not allow this now",
        "status": 409,
        "code": "conflict",
        "error": "Conflict",
        "detail": "It clashes.",
        "hint": "",
        "retryable": False,
        "outcome": "failed",
    }


# -- keys ----------------------------------------------------------------------------------


@pytest.mark.attack("A1")
@pytest.mark.parametrize("method", ["Notes.get", "Notes.add", "Notes.none", "No.thing", "x.__y"])
@pytest.mark.parametrize("key", [None, "fh_test_bad", "fh_live_good", "x" * 900])
def test_without_a_living_key_every_method_looks_the_same(
    toy: Toy, method: str, key: str | None
) -> None:
    """401 with one and the same body, whether the method is there or not."""
    expected = asked(toy, post("Notes.get", key="none"))

    answer = asked(toy, post(method, key=key))

    assert answer.status == 401
    assert answer.body == expected.body
    assert answer.headers["www-authenticate"] == 'bearer realm="freehold"'
    assert toy.notes.seen == []


@pytest.mark.attack("A1")
@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "Bearer ", KEY, f"Bearer{KEY}"])
def test_an_authorization_of_another_kind_is_no_key(toy: Toy, value: str) -> None:
    """Only `Bearer KEY` is one."""
    assert (
        asked(toy, post("Notes.get", key=None, extra=f"Authorization: {value}\r\n")).status == 401
    )


def test_the_word_bearer_may_be_written_anyhow(toy: Toy) -> None:
    """Schemes have no case in HTTP."""
    request = post("Notes.get", key=None, extra=f"authorization: bEARER {KEY}\r\n")

    assert asked(toy, request).status == 200


@pytest.mark.attack("A1")
def test_a_key_in_the_address_is_no_key(toy: Toy) -> None:
    """Addresses are logged; keys do not belong there."""
    assert asked(toy, post(f"Notes.get?key={KEY}", key=None)).status == 401
    assert asked(toy, post(f"Notes.get?key={KEY}")).status == 400


@pytest.mark.attack("A35")
def test_a_revoked_key_ends_at_the_next_call_of_the_same_connection(toy: Toy) -> None:
    """The authenticator is asked on every call, not once per connection."""
    client = toy.client()
    client.send(post("Notes.get"))
    assert client.answer().status == 200

    toy.on_loop(lambda: toy.keys.alive.discard(KEY))
    client.send(post("Notes.get"))

    assert client.answer().status == 401


# -- paths and verbs -----------------------------------------------------------------------


@pytest.mark.attack("A2")
@pytest.mark.parametrize(
    "path",
    [
        "/rpc/Notes/none",
        "/rpc/Notes/ge%74",
        "/rpc/%4eotes/get",
        "/rpc//Notes/get",
        "/rpc/Notes//get",
        "/rpc/Notes/get/",
        "/rpc/Notes/./get",
        "/rpc/Notes/../Notes/get",
        "/rpc/Notes%2fget",
        "/rpc/Notes.get",
        "/rpc/Notes/__class__",
        "/rpc/Notes/_private",
        "/rpc/notes/get",
        "/rpc/Notes/get;v=1",
        "/rpc/",
        "/rpc/Notes",
    ],
)
def test_a_name_that_is_not_spelled_as_it_stands_is_unknown(toy: Toy, path: str) -> None:
    """The method table is the only router; nothing is decoded, folded or looked up by name."""
    answer = asked(toy, post("Notes.get").replace(b"/rpc/Notes/get", path.encode()))

    assert answer.status == 404
    assert answer.json["code"] == "unknown_method"


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"])
def test_another_verb_on_a_call_is_refused_with_the_right_one(toy: Toy, verb: str) -> None:
    """405 with Allow, so that a tool can go on."""
    answer = asked(toy, get("/rpc/Notes/get", key=KEY, verb=verb))

    assert answer.status == 405
    assert answer.headers["allow"] == "post"


def test_a_head_gets_the_head_of_a_refusal(toy: Toy) -> None:
    """The length is told, the body is not sent, and the connection goes on."""
    client = toy.client()

    client.send(get("/rpc/Notes/get", key=KEY, verb="HEAD") + post("Notes.get"))

    assert client.answer(headless=True).status == 405
    assert client.answer().status == 200


def test_frames_without_the_upgrade_are_told_about_it(toy: Toy) -> None:
    """426, and the name of the protocol."""
    answer = asked(toy, get("/frames"))

    assert answer.status == 426
    assert answer.headers["upgrade"] == "freehold"


# -- options that are wrong ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Freehold-Min-Seq", value)
        for value in ("", "-1", "+1", "1.0", "1e3", " 1 2", "0x1", "01", "1_0", "٣", str(2**63))
    ]
    + [
        ("Freehold-Timeout-Ms", value)
        for value in ("", "0", "-5", "60001", "soon", "1.5", "9" * 400)
    ]
    + [("Idempotency-Key", value) for value in ("", "two words", "é", "x" * 256)]
    + [("Freehold-Contract", value) for value in ("", "two words", "x" * 129)],
)
def test_an_option_is_read_strictly(toy: Toy, header: str, value: str) -> None:
    """An option that is not exactly what it should be is refused by its name."""
    request = post("Notes.get", extra="@@\r\n").replace(b"@@", f"{header}: {value}".encode())

    answer = asked(toy, request)

    assert answer.status == 400
    assert answer.json["code"] == "invalid_argument"
    assert answer.json["path"] == header


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Freehold-Min-Seq", "0"),
        ("Freehold-Min-Seq", str(2**63 - 1)),
        ("Freehold-Timeout-Ms", "1"),
        ("Freehold-Timeout-Ms", "60000"),
        ("Idempotency-Key", "x"),
        ("Idempotency-Key", "x" * 255),
    ],
)
def test_an_option_at_its_limit_is_taken(toy: Toy, header: str, value: str) -> None:
    """The limit itself is allowed."""
    assert asked(toy, post("Notes.get", extra=f"{header}: {value}\r\n")).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
    ],
)
def test_a_body_of_another_kind_is_refused(toy: Toy, content_type: str | None) -> None:
    """A form of a web page is the one thing that a page may send anywhere unasked."""
    answer = asked(toy, post("Notes.echo", content_type=content_type))

    assert answer.status == 415
    assert toy.notes.seen == []


@pytest.mark.attack("A28")
def test_a_compressed_body_is_refused(toy: Toy) -> None:
    """Nothing is unpacked here, so nothing can explode."""
    assert asked(toy, post("Notes.echo", extra="Content-Encoding: gzip\r\n")).status == 415
    assert asked(toy, post("Notes.echo", extra="Content-Encoding: identity\r\n")).status == 200


# -- the connection's end ------------------------------------------------------------------


def test_connection_close_is_kept(toy: Toy) -> None:
    """The answer says so too, and what stands behind it is not read."""
    request = post("Notes.add", b'{"text":"a"}', extra="Connection: close\r\n")

    assert asked_and_ended(toy, request + post("Notes.add", b'{"text":"b"}')).status == 200
    assert toy.notes.notes == ["a"]


@pytest.mark.parametrize("extra", ["", "Connection: keep-alive\r\n"])
def test_http_1_0_gets_one_answer(toy: Toy, extra: str) -> None:
    """It is answered as HTTP/1.1 allows, and the connection ends."""
    request = post("Notes.get", extra=extra).replace(b"HTTP/1.1", b"HTTP/1.0")

    assert asked_and_ended(toy, request).status == 200


def test_keep_alive_is_how_it_is(toy: Toy) -> None:
    """A client may say so; it changes nothing."""
    client = toy.client()
    for _ in range(3):
        client.send(post("Notes.get", extra="Connection: keep-alive\r\n"))
        answer = client.answer()

        assert answer.status == 200
        assert "connection" not in answer.headers


def test_a_peer_that_has_said_all_still_gets_its_answer(toy: Toy) -> None:
    """`printf … | nc`: the sending half is closed before the mutation is committed."""
    client = toy.client()
    client.send(post("Notes.hold"))
    client.raw.shutdown(1)
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.answer().json == "released"
    assert client.is_ended()


def test_a_peer_that_is_gone_withdraws_what_is_not_begun(toy: Toy) -> None:
    """Nobody waits for it any more."""
    client = toy.client()
    client.send(post("Notes.hold"))
    toy.wait_until(lambda: toy.notes.held)
    toy.on_loop(lambda: setattr(toy.notes.held[0], "deadline_ns", 5))

    client.reset()
    toy.wait_until(lambda: toy.server.connections == 0)

    assert toy.notes.held[0].deadline_ns == 0
    toy.on_loop(toy.notes.release)


def test_an_awaited_continue_is_given(toy: Toy) -> None:
    """curl waits for it before it sends a larger body."""
    client = toy.client()
    request = post("Notes.echo", b'{"a":1}', extra="Expect: 100-continue\r\n")
    head, body = request[:-7], request[-7:]

    client.send(head)
    assert client.answer().status == 100
    client.send(body)

    assert client.answer().json == {"a": 1}


def test_a_refusal_comes_instead_of_the_continue(toy: Toy) -> None:
    """The body of a call that will not happen need not be sent."""
    request = post("Notes.echo", b'{"a":1}', key=None, extra="Expect: 100-continue\r\n")

    assert asked_and_ended(toy, request[:-7]).status == 401


def test_the_upgrade_turns_the_connection_into_frames(toy: Toy) -> None:
    """On the port frames come after a 101, and may come right behind the request."""
    client = toy.client()
    hello: list[Any] = ["hello", 1, {"key": KEY}]
    upgrade = get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n")

    client.send(upgrade)
    client.say(hello, [1, "Notes.echo", {"a": 1}, None])

    switched = client.answer()
    assert switched.status == 101
    assert switched.headers["upgrade"] == "freehold"
    assert client.message()[0] == "welcome"
    assert client.message() == [1, 0, 0, {"a": 1}]


def test_frames_need_a_key_on_the_port(toy: Toy) -> None:
    """The upgrade gives no rights."""
    client = toy.client()
    client.send(get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n"))
    client.say(["hello", 1, {}])

    client.answer()
    refused = client.message()

    assert refused[0] == "refused"
    assert refused[2]["code"] == "unauthenticated"
    assert client.is_ended()


def test_an_upgrade_behind_an_unanswered_call_is_refused(toy: Toy) -> None:
    """Its answer would arrive among the frames."""
    client = toy.client()
    upgrade = get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n")
    client.send(post("Notes.hold") + upgrade)
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.answer().status == 200
    assert client.answer().status == 400


def test_frames_right_behind_the_upgrade_are_all_heard(toy: Toy) -> None:
    """However many came with it in one piece."""
    client = toy.client()
    hello = frame(msgspec.msgpack.encode(["hello", 1, {"key": KEY}]))
    calls = [
        frame(msgspec.msgpack.encode([number, "Notes.echo", ["x" * 50], None]))
        for number in range(1, 501)
    ]
    client.send(
        get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n")
        + hello
        + b"".join(calls)
    )

    assert client.answer().status == 101
    assert client.message()[0] == "welcome"
    assert sorted(client.message()[0] for _ in calls) == list(range(1, 501))


@pytest.mark.promise("P16")
@pytest.mark.attack("A32")
def test_who_shows_no_living_key_again_and_again_is_not_heard_further(toy: Toy) -> None:
    """Thirty-two times in a row; a good call between them begins the count anew."""
    client = toy.client()
    client.send(post("Notes.get", key=None) * 20 + post("Notes.get"))
    client.send(post("Notes.get", key=None) * 400)

    ended = [client.answer() for _ in range(53)]

    assert [each.status for each in ended] == [401] * 20 + [200] + [401] * 32
    assert ended[-1].headers["connection"] == "close"
    assert client.is_ended()
    assert len(toy.notes.seen) == 1


@pytest.mark.promise("P16")
@pytest.mark.attack("A32")
def test_others_have_their_turn_between_the_calls_of_one(toy: Toy) -> None:
    """Of thousands that came at once a few are begun, then whoever else has called is answered."""
    flood, good = toy.client(), toy.client()
    flood.send(post("Notes.big", b'{"size": 2000}') * 5_000)
    good.send(post("Notes.echo", b"7"))

    assert good.answer().json == 7
    begun = toy.on_loop(lambda: len(toy.notes.seen))

    assert begun < 3_000
