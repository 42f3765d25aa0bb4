"""
The transports over plain HTTP, for where only HTTP gets through: one POST per call.

httpx is loaded with this file and by nothing else of the client. A call costs 15 to 200 times
what it costs over frames, all of it in httpx. The wire is `POST /rpc/{Entrypoint}/{method}`,
JSON or MessagePack, the commit sequence in `Freehold-Seq`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import httpx
import msgspec

from freehold.client import failures
from freehold.client.address import Target
from freehold.client.frames import CLIENT
from freehold.client.method import Method, encode_args
from freehold.client.options import CallOptions
from freehold.client.problems import ErrorTypes, with_retry_after
from freehold.client.seen import Seen
from freehold.errors import CallError, Internal, Unavailable
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
_THIS_MACHINE: Final = ("127.0.0.1", "::1", "localhost")


class _Wire:
    """Calls to requests and responses to answers; the two faces only send."""

    def __init__(
        self, target: Target, *, contract: str | None, errors: ErrorTypes, codec: Codec
    ) -> None:
        self._seen = Seen()
        self._target = target
        self._errors = errors
        self._codec = codec
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
        self, options: CallOptions, method: Method[Any], args: dict[str, Any]
    ) -> dict[str, Any]:
        if self._is_closed:
            raise failures.binding_is_closed(self._place)
        headers = self._headers | {"Freehold-Timeout-Ms": str(options.timeout_ms)}
        if method.is_query and self.seq:
            headers["Freehold-Min-Seq"] = str(self.seq)
        return {
            "url": f"/rpc/{method.entrypoint}/{method.wire}",
            "content": encode_args(method, args, self._codec),
            "headers": headers,
            "timeout": options.patience_s,
        }

    def _answer(self, method: Method[T], response: httpx.Response) -> T:
        seq = response.headers.get("Freehold-Seq", "")
        if seq.isdecimal():
            self._seen.saw(int(seq))
        if response.status_code != 200:
            raise self._refusal(method, response)
        read = method.from_json if self._codec is JSON else method.unpack
        try:
            return read(response.content)
        except msgspec.DecodeError as error:
            raise method.unreadable(error) from error

    def _refusal(self, method: Method[Any], response: httpx.Response) -> CallError:
        codec = self._codec
        if response.headers.get("Content-Type", "").startswith("application/problem+json"):
            codec = JSON
        try:
            problem = codec.decode(response.content)
        except (msgspec.DecodeError, ValueError):
            problem = None
        if isinstance(problem, dict) and "code" in problem:
            error = self._errors.from_problem(problem)
            return with_retry_after(error, response.headers.get("Retry-After"))
        status = response.status_code
        if status not in _GATEWAY_STATUS:
            return Internal(
                f"what listens at {self._place} answered {method.name} with status {status}, "
                "and not as a data layer does.",
                hint="Check the address, and what stands between.",
            )
        if not method.is_query:
            return failures.line_is_lost(method, self._place, sent=True)
        return Unavailable(
            f"the data layer behind {self._place} is not there: status {status}.",
            hint="Ask again; nothing was changed.",
        )

    def _failure(
        self, options: CallOptions, method: Method[Any], error: httpx.TransportError
    ) -> CallError:
        """What the caller gets when there is no response."""
        if isinstance(error, httpx.ConnectError):
            return self._target.nobody_there(_root(error))
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

    async def call(self, options: CallOptions, method: Method[T], args: dict[str, Any], /) -> T:
        """
        Post the call; a query whose connection was lost is posted once more.

        Raises:
            CallError: Whatever the call ends with.
        """
        request = self._request(options, method, args)
        try:
            response = await self._client.post(**request)
        except httpx.TransportError as error:
            if not _may_retry(method, error):
                raise self._failure(options, method, error) from error
            try:
                response = await self._client.post(**request)
            except httpx.TransportError as second:
                raise self._failure(options, method, second) from second
        return self._answer(method, response)

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
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=path, limits=_KEPT) if path else None,
            base_url=self._base_url,
            limits=_KEPT,
            trust_env=self._may_use_proxy,
        )

    def call(self, options: CallOptions, method: Method[T], args: dict[str, Any], /) -> T:
        """
        Post the call; a query whose connection was lost is posted once more.

        Raises:
            CallError: Whatever the call ends with.
        """
        request = self._request(options, method, args)
        try:
            response = self._client.post(**request)
        except httpx.TransportError as error:
            if not _may_retry(method, error):
                raise self._failure(options, method, error) from error
            try:
                response = self._client.post(**request)
            except httpx.TransportError as second:
                raise self._failure(options, method, second) from second
        return self._answer(method, response)

    def close(self) -> None:
        """Close the kept connections."""
        self._is_closed = True
        self._client.close()


def _may_retry(method: Method[Any], error: httpx.TransportError) -> bool:
    lost = isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError))
    return method.is_query and lost and not isinstance(error, httpx.ConnectError)


def _root(error: BaseException) -> BaseException:
    """The operating system's error at the bottom of httpx's."""
    seen = error
    while seen.__cause__ is not None or seen.__context__ is not None:
        seen = seen.__cause__ or seen.__context__ or seen
    return seen
