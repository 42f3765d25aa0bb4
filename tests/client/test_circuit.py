"""
A data layer that is gone: calls fail fast, and one finds out when it is back.

The rules are those of `client/circuit.py`, for every transport; TypeScript has the same, see
`generate/typescript/stories/gone.ts`.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from freehold.client import backoff, repeat
from freehold.client.binding import TransportName
from freehold.client.circuit import SHUT_S, Circuit
from freehold.clock import ManualClock
from freehold.errors import CallError, NotFound, Overloaded, Unavailable
from freehold.ids import SeededIds
from tests.client.tiny_server import tiny, tiny_thread
from tests.client.toy_client import Toy, ToySync

TRANSPORTS: list[TransportName] = ["frames", "http"]
NOBODY = Unavailable("nobody.")


@pytest.fixture
def clock() -> ManualClock:
    """Stands still until it is moved."""
    return ManualClock()


def shut(clock: ManualClock) -> Circuit:
    """One that has seen enough."""
    circuit = Circuit(clock.monotonic_ns)
    for _ in range(backoff.ATTEMPTS_MAX):
        assert circuit.refusal() is None
        circuit.was_vain(NOBODY)
    return circuit


def test_it_shuts_after_so_many_in_a_row(clock: ManualClock) -> None:
    """An answer in between sets the count back; somebody who hung up is no reason by itself."""
    circuit = Circuit(clock.monotonic_ns)
    for _ in range(3):
        for _ in range(backoff.ATTEMPTS_MAX - 1):
            circuit.was_vain(NOBODY)
        circuit.is_well()
    for _ in range(3 * backoff.ATTEMPTS_MAX):
        circuit.was_vain()
    assert circuit.refusal() is None

    refusal = shut(clock).refusal()
    assert isinstance(refusal, Unavailable)
    assert refusal is not NOBODY


def test_one_finds_out(clock: ManualClock) -> None:
    """The others are refused until it has; when it never comes back, another does."""
    circuit = shut(clock)
    clock.advance(seconds=SHUT_S)

    assert [circuit.refusal() is None for _ in range(5)] == [True, False, False, False, False]
    clock.advance(seconds=SHUT_S)
    assert circuit.refusal() is None
    assert circuit.refusal() is not None

    circuit.is_well()
    assert [circuit.refusal() for _ in range(5)] == [None] * 5


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_waiting_calls_fail_fast_and_go_on(unused_port: int, transport: TransportName) -> None:
    """Asynchronous."""

    async def story() -> None:
        place = f"http://127.0.0.1:{unused_port}"
        async with Toy.connect(place, transport=transport) as dal:
            for _ in range(backoff.ATTEMPTS_MAX):
                with pytest.raises(Unavailable, match="no data layer"):
                    await dal.call("echo", value=1)
            start = time.monotonic()
            for _ in range(200):
                with pytest.raises(Unavailable, match="no data layer"):
                    await dal.call("add", value=1)
            assert time.monotonic() - start < SHUT_S

            async with tiny(place) as (server, _):
                await asyncio.sleep(SHUT_S)
                assert await dal.call("echo", value=2) == 2
                many = [dal.call("echo", value=n) for n in range(20)]
                assert await asyncio.gather(*many) == [*range(20)]
                assert len(server.calls) == 21

    asyncio.run(story())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_blocking_calls_fail_fast_and_go_on(unused_port: int, transport: TransportName) -> None:
    """Blocking."""
    place = f"http://127.0.0.1:{unused_port}"
    with ToySync.connect(place, transport=transport) as dal:
        for _ in range(backoff.ATTEMPTS_MAX):
            with pytest.raises(Unavailable, match="no data layer"):
                dal.call("echo", value=1)
        start = time.monotonic()
        for _ in range(200):
            with pytest.raises(Unavailable, match="no data layer"):
                dal.call("add", value=1)
        assert time.monotonic() - start < SHUT_S

        with tiny_thread(place):
            time.sleep(SHUT_S)
            assert dal.call("echo", value=2) == 2


def test_who_finds_out_does_not_wait_long(unused_port: int) -> None:
    """Also when it was connected before: one attempt at once, not a row of them."""

    async def story() -> None:
        place = f"http://127.0.0.1:{unused_port}"
        async with Toy.connect(place) as dal:
            async with tiny(place):
                assert await dal.call("echo", value=1) == 1
            with pytest.raises(Unavailable):
                await dal.call("echo", value=1)
            await asyncio.sleep(SHUT_S)
            start = time.monotonic()
            with pytest.raises(Unavailable):
                await dal.call("echo", value=1)
            assert time.monotonic() - start < 0.1

    asyncio.run(story())


@pytest.mark.parametrize("after_s", [0, 1, 7, 60])
def test_nobody_comes_before_retry_after(after_s: int) -> None:
    """And not all at the same moment behind it; other errors have full jitter."""
    ids = SeededIds()

    def waits(error: CallError) -> list[float]:
        found = [repeat.wait_s(error, attempt, ids) for attempt in range(3) for _ in range(200)]
        return [each for each in found if each is not None]

    busy = waits(Overloaded("x", retry_after_s=after_s))
    assert len(busy) == 600
    assert after_s <= min(busy) < max(busy) <= after_s + max(0.2, after_s / 2)
    assert len(set(busy)) == 600

    plain = waits(Unavailable("x"))
    assert 0 <= min(plain) < 0.02
    assert 0.1 < max(plain) <= 0.2
    assert waits(NotFound("x")) == []
