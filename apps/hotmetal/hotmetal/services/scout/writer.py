"""
The writer's routes, as the scout uses them.

Whatever is sent more than once carries the same idempotency key, so that the writer does it once.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import httpx
import msgspec

T = TypeVar("T")
_TIMEOUT_S: Final = 20.0


class WriterFailed(Exception):
    """The writer did not do what it was asked, or did not answer."""


class Draft(msgspec.Struct, frozen=True, rename="camel"):
    """A version of the text; ready when the agent has ended the turn that wrote it."""

    version: int
    is_ready: bool = False


class Drafts(msgspec.Struct, frozen=True, rename="camel"):
    """The versions so far, and whether the agent is at work."""

    data: list[Draft]
    phase: str | None = None
    is_generating: bool = False


class _Made(msgspec.Struct, frozen=True):
    id: str


class _Error(msgspec.Struct):
    error: str = ""


class Writer:
    """
    A client of the writer.

    Args:
        http: Carries the calls.
        url: Where it is.
        key: Its API key.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._key = key

    async def open(self, wanted: dict[str, Any], *, key: str) -> str:
        """The id of a new writing session; the same one for the same key."""
        answer = await self._ask("POST", "/api/sessions", wanted, key=key)
        return _read(_good(answer), _Made).id

    async def archive(self, id: str) -> None:
        """Put a writing session away that nobody will go on with."""
        _good(await self._ask("PATCH", f"/api/sessions/{id}", {"status": "archived"}))

    async def tell(self, id: str, message: str, *, key: str) -> None:
        """
        Say something to the agent, once for each key.

        An agent that is still at it when the time is up goes on; so does one that was told
        already. A turn that broke off is begun again.
        """
        try:
            answer = await self._ask(
                "POST", f"/api/sessions/{id}/chat", {"message": message}, key=key
            )
        except httpx.ReadTimeout:
            return
        if answer.status_code != 429:
            _good(answer)

    async def drafts(self, id: str) -> Drafts:
        """What there is of the text."""
        return _read(_good(await self._ask("GET", f"/api/sessions/{id}/drafts")), Drafts)

    async def publish(self, id: str, wanted: dict[str, Any], *, key: str) -> bool:
        """Whether the text is published; False while somebody else is at it."""
        answer = await self._ask("POST", f"/api/sessions/{id}/publish", wanted, key=key)
        if answer.status_code == 429:
            return False
        if answer.status_code != 409:
            _good(answer)
        return True

    async def _ask(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        headers = {"X-API-Key": self._key}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self._http.request(
            method, f"{self._url}{path}", json=body, headers=headers, timeout=_TIMEOUT_S
        )


def _good(answer: httpx.Response) -> bytes:
    """
    The body of an answer that is a success.

    Raises:
        WriterFailed: It is none; with the writer's words.
    """
    if answer.is_success:
        return answer.content
    try:
        said = msgspec.json.decode(answer.content, type=_Error).error
    except (msgspec.MsgspecError, UnicodeError):
        said = ""
    raise WriterFailed(f"the writer answered {answer.status_code}: {said or answer.reason_phrase}")


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise WriterFailed(f"the writer's answer cannot be read: {error}") from None
