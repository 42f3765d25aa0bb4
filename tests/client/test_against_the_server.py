"""
The transports against the server of this very house; what they promise each other holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from freehold.client import AsyncBinding, Mutation, Query, SyncBinding
from freehold.client.binding import TransportName
from freehold.db.caller import Caller
from freehold.errors import (
    Conflict,
    Internal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnknownMethod,
)
from freehold.rpc.dispatch import Request
from freehold.wire.codec import MSGPACK
from tests.server.toy import KEY, Toy, ToyNotes, served

TRANSPORTS: list[TransportName] = ["frames", "http", "http+msgpack"]
ADD, ECHO, BIG = Mutation[str]("Notes.add"), Query[Any]("Notes.echo"), Query[str]("Notes.big")
CLASH, CRASH, HOLD = (
    Query[None]("Notes.clash"),
    Query[None]("Notes.crash"),
    Query[str]("Notes.hold"),
)


class Notes(AsyncBinding):
    """Asynchronous."""


class NotesSync(SyncBinding):
    """Blocking."""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """The server, on a port and on a Unix socket."""
    with served(unix_path=tmp_path / "private" / "toy.sock") as toy:
        yield toy


def places(toy: Toy) -> list[tuple[str, str | None]]:
    """Both addresses; the socket of one's own needs no key."""
    return [(f"http://127.0.0.1:{toy.port}", KEY), (f"unix:{toy.unix_path}", None)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_calls_and_errors_cross_every_transport(toy: Toy, transport: TransportName) -> None:
    """In both colours, from both addresses."""

    async def story(place: str, key: str | None) -> None:
        async with Notes.connect(place, key=key, transport=transport) as dal:
            assert await dal._call(ADD, {"text": "ü"}) == "ü"
            assert await dal._call(ECHO, {"a": [1]}) == {"a": [1]}
            assert dal.seq == toy.notes.health.seq
            for method, kind in ((CLASH, Conflict), (CRASH, Internal)):
                with pytest.raises(kind):
                    await dal._call(method, {})
            with pytest.raises(UnknownMethod):
                await dal._call(Query[None]("Notes.gone"), {})

    for place, key in places(toy):
        asyncio.run(story(place, key))
        with NotesSync.connect(place, key=key, transport=transport) as dal:
            assert dal._call(ADD, {"text": "a"}) == "a"
            assert dal._call(BIG, {"size": 300_000}) == "x" * 300_000
            with pytest.raises(Conflict, match="It clashes"):
                dal._call(CLASH, {})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_wrong_key_is_told(toy: Toy, transport: TransportName) -> None:
    """And nothing is run, whatever was sent behind the hello."""
    place, _ = places(toy)[0]

    async def story() -> None:
        async with Notes.connect(place, key="fh_test_bad", transport=transport) as dal:
            calls = [dal._call(ADD, {"text": "a"}) for _ in range(5)]
            refusals = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(each) for each in refusals} == {Unauthenticated}

    asyncio.run(story())
    with (
        NotesSync.connect(place, key="fh_test_bad", transport=transport) as dal,
        pytest.raises(Unauthenticated),
    ):
        dal._call(ADD, {"text": "a"})
    assert toy.notes.notes == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_too_much_is_refused_and_the_binding_goes_on(toy: Toy, transport: TransportName) -> None:
    """By the client that knows the limit, or by the server."""
    place, key = places(toy)[0]

    with NotesSync.connect(place, key=key, transport=transport) as dal:
        assert dal._call(ECHO, {"a": 1}) == {"a": 1}
        with pytest.raises(TooLarge):
            dal._call(ECHO, {"a": "x" * 2_000_000})
        assert dal._call(ECHO, {"a": 2}) == {"a": 2}


def test_a_thousand_calls_at_once_are_all_answered(toy: Toy) -> None:
    """More than may be in flight on one connection."""

    async def story(place: str, key: str | None) -> None:
        async with Notes.connect(place, key=key) as dal:
            calls = [dal._call(ECHO, {"n": n}) for n in range(1000)]
            assert await asyncio.gather(*calls) == [{"n": n} for n in range(1000)]

    for place, key in places(toy):
        asyncio.run(story(place, key))


def test_a_binding_in_process_takes_the_dispatchers_own_requests() -> None:
    """A partial of `Request` is the factory that is asked for."""

    async def story() -> None:
        request = partial(Request, codec=MSGPACK, caller=Caller("local", trusted=True))
        async with Notes.in_process(ToyNotes(), request=request) as dal:
            assert await dal._call(ADD, {"text": "ü"}) == "ü"
            assert await dal._call(ECHO, {"a": 1}) == {"a": 1}
            assert dal.seq == 1
            with pytest.raises(Conflict):
                await dal._call(CLASH, {})

    asyncio.run(story())


def test_a_stopping_server_answers_what_it_began(toy: Toy) -> None:
    """Both colours get the answers of calls in flight; afterwards nobody is there."""
    place, key = places(toy)[1]

    async def story() -> None:
        async with Notes.connect(place, key=key) as dal:
            with NotesSync.connect(place, key=key) as blocking, ThreadPoolExecutor(1) as pool:
                one = asyncio.ensure_future(dal._call(HOLD, {}))
                two = pool.submit(blocking._call, HOLD, {})
                await asyncio.to_thread(toy.wait_until, lambda: len(toy.notes.held) == 2)
                stopping = toy.stopping(grace_s=5)
                await asyncio.to_thread(toy.wait_until, lambda: toy.server._hub.stopping)

                await asyncio.to_thread(toy.on_loop, toy.notes.release)

                assert await one == "released"
                assert await asyncio.wrap_future(two) == "released"
                await asyncio.wrap_future(stopping)
                with pytest.raises(Unavailable, match="no data layer at unix:"):
                    await dal._call(ECHO, {})

    asyncio.run(story())
