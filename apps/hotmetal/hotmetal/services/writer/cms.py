"""
The CMS, over HTTP: its publications and posts.

Whatever is sent carries an idempotency key, so that sending it again is safe. An answer that
never came is `CmsSilent`: what was asked for may have happened.
"""

from __future__ import annotations

from typing import Any, Final, Self, TypeVar

import httpx
import msgspec

T = TypeVar("T")
_TIMEOUT_S: Final = 10.0


class CmsFailed(Exception):
    """The CMS did not do what it was asked."""


class CmsRefused(CmsFailed):
    """The CMS said no; nothing happened."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class CmsAbsent(CmsFailed):
    """Nobody is there to be asked; nothing was sent."""


class CmsSilent(CmsFailed):
    """The CMS broke off, took too long or failed inside: nobody knows what happened."""


class Post(msgspec.Struct, frozen=True):
    """A post as the CMS answers it."""

    id: str
    slug: str = ""
    title: str = ""
    url: str | None = None


class _Publication(msgspec.Struct, frozen=True):
    id: str


class _Posts(msgspec.Struct, frozen=True):
    data: list[Post]


class _Error(msgspec.Struct):
    error: str = ""


class Cms:
    """
    A client of the CMS.

    Args:
        url: Where it is; None when nobody said, and then every call is refused.
        key: The key that it wants.
        timeout_s: How long one call may take.
    """

    def __init__(self, url: str | None, *, key: str | None, timeout_s: float = _TIMEOUT_S) -> None:
        self.url = (url or "").rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout_s)

    async def create_publication(self, name: str, slug: str, *, key: str) -> str:
        """The id of a new publication, or of the one that was made under the key before."""
        raw = await self._send("POST", "/api/publications", {"name": name, "slug": slug}, key=key)
        return _read(raw, _Publication).id

    async def create_post(self, post: dict[str, Any], *, key: str) -> Post:
        """The new post, or the one that was made under the key before."""
        return _read(await self._send("POST", "/api/posts", post, key=key), Post)

    async def change_post(self, id: str, post: dict[str, Any]) -> Post:
        """The post as it is after the change; doing it twice is doing it once."""
        return _read(await self._send("PATCH", f"/api/posts/{id}", post), Post)

    async def find_post(self, external_id: str) -> Post | None:
        """The post that was made for this, if there is one."""
        raw = await self._send("GET", "/api/posts", params={"externalId": external_id})
        return next(iter(_read(raw, _Posts).data), None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        params: dict[str, str] | None = None,
    ) -> bytes:
        if not self.url:
            raise CmsAbsent("no CMS is set: CMS_URL says where it is")
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(
                method, path, json=body, headers=headers, params=params
            )
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise CmsAbsent(f"no CMS at {self.url}") from None
        except httpx.HTTPError as error:
            raise CmsSilent(f"the CMS did not answer: {type(error).__name__}") from None
        if answer.status_code >= 500:
            raise CmsSilent(f"the CMS answered {answer.status_code}: {_words(answer)}")
        if answer.status_code >= 300:
            raise CmsRefused(answer.status_code, _words(answer))
        return answer.content


def _words(answer: httpx.Response) -> str:
    """What the CMS said, cut to what fits a line."""
    try:
        said = msgspec.json.decode(answer.content, type=_Error).error
    except msgspec.MsgspecError:
        said = ""
    return (said or answer.reason_phrase)[:300]


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        raise CmsSilent("the CMS answered what cannot be read") from None
