"""
One key floods the writer; the mutations of another one are not held up by it.

How long somebody waits is told in mutations: how many were committed between his sending and his
own commit. That does not depend on the machine. The long run measures the time, too.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.world import PLACES, World, served
from tests.faults.figures import record
from tests.faults.flooding import app
from tests.faults.share import FULL, share
from tests.server.toy import dial_frames

pytestmark = [pytest.mark.fault, pytest.mark.promise("P16"), pytest.mark.attack("A32")]

CALLS = share(60, 5_000)
CONNECTIONS, IN_FLIGHT = 4, 255


@contextlib.contextmanager
def flooded(world: World, key: str, connections: int, in_flight: int) -> Iterator[None]:
    """For the length of the block somebody floods, from a process of his own."""
    said = [str(world.port), key, str(connections), str(in_flight)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.flooding", *said], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"flooding\n"
        began = world.running.seq
        while world.running.seq < began + 1_000:
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def guest(world: World, key: str, count: int) -> tuple[list[int], list[float]]:
    """One call after the other: how many were before each, and how long it took."""
    client = dial_frames(world.port, key)
    client.message()
    ahead: list[int] = []
    took_s: list[float] = []
    for number in range(1, count + 1):
        before, began = world.running.seq, time.perf_counter()
        client.say([number, "Sea.drip", None, None])
        answer = client.message()
        took_s.append(time.perf_counter() - began)
        assert answer[1] == 0, answer
        ahead.append(answer[2] - before)
    client.close()
    return ahead, took_s


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


@pytest.mark.parametrize("place", PLACES)
def test_a_flood_of_one_key_is_before_nobody_else(place: str, tmp_path: Path) -> None:
    """A thousand mutations of another key wait, and a guest is in the next batch but one."""
    began = time.monotonic()
    with served(tmp_path, place, app=app) as world:
        _, alone_s = guest(world, world.key(), CALLS)
        with flooded(world, world.key(), CONNECTIONS, IN_FLIGHT):
            ahead, beside_s = guest(world, world.key(), CALLS)
            waiting = world.running.first.gauges["writer_queue_length"]
        record(
            "P16",
            f"a guest beside a key that floods the writer, {place}",
            seconds=time.monotonic() - began,
            bad=sum(each > CONNECTIONS * IN_FLIGHT for each in ahead),
            calls=CALLS,
            flood_in_flight=CONNECTIONS * IN_FLIGHT,
            median_ahead=int(statistics.median(ahead)),
            p99_alone_us=int(p99(alone_s) * 1e6),
            p99_beside_us=int(p99(beside_s) * 1e6),
        )

    assert waiting > IN_FLIGHT, "there was no flood"
    # In one line with the flood he would have most of its thousand before him, each time.
    assert statistics.median(ahead) < IN_FLIGHT
    if FULL:
        assert p99(beside_s) < 3 * p99(alone_s) + 0.1


def test_control_in_one_line_he_waits_for_the_whole_flood(tmp_path: Path) -> None:
    """The guest calls with the flood's own key: found by the same figure."""
    began = time.monotonic()
    with served(tmp_path, app=app) as world:
        key = world.key(concurrency=10_000)
        with flooded(world, key, CONNECTIONS, IN_FLIGHT):
            ahead, _ = guest(world, key, 30)

    record(
        "P16",
        "control: the guest and the flood in one line",
        seconds=time.monotonic() - began,
        bad=sum(each > IN_FLIGHT for each in ahead),
        calls=30,
        median_ahead=int(statistics.median(ahead)),
    )
    assert statistics.median(ahead) > IN_FLIGHT
