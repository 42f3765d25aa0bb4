"""
The bridge that lets a plain `def` function wait for the event loop.

The function runs in a greenlet. Where it needs a statement's rows, `wait` hands the
coroutine to the loop's side and the greenlet sleeps; the loop serves everybody else until the
rows are there. No thread is involved, and nothing of it shows in the function.

A greenlet lives as long as its connection and takes one function after the other: a new one
for each call would map and unmap a stack of its own, 8 µs on CPython 3.11, where a held one
costs half of one (benchmarks/bench_pg_bridge.py).
"""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

from freehold.errors import invariant

T = TypeVar("T")
_Job = tuple[Callable[..., Any], tuple[Any, ...]]


class _Crossing(greenlet):  # type: ignore[misc]
    """The greenlet of a bridge."""


def is_bridged() -> bool:
    """Whether the caller may `wait`."""
    return isinstance(getcurrent(), _Crossing)


def wait(awaitable: Awaitable[T]) -> T:
    """Sleep until the loop has the result; only in a function that a bridge runs."""
    here = getcurrent()
    invariant(isinstance(here, _Crossing), "wait() outside of the bridge")
    return here.parent.switch(awaitable)  # type: ignore[no-any-return]


class Bridge:
    """Runs plain functions that may `wait`, one at a time."""

    __slots__ = ("_inner", "_is_busy")

    def __init__(self) -> None:
        self._inner: Any = None
        self._is_busy = False

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Run one; what it raises is raised here."""
        invariant(not self._is_busy, "a bridge runs one function at a time")
        inner = self._inner
        if inner is None or inner.dead:
            inner = self._inner = _Crossing(self._live)
            inner.gr_context = contextvars.copy_context()
        self._is_busy = True
        wanted = inner.switch((function, args))
        while self._is_busy:
            try:
                value = await wanted
            except BaseException as error:
                wanted = inner.throw(error)
            else:
                wanted = inner.switch(value)
        answer, raised = wanted
        if raised is not None:
            raise raised
        return answer  # type: ignore[no-any-return]

    def _live(self, job: _Job) -> None:
        loop = getcurrent().parent
        while True:
            function, args = job
            answer = raised = None
            try:
                answer = function(*args)
            except GreenletExit:
                raise
            except BaseException as error:
                raised = error
            self._is_busy = False
            # Nothing of a call outlives it here.
            del function, args, job
            job = loop.switch((answer, raised))
            del answer, raised
