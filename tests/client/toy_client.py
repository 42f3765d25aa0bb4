"""
A client as `freehold generate` would write it, for the methods of the tiny server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from freehold.client import (
    AsyncBinding,
    AsyncTransaction,
    ErrorTypes,
    Int64,
    Mutation,
    Query,
    Step,
    Steps,
    SyncBinding,
    SyncTransaction,
)
from freehold.errors import Conflict


class Taken(Conflict):
    """The application's own error."""

    taken_by: str
    try_again_in: Int64 | None


_ERRORS = ErrorTypes({Taken: {"taken_by": "takenBy", "try_again_in": "tryAgainIn"}})


class _Methods:
    add = Mutation[int]("Toy.add")
    drop_query = Query[str]("Toy.drop")
    drop_mutation = Mutation[str]("Toy.drop")
    drop_once = Query[str]("Toy.dropOnce")
    drop_once_mutation = Mutation[str]("Toy.dropOnce")
    echo = Query[Any]("Toy.echo")
    fail = Query[None]("Toy.fail")
    garbage_mutation = Mutation[None]("Toy.garbage")
    garbage_query = Query[None]("Toy.garbage")
    hold_mutation = Mutation[int]("Toy.hold")
    hold_query = Query[int]("Toy.hold")
    wrong_mutation = Mutation[int]("Toy.wrongType")
    wrong_query = Query[int]("Toy.wrongType")


class ToyTransaction(Steps):
    """The calls of a transaction."""

    def call(self, name: str, /, **args: Any) -> Step[Any]:
        """Any of the methods above, by its Python name."""
        return self._step(getattr(_Methods, name), args)


class Toy(AsyncBinding):
    """Asynchronous."""

    _contract = "c0ffee00c0ffee00"
    _errors = _ERRORS

    def transaction(
        self, *, idempotency_key: str | None = None
    ) -> AsyncTransaction[ToyTransaction]:
        """Several calls, all or nothing."""
        return self._transaction(ToyTransaction, idempotency_key)

    async def call(self, name: str, /, **args: Any) -> Any:
        """Any of the methods above, by its Python name."""
        return await self._call(getattr(_Methods, name), args)


class ToySync(SyncBinding):
    """Blocking."""

    _contract = "c0ffee00c0ffee00"
    _errors = _ERRORS

    def transaction(self, *, idempotency_key: str | None = None) -> SyncTransaction[ToyTransaction]:
        """Several calls, all or nothing."""
        return self._transaction(ToyTransaction, idempotency_key)

    def call(self, name: str, /, **args: Any) -> Any:
        """Any of the methods above, by its Python name."""
        return self._call(getattr(_Methods, name), args)


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until it is so; fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - polled, whatever it is
            await asyncio.sleep(0.001)
