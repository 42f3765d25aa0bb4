"""
The bridge that lets a plain `def` function wait for the event loop.

The function runs in a greenlet. Where it needs a statement's rows, `wait` hands the
coroutine to the loop's side and the greenlet sleeps; the loop serves everybody else until the
rows are there. No thread is involved, and nothing of it shows in the function.
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from freehold.errors import invariant

T = TypeVar("T")


class _Crossing(greenlet):  # type: ignore[misc]
    """A function on its way over the bridge."""


def is_bridged() -> bool:
    """Whether the caller may `wait`."""
    return isinstance(getcurrent(), _Crossing)


def wait(awaitable: Awaitable[T]) -> T:
    """Sleep until the loop has the result; only under `bridged`."""
    here = getcurrent()
    invariant(isinstance(here, _Crossing) and here.parent, "wait() outside of the bridge")
    return here.parent.switch(awaitable)  # type: ignore[no-any-return]


async def bridged(run: Callable[..., T], *args: Any) -> T:
    """Run a plain function that may `wait`; what it raises is raised here."""
    inner = _Crossing(run)
    inner.gr_context = contextvars.copy_context()
    result: Any = inner.switch(*args)
    while not inner.dead:
        try:
            value = await result
        except BaseException as error:
            result = inner.throw(error)
        else:
            result = inner.switch(value)
    return result  # type: ignore[no-any-return]
