"""
The blocking transport over frames, from one thread and from many.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freehold.client import AnswerUnreadable
from freehold.client.repeat import TRIES
from freehold.client.sync_frames import Line
from freehold.errors import (
    DeadlineExceeded,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from tests.client.tiny_server import tiny_thread
from tests.client.toy_client import Taken, ToySync


@pytest.fixture(params=["unix", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A Unix socket, and a port with its upgrade."""
    return f"unix:{tmp_path}/s" if request.param == "unix" else "http://127.0.0.1:0"


@pytest.fixture
def unix(tmp_path: Path) -> str:
    """A Unix socket, where the way there makes no difference."""
    return f"unix:{tmp_path}/s"


def wait_until(condition: Callable[[], object]) -> None:
    """Until it is so; fails after five seconds."""
    pause, tries = threading.Event(), 5000
    while not condition():
        tries -= 1
        assert tries, "it never came to be"
        pause.wait(0.001)


def test_a_call_is_answered(address: str) -> None:
    """Named arguments go out, the result comes back; one connection does for all calls."""
    with tiny_thread(address) as (server, place, _), ToySync.connect(place, key="k") as dal:
        assert [dal.call("echo", value=n) for n in (1, "ü", None)] == [1, "ü", None]

        assert server.opened == 1
        assert (server.hellos[0]["key"], server.hellos[0]["contract"]) == ("k", "c0ffee00c0ffee00")
        assert server.calls[0][2] == {"timeoutMs": 30000}


def test_threads_call_at_the_same_time(address: str) -> None:
    """Each thread gets its own answers; connections are shared by turns."""
    with tiny_thread(address) as (server, place, _), ToySync.connect(place) as dal:

        def work(thread: int) -> bool:
            return all(dal.call("echo", value=[thread, n]) == [thread, n] for n in range(100))

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))

        assert len(server.calls) == 800
        assert server.opened <= 8


def test_a_large_answer_is_whole(address: str) -> None:
    """It comes in many pieces."""
    with tiny_thread(address) as (_, place, _), ToySync.connect(place) as dal:
        big = "x" * 1_000_000

        assert dal.call("echo", value=big) == big


def test_queries_ask_to_see_what_the_binding_has_written(unix: str) -> None:
    """The highest seq of all answers goes along with each query."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        dal.call("add", value=1)
        dal.call("echo", value=1)

        assert [options.get("minSeq") for _, _, options in server.calls] == [None, 1]
        assert dal.seq == 1


def test_errors_come_back_typed_and_leave_the_connection_whole(unix: str) -> None:
    """An error is an answer like any other."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        with pytest.raises(NotFound):
            dal.call("fail", name="NotFound")
        with pytest.raises(Taken) as refusal:
            dal.call("fail", name="Taken")
        with pytest.raises(AnswerUnreadable):
            dal.call("wrong_query")

        assert refusal.value.taken_by == "ses_1"
        assert server.opened == 1


def test_nobody_there_is_told_at_once(tmp_path: Path, unused_port: int) -> None:
    """Binding, address and next step."""
    for address in (f"unix:{tmp_path}/none", f"http://127.0.0.1:{unused_port}"):
        with ToySync.connect(address) as dal:
            with pytest.raises(Unavailable) as refusal:
                dal.call("add", value=1)

            expected = f"no data layer at {address} (binding DAL). Start it with `freehold dev`"
            assert str(refusal.value).startswith(expected)


def test_a_refused_hello_is_the_calls_error(unix: str) -> None:
    """And the next call tries anew."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        server.refusal = Unauthenticated("no such key.")
        with pytest.raises(Unauthenticated):
            dal.call("add", value=1)

        server.refusal = None
        assert dal.call("echo", value=1) == 1


def test_a_resting_connection_that_was_closed_is_left(unix: str) -> None:
    """A server that went away in between costs nobody an unknown outcome."""
    with tiny_thread(unix) as (server, place, loop), ToySync.connect(place) as dal:
        dal.call("add", value=1)
        loop.call_soon_threadsafe(server.hang_up)
        wait_until(lambda: not server.connections)

        assert dal.call("add", value=2) == 2
        assert server.opened == 2


def test_a_resting_connection_that_got_a_goaway_is_left(unix: str) -> None:
    """The next call opens another one."""
    with tiny_thread(unix) as (server, place, loop), ToySync.connect(place) as dal:
        dal.call("add", value=1)
        done = threading.Event()
        loop.call_soon_threadsafe(server.go_away)
        loop.call_soon_threadsafe(done.set)
        done.wait(5)

        assert dal.call("add", value=2) == 2
        assert server.opened == 2


def test_a_goaway_during_a_call_lets_it_end(unix: str) -> None:
    """The answer still comes; the connection is closed after it."""
    with tiny_thread(unix) as (server, place, loop), ToySync.connect(place) as dal:
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(dal.call, "hold_mutation", value=1)
            wait_until(lambda: server.held)
            loop.call_soon_threadsafe(server.go_away)
            loop.call_soon_threadsafe(server.release)
            assert call.result(5) == 1

        assert dal.call("echo", value=2) == 2
        assert server.opened == 2


def test_a_call_that_crosses_a_goaway_goes_elsewhere(unix: str) -> None:
    """A stopping server refuses it as not done; even a mutation is then sent to the next one."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        dal.call("echo", value=1)
        server.is_leaving = True

        assert dal.call("add", value=2) == 2
        assert server.opened == 2


def test_a_mutation_that_could_not_be_sent_is_sent_elsewhere(
    unix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection closed just before: no server has a whole frame, so nothing can have run."""
    with tiny_thread(unix) as (server, place, loop), ToySync.connect(place) as dal:
        dal.call("add", value=1)
        loop.call_soon_threadsafe(server.hang_up)
        wait_until(lambda: not server.connections)
        monkeypatch.setattr(Line, "can_be_used", lambda *_: True)

        assert dal.call("add", value=2) == 2
        assert (len(server.calls), server.opened) == (2, 2)


def test_a_call_that_lost_its_connection_is_sent_again(unix: str) -> None:
    """A few times, and no more."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        assert dal.call("drop_once") == "second time"

        with pytest.raises(Unavailable, match="was lost"):
            dal.call("drop_query")
        assert server.dropped == 1 + 1 + TRIES


def test_a_mutation_is_sent_again_under_its_key(unix: str) -> None:
    """Each logical call has one key for all its attempts; in the end it is unknown."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        assert dal.call("drop_once_mutation") == "second time"
        for name in ("drop_mutation", "garbage_mutation"):
            with pytest.raises(OutcomeUnknown, match="was sent"):
                dal.call(name)

        keys = [options["idempotencyKey"] for _, _, options in server.calls]
        assert len(keys) == 2 + 2 * (1 + TRIES)
        assert len(set(keys)) == 3
        assert len(set(keys[:2])) == 1


def test_what_may_pass_is_tried_again(unix: str) -> None:
    """With a wait between, until it is told; a refusal that stays is told at once."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        with pytest.raises(Overloaded):
            dal.call("fail", name="Overloaded")
        assert len(server.calls) == 1 + TRIES
        with pytest.raises(NotFound):
            dal.call("fail", name="NotFound")
        assert len(server.calls) == 2 + TRIES


def test_a_call_has_until_its_time_is_up(unix: str) -> None:
    """A query is over, a mutation unknown; a late answer is never taken for another call's."""
    with tiny_thread(unix) as (server, place, loop), ToySync.connect(place) as dal:
        quick = dal.with_options(timeout_s=0.02)
        with pytest.raises(DeadlineExceeded):
            quick.call("hold_query", value=1)
        with pytest.raises(OutcomeUnknown):
            quick.call("hold_mutation", value=2)
        loop.call_soon_threadsafe(server.release)

        assert dal.call("echo", value=3) == 3
        assert server.calls[0][2] == {"timeoutMs": 20}


def test_too_much_is_not_sent(unix: str) -> None:
    """The server said in its welcome how long a frame may be."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        server.frame_bytes_max = 1000
        dal.call("echo", value=1)

        with pytest.raises(TooLarge):
            dal.call("echo", value="x" * 1000)
        assert (len(server.calls), server.opened) == (1, 1)


def test_a_closed_binding_says_so(unix: str) -> None:
    """Its connections are closed; closing twice is harmless."""
    with tiny_thread(unix) as (server, place, _):
        dal = ToySync.connect(place)
        dal.call("echo", value=1)
        dal.close()
        dal.close()

        with pytest.raises(Unavailable, match="is closed"):
            dal.call("echo", value=1)
        wait_until(lambda: not server.connections)


def test_a_call_in_another_thread_outlives_the_closing(unix: str) -> None:
    """It gets its answer; then its connection is closed too."""
    with tiny_thread(unix) as (server, place, loop):
        dal = ToySync.connect(place)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(dal.call, "hold_mutation", value=1)
            wait_until(lambda: server.held)
            dal.close()
            loop.call_soon_threadsafe(server.release)
            assert call.result(5) == 1
        wait_until(lambda: not server.connections)


def test_a_fork_leaves_the_parents_connections_alone(unix: str) -> None:
    """Parent and child would read each other's answers."""
    with tiny_thread(unix) as (server, place, _), ToySync.connect(place) as dal:
        dal.call("echo", value=1)
        dal._transport._process = os.getpid() + 1  # type: ignore[attr-defined]

        assert dal.call("echo", value=2) == 2
        assert server.opened == 2
