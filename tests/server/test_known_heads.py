"""A head that was parsed before is found by its bytes, and nothing else changes."""

from __future__ import annotations

import pytest

from freehold.server.known_heads import HEAD_BYTES_MAX, HEADS_MAX, KnownHead, KnownHeads
from freehold.wire.codec import JSON
from tests.server.toy import KEY, Toy, post

HEAD = KnownHead(2, "Notes.echo", JSON, KEY, 0, None, None)


def a_head(number: int) -> bytes:
    """A request whose head differs from all others."""
    return b"POST /rpc/Notes/echo HTTP/1.1\r\nHost: h%d\r\n\r\n{}" % number


def test_the_same_head_with_another_body_is_another_call(toy: Toy) -> None:
    """Each call gets the answer to its own body, the first one and those found by look-up."""
    client = toy.client()

    bodies = []
    for text in (b'{"a": 1}', b'{"a": 2}', b'{"a": 3}'):
        client.send(post("Notes.echo", text))
        bodies.append(client.answer().body)

    assert bodies == [b'{"a":1}', b'{"a":2}', b'{"a":3}']


def test_the_caller_is_asked_for_on_every_call(toy: Toy) -> None:
    """A key that was revoked after its head became known calls no more."""
    client = toy.client()
    for _ in range(2):
        client.send(post("Notes.echo", b"{}"))
        assert client.answer().status == 200

    toy.keys.alive.clear()
    client.send(post("Notes.echo", b"{}"))

    assert client.answer().status == 401


def test_a_known_head_in_pieces_or_with_more_behind_it_is_parsed(toy: Toy) -> None:
    """Only one whole request is found; halves and pairs go through the parser."""
    client = toy.client()
    request = post("Notes.echo", b'{"a": 1}')
    client.send(request)
    client.answer()

    client.send(request[:-3])
    client.send(request[-3:])
    halves = client.answer()
    client.send(request + request)
    pair = [client.answer(), client.answer()]

    assert [answer.body for answer in (halves, *pair)] == [b'{"a":1}'] * 3


def test_a_head_that_names_one_call_is_not_kept(toy: Toy) -> None:
    """Each call brings its own idempotency key to the dispatcher."""
    client = toy.client()

    for key in ("one", "one", "two"):
        client.send(post("Notes.echo", b"{}", extra=f"Idempotency-Key: {key}\r\n"))
        client.answer()

    assert [request.idempotency_key for request in toy.notes.seen] == ["one", "one", "two"]


def test_options_in_a_known_head_are_those_it_was_parsed_with(toy: Toy) -> None:
    """`Freehold-Min-Seq`, time and contract come along with every call of the head."""
    client = toy.client()
    extra = "Freehold-Min-Seq: 7\r\nFreehold-Timeout-Ms: 900\r\nFreehold-Contract: abc\r\n"

    for _ in range(3):
        client.send(post("Notes.echo", b"{}", extra=extra))
        client.answer()

    assert {(r.min_seq, r.timeout_ms, r.contract) for r in toy.notes.seen} == {(7, 900, "abc")}


def test_heads_that_never_repeat_fill_no_memory() -> None:
    """At `HEADS_MAX` all are forgotten, and what comes again is kept again."""
    heads = KnownHeads()
    for number in range(HEADS_MAX):
        heads.keep(a_head(number), HEAD)

    heads.keep(a_head(HEADS_MAX), HEAD)

    assert heads.find(a_head(HEADS_MAX)) == HEAD
    assert heads.find(a_head(0)) is None


@pytest.mark.parametrize("over", [0, 1])
def test_a_head_longer_than_the_limit_is_not_kept(over: int) -> None:
    """At `HEAD_BYTES_MAX` it is kept, one past it is not."""
    heads = KnownHeads()
    short = a_head(1)
    filler = b"x" * (HEAD_BYTES_MAX + over - (len(short) - 2))
    request = short.replace(b"h1", b"h1" + filler)

    heads.keep(request, HEAD)

    assert (heads.find(request) is not None) == (over == 0)
