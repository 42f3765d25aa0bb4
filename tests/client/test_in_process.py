"""
Bindings to an entrypoint of the same process, by the Protocols that a dispatcher meets.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from freehold.client import AnswerUnreadable
from freehold.errors import CallError, Conflict, FreeholdError, OutcomeUnknown, Unavailable
from tests.client.toy_client import Taken, Toy, ToySync


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the dispatcher replies."""

    seq: int
    body: bytes = b""
    error: CallError | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What the dispatcher takes; `caller` is what the factory adds."""

    caller: str
    method: str
    body: bytes
    reply: Callable[[Answer], None]
    min_seq: int
    timeout_ms: int
    contract: str | None
    idempotency_key: str | None


class ServersTaken(Conflict):
    """The server's class of an error that the client knows as `Taken`."""


ServersTaken.__name__ = "Taken"


class Desk:
    """A dispatcher that answers at once, later, or never."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.threads: set[int] = set()

    def call(self, request: Request, /) -> None:
        """Do what the method's name says."""
        self.requests.append(request)
        self.threads.add(threading.get_ident())
        value = msgspec.msgpack.decode(request.body).get("value")
        name = request.method.partition(".")[2]
        if name == "fail":
            data = {"takenBy": "ses_1", "tryAgainIn": 5}
            request.reply(Answer(0, error=ServersTaken("it is taken.", data=data)))
        elif name == "wrongType":
            request.reply(Answer(1, msgspec.msgpack.encode("text")))
        elif name == "add":
            answer = Answer(7, msgspec.msgpack.encode(value))
            asyncio.get_running_loop().call_soon(request.reply, answer)
        elif name == "echo":
            request.reply(Answer(1, msgspec.msgpack.encode(value)))


def request(**parts: Any) -> Request:
    """The factory that whoever composes the process hands in."""
    return Request(caller="trusted", **parts)


def test_calls_go_straight_to_the_dispatcher() -> None:
    """With the caller of the factory, the contract and the time; at once or later."""

    async def story() -> None:
        desk = Desk()
        async with Toy.in_process(desk, request=request) as dal:
            assert await dal.call("echo", value=1) == 1
            assert await dal.call("add", value=2) == 2
            assert await dal.call("echo", value=3) == 3

            assert dal.seq == 7
            first, second, third = desk.requests
            assert (first.caller, first.method, first.contract, first.timeout_ms) == (
                "trusted",
                "Toy.echo",
                "c0ffee00c0ffee00",
                30_000,
            )
            assert [first.min_seq, second.min_seq, third.min_seq] == [0, 0, 7]

    asyncio.run(story())


def test_errors_are_the_clients_own_classes() -> None:
    """As over the wire, whatever class the server raised."""

    async def story() -> None:
        async with Toy.in_process(Desk(), request=request) as dal:
            with pytest.raises(Taken) as refusal:
                await dal.call("fail")
            with pytest.raises(AnswerUnreadable):
                await dal.call("wrong_mutation")

            assert refusal.value.taken_by == "ses_1"

    asyncio.run(story())


def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    """Its answer is dropped."""

    async def story() -> None:
        desk = Desk()
        async with Toy.in_process(desk, request=request) as dal:
            call = asyncio.ensure_future(dal.call("add", value=1))
            await asyncio.sleep(0)
            call.cancel()
            assert await dal.call("echo", value=2) == 2

    asyncio.run(story())


def test_a_closed_binding_says_so() -> None:
    """The dispatcher is not asked any more."""

    async def story() -> None:
        dal = Toy.in_process(Desk(), request=request)
        await dal.close()
        with pytest.raises(Unavailable, match="is closed"):
            await dal.call("echo", value=1)

    asyncio.run(story())


def test_threads_call_beside_the_event_loop() -> None:
    """The dispatcher runs on its loop's thread; the calling thread waits."""

    async def story() -> None:
        desk, loop = Desk(), asyncio.get_running_loop()
        with ToySync.in_process(desk, request=request, loop=loop) as dal:
            assert await asyncio.to_thread(dal.call, "add", value=1) == 1
            with pytest.raises(Taken):
                await asyncio.to_thread(dal.call, "fail")
            quick = dal.with_options(timeout_s=0.01)
            with pytest.raises(OutcomeUnknown):
                await asyncio.to_thread(quick.call, "hold_mutation")

            assert desk.threads == {threading.get_ident()}
            assert dal.seq == 7

    asyncio.run(story())


def test_a_blocking_call_on_the_loop_itself_is_refused() -> None:
    """It would wait for itself."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        dal = ToySync.in_process(Desk(), request=request, loop=loop)
        with pytest.raises(FreeholdError, match="Use the asynchronous class"):
            dal.call("echo", value=1)

    asyncio.run(story())
