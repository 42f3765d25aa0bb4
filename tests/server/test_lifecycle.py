"""Start and stop: what stops in which order, and what a signal does to a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.server.toy import SOON_S, Toy, post, served

CHILD = """
import logging, pathlib, sys
from freehold.rpc.dispatch import Answer
from freehold.server import Listen, Pages, Server, run_until_signal
from tests.server.toy import ToyKeys, ToyNotes

notes = ToyNotes()
pages = Pages("toy", "1", notes.health, contract_json=b"{}", contract_hash="")
listen = Listen(port=0, unix_path=pathlib.Path(sys.argv[1]))
server = Server(notes, ToyKeys(), pages=pages, listen=listen)
run_until_signal(server, started=lambda addresses: print(addresses.http, flush=True))
print("stopped", flush=True)
"""


def test_a_stopped_server_takes_no_more_connections(toy: Toy) -> None:
    """The port is closed and the Unix socket's name is gone."""
    port, path = toy.port, toy.unix_path

    toy.stopping().result(SOON_S)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not Path(path).exists()


def test_calls_in_flight_are_answered_before_the_end(toy: Toy) -> None:
    """HTTP and frames; idle connections end at once."""
    idle, http, frames = toy.client(), toy.client(), toy.unix_client()
    idle.send(post("Notes.get"))
    idle.answer()
    http.send(post("Notes.hold"))
    frames.hello(None)
    frames.message()
    frames.say([1, "Notes.hold", None, None])
    toy.wait_until(lambda: len(toy.notes.held) == 2)

    stopped = toy.stopping()
    assert idle.is_ended()
    assert frames.message() == ["goaway", 1, {}]
    assert not stopped.done()
    toy.on_loop(toy.notes.release)

    answer = http.answer()
    assert answer.json == "released"
    assert answer.headers["connection"] == "close"
    assert http.is_ended()
    assert frames.message()[3] == "released"
    frames.close()
    http.close()
    idle.close()
    stopped.result(SOON_S)


def test_a_call_after_goaway_is_told_that_nothing_was_done(toy: Toy) -> None:
    """It was on its way; `unavailable` is safe to try again elsewhere."""
    client = toy.unix_client()
    client.hello(None)
    client.message()
    stopped = toy.stopping()
    assert client.message()[0] == "goaway"

    client.say([1, "Notes.add", {"text": "x"}, None])

    answer = client.message()
    assert answer[3]["code"] == "unavailable"
    assert answer[3]["retryable"] is True
    assert answer[3]["outcome"] == "failed"
    assert toy.notes.notes == []
    client.close()
    stopped.result(SOON_S)


def test_a_request_that_is_half_sent_may_come_to_its_end(toy: Toy) -> None:
    """It was begun before the stop."""
    client = toy.client()
    request = post("Notes.echo", b"[1]")
    client.send(request[:20])
    toy.wait_until(lambda: toy.server.connections == 1)
    stopped = toy.stopping()

    client.send(request[20:])

    assert client.answer().json == [1]
    assert client.is_ended()
    client.close()
    stopped.result(SOON_S)


def test_what_is_not_answered_in_the_grace_is_cut(toy: Toy) -> None:
    """A stop ends, whatever hangs."""
    client = toy.client()
    client.send(post("Notes.hold"))
    toy.wait_until(lambda: toy.notes.held)

    toy.stopping(grace_s=0.05).result(SOON_S)

    assert client.is_ended()
    toy.on_loop(toy.notes.release)


def test_a_client_that_does_not_leave_after_goaway_is_ended() -> None:
    """After the linger time, with nothing in flight."""
    with served(limits={"linger_time_s": 0.1}) as toy:
        client = toy.client()
        client.send(post("Notes.get"))
        client.answer()

        toy.stopping().result(SOON_S)

        assert client.is_ended()


def test_a_stop_is_quick_when_clients_hang_up(toy: Toy) -> None:
    """With well-behaved clients nothing is waited for."""
    client = toy.unix_client()
    client.hello(None)
    client.message()

    stopped = toy.stopping()
    client.message()
    client.close()

    stopped.result(0.5)


# -- signals, in a process of its own ------------------------------------------------------


def started(path: Path) -> tuple[subprocess.Popen[str], int]:
    """A toy in a process of its own, and its port."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout is not None
    address = child.stdout.readline().strip()
    return child, int(address.rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_process_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Exit code 0, no traceback, the socket's name gone."""
    path = tmp_path / "private" / "toy.sock"
    child, _ = started(path)

    child.send_signal(number)
    out, err = child.communicate(timeout=SOON_S)

    assert child.returncode == 0
    assert out == "stopped\n"
    assert err == ""
    assert not path.exists()


def test_the_second_signal_does_not_wait_for_calls_in_flight(tmp_path: Path) -> None:
    """The first one waits for the call that never ends; the second one cuts it."""
    child, port = started(tmp_path / "private" / "toy.sock")
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(post("Notes.hold") + post("Notes.hold"))
        wait_until_refused(child, port)

        assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=SOON_S)

    assert child.returncode == 0
    assert out == "stopped\n"
    assert err == ""


def wait_until_refused(child: subprocess.Popen[str], port: int) -> None:
    """Send the first signal, and wait until the port is closed."""
    pause = threading.Event()
    pause.wait(0.1)  # the call must be read before the signal; it takes a millisecond
    child.send_signal(signal.SIGINT)
    until = time.monotonic() + SOON_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        pause.wait(0.01)
    raise AssertionError("the port stayed open")
