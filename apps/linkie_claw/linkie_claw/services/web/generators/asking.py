"""
Asking a generator's HTTP API: one place where its failures become ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import httpx
import msgspec

from linkie_claw.services.web.generators.port import (
    IMAGE_BYTES_MAX,
    AnswerUnreadable,
    GenerationFailed,
    NotDone,
    NotReachable,
    TooBusy,
    TookTooLong,
)
from linkie_claw.services.web.outbound import AddressRefused, CheckedTransport, tls

#: An image travels as base64, four bytes for three, with a little JSON around it.
ANSWER_BYTES_MAX: Final = IMAGE_BYTES_MAX * 4 // 3 + 65_536

T = TypeVar("T")


class Asking:
    """
    Questions to one API.

    Args:
        name: The generator's, for messages.
        url: Where the API is.
        headers: What each question carries, its key among them.
        timeout_s: For each question.
    """

    def __init__(
        self, name: str, url: str, *, headers: Mapping[str, str], timeout_s: float
    ) -> None:
        self._name = name
        self._url = httpx.URL(url)
        self.timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=dict(headers),
            verify=tls(),
            timeout=timeout_s,
            follow_redirects=False,
        )
        self._elsewhere = httpx.AsyncClient(
            transport=CheckedTransport(allow_private=False),
            verify=tls(),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """
        The answer, decoded.

        Raises:
            GenerationFailed: There is none, or it cannot be read.
        """
        said = {"Content-Type": "application/json", **(headers or {})}
        content = None if body is None else msgspec.json.encode(body)
        request = self._client.build_request(method, path, content=content, headers=said)
        data = await self._load(self._client, request, ANSWER_BYTES_MAX)
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise AnswerUnreadable(f"{self._name}: {error}") from error

    async def fetch(self, url: str) -> bytes:
        """
        The bytes that the API said are at an address: its own, or one of the public internet.

        Raises:
            GenerationFailed: They are not there, are too many, or the address is none to call.
        """
        try:
            asked = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise AnswerUnreadable(f"{self._name} named no address") from error
        is_own = (asked.scheme, asked.host, asked.port) == (
            self._url.scheme,
            self._url.host,
            self._url.port,
        )
        # The key goes to nobody else.
        client = self._client if is_own else self._elsewhere
        return await self._load(client, client.build_request("GET", asked), IMAGE_BYTES_MAX)

    async def _load(
        self, client: httpx.AsyncClient, request: httpx.Request, bytes_max: int
    ) -> bytes:
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await client.send(request, stream=True)
                try:
                    return await self._read(response, bytes_max)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException) as error:
            raise TookTooLong(f"{self._name} took longer than {self.timeout_s:g} s") from error
        except (httpx.HTTPError, AddressRefused) as error:
            raise NotReachable(f"{self._name}: {type(error).__name__}: {error}") from error

    async def _read(self, response: httpx.Response, bytes_max: int) -> bytes:
        if not response.is_success:
            raise self._failure(response.status_code)
        data = bytearray()
        async for part in response.aiter_bytes():
            data += part
            if len(data) > bytes_max:
                raise AnswerUnreadable(f"{self._name} answered more than {bytes_max} bytes")
        return bytes(data)

    def _failure(self, status: int) -> GenerationFailed:
        said = f"{self._name} answered {status}"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return TooBusy(said)
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return NotReachable(said)
        return NotDone(said)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()
        await self._elsewhere.aclose()
