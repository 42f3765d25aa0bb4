"""
Calls that are sent again: under which key, how often, and what is told in the end.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from freehold.client.repeat import TRIES
from freehold.errors import (
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    Unauthenticated,
    Unavailable,
)
from tests.client.tiny_server import tiny
from tests.client.toy_client import Toy, until


@pytest.fixture
def unix(tmp_path: Path) -> str:
    """A Unix socket."""
    return f"unix:{tmp_path}/s"


def test_a_query_is_asked_again_a_few_times(unix: str) -> None:
    """Then the loss is told: nothing was changed."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            with pytest.raises(Unavailable, match="was lost"):
                await dal.call("drop_query")
            assert server.dropped == 1 + TRIES

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_a_mutation_is_sent_again_under_its_key(unix: str) -> None:
    """Each logical call has one key for all its attempts; in the end it is unknown."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            assert await dal.call("drop_once_mutation") == "second time"
            with pytest.raises(OutcomeUnknown, match=r"Toy\.drop was sent") as refusal:
                await dal.call("drop_mutation")

            assert refusal.value.outcome == "unknown"
            keys = [options["idempotencyKey"] for _, _, options in server.calls]
            assert len(keys) == 2 + 1 + TRIES
            assert keys[0] == keys[1]
            assert len(set(keys[2:])) == 1
            assert keys[0] != keys[2]

    asyncio.run(story())


@pytest.mark.promise("P4")
def test_a_key_of_the_caller_s_own_names_the_call(unix: str) -> None:
    """It survives the process that made it; queries have none."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            named = dal.with_options(idempotency_key="order-7")
            await named.call("add", value=1)
            await named.call("echo", value=1)
            await dal.call("add", value=1)

            (_, _, first), (_, _, query), (_, _, other) = server.calls
            assert first["idempotencyKey"] == "order-7"
            assert "idempotencyKey" not in query
            assert other["idempotencyKey"] != "order-7"

    asyncio.run(story())


@pytest.mark.attack("A10")
@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ü", "a\n"])
def test_a_key_that_cannot_be_one_is_refused_here(unix: str, key: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgument, match="visible ASCII"):
        Toy.connect(unix).with_options(idempotency_key=key)


def test_what_may_pass_is_tried_again(unix: str) -> None:
    """With waits between, out of a budget; a refusal that stays is told at once."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            with pytest.raises(Overloaded):
                await dal.call("fail", name="Overloaded")
            assert len(server.calls) == 1 + TRIES
            with pytest.raises(NotFound):
                await dal.call("fail", name="NotFound")
            assert len(server.calls) == 2 + TRIES

            before = len(server.calls)
            many = [dal.call("fail", name="Overloaded") for _ in range(40)]
            await asyncio.gather(*many, return_exceptions=True)
            assert len(server.calls) - before < 60

    asyncio.run(story())


@pytest.mark.promise("P3")
def test_a_refusal_after_a_lost_answer_is_unknown(unix: str) -> None:
    """The first attempt may have happened; the second was refused before it was looked at."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            task = asyncio.ensure_future(dal.call("hold_mutation", value=1))
            await until(lambda: server.held)
            server.refusal = Unauthenticated("the key was revoked.")
            server.hang_up()

            with pytest.raises(OutcomeUnknown, match="its answer was lost, and now: the key was"):
                await task

    asyncio.run(story())


def test_a_lost_connection_ends_no_call_that_can_be_sent_again(unix: str) -> None:
    """Of the calls in flight, queries and mutations alike."""

    async def story() -> None:
        async with tiny(unix) as (server, place), Toy.connect(place) as dal:
            query = asyncio.ensure_future(dal.call("hold_query", value=1))
            mutation = asyncio.ensure_future(dal.call("hold_mutation", value=2))
            await until(lambda: len(server.held) == 2)

            server.held.clear()
            server.hang_up()

            await until(lambda: len(server.held) == 2)
            server.release()
            assert (await query, await mutation) == (1, 2)

    asyncio.run(story())
