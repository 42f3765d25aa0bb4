"""
What generated classes extend: a binding is a consumer's typed handle on an entrypoint.

    dal = DataLayer.connect()                          # FREEHOLD_DAL says where
    async with DataLayer.connect("unix:/run/app.sock") as dal: ...
    quick = dal.with_options(timeout_s=2)              # the same connection

Wherever the entrypoint runs, the methods are the same; what carries the calls is one of
the transports: `async_frames`, `sync_frames`, `http`, `in_process`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, cast

from freehold.client.address import Target, find_target
from freehold.client.async_frames import AsyncFrames
from freehold.client.in_process import AsyncInProcess, Dispatcher, RequestFactory, SyncInProcess
from freehold.client.method import Arguments, Method
from freehold.client.options import TIMEOUT_S, CallOptions
from freehold.client.problems import ErrorTypes
from freehold.client.sync_frames import SyncFrames
from freehold.client.transaction import AsyncTransaction, S, SyncTransaction
from freehold.client.waiting import Waiting
from freehold.errors import CallError, InvalidArgument
from freehold.wire.codec import JSON, MSGPACK, Codec

T = TypeVar("T")

#: How calls travel: `http` is for where only HTTP gets through; see there what it costs.
TransportName = Literal["frames", "http", "http+msgpack"]


class AsyncTransport(Protocol):
    """Carries the calls of an asynchronous binding."""

    @property
    def seq(self) -> int:
        """The highest commit that an answer told of."""

    @property
    def codec(self) -> Codec:
        """What arguments are written in."""

    def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> Awaitable[T]:
        """Send it; the awaitable gives the answer or raises a `CallError`."""

    async def reach(self, timeout_s: float) -> None:
        """Look once whether a data layer is there; raises a `CallError` when none is."""

    async def close(self) -> None:
        """Give back what it holds."""


class SyncTransport(Protocol):
    """Carries the calls of a blocking binding, from any thread."""

    @property
    def seq(self) -> int:
        """The highest commit that an answer told of."""

    @property
    def codec(self) -> Codec:
        """What arguments are written in."""

    def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> T:
        """Send it and wait for the answer; raises a `CallError`."""

    def reach(self, timeout_s: float) -> None:
        """Look once whether a data layer is there; raises a `CallError` when none is."""

    def close(self) -> None:
        """Give back what it holds."""


class AsyncCall(Protocol):
    """A transport's `call` with the options filled in."""

    def __call__(self, method: Method[T], args: Arguments, /) -> Awaitable[T]:
        """Call the method."""


class SyncCall(Protocol):
    """A transport's `call` with the options filled in."""

    def __call__(self, method: Method[T], args: Arguments, /) -> T:
        """Call the method."""


class AsyncBinding:
    """The asynchronous face; a generated class adds the methods."""

    _contract: ClassVar[str | None] = None
    _errors: ClassVar[ErrorTypes] = ErrorTypes()

    def __init__(self, transport: AsyncTransport, options: CallOptions | None = None) -> None:
        self._transport = transport
        self._options = options or CallOptions()
        self._call = cast("AsyncCall", partial(transport.call, self._options))

    @classmethod
    def connect(
        cls,
        address: str | None = None,
        *,
        key: str | None = None,
        binding: str = "DAL",
        transport: TransportName = "frames",
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """
        A binding to the data layer at the address; its first call connects.

        Args:
            address: `http://host:port`, `https://…`, `frames://…` or `unix:/path`; left out,
                `FREEHOLD_<BINDING>` says it.
            key: The service key; left out, `FREEHOLD_<BINDING>_KEY` or the file that
                `FREEHOLD_<BINDING>_KEY_FILE` names. A Unix socket needs none.
            binding: The name in those variables.
            transport: `frames`, or `http` where nothing else gets through.
            timeout_s: How long each call may take.

        Raises:
            Unavailable: Nothing says where the data layer is.
            InvalidArgument: The address or another argument cannot be used.
        """
        target = find_target(address, key=key, binding=binding)
        return cls(cls._open(target, transport), CallOptions(timeout_s))

    @classmethod
    def _open(cls, target: Target, transport: TransportName) -> AsyncTransport:
        if transport == "frames":
            return AsyncFrames(target, contract=cls._contract, errors=cls._errors)
        # httpx takes a tenth of a second to import, and only this transport wants it.
        from freehold.client.http import AsyncHttp

        codec = _codec(target, transport)
        return AsyncHttp(target, contract=cls._contract, errors=cls._errors, codec=codec)

    @classmethod
    def in_process(cls, dispatcher: Dispatcher, *, request: RequestFactory) -> Self:
        """
        A binding to an entrypoint of this very process, without a socket.

        Args:
            dispatcher: Runs the calls; in practice the server's own.
            request: Makes its requests, with the caller they are made for: a `partial` of
                `rpc.dispatch.Request` with its codec (MessagePack) and caller filled in.
        """
        carrier = AsyncInProcess(
            dispatcher, request=request, contract=cls._contract, errors=cls._errors
        )
        return cls(carrier)

    @property
    def seq(self) -> int:
        """The highest commit this binding has seen; its queries see at least that one."""
        return self._transport.seq

    async def wait_until_ready(self, *, timeout_s: float | None = None) -> None:
        """
        Wait until the data layer is there and takes this binding's key.

        Meanwhile the log `freehold.client` says, at first at once and then ever more rarely,
        which binding waits, for which address, and how the data layer is started.

        Args:
            timeout_s: How long at most; None for as long as it takes.

        Raises:
            Unavailable: The time is up, or the binding was closed.
            CallError: What waiting does not change, at once: a key that is not taken, say.
        """
        waiting = Waiting(timeout_s)
        while True:
            try:
                await self._transport.reach(waiting.look_s)
            except CallError as error:
                pause_s = waiting.pause_s(error)
            else:
                waiting.is_over()
                return
            await asyncio.sleep(pause_s)

    def with_options(
        self, *, timeout_s: float | None = None, idempotency_key: str | None = None
    ) -> Self:
        """
        The same binding, over the same connection, with other options for its calls.

        Args:
            timeout_s: How long each call may take.
            idempotency_key: Names one logical mutation, over restarts of this process too:
                called again under it, it gives the first answer and has no second effect.
        """
        return type(self)(self._transport, _changed(self._options, timeout_s, idempotency_key))

    def acting_as(self, user: str) -> Self:
        """
        The same binding, over the same connection, calling for this user.

        Args:
            user: The user's id, `db.caller.user` on the other side. The service key needs the
                scope `act_as`, else each call ends in `PermissionDenied`.
        """
        return type(self)(self._transport, _acting(self._options, user))

    def _transaction(
        self, steps: Callable[[Codec], S], idempotency_key: str | None
    ) -> AsyncTransaction[S]:
        """What the `transaction` of a generated class returns."""
        options = _changed(self._options, None, idempotency_key)
        return AsyncTransaction(
            steps(self._transport.codec), partial(self._transport.call, options)
        )

    async def close(self) -> None:
        """Close the connection; a mutation in flight ends in `OutcomeUnknown`."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class SyncBinding:
    """The blocking face; may be called from any thread. A generated class adds the methods."""

    _contract: ClassVar[str | None] = None
    _errors: ClassVar[ErrorTypes] = ErrorTypes()

    def __init__(self, transport: SyncTransport, options: CallOptions | None = None) -> None:
        self._transport = transport
        self._options = options or CallOptions()
        self._call = cast("SyncCall", partial(transport.call, self._options))

    @classmethod
    def connect(
        cls,
        address: str | None = None,
        *,
        key: str | None = None,
        binding: str = "DAL",
        transport: TransportName = "frames",
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """
        A binding to the data layer at the address; its first call connects.

        The arguments and errors are those of the asynchronous `connect`.
        """
        target = find_target(address, key=key, binding=binding)
        return cls(cls._open(target, transport), CallOptions(timeout_s))

    @classmethod
    def _open(cls, target: Target, transport: TransportName) -> SyncTransport:
        if transport == "frames":
            return SyncFrames(target, contract=cls._contract, errors=cls._errors)
        # httpx takes a tenth of a second to import, and only this transport wants it.
        from freehold.client.http import SyncHttp

        codec = _codec(target, transport)
        return SyncHttp(target, contract=cls._contract, errors=cls._errors, codec=codec)

    @classmethod
    def in_process(
        cls,
        dispatcher: Dispatcher,
        *,
        request: RequestFactory,
        loop: asyncio.AbstractEventLoop,
    ) -> Self:
        """
        A binding to an entrypoint of this very process, for threads beside its event loop.

        Args:
            dispatcher: Runs the calls; in practice the server's own.
            request: Makes its requests, with the caller they are made for.
            loop: The event loop that the dispatcher lives in.
        """
        carrier = SyncInProcess(
            dispatcher, request=request, contract=cls._contract, errors=cls._errors, loop=loop
        )
        return cls(carrier)

    @property
    def seq(self) -> int:
        """The highest commit this binding has seen; its queries see at least that one."""
        return self._transport.seq

    def wait_until_ready(self, *, timeout_s: float | None = None) -> None:
        """
        Wait until the data layer is there and takes this binding's key.

        What is said meanwhile, the argument and the errors are the asynchronous one's.
        """
        waiting = Waiting(timeout_s)
        pause = threading.Event()
        while True:
            try:
                self._transport.reach(waiting.look_s)
            except CallError as error:
                pause.wait(waiting.pause_s(error))
            else:
                waiting.is_over()
                return

    def with_options(
        self, *, timeout_s: float | None = None, idempotency_key: str | None = None
    ) -> Self:
        """The same binding, with other options for its calls, as the asynchronous one's."""
        return type(self)(self._transport, _changed(self._options, timeout_s, idempotency_key))

    def acting_as(self, user: str) -> Self:
        """
        The same binding, over the same connections, calling for this user.

        Args:
            user: The user's id, `db.caller.user` on the other side. The service key needs the
                scope `act_as`, else each call ends in `PermissionDenied`.
        """
        return type(self)(self._transport, _acting(self._options, user))

    def _transaction(
        self, steps: Callable[[Codec], S], idempotency_key: str | None
    ) -> SyncTransaction[S]:
        """What the `transaction` of a generated class returns."""
        options = _changed(self._options, None, idempotency_key)
        return SyncTransaction(steps(self._transport.codec), partial(self._transport.call, options))

    def close(self) -> None:
        """Close the connections; calls that other threads are waiting for still end."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _changed(
    options: CallOptions, timeout_s: float | None, idempotency_key: str | None
) -> CallOptions:
    return CallOptions(
        options.timeout_s if timeout_s is None else timeout_s,
        idempotency_key=options.idempotency_key if idempotency_key is None else idempotency_key,
        act_as=options.act_as,
    )


def _acting(options: CallOptions, user: str) -> CallOptions:
    return CallOptions(options.timeout_s, idempotency_key=options.idempotency_key, act_as=user)


def _codec(target: Target, transport: str) -> Any:
    if transport not in ("http", "http+msgpack"):
        raise InvalidArgument(
            f"there is no transport {transport!r}.",
            hint='Use "frames", "http" or "http+msgpack".',
            path="transport",
        )
    if target.address.text.startswith("frames:"):
        raise InvalidArgument(
            f"{target.address.text} speaks frames, and transport={transport!r} was asked for.",
            hint="Write the address as http://…, or leave the transport out.",
            path="transport",
        )
    return MSGPACK if transport == "http+msgpack" else JSON
