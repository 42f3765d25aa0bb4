"""
Bindings without a socket: calls go straight to the dispatcher of the same process.

The arguments and answers still travel as MessagePack, and errors as problems, so that a
consumer sees the same types and the same errors as over the wire. The dispatcher and its
requests are known as Protocols alone; whoever composes the process hands them in.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from freehold.client import failures
from freehold.client.method import Arguments, Method, encode_args
from freehold.client.options import CallOptions
from freehold.client.problems import ErrorTypes
from freehold.client.seen import Seen
from freehold.errors import CallError, FreeholdError, problem
from freehold.wire.codec import MSGPACK

T = TypeVar("T")

_PLACE = "this process's own data layer"


class Answer(Protocol):
    """What the dispatcher replies."""

    @property
    def seq(self) -> int:
        """The commit it belongs to."""

    @property
    def body(self) -> bytes:
        """The result as MessagePack."""

    @property
    def error(self) -> CallError | None:
        """Why there is no result."""


class Dispatcher(Protocol):
    """Runs calls, on the event loop's thread."""

    def call(self, request: Any, /) -> None:
        """Take a request; its `reply` is called exactly once, now or later, on the loop."""


class RequestFactory(Protocol):
    """Makes a dispatcher's request, for a caller that the factory knows."""

    def __call__(
        self,
        *,
        method: str,
        body: bytes,
        reply: Callable[[Any], None],
        min_seq: int,
        timeout_ms: int,
        contract: str | None,
        idempotency_key: str | None,
    ) -> Any:
        """
        A request for the dispatcher.

        Args:
            method: The full name, `DataLayer.getIdeaById`.
            body: The named arguments as MessagePack; the answer is wanted as such too.
            reply: Takes the `Answer`.
            min_seq: The commit that a query must see.
            timeout_ms: How long the call may take.
            contract: The hash that the client was generated from.
            idempotency_key: The caller's own; nothing is lost on the way, so none is made.
        """


class _Carrier:
    """What the two faces share: making a request, reading an answer."""

    #: What arguments are written in.
    codec: Final = MSGPACK

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        request: RequestFactory,
        contract: str | None,
        errors: ErrorTypes,
    ) -> None:
        self._seen = Seen()
        self._dispatcher = dispatcher
        self._request = request
        self._contract = contract
        self._errors = errors
        self._is_closed = False

    @property
    def seq(self) -> int:
        """The highest commit that an answer told of; each query asks to see it."""
        return self._seen.seq

    def _make(
        self,
        options: CallOptions,
        method: Method[Any],
        args: Arguments,
        reply: Callable[[Answer], None],
    ) -> Any:
        if self._is_closed:
            raise failures.binding_is_closed(_PLACE)
        request = self._request(
            method=method.asked,
            body=encode_args(method, args, MSGPACK),
            reply=reply,
            min_seq=self.seq if method.is_query else 0,
            timeout_ms=options.timeout_ms,
            contract=self._contract,
            idempotency_key=None if method.is_query else options.idempotency_key,
        )
        if options.act_as is not None:
            request.caller = request.caller.acting_as(options.act_as)
        return request

    def _read(self, method: Method[T], answer: Answer) -> T:
        self._seen.saw(answer.seq)
        if answer.error is not None:
            # By way of the problem, so that the consumer gets the client's class of it.
            raise self._errors.from_problem(problem(answer.error))
        try:
            return method.unpack(answer.body)
        except msgspec.DecodeError as error:
            raise method.unreadable(error) from error


class AsyncInProcess(_Carrier):
    """Calls from the dispatcher's own event loop."""

    def call(
        self, options: CallOptions, method: Method[T], args: Arguments, /
    ) -> asyncio.Future[T]:
        """Hand it to the dispatcher; the future gets the answer."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def reply(answer: Answer) -> None:
            if future.done():
                return
            try:
                future.set_result(self._read(method, answer))
            except CallError as error:
                future.set_exception(error)

        self._dispatcher.call(self._make(options, method, args, reply))
        return future

    async def reach(self, timeout_s: float) -> None:
        """It is in this very process."""

    async def close(self) -> None:
        """Take no more calls; the dispatcher is not closed."""
        self._is_closed = True


class SyncInProcess(_Carrier):
    """Calls from threads beside the dispatcher's event loop."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        request: RequestFactory,
        contract: str | None,
        errors: ErrorTypes,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(dispatcher, request=request, contract=contract, errors=errors)
        self._loop = loop

    def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> T:
        """
        Hand it to the dispatcher and wait.

        Raises:
            FreeholdError: The calling thread is the event loop's, which would wait for itself.
        """
        self._refuse_the_loop_itself()
        answers: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        request = self._make(options, method, args, answers.set_result)
        self._loop.call_soon_threadsafe(self._dispatcher.call, request)
        try:
            answer = answers.result(options.patience_s)
        except TimeoutError:
            raise failures.time_is_up(method, options.timeout_s, sent=True) from None
        return self._read(method, answer)

    def reach(self, timeout_s: float) -> None:
        """It is in this very process."""

    def _refuse_the_loop_itself(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            return
        if running is self._loop:
            raise FreeholdError(
                "a blocking call was made on the event loop that would have to answer it.",
                hint="Use the asynchronous class here, or call from another thread.",
            )

    def close(self) -> None:
        """Take no more calls; the dispatcher is not closed."""
        self._is_closed = True
