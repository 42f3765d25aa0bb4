"""
The bridge: a plain function waits for the loop, and the loop does not wait for it.
"""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from freehold.drivers.postgres.bridge import Bridge, is_bridged, wait


async def answer_of(value: int) -> int:
    """Something that takes a turn of the loop."""
    await asyncio.sleep(0)
    return value


def test_a_plain_function_waits_for_coroutines() -> None:
    """Each `wait` gives what its coroutine returned, in order."""

    def add(first: int) -> int:
        return first + wait(answer_of(2)) + wait(answer_of(3))

    assert asyncio.run(Bridge().run(add, 1)) == 6


def test_the_loop_serves_others_meanwhile() -> None:
    """Two functions take turns on one thread."""
    order: list[str] = []

    def steps(name: str) -> None:
        for number in range(3):
            order.append(f"{name}{number}")
            wait(answer_of(0))

    async def both() -> None:
        await asyncio.gather(Bridge().run(steps, "a"), Bridge().run(steps, "b"))

    asyncio.run(both())

    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_an_error_is_raised_where_the_function_waits() -> None:
    """So the function can catch it and go on."""

    async def fails() -> None:
        raise KeyError("gone")

    def careful() -> str:
        try:
            wait(fails())
        except KeyError as error:
            return f"caught {error.args[0]} and {wait(answer_of(1))}"
        return "not reached"

    assert asyncio.run(Bridge().run(careful)) == "caught gone and 1"


def test_what_the_function_raises_comes_out() -> None:
    """Also when it never waited."""

    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(Bridge().run(broken))


def test_a_cancelled_task_cancels_where_the_function_waits() -> None:
    """Its `finally` runs, and the cancellation goes on."""
    seen: list[str] = []

    def long() -> None:
        try:
            wait(asyncio.sleep(60))
        finally:
            seen.append("left")

    async def cancelled() -> None:
        task = asyncio.ensure_future(Bridge().run(long))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())

    assert seen == ["left"]


def test_the_task_s_context_is_the_function_s() -> None:
    """Log lines of a call carry what the task has bound."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def run() -> str:
        name.set("call 7")
        return await Bridge().run(lambda: name.get())

    assert asyncio.run(run()) == "call 7"


def test_waiting_outside_of_the_bridge_is_a_defect() -> None:
    """There is nobody on the other side."""
    assert not is_bridged()
    coroutine = answer_of(1)
    with pytest.raises(AssertionError, match="outside of the bridge"):
        wait(coroutine)
    coroutine.close()


def test_one_greenlet_serves_one_function_after_the_other() -> None:
    """Also after one that raised."""
    bridge = Bridge()

    def double(value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return 2 * wait(answer_of(value))

    async def three() -> list[int]:
        first = await bridge.run(double, 1)
        with pytest.raises(ValueError, match="negative"):
            await bridge.run(double, -1)
        return [first, await bridge.run(double, 3)]

    assert asyncio.run(three()) == [2, 6]


def test_a_bridge_is_crossed_by_one_at_a_time() -> None:
    """Two functions on one greenlet would get each other's rows."""
    bridge = Bridge()

    async def both() -> None:
        first = asyncio.ensure_future(bridge.run(lambda: wait(answer_of(1))))
        await asyncio.sleep(0)
        with pytest.raises(AssertionError, match="one function at a time"):
            await bridge.run(lambda: 2)
        assert await first == 1

    asyncio.run(both())
