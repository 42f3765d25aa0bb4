"""Many requests on one connection: the order of answers, and any cutting of the bytes."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.toy import KEY, SOON_S, Client, Toy, get, post, served

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Toy]:
    """One toy for all examples."""
    with served() as toy:
        yield toy


def test_a_mutation_is_answered_before_the_queries_behind_it(toy: Toy) -> None:
    """It ends later, and HTTP wants answers in the order of the requests."""
    client = toy.client()

    client.send(
        post("Notes.echo", b"1")
        + post("Notes.add", b'{"text":"two"}')
        + post("Notes.echo", b"3")
        + get("/health")
        + post("Notes.add", b'{"text":"five"}')
        + post("Notes.clash")
        + post("Notes.none")
        + post("Notes.echo", b"8")
    )

    answers = [client.answer() for _ in range(8)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 200, 409, 404, 200]
    assert answers[1].json == "two"
    assert answers[3].json["service"] == "toy"
    assert answers[4].json == "five"
    assert answers[7].json == 8


def test_mutations_that_are_pipelined_are_committed_in_one_batch(toy: Toy) -> None:
    """They are handed over together, so that they can share a commit."""
    client = toy.client()
    calls = b"".join(post("Notes.add", b'{"text":"%d"}' % n) for n in range(10))

    client.send(calls)

    answers = [client.answer() for _ in range(10)]
    assert [answer.headers["freehold-seq"] for answer in answers] == [str(n) for n in range(1, 11)]


def test_an_answer_that_was_held_lets_the_others_pass_after_it(toy: Toy) -> None:
    """Nothing leaves before it, everything right after it."""
    client = toy.client()
    client.send(post("Notes.hold") + post("Notes.echo", b"1") + get("/health"))
    toy.wait_until(lambda: toy.notes.held)
    client.raw.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.answer()

    client.raw.settimeout(SOON_S)
    toy.on_loop(toy.notes.release)

    assert client.answer().json == "released"
    assert client.answer().json == 1
    assert client.answer().json["status"] == "ok"


def test_a_refused_request_is_refused_after_the_answers_before_it(toy: Toy) -> None:
    """The client can tell which of its requests was the wrong one."""
    client = toy.client()
    client.send(post("Notes.hold") + post("Notes.echo", b"1") + b"nonsense\r\n\r\n")
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert [client.answer().status for _ in range(3)] == [200, 200, 400]
    assert client.is_ended()


# One request and the status and value it must be answered with; None for whatever value.
GOOD: list[tuple[bytes, int, Any]] = [
    (post("Notes.echo", b'{"a": [1, 2]}'), 200, {"a": [1, 2]}),
    (post("Notes.add", b'{"text":"t"}'), 200, "t"),
    (post("Notes.clash"), 409, None),
    (post("Notes.get", key="bad"), 401, None),
    (post("Notes.none"), 404, None),
    (post("Notes.echo", b"\xff"), 400, None),
    (post("Notes.get", b"", content_type=None), 200, None),
    (get("/health"), 200, None),
    (get("/nowhere"), 404, None),
    (get("/metrics"), 401, None),
    (get("/contract.json", key=KEY), 200, {"freehold": 1}),
    (
        post("Notes.echo", b"").replace(
            b"Content-Length: 0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n3;x=y\r\n,2]\r\n0\r\n\r\n",
        ),
        200,
        [1, 2],
    ),
    (b"\r\n" + get("/health"), 200, None),
    (post("Notes.echo", b"7", extra="X-Long: " + "v" * 700 + "\r\n"), 200, 7),
]


@pytest.mark.attack("A27")
@QUICK
@given(
    chosen=st.lists(st.integers(0, len(GOOD) - 1), min_size=1, max_size=8),
    cuts=st.lists(st.integers(1, 3000), max_size=10),
)
def test_any_cutting_of_a_pipeline_gives_the_same_answers(
    shared: Toy, chosen: list[int], cuts: list[int]
) -> None:
    """Where the network cuts is nobody's business."""
    requests = [GOOD[n] for n in chosen]
    stream = b"".join(request for request, _, _ in requests)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    client = shared.client()
    try:
        for start, end in itertools.pairwise(edges):
            client.send(stream[start:end])
            settle(shared)
        for _, status, value in requests:
            answer = client.answer()
            assert answer.status == status
            assert value is None or answer.json == value
    finally:
        client.close()


def settle(toy: Toy) -> None:
    """Let the server read what was sent, so that the next piece is a piece of its own."""
    toy.on_loop(lambda: None)


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_a_request_byte_by_byte_gets_its_answer(shared: Toy, number: int) -> None:
    """The finest cutting there is."""
    request, status, value = GOOD[number]
    client = shared.client()
    try:
        for byte in request:
            client.send(bytes([byte]))
        answer = client.answer()
    finally:
        client.close()

    assert answer.status == status
    assert value is None or answer.json == value


@pytest.mark.attack("A27")
@pytest.mark.promise("P17")
@QUICK
@given(
    number=st.integers(0, len(GOOD) - 1),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_no_bytes_make_the_server_break(
    shared: Toy, number: int, edits: list[tuple[int, bytes]]
) -> None:
    """Whatever comes: an answer of the 200s or 400s, or the end; never a 500, never silence."""
    damaged = bytearray(GOOD[number][0])
    for place, replacement in edits:
        damaged[place : place + 1] = replacement
    client = shared.client()
    try:
        client.send(bytes(damaged))
        # What is still open after the damage is closed from this side.
        client.raw.shutdown(1)
        statuses = all_statuses(client)
    finally:
        client.close()

    assert all(200 <= status < 500 or status == 505 for status in statuses)
    probe = shared.client()
    probe.send(post("Notes.echo", b"1"))
    assert probe.answer().status == 200
    probe.close()


def all_statuses(client: Client) -> list[int]:
    """The statuses of everything that is answered until the end."""
    statuses: list[int] = []
    try:
        while True:
            statuses.append(client.answer().status)
    except (EOFError, ConnectionResetError, KeyError):
        return statuses


def test_the_toy_logged_no_defect(shared: Toy, caplog: pytest.LogCaptureFixture) -> None:
    """A guard for this file: the cases above are refusals, not crashes."""
    with caplog.at_level(logging.ERROR):
        client = shared.client()
        client.send(b"".join(request for request, _, _ in GOOD))
        assert [client.answer().status for _ in GOOD] == [status for _, status, _ in GOOD]
        client.close()

    assert caplog.records == []
