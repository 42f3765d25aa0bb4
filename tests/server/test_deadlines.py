"""Slow and silent clients, each with its deadline; real time, short limits."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest

from freehold.clock import ManualClock
from freehold.wire.frames import frame
from tests.server.toy import KEY, Client, get, post, served

pytestmark = [pytest.mark.attack("A30"), pytest.mark.promise("P16")]

SHORT: dict[str, object] = {
    "header_time_s": 0.15,
    "body_time_s": 0.4,
    "idle_time_s": 0.15,
    "frames_idle_time_s": 0.15,
    "write_time_s": 0.3,
    "linger_time_s": 0.15,
}


def drip(client: Client, data: bytes) -> None:
    """Send a byte every few milliseconds until the server has enough of it."""
    pause = threading.Event()
    try:
        for byte in itertools.cycle(data):
            client.send(bytes([byte]))
            pause.wait(0.01)
    except OSError:
        return


def dripping(client: Client, data: bytes) -> threading.Thread:
    thread = threading.Thread(target=drip, args=(client, data))
    thread.start()
    return thread


def test_a_silent_connection_ends() -> None:
    """It has the time of one request's headers to say something."""
    with served(limits=SHORT) as toy:
        assert toy.client().is_ended()


def test_headers_that_drip_are_refused_in_time() -> None:
    """408, though a byte came every few milliseconds: they prolong nothing."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        client.send(b"POST /rpc/Notes/get HTTP/1.1\r\nHost: localhost\r\nX: ")
        thread = dripping(client, b"v")

        answer = client.answer()

        assert answer.status == 408
        assert answer.json["code"] == "deadline_exceeded"
        assert client.is_ended()
        thread.join()


def test_empty_lines_that_drip_are_not_a_request() -> None:
    """A server may skip empty lines before a request, but not for ever."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        thread = dripping(client, b"\r\n")

        assert client.is_ended()
        thread.join()


def test_a_body_that_stops_is_refused() -> None:
    """The promised rest does not come."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        client.send(post("Notes.echo", b"x" * 5000)[:-10])

        assert client.answer().status == 408
        assert client.is_ended()


def test_a_body_that_drips_is_refused_by_its_rate() -> None:
    """Long before the body's whole time: the mean rate is too low."""
    limits = SHORT | {"body_time_s": 60, "body_rate_min_bytes_s": 10_000}
    with served(limits=limits) as toy:
        client = toy.client()
        client.send(post("Notes.echo", b"x" * 100_000)[:-100_000])
        thread = dripping(client, b"x")

        assert client.answer().status == 408
        assert client.is_ended()
        thread.join()


def test_a_body_that_comes_steadily_ends_with_its_time_all_the_same() -> None:
    """Fast enough is not the same as short enough."""
    with served(limits=SHORT | {"body_rate_min_bytes_s": 1}) as toy:
        client = toy.client()
        client.send(post("Notes.echo", b"x" * 100_000)[:-100_000])
        thread = dripping(client, b"x")

        assert client.answer().status == 408
        assert client.is_ended()
        thread.join()


def test_an_idle_connection_ends_after_its_last_answer() -> None:
    """Without a word: the client sees the end before it sends again."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        client.send(post("Notes.get"))
        client.answer()

        assert client.is_ended()


def test_a_connection_that_waits_for_an_answer_is_not_idle() -> None:
    """Only the call's own deadline counts while it runs."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        client.send(post("Notes.hold"))
        toy.wait_until(lambda: toy.notes.held)
        threading.Event().wait(0.4)

        toy.on_loop(toy.notes.release)

        assert client.answer().status == 200


def test_a_client_that_does_not_hang_up_after_the_end_is_cut() -> None:
    """After the linger time its socket is closed, whatever it still sends."""
    with served(limits=SHORT) as toy:
        client = toy.client()
        client.send(b"nonsense\r\n\r\n")
        thread = dripping(client, b"x")

        toy.wait_until(lambda: toy.server.connections == 0)
        thread.join()


@pytest.mark.parametrize("pipelined", [1, 40])
def test_a_reader_that_does_not_read_is_dropped(pipelined: int) -> None:
    """Its answers wait up to the send buffer's limit and the write deadline, then it is cut."""
    limits = SHORT | {"send_buffer_bytes_max": 200_000, "body_time_s": 30, "idle_time_s": 30}
    with served(limits=limits) as toy:
        client = toy.client()
        size = 20_000_000 // pipelined

        client.send(post("Notes.big", b'{"size": %d}' % size) * pipelined)

        toy.wait_until(lambda: toy.server.connections == 0)


@pytest.mark.attack("A30")
def test_answers_that_nobody_takes_do_not_wait_in_a_buffer_that_is_not_full(
    tmp_path: Path,
) -> None:
    """A peer that takes nothing is cut after the write deadline, however little it was sent."""
    limits = SHORT | {"send_buffer_bytes_max": 8_000_000, "body_time_s": 30, "idle_time_s": 30}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        client = toy.unix_client()

        client.send(post("Notes.big", b'{"size": 1000000}') * 3)

        toy.wait_until(lambda: toy.server.connections == 0)


def test_a_slow_reader_that_takes_something_is_let_go_on(tmp_path: Path) -> None:
    """What counts is that answers move, not how many of them wait."""
    limits = SHORT | {"send_buffer_bytes_max": 8_000_000, "body_time_s": 30, "idle_time_s": 30}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        client = toy.unix_client()
        client.send(post("Notes.big", b'{"size": 1000000}') * 6)
        for _ in range(10):
            threading.Event().wait(0.1)
            # A socket takes more only when most of what is in it is gone.
            client.raw.recv(400_000)

        assert toy.server.connections == 1


def test_what_a_reader_does_not_take_stops_its_next_calls() -> None:
    """Beyond the send buffer no further call of it begins, so memory stays bounded."""
    limits = {"send_buffer_bytes_max": 100_000}
    with served(limits=limits) as toy:
        client = toy.client()
        calls = 200
        client.send(post("Notes.big", b'{"size": 1000000}') * calls)
        toy.wait_until(lambda: toy.notes.seen)
        threading.Event().wait(0.1)

        begun = toy.on_loop(lambda: len(toy.notes.seen))
        assert begun < 20

        # A reader that comes back gets everything, in order.
        for _ in range(calls):
            assert len(client.answer().body) == 1_000_002


def test_a_slow_reader_that_reads_is_not_dropped() -> None:
    """A large last answer may take longer than the linger time."""
    limits = SHORT | {"write_time_s": 5, "send_buffer_bytes_max": 100_000}
    with served(limits=limits) as toy:
        client = toy.client()
        request = post("Notes.big", b'{"size": 20000000}', extra="Connection: close\r\n")
        client.send(request)
        threading.Event().wait(0.4)

        assert len(client.answer().body) == 20_000_002


def test_a_good_client_is_served_among_slow_ones() -> None:
    """A hundred half-open requests are closed; meanwhile calls are answered."""
    with served(limits=SHORT | {"idle_time_s": 10}) as toy:
        slow = [toy.client() for _ in range(100)]
        for client in slow:
            client.send(b"POST /rpc/Notes/get HTTP/1.1\r\nHo")
        good = toy.client()
        for _ in range(50):
            good.send(post("Notes.get"))
            assert good.answer().status == 200

        for client in slow:
            assert client.answer().status == 408


# -- frames --------------------------------------------------------------------------------


def frames_client(toy: Any) -> Client:
    client: Client = toy.client()
    client.send(get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n"))
    assert client.answer().status == 101
    return client


def test_a_frames_connection_without_a_hello_ends() -> None:
    """The hello has the time that headers have."""
    with served(limits=SHORT) as toy:
        client = frames_client(toy)

        refused = client.message()

        assert refused[0] == "refused"
        assert refused[2]["code"] == "deadline_exceeded"
        assert client.is_ended()


def test_a_frame_that_drips_ends_the_connection() -> None:
    """It is held to a body's rate and time."""
    limits = SHORT | {"body_rate_min_bytes_s": 10_000, "frames_idle_time_s": 60}
    with served(limits=limits) as toy:
        client = frames_client(toy)
        client.hello(KEY)
        client.message()
        client.send(frame(b"x" * 50_000)[:100])
        thread = dripping(client, b"x")

        refused = client.message()

        assert refused[0] == "refused"
        assert refused[2]["code"] == "deadline_exceeded"
        assert client.is_ended()
        thread.join()


def test_an_idle_frames_connection_is_asked_to_leave_and_then_ended() -> None:
    """First goaway, so that a call on its way is not lost; then the end."""
    with served(limits=SHORT) as toy:
        client = frames_client(toy)
        client.hello(KEY)
        client.message()

        assert client.message() == ["goaway", 1, {}]
        assert client.is_ended()


def test_a_call_after_an_idle_goaway_is_still_served() -> None:
    """It was on its way when the server spoke."""
    with served(limits=SHORT | {"linger_time_s": 2}) as toy:
        client = frames_client(toy)
        client.hello(KEY)
        client.message()
        assert client.message()[0] == "goaway"

        client.say([1, "Notes.echo", [1], None])

        assert client.message() == [1, 0, 0, [1]]


def test_a_frames_reader_that_does_not_read_is_dropped() -> None:
    """As over HTTP."""
    limits = SHORT | {"send_buffer_bytes_max": 200_000, "frames_idle_time_s": 30}
    with served(limits=limits) as toy:
        client = frames_client(toy)
        client.hello(KEY)

        client.say(*([n, "Notes.big", {"size": 1_000_000}, None] for n in range(1, 21)))

        toy.wait_until(lambda: toy.server.connections == 0)


# -- the sweep -----------------------------------------------------------------------------


def test_a_server_that_slept_does_not_blame_its_clients() -> None:
    """After the machine's sleep one round is granted; the deadline counts in the next one."""
    clock = ManualClock()
    with served(limits=SHORT, clock=clock) as toy:
        client = toy.client()
        client.send(post("Notes.get"))
        assert client.answer().status == 200

        clock.advance(seconds=3600)
        client.send(post("Notes.get"))

        # Whichever comes first, the sweep or the call: the call is answered.
        assert client.answer().status == 200

        for _ in range(10):
            clock.advance(seconds=0.05)
            threading.Event().wait(0.02)
        assert client.is_ended()
