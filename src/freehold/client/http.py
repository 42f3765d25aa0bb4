"""
The transports over plain HTTP, for where only HTTP gets through: one POST per call.

httpx is loaded with this file and by nothing else of the client. A call costs 15 to 200 times
what it costs over frames, all of it in httpx. The wire is `POST /rpc/{Entrypoint}/{method}`,
JSON or MessagePack, the commit sequence in `Freehold-Seq`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Final, TypeVar

import httpx
import msgspec

from freehold.client import failures, repeat
from freehold.client.address import Target
from freehold.client.circuit import Circuit
from freehold.client.frames import CLIENT
from freehold.client.method import Arguments, Method, Query, encode_args
from freehold.client.options import CallOptions
from freehold.client.problems import ErrorTypes, with_retry_after
from freehold.client.seen import Seen
from freehold.clock import SystemClock
from freehold.errors import CallError, Internal, OutcomeUnknown, Unavailable
from freehold.ids import SystemIds
from freehold.wire.codec import JSON, Codec

T = TypeVar("T")

#: httpx would keep 20 for 5 s: too few for 32 callers, who would open one for each call. The
#: server closes what rests for 75 s, so the client goes first.
_KEPT: Final = httpx.Limits(
    max_connections=100, max_keepalive_connections=100, keepalive_expiry=60.0
)
_NO_ROOM: Final = (httpx.ConnectTimeout, httpx.PoolTimeout)
#: What a proxy answers when the data layer behind it is gone, or did not answer it.
_GATEWAY_STATUS: Final = (502, 503, 504)
#: What is looked at to find out whether somebody is there; it needs the key, and no scope.
_CONTRACT_PAGE: Final = Query[Any]("contract.json")
_THIS_MACHINE: Final = ("127.0.0.1", "::1", "localhost")


class _Attempts:
    """How one call has fared so far."""

    def __init__(self, deadline_ns: int, method: Method[Any]) -> None:
        self.deadline_ns = deadline_ns
        self.method = method
        self.count = 0
        #: The last attempt ended without an answer of the data layer's own.
        self.is_lost = False
        #: An attempt may have happened, and its answer was lost.
        self.was_sent = False


class _Wire:
    """Calls to requests and responses to answers; the two faces only send."""

    def __init__(
        self, target: Target, *, contract: str | None, errors: ErrorTypes, codec: Codec
    ) -> None:
        self._seen = Seen()
        self._target = target
        self._errors = errors
        #: What arguments are written in.
        self.codec = codec
        self._ids = SystemIds()
        self._budget = repeat.Budget()
        self._now_ns = SystemClock().monotonic_ns
        self._circuit = Circuit(self._now_ns)
        self._is_closed = False
        self._headers = {
            "Content-Type": codec.content_type,
            "Accept": codec.content_type,
            "User-Agent": f"freehold-{CLIENT}",
        }
        if target.key is not None:
            self._headers["Authorization"] = f"Bearer {target.key}"
        if contract is not None:
            self._headers["Freehold-Contract"] = contract

    @property
    def seq(self) -> int:
        """The highest commit that an answer told of; each query asks to see it."""
        return self._seen.seq

    @property
    def _place(self) -> str:
        return self._target.address.text

    @property
    def _base_url(self) -> str:
        address = self._target.address
        return f"{'https' if address.tls else 'http'}://{address.authority}"

    @property
    def _may_use_proxy(self) -> bool:
        # A proxy that the environment names cannot reach what listens on this machine.
        address = self._target.address
        return not address.path and address.host not in _THIS_MACHINE

    def _request(
        self, options: CallOptions, method: Method[Any], args: Arguments
    ) -> dict[str, Any]:
        if self._is_closed:
            raise failures.binding_is_closed(self._place)
        if (refusal := self._circuit.refusal()) is not None:
            raise refusal
        headers = self._headers | {"Freehold-Timeout-Ms": str(options.timeout_ms)}
        if not method.is_query:
            key = options.idempotency_key or repeat.new_key(self._ids)
            headers["Idempotency-Key"] = key
        elif self.seq:
            headers["Freehold-Min-Seq"] = str(self.seq)
        if options.act_as is not None:
            headers["Freehold-Act-As"] = options.act_as
        return {
            "url": method.path,
            "content": encode_args(method, args, self.codec),
            "headers": headers,
            "timeout": options.patience_s,
        }

    def _look(self, timeout_s: float) -> dict[str, Any]:
        """The request that finds out whether a data layer is there and takes the key."""
        if self._is_closed:
            raise failures.binding_is_closed(self._place)
        return {"url": "/contract.json", "headers": self._headers, "timeout": timeout_s}

    def _found(self, response: httpx.Response) -> None:
        """What the look came to."""
        if response.status_code != 200:
            raise self._refusal(_CONTRACT_PAGE, response)
        self._circuit.is_well()

    def _not_found(self, error: httpx.TransportError) -> CallError:
        return self._target.nobody_there(_root(error))

    def _begin(self, options: CallOptions, method: Method[Any]) -> _Attempts:
        self._budget.earn()
        return _Attempts(self._now_ns() + int(options.patience_s * 1e9), method)

    def _wait_s(self, attempts: _Attempts, error: CallError) -> float:
        """
        How long to wait before the call is sent again.

        Raises:
            CallError: It is not.
        """
        is_lost = attempts.is_lost
        if self._circuit.is_shut:
            raise self._last(attempts, error)
        wait_s = repeat.wait_s(error, attempts.count, self._ids)
        if is_lost and attempts.count < repeat.TRIES:
            wait_s = wait_s or 0.0
        if wait_s is None or self._now_ns() + int(wait_s * 1e9) >= attempts.deadline_ns:
            raise self._last(attempts, error)
        if not is_lost and not self._budget.spend():
            raise self._last(attempts, error)
        attempts.count += 1
        return wait_s

    def _last(self, attempts: _Attempts, error: CallError) -> CallError:
        said = repeat.honest(error, attempts.method, was_sent=attempts.was_sent)
        said.__cause__ = said.__cause__ or error.__cause__
        return said

    def _lost(
        self, attempts: _Attempts, options: CallOptions, error: httpx.TransportError
    ) -> CallError:
        """An attempt without a response."""
        failure = self._failure(options, attempts.method, error)
        failure.__cause__ = error
        attempts.is_lost = _may_retry(error)
        if attempts.is_lost:
            attempts.was_sent = True
        return failure

    def _answer(self, method: Method[T], response: httpx.Response) -> T:
        seq = response.headers.get("Freehold-Seq", "")
        if seq.isdecimal():
            self._seen.saw(int(seq))
        if response.status_code != 200:
            raise self._refusal(method, response)
        self._circuit.is_well()
        read = method.from_json if self.codec is JSON else method.unpack
        try:
            return read(response.content)
        except msgspec.DecodeError as error:
            raise method.unreadable(error) from error

    def _refusal(self, method: Method[Any], response: httpx.Response) -> CallError:
        codec = self.codec
        if response.headers.get("Content-Type", "").startswith("application/problem+json"):
            codec = JSON
        try:
            problem = codec.decode(response.content)
        except (msgspec.DecodeError, ValueError):
            problem = None
        if isinstance(problem, dict) and "code" in problem:
            self._circuit.is_well()
            error = self._errors.from_problem(problem)
            return with_retry_after(error, response.headers.get("Retry-After"))
        status = response.status_code
        if status not in _GATEWAY_STATUS:
            return Internal(
                f"what listens at {self._place} answered {method.name} with status {status}, "
                "and not as a data layer does.",
                hint="Check the address, and what stands between.",
            )
        gone = Unavailable(
            f"the data layer behind {self._place} is not there: status {status}.",
            hint="Ask again; nothing was changed.",
        )
        self._circuit.was_vain(gone)
        if method.is_query:
            return gone
        return failures.line_is_lost(method, self._place, sent=True)

    def _failure(
        self, options: CallOptions, method: Method[Any], error: httpx.TransportError
    ) -> CallError:
        """What the caller gets when there is no response."""
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            nobody = self._target.nobody_there(_root(error))
            self._circuit.was_vain(nobody)
            if isinstance(error, httpx.ConnectError):
                return nobody
        if isinstance(error, httpx.TimeoutException):
            sent = not isinstance(error, _NO_ROOM)
            return failures.time_is_up(method, options.timeout_s, sent=sent)
        return failures.line_is_lost(method, self._place, sent=True)


class AsyncHttp(_Wire):
    """Calls over an httpx.AsyncClient, which keeps connections."""

    def __init__(
        self, target: Target, *, contract: str | None, errors: ErrorTypes, codec: Codec
    ) -> None:
        super().__init__(target, contract=contract, errors=errors, codec=codec)
        path = target.address.path
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=path, limits=_KEPT) if path else None,
            base_url=self._base_url,
            limits=_KEPT,
            trust_env=self._may_use_proxy,
        )

    async def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> T:
        """
        Post the call, and post it again when that may help, a mutation under its key.

        Raises:
            CallError: Whatever the call ends with.
        """
        request = self._request(options, method, args)
        attempts = self._begin(options, method)
        while True:
            attempts.is_lost = False
            try:
                return self._answer(method, await self._client.post(**request))
            except httpx.TransportError as error:
                failure = self._lost(attempts, options, error)
            except CallError as error:
                failure = error
                attempts.is_lost = isinstance(error, OutcomeUnknown)
                attempts.was_sent = attempts.was_sent or attempts.is_lost
            wait_s = self._wait_s(attempts, failure)
            await asyncio.sleep(wait_s)

    async def reach(self, timeout_s: float) -> None:
        """
        Look once whether a data layer is there that takes this binding's key.

        Raises:
            CallError: It refuses it, or there is none.
        """
        try:
            self._found(await self._client.get(**self._look(timeout_s)))
        except httpx.TransportError as error:
            raise self._not_found(error) from error

    async def close(self) -> None:
        """Close the kept connections."""
        self._is_closed = True
        await self._client.aclose()


class SyncHttp(_Wire):
    """Calls over an httpx.Client, which keeps connections and may be used by many threads."""

    def __init__(
        self, target: Target, *, contract: str | None, errors: ErrorTypes, codec: Codec
    ) -> None:
        super().__init__(target, contract=contract, errors=errors, codec=codec)
        path = target.address.path
        self._pause = threading.Event()
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=path, limits=_KEPT) if path else None,
            base_url=self._base_url,
            limits=_KEPT,
            trust_env=self._may_use_proxy,
        )

    def call(self, options: CallOptions, method: Method[T], args: Arguments, /) -> T:
        """
        Post the call, and post it again when that may help, a mutation under its key.

        Raises:
            CallError: Whatever the call ends with.
        """
        request = self._request(options, method, args)
        attempts = self._begin(options, method)
        while True:
            attempts.is_lost = False
            try:
                return self._answer(method, self._client.post(**request))
            except httpx.TransportError as error:
                failure = self._lost(attempts, options, error)
            except CallError as error:
                failure = error
                attempts.is_lost = isinstance(error, OutcomeUnknown)
                attempts.was_sent = attempts.was_sent or attempts.is_lost
            wait_s = self._wait_s(attempts, failure)
            self._pause.wait(wait_s)

    def reach(self, timeout_s: float) -> None:
        """
        Look once whether a data layer is there that takes this binding's key.

        Raises:
            CallError: It refuses it, or there is none.
        """
        try:
            self._found(self._client.get(**self._look(timeout_s)))
        except httpx.TransportError as error:
            raise self._not_found(error) from error

    def close(self) -> None:
        """Close the kept connections."""
        self._is_closed = True
        self._pause.set()
        self._client.close()


def _may_retry(error: httpx.TransportError) -> bool:
    """The connection was lost under way; not that there was none to begin with."""
    lost = isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError))
    return lost and not isinstance(error, httpx.ConnectError)


def _root(error: BaseException) -> BaseException:
    """The operating system's error at the bottom of httpx's."""
    seen = error
    while seen.__cause__ is not None or seen.__context__ is not None:
        seen = seen.__cause__ or seen.__context__ or seen
    return seen
