"""What all connections hold together: at the bound, one past it, and who goes."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from freehold.wire.frames import frame
from tests.server.toy import KEY, Client, Toy, get, post, served

pytestmark = [pytest.mark.attack("A30"), pytest.mark.attack("A31"), pytest.mark.promise("P16")]

#: Nothing but what all of them hold ends a connection here.
PATIENT: dict[str, object] = {
    "header_time_s": 30, "body_time_s": 60, "body_rate_min_bytes_s": 1, "write_time_s": 60,
    "idle_time_s": 60,
}  # fmt: skip
#: More than the patience with those that do not move, and a few rounds of the sweep.
_LONG_S = 2.0


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def half_a_body(toy: Toy, kept: int) -> Client:
    """A call of which so many bytes are there, and its end is not."""
    client = toy.client()
    whole = post("Notes.echo", b"x" * 50_000)
    client.send(whole[: len(whole) - 50_000 + kept])
    return client


def held(toy: Toy) -> int:
    """The account, weighed now."""

    def weighed() -> int:
        account = toy.server._hub.held
        account.weigh(toy.server._hub.clock.monotonic_ns())
        return account.bytes

    return toy.on_loop(weighed)


def test_at_the_bound_nobody_goes() -> None:
    """Two bodies that are on their way are exactly as much as may be held."""
    with served(limits=PATIENT | {"held_bytes_max": 30_000}) as toy:
        clients = [half_a_body(toy, 10_000), half_a_body(toy, 20_000)]
        toy.wait_until(lambda: toy.server._hub.held.bytes == 30_000)
        wait(_LONG_S)

        assert held(toy) == 30_000
        assert toy.server.connections == len(clients)


def test_one_byte_past_it_the_one_that_has_rested_for_longest_goes() -> None:
    """It is refused and may come again; the other one comes to its end."""
    with served(limits=PATIENT | {"held_bytes_max": 29_999}) as toy:
        older = half_a_body(toy, 10_000)
        toy.wait_until(lambda: toy.server._hub.held.bytes == 10_000)
        younger = half_a_body(toy, 20_000)

        refused = older.answer()
        younger.send(b"x" * 30_000)

        assert refused.status == 503
        assert refused.json["code"] == "overloaded"
        assert "held_bytes_max" in refused.json["hint"]
        assert older.is_ended()
        # It is no JSON, and was read whole.
        assert younger.answer().status == 400
        assert held(toy) == 0


def test_a_frame_that_is_not_whole_is_refused_too() -> None:
    """Also the first one, of a peer that nobody knows yet."""
    with served(limits=PATIENT | {"held_bytes_max": 1_000}) as toy:
        client = toy.client()
        client.send(get("/frames", extra="Connection: Upgrade\r\nUpgrade: freehold\r\n"))
        assert client.answer().status == 101
        client.send(frame(b"x" * 5_000)[:2_000])

        said = client.message()

        assert said[0] == "refused"
        assert said[2]["code"] == "overloaded"


def test_readers_that_do_not_read_go_and_who_reads_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Forty times more than may be held is asked for by peers that take nothing."""
    caplog.set_level(logging.WARNING, "freehold.server")
    most = 8_000_000
    limits = PATIENT | {"held_bytes_max": most}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        good = toy.unix_client()
        bad = [toy.unix_client() for _ in range(80)]
        peak = 0
        for client in bad:
            client.send(post("Notes.big", b'{"size": 1000000}') * 8)
        until = time.monotonic() + 20
        while toy.server._hub.held.cut < 60 and time.monotonic() < until:
            good.send(post("Notes.big", b'{"size": 3000000}'))
            assert len(good.answer().body) == 3_000_002
            peak = max(peak, held(toy))

        assert toy.server._hub.held.cut >= 60
        # One answer each, for those that came when there was too much; without a bound it is five.
        assert peak < 80 * 1_100_000 + most
        toy.wait_until(lambda: toy.server._hub.held.bytes <= most)
        good.send(get("/metrics", key=KEY))
        shown = good.answer().body.decode()
        assert f"freehold_connections_cut {toy.server._hub.held.cut}.0" in shown
        assert len(caplog.records) == 1


def test_who_takes_his_answer_stays_however_much_it_is(tmp_path: Path) -> None:
    """One answer alone is more than may be held; its reader is slow, and reads."""
    limits = PATIENT | {"held_bytes_max": 1_000_000}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        client = toy.unix_client()
        client.send(post("Notes.big", b'{"size": 6000000}') * 2)
        for _ in range(20):
            wait(0.1)
            client.until(b"x" * 200_000)
        before = toy.server._hub.held.cut

        assert toy.on_loop(lambda: toy.server._hub.held.tight)
        assert before == 0
        assert toy.server.connections == 1


def test_while_there_is_too_much_no_further_call_of_a_holder_begins(tmp_path: Path) -> None:
    """They wait until its reader has taken what is there, then all are answered."""
    limits = PATIENT | {"held_bytes_max": 1_000_000}
    with served(unix_path=tmp_path / "private" / "s", limits=limits) as toy:
        client = toy.unix_client()
        client.send(post("Notes.big", b'{"size": 1500000}'))
        toy.wait_until(lambda: toy.server._hub.held.tight)
        client.send(post("Notes.get") * 3)
        wait(0.2)

        assert len(toy.notes.seen) == 1

        assert len(client.answer().body) == 1_500_002
        assert [client.answer().status for _ in range(3)] == [200] * 3
        toy.wait_until(lambda: not toy.server._hub.held.tight)


def test_answers_behind_one_that_is_not_there_are_counted() -> None:
    """They wait for the first of their connection, and no more calls begin than there is room."""
    limits = PATIENT | {"send_buffer_bytes_max": 500_000}
    with served(limits=limits) as toy:
        client = toy.client()
        client.send(post("Notes.hold") + post("Notes.big", b'{"size": 100000}') * 40)
        toy.wait_until(lambda: len(toy.notes.seen) > 3)
        wait(0.2)

        assert 300_000 <= held(toy) <= 700_000
        assert len(toy.notes.seen) < 10

        toy.on_loop(toy.notes.release)
        assert [client.answer().status for _ in range(41)] == [200] * 41
