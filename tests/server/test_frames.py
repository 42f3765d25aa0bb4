"""The frames protocol over a Unix socket: greeting, calls, refusals, leaving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.wire.frames import frame
from tests.server.toy import KEY, Client, Toy, get, post, served


@pytest.fixture
def client(toy: Toy) -> Client:
    """A greeted client on the Unix socket."""
    client = toy.unix_client()
    client.hello(None)
    assert client.message()[0] == "welcome"
    return client


# -- the greeting --------------------------------------------------------------------------


def test_a_hello_is_welcomed_with_what_a_client_must_know(toy: Toy) -> None:
    """Who serves, which contract, how far the data is, how large a frame may be."""
    client = toy.unix_client()

    client.hello(None)

    expected = {
        "app": "toy",
        "version": "1.2.3",
        "contract": "abc",
        "seq": 0,
        "maxFrame": toy.server.limits.frame_bytes_max,
    }
    assert client.message() == ["welcome", 1, expected]


def test_calls_may_come_right_behind_the_hello(toy: Toy) -> None:
    """No round trip is lost on the greeting."""
    client = toy.unix_client()

    client.say(["hello", 1, {}], [1, "Notes.echo", {"a": 1}, None], [2, "Notes.get", None, {}])

    assert client.message()[0] == "welcome"
    assert client.message() == [1, 0, 0, {"a": 1}]
    assert client.message() == [2, 0, 0, []]


@pytest.mark.parametrize(
    "message",
    [
        [1, "Notes.get", None, None],
        ["hello", 2, {}],
        ["hallo", 1, {}],
        ["hello", 1],
        ["hello", 1, None],
        ["hello", 1, {"key": 5}],
        {"hello": 1},
        "hello",
        None,
        [],
    ],
)
def test_what_is_no_hello_is_refused(toy: Toy, message: Any) -> None:
    """The first frame says who speaks; nothing before it is heard."""
    client = toy.unix_client()

    client.say(message, [1, "Notes.get", None, None])

    word, version, problem = client.message()
    assert (word, version) == ("refused", 1)
    assert problem["code"] == "invalid_argument"
    assert client.is_ended()
    assert toy.notes.seen == []


def test_a_bad_key_is_refused_with_the_calls_behind_it(toy: Toy) -> None:
    """The calls in the same write are not begun."""
    client = toy.unix_client()
    client.say(["hello", 1, {"key": "bad"}], [1, "Notes.add", {"text": "x"}, None])

    refused = client.message()

    assert refused[2]["code"] == "unauthenticated"
    assert client.is_ended()
    assert toy.notes.seen == []


def test_the_owner_needs_no_key_on_the_unix_socket(toy: Toy, client: Client) -> None:
    """The caller is trusted there; with a key it is the key's caller."""
    client.say([1, "Notes.get", None, None])
    client.message()
    assert toy.notes.seen[-1].caller.trusted

    keyed = toy.unix_client()
    keyed.hello(KEY)
    keyed.say([1, "Notes.get", None, None])
    keyed.message()
    keyed.message()
    assert not toy.notes.seen[-1].caller.trusted


def test_the_contract_of_the_hello_goes_with_every_call(toy: Toy) -> None:
    """It is said once and counts for the connection."""
    client = toy.unix_client()
    client.say(["hello", 1, {"contract": "mine"}], [1, "Notes.get", None, None])
    client.message()
    client.message()

    assert toy.notes.seen[-1].contract == "mine"


def test_both_protocols_share_the_unix_socket(toy: Toy) -> None:
    """The first byte tells them apart."""
    http, frames = toy.unix_client(), toy.unix_client()

    http.send(post("Notes.get", key=None))
    frames.hello(None)

    assert http.answer().status == 200
    assert frames.message()[0] == "welcome"


# -- calls ---------------------------------------------------------------------------------


def test_answers_come_in_the_order_in_which_calls_end(toy: Toy, client: Client) -> None:
    """Nobody waits for another call's answer."""
    client.say([1, "Notes.hold", None, None], [2, "Notes.echo", [2], None])
    assert client.message() == [2, 0, 0, [2]]

    client.say([3, "Notes.add", {"text": "x"}, None])
    assert client.message() == [3, 0, 1, "x"]

    toy.on_loop(toy.notes.release)
    assert client.message() == [1, 0, 1, "released"]


def test_many_calls_in_flight_are_all_answered(toy: Toy, client: Client) -> None:
    """Each id once, with its own result."""
    numbers = range(1, 2001)
    client.say(*([n, "Notes.add", {"text": str(n)}, None] for n in numbers))

    answers = [client.message() for _ in numbers]

    assert sorted(answer[0] for answer in answers) == list(numbers)
    assert all(answer[3] == str(answer[0]) for answer in answers)
    assert sorted(answer[2] for answer in answers) == list(numbers)


def test_answers_of_one_turn_of_the_loop_leave_in_one_write(toy: Toy, client: Client) -> None:
    """A batch that commits answers its callers with one system call per connection."""
    client.say(*([n, "Notes.hold", None, None] for n in range(1, 101)))
    toy.wait_until(lambda: len(toy.notes.held) == 100)

    toy.on_loop(toy.notes.release)

    # On a Unix socket what was written at once is read at once.
    data = client.raw.recv(1_000_000)
    assert data.count(b"released") == 100


def test_an_error_answers_its_call_and_the_connection_goes_on(client: Client) -> None:
    """The problem map of HTTP, in MessagePack."""
    client.say([7, "Notes.clash", None, None], [8, "Notes.none", None, None])

    first, second = client.message(), client.message()

    assert first[:2] == [7, 1]
    assert first[3]["code"] == "conflict"
    assert first[3]["detail"] == "It clashes."
    assert second[3]["code"] == "unknown_method"


@pytest.mark.promise("P17")
def test_a_defect_says_nothing_about_itself(client: Client) -> None:
    """As over HTTP."""
    client.say([1, "Notes.crash", None, None])

    answer = client.message()

    assert answer[3]["code"] == "internal"
    assert "secret" not in str(answer)


def test_the_options_of_a_call_reach_the_dispatcher(toy: Toy, client: Client) -> None:
    """Under the names they have on the wire; traceparent is taken and not used yet."""
    options = {"idempotencyKey": "k-1", "minSeq": 7, "timeoutMs": 250, "traceparent": "00-a-b-01"}

    client.say([1, "Notes.get", None, options])
    client.message()

    request = toy.notes.seen[-1]
    assert request.idempotency_key == "k-1"
    assert request.min_seq == 7
    assert request.timeout_ms == 250


@pytest.mark.parametrize(
    "options",
    [
        {"minSeq": -1},
        {"minSeq": 2**63},
        {"minSeq": "1"},
        {"minSeq": 1.5},
        {"timeoutMs": 0},
        {"timeoutMs": 60_001},
        {"idempotencyKey": ""},
        {"idempotencyKey": "x" * 256},
        {"idempotencyKey": "two words"},
        {"unknown": 1},
        [1],
        "text",
        5,
    ],
)
def test_an_option_is_read_strictly(toy: Toy, client: Client, options: Any) -> None:
    """The call is refused, the connection goes on."""
    client.say([1, "Notes.get", None, options], [2, "Notes.echo", [1], None])

    assert client.message()[3]["code"] == "invalid_argument"
    assert client.message() == [2, 0, 0, [1]]
    assert len(toy.notes.seen) == 1


def test_ids_may_be_used_again_once_answered(client: Client) -> None:
    """They are unique among the calls in flight, no longer."""
    for _ in range(3):
        client.say([2**32 - 1, "Notes.echo", [1], None])
        assert client.message() == [2**32 - 1, 0, 0, [1]]


# -- malformed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        [0, "Notes.get", None, None],
        [-1, "Notes.get", None, None],
        [2**32, "Notes.get", None, None],
        ["1", "Notes.get", None, None],
        [1, 5, None, None],
        [1, "Notes.get", None],
        [1, "Notes.get", None, None, None],
        {"id": 1},
        "text",
        ["hello", 1, {}],
    ],
)
def test_what_is_no_call_is_refused_and_ends_the_connection(client: Client, message: Any) -> None:
    """After the answers to what came before it."""
    client.say([1, "Notes.echo", [1], None], message, [3, "Notes.echo", [3], None])

    assert client.message() == [1, 0, 0, [1]]
    word, version, problem = client.message()
    assert (word, version) == ("refused", 1)
    assert problem["code"] == "invalid_argument"
    assert client.is_ended()


def test_calls_in_flight_are_answered_before_a_refusal(toy: Toy, client: Client) -> None:
    """A mutation that was handed over still tells its outcome."""
    client.say([1, "Notes.hold", None, None], "nonsense")
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.message() == [1, 0, 0, "released"]
    assert client.message()[0] == "refused"
    assert client.is_ended()


def test_an_id_that_is_in_flight_cannot_be_used_again(toy: Toy, client: Client) -> None:
    """Its answer could not be told from the other one's."""
    client.say([1, "Notes.hold", None, None], [1, "Notes.get", None, None])
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.message() == [1, 0, 0, "released"]
    assert "second call has the id 1" in client.message()[2]["detail"]


@pytest.mark.attack("A28")
@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x94\x01", b"\x91" * 200_000, b"\xdf\xff\xff\xff\xff"]
)
def test_bytes_that_are_no_message_are_refused(client: Client, payload: bytes) -> None:
    """Broken, cut, too deep, or promising four billion entries."""
    client.send(len(payload).to_bytes(4, "big") + payload)

    assert client.message()[0] == "refused"
    assert client.is_ended()


@pytest.mark.attack("A31")
def test_a_frame_at_the_limit_is_taken_and_one_past_it_is_refused_by_its_length(
    tmp_path: Path,
) -> None:
    """The arguments count against the body's limit, the frame against its own."""
    limits = {"body_bytes_max": 1000, "header_bytes_max": 100}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        client = toy.unix_client()
        client.hello(None)
        client.message()

        client.say([1, "Notes.echo", "x" * 997, None])
        assert client.message() == [1, 0, 0, "x" * 997]

        client.say([2, "Notes.echo", "x" * 998, None])
        assert client.message()[3]["code"] == "too_large"

        client.send((1101).to_bytes(4, "big"))
        assert client.message()[0] == "refused"
        assert client.is_ended()


@pytest.mark.attack("A32")
def test_calls_in_flight_at_the_limit_are_begun_and_one_past_it_waits(tmp_path: Path) -> None:
    """The server stops reading until there is room; nothing is lost."""
    with served(unix_path=tmp_path / "private" / "s", limits={"calls_in_flight_max": 4}) as toy:
        client = toy.unix_client()
        client.hello(None)
        client.message()
        client.say(*([n, "Notes.hold", None, None] for n in range(1, 10)))
        toy.wait_until(lambda: len(toy.notes.held) == 4)

        for _ in range(3):
            toy.on_loop(toy.notes.release)
            toy.wait_until(lambda: toy.notes.held or len(toy.notes.seen) == 9)
        toy.on_loop(toy.notes.release)

        assert sorted(client.message()[0] for _ in range(9)) == list(range(1, 10))


@pytest.mark.attack("A28")
@pytest.mark.promise("P17")
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    payloads=st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.tuples(st.integers(-1, 2**32), st.text(max_size=12), st.booleans(), st.none()).map(
                msgspec.msgpack.encode
            ),
        ),
        max_size=4,
    ),
    greeted=st.booleans(),
)
def test_no_frames_make_the_server_break(toy: Toy, payloads: list[bytes], *, greeted: bool) -> None:
    """Whatever comes is answered, refused, or waits for its rest."""
    client = toy.unix_client()
    if greeted:
        client.hello(None)
    client.send(b"\0\0\0\x01\xc0" if not payloads and not greeted else b"")
    client.send(b"".join(frame(payload) for payload in payloads))
    client.raw.shutdown(1)
    messages: list[Any] = []
    try:
        while True:
            messages.append(client.message())
    except EOFError:
        client.close()

    codes = [
        part["code"]
        for message in messages
        for part in message
        if isinstance(part, dict) and "code" in part
    ]
    assert "internal" not in codes


# -- revocation, leaving -------------------------------------------------------------------


@pytest.mark.attack("A35")
def test_a_revoked_key_ends_at_the_next_call(toy: Toy) -> None:
    """The call is refused, those before it are answered, and the connection ends."""
    client = toy.unix_client()
    client.hello(KEY)
    client.say([1, "Notes.hold", None, None])
    client.message()
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(lambda: toy.keys.alive.discard(KEY))
    client.say([2, "Notes.get", None, None])

    refused = client.message()
    assert refused[:2] == [2, 1]
    assert refused[3]["code"] == "unauthenticated"
    toy.on_loop(toy.notes.release)
    assert client.message()[3] == "released"
    assert client.is_ended()


def test_a_peer_that_has_said_all_still_gets_its_answers(toy: Toy, client: Client) -> None:
    """Its sending half is closed; ours is not."""
    client.say([1, "Notes.hold", None, None])
    client.raw.shutdown(1)
    toy.wait_until(lambda: toy.notes.held)

    toy.on_loop(toy.notes.release)

    assert client.message()[3] == "released"
    assert client.is_ended()


def test_a_peer_that_is_gone_withdraws_its_calls(toy: Toy) -> None:
    """What is not begun need not begin."""
    client = toy.client()
    client.send(get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n"))
    client.answer()
    client.hello(KEY)
    client.say([1, "Notes.hold", None, None])
    toy.wait_until(lambda: toy.notes.held)
    toy.on_loop(lambda: setattr(toy.notes.held[0], "deadline_ns", 5))

    client.reset()
    toy.wait_until(lambda: toy.server.connections == 0)

    assert toy.notes.held[0].deadline_ns == 0
    toy.on_loop(toy.notes.release)
