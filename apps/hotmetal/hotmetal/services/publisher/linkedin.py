"""
LinkedIn's versioned posts API: send a post, and list what an author posted.

It takes no idempotency keys, so what matters is what an answer says about the post: refused (it is
not there), broken inside (it may be), nothing at all (it may still become one).
"""

from __future__ import annotations

from typing import Any, Final, Self

import httpx
import msgspec

_WORDS_MAX: Final = 300
_LISTED: Final = 50
#: Behind these a request may go on after its answer was given.
_GATEWAY: Final = (502, 504)
_FEED: Final = "https://www.linkedin.com/feed/update/"


class LinkedInRefused(Exception):
    """LinkedIn said no, or was not reached; there is no post."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class LinkedInBroke(Exception):
    """LinkedIn failed inside and said so: the post is there or it is not, now."""


class LinkedInSilent(Exception):
    """There was no answer; what was sent may still be on its way."""


class Listed(msgspec.Struct, rename="camel"):
    """A post as its author's list has it; times in epoch milliseconds."""

    id: str
    commentary: str = ""
    created_at: int = 0


class _Elements(msgspec.Struct):
    elements: list[Listed]


class _Error(msgspec.Struct):
    message: str = ""


class LinkedInPosts:
    """
    A client of the posts API.

    Args:
        url: The API's base.
        version: What the header `LinkedIn-Version` says.
        timeout_s: How long one call may take.
    """

    def __init__(self, url: str, *, version: str, timeout_s: float) -> None:
        headers = {"LinkedIn-Version": version, "X-Restli-Protocol-Version": "2.0.0"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s)

    async def send(self, post: dict[str, Any], *, token: str) -> str | None:
        """The new post's URN; None when LinkedIn took it and did not say."""
        answer = await self._ask("POST", token, json=post)
        urn: str | None = answer.headers.get("x-restli-id")
        return urn or None

    async def listed(self, author: str, *, token: str) -> list[Listed]:
        """What the author posted last, the newest first."""
        params = {"q": "author", "author": author, "count": _LISTED, "sortBy": "CREATED"}
        answer = await self._ask("GET", token, params=params)
        try:
            return msgspec.json.decode(answer.content, type=_Elements).elements
        except (msgspec.MsgspecError, UnicodeError):
            raise LinkedInBroke("LinkedIn answered what cannot be read") from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, token: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._http.request(method, "/rest/posts", headers=headers, **more)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise LinkedInRefused("LinkedIn cannot be reached") from None
        except httpx.HTTPError as error:
            raise LinkedInSilent(f"LinkedIn did not answer: {type(error).__name__}") from None
        status = answer.status_code
        if status < 300:
            return answer
        said = f"LinkedIn answered {status}: {_words(answer)}"
        if status in _GATEWAY:
            raise LinkedInSilent(said)
        if status >= 500:
            raise LinkedInBroke(said)
        raise LinkedInRefused(said, status)


def person_urn(external_id: str) -> str:
    """The author that a connection posts as."""
    return f"urn:li:person:{external_id}"


def url_of(urn: str) -> str:
    """Where a person reads the post."""
    return _FEED + urn


def post_body(author: str, text: str, *, article: dict[str, str] | None) -> dict[str, Any]:
    """A public post in the main feed, with an article below it when there is one."""
    body: dict[str, Any] = {
        "author": author,
        "commentary": text,
        "visibility": "PUBLIC",
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": False,
    }
    return body | ({"content": {"article": article}} if article else {})


def _words(answer: httpx.Response) -> str:
    """What LinkedIn said, cut to what fits a line."""
    try:
        said = msgspec.json.decode(answer.content, type=_Error).message
    except (msgspec.MsgspecError, UnicodeError):
        said = ""
    return (said or answer.reason_phrase)[:_WORDS_MAX]
