"""
Waiting for a data layer that is not there yet, over every transport.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, ParamSpec

import pytest

from freehold.client import TransportName
from freehold.client.waiting import Waiting
from freehold.errors import InvalidArgument, NotFound, Overloaded, Unauthenticated, Unavailable
from tests.client.tiny_server import TinyServer, tiny, tiny_thread
from tests.client.toy_client import Toy, ToySync, until

P = ParamSpec("P")
TRANSPORTS: Final[tuple[TransportName, ...]] = ("frames", "http")


def in_a_loop(story: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(story)
    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(story(*args, **kwargs))

    return test


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the client logged."""
    return [record.getMessage() for record in caplog.records if record.name == "freehold.client"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@in_a_loop
async def test_it_waits_until_somebody_listens(
    unused_port: int, transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    """One line while nobody is there, which says which, where and what to do; then it goes on."""
    caplog.set_level(logging.INFO, "freehold.client")
    server = TinyServer()
    place = f"http://127.0.0.1:{unused_port}"
    async with Toy.connect(place, key="k", transport=transport, binding="TOY") as dal:
        waiting = asyncio.ensure_future(dal.wait_until_ready())
        await until(lambda: said(caplog))
        await asyncio.sleep(0.2)
        assert not waiting.done()

        await server.start(place)
        try:
            await asyncio.wait_for(waiting, 5)
            assert await dal.call("echo", value=1) == 1
        finally:
            await server.stop()

    first, *rest = said(caplog)
    assert first == (
        f"waiting for the data layer: no data layer at {place} (binding TOY). Start it with "
        "`freehold dev` in the application's folder, or set FREEHOLD_TOY to where it listens."
    )
    assert len(rest) == 1, "many looks, one line, and one at the end"
    assert rest[0].startswith("the data layer is there, after ")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_blocking_binding_waits_too(unused_port: int, transport: TransportName) -> None:
    """From any thread, while the server starts in another."""
    place = f"http://127.0.0.1:{unused_port}"
    ready = threading.Event()
    with ToySync.connect(place, key="k", transport=transport) as dal:

        def wait() -> None:
            dal.wait_until_ready(timeout_s=10)
            ready.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not ready.wait(0.1)
        with tiny_thread(place):
            assert ready.wait(5)
            assert dal.call("echo", value=1) == 1
        thread.join()


@in_a_loop
async def test_whom_it_has_reached_it_keeps(tmp_path: Path) -> None:
    """The look is the connection of the calls that follow; who is there is not logged."""
    async with tiny(f"unix:{tmp_path}/s") as (server, place), Toy.connect(place) as dal:
        await dal.wait_until_ready()
        await dal.wait_until_ready()
        await dal.call("echo", value=1)

        assert (server.opened, len(server.calls)) == (1, 1)


def test_a_resting_line_is_looked_at_and_kept(tmp_path: Path) -> None:
    """The same, blocking."""
    with (
        tiny_thread(f"unix:{tmp_path}/s") as (server, place, _),
        ToySync.connect(place) as dal,
    ):
        dal.wait_until_ready()
        dal.wait_until_ready()
        dal.call("echo", value=1)

        assert (server.opened, len(server.calls)) == (1, 1)


@in_a_loop
async def test_a_refused_key_is_told_at_once(tmp_path: Path) -> None:
    """Waiting would not change it."""
    async with tiny(f"unix:{tmp_path}/s") as (server, place):
        server.refusal = Unauthenticated("no such key.")
        async with asyncio.timeout(5):
            async with Toy.connect(place) as dal:
                with pytest.raises(Unauthenticated):
                    await dal.wait_until_ready()

        with ToySync.connect(place) as blocking, pytest.raises(Unauthenticated):
            await asyncio.to_thread(blocking.wait_until_ready, timeout_s=5)


@in_a_loop
async def test_who_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    """A refusal that passes, passes."""
    async with tiny(f"unix:{tmp_path}/s") as (server, place), Toy.connect(place) as dal:
        server.refusal = Unavailable("it is starting.")
        waiting = asyncio.ensure_future(dal.wait_until_ready())
        await until(lambda: len(server.hellos) > 1)
        server.refusal = None

        await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("transport", TRANSPORTS)
@in_a_loop
async def test_the_time_is_kept(unused_port: int, transport: TransportName) -> None:
    """It ends in what the last look found, not before its time and not long after."""
    loop = asyncio.get_running_loop()
    async with Toy.connect(f"http://127.0.0.1:{unused_port}", transport=transport) as dal:
        began = loop.time()
        with pytest.raises(Unavailable, match=f"no data layer at .*{unused_port}"):
            await dal.wait_until_ready(timeout_s=0.3)

        assert 0.3 <= loop.time() - began < 2


@in_a_loop
async def test_a_mute_server_does_not_hold_it_for_ever() -> None:
    """Whoever takes the connection and never says a word is looked at for its time only."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        place = f"http://127.0.0.1:{mute.getsockname()[1]}"
        began = loop.time()
        async with Toy.connect(place) as dal:
            with pytest.raises(Unavailable):
                await dal.wait_until_ready(timeout_s=0.2)
        with ToySync.connect(place) as blocking, pytest.raises(Unavailable):
            await asyncio.to_thread(blocking.wait_until_ready, timeout_s=0.2)

        assert loop.time() - began < 3


@pytest.mark.parametrize("transport", TRANSPORTS)
@in_a_loop
async def test_a_closed_binding_waits_for_nobody(
    unused_port: int, transport: TransportName
) -> None:
    """Neither when it is closed before, nor while it waits."""
    dal = Toy.connect(f"http://127.0.0.1:{unused_port}", transport=transport)
    waiting = asyncio.ensure_future(dal.wait_until_ready())
    await asyncio.sleep(0.05)
    await dal.close()

    with pytest.raises(Unavailable, match="is closed"):
        await asyncio.wait_for(waiting, 5)


def test_it_is_said_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    """At 0, 5, 20 and 80 seconds, then every minute; in between nothing."""
    waiting = Waiting(None)
    now_s = 0
    waiting._now_ns = lambda: waiting._began_ns + int(now_s * 1e9)
    times = []
    for now_s in range(300):
        before = len(said(caplog))
        waiting.pause_s(Unavailable("nobody.", hint="Start it."))
        if len(said(caplog)) > before:
            times.append(now_s)

    assert times == [0, 5, 20, 80, 140, 200, 260]
    assert said(caplog)[2] == "waiting for 20 s for the data layer: nobody. Start it."


def test_what_does_not_pass_is_raised() -> None:
    """And whoever says when to come again is not asked earlier."""
    waiting = Waiting(None)
    with pytest.raises(NotFound):
        waiting.pause_s(NotFound("gone."))

    assert waiting.pause_s(Overloaded("much.", retry_after_s=7)) >= 7


@pytest.mark.parametrize("time", [0, -1, float("inf"), float("nan")])
def test_a_time_must_be_one(time: float) -> None:
    """Zero seconds would be no wait, and for ever is said by None."""
    with pytest.raises(InvalidArgument):
        Waiting(time)
