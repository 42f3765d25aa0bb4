"""
The CMS, over HTTP, as the writer and the publisher need it: publications, posts, renditions.

Whatever is sent more than once carries an idempotency key or does no harm twice. Three ends of a
call are told apart: it refused (nothing happened), it was not there (nothing was sent), it was
silent (nobody knows).
"""

from __future__ import annotations

from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

T = TypeVar("T")
_WORDS_MAX: Final = 300
_TIMEOUT_S: Final = 10.0


class CmsFailed(Exception):
    """The CMS did not do what it was asked, as far as is known."""


class CmsRefused(CmsFailed):
    """The CMS said no; nothing happened. `status` is None where it was not the CMS that said it."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class CmsAbsent(CmsRefused):
    """Nobody is there to be asked; nothing was sent."""


class CmsSilent(CmsFailed):
    """The CMS broke off, took too long or failed inside: nobody knows what happened."""


class Post(msgspec.Struct, rename="camel"):
    """A post as the CMS answers it."""

    id: str
    title: str = ""
    slug: str = ""
    content: str = ""
    status: str = "draft"
    url: str | None = None
    hook: str | None = None
    excerpt: str | None = None


class Rendition(msgspec.Struct, rename="camel"):
    """A post as it stands on an outlet."""

    id: str
    outlet: str
    status: str
    external_url: str | None = None
    external_id: str | None = None


class _Renditions(msgspec.Struct):
    data: list[Rendition]


class _Publication(msgspec.Struct):
    id: str


class _Posts(msgspec.Struct):
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

    async def post(self, id: str) -> Post | None:
        """The post, or None."""
        try:
            return _read(await self._send("GET", _path(id)), Post)
        except CmsRefused as error:
            if error.status == 404:
                return None
            raise

    async def find_post(self, external_id: str) -> Post | None:
        """The post that was made for this, if there is one."""
        raw = await self._send("GET", "/api/posts", params={"externalId": external_id})
        return next(iter(_read(raw, _Posts).data), None)

    async def create_post(self, said: dict[str, Any], *, key: str) -> Post:
        """The new post, or the one that was made under the key before."""
        return _read(await self._send("POST", "/api/posts", said, key=key), Post)

    async def change_post(self, id: str, said: dict[str, Any]) -> Post:
        """The post after the change; doing it twice is doing it once."""
        return _read(await self._send("PATCH", _path(id), said), Post)

    async def set_status(self, id: str, status: str) -> Post:
        """The post with that status."""
        return await self.change_post(id, {"status": status})

    async def renditions(self, id: str) -> list[Rendition]:
        """Where the post stands."""
        return _read(await self._send("GET", f"{_path(id)}/renditions"), _Renditions).data

    async def create_rendition(self, id: str, said: dict[str, Any], *, key: str) -> Rendition:
        """The new rendition, or the one that was made under the key before."""
        said = {name: value for name, value in said.items() if value is not None}
        return _read(await self._send("POST", f"{_path(id)}/renditions", said, key=key), Rendition)

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
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise CmsAbsent(f"no CMS answers at {self.url}; CMS_URL says where it is") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CmsSilent(f"the CMS did not answer: {type(error).__name__}") from None
        if answer.status_code >= 500:
            raise CmsSilent(f"the CMS answered {answer.status_code}: {_words(answer)}")
        if answer.status_code >= 300:
            said = f"the CMS answered {answer.status_code}: {_words(answer)}"
            raise CmsRefused(said, answer.status_code)
        return answer.content


def _path(id: str) -> str:
    return f"/api/posts/{quote(id, safe='')}"


def _words(answer: httpx.Response) -> str:
    """What the CMS said, cut to what fits a line."""
    try:
        said = msgspec.json.decode(answer.content, type=_Error).error
    except (msgspec.MsgspecError, UnicodeError):
        said = ""
    return (said or answer.reason_phrase)[:_WORDS_MAX]


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        raise CmsSilent("the CMS answered what cannot be read") from None
