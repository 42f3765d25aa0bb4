"""Another service of HotMetal, asked over HTTP with the writer's own key for it."""

from __future__ import annotations

import dataclasses
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
from starlette.responses import Response

from hotmetal.services.web import ApiError
from hotmetal.services.writer.settings import WriterSettings

_TIMEOUT_S: Final = 30.0
_JSON: Final = "application/json"


class _Error(msgspec.Struct):
    error: str = ""


class Neighbour:
    """
    One service.

    Args:
        name: Its name, as `freehold dev` writes it.
        url: Where it is.
        headers: What shows the writer's key for it.
    """

    def __init__(self, name: str, url: str, *, headers: dict[str, str]) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(headers=headers, timeout=_TIMEOUT_S)

    async def ask(
        self, method: str, path: str, *, body: Any = None, key: str | None = None
    ) -> Response:
        """
        Its answer, as an answer of ours.

        Args:
            method: The HTTP method.
            path: Its path, with the query.
            body: What is sent as JSON.
            key: The idempotency key.

        Raises:
            ApiError: 502: it is not there, broke off, failed inside, or refuses the writer's key.
        """
        answer = await self.call(method, path, body=body, key=key)
        if answer.status_code in (401, 403):
            # Passed on it would say that the browser's sign-in has ended.
            raise ApiError(502, f"the {self.name} refuses this writer: {words_of(answer)}")
        return Response(answer.content, answer.status_code, media_type=_JSON)

    async def call(
        self, method: str, path: str, *, body: Any = None, key: str | None = None
    ) -> httpx.Response:
        """The answer itself, whatever its status below 500; raises like `ask`."""
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            answer = await self._http.request(method, self.url + path, json=body, headers=headers)
        except httpx.ConnectError:
            words = f"the {self.name} is not running at {self.url}; `freehold dev` starts it"
            raise ApiError(502, words) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            words = f"the {self.name} did not answer: {type(error).__name__}"
            raise ApiError(502, words) from None
        if answer.status_code >= 500:
            raise ApiError(502, f"the {self.name}: {words_of(answer)}")
        return answer

    async def close(self) -> None:
        """Give back its connections."""
        await self._http.aclose()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The services whose routes the page needs."""

    scout: Neighbour
    publisher: Neighbour

    @classmethod
    def of(cls, settings: WriterSettings) -> Self:
        """Where the settings say that they are, with the keys that they say."""
        return cls(
            scout=Neighbour(
                "scout",
                settings.scout_url,
                headers={"Authorization": f"Bearer {settings.scout_key or ''}"},
            ),
            publisher=Neighbour(
                "publisher",
                settings.publisher_url,
                headers={"X-API-Key": settings.publisher_key or ""},
            ),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.scout.close()
        await self.publisher.close()


def words_of(answer: httpx.Response) -> str:
    """What a refusal says, cut to what fits a line."""
    try:
        said = msgspec.json.decode(answer.content, type=_Error).error
    except (msgspec.MsgspecError, UnicodeError):
        said = ""
    return (said or f"it answered {answer.status_code}")[:300]
