"""A story: something that was found, as all steps know it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

#: What a search looks for: the last day's news, or the last week's pages.
Kind = Literal["news", "web"]

KINDS: Final[tuple[Kind, ...]] = ("news", "web")
#: How many results of one search are looked at.
FOUND_MOST: Final = 5

_TEXT_MOST: Final = 500


class Story(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where something was told, and what it says in short."""

    url: str
    title: str
    snippet: str = ""
    published_at: str | None = None
    #: The name of the topic that it was found for.
    topic: str = ""


def story(url: str, title: str, snippet: str = "", published_at: str | None = None) -> Story | None:
    """The story with its texts in bounds; None when it has no title or no web address."""
    url, title = url.strip(), " ".join(title.split())
    if not title or not url.startswith(("https://", "http://")) or len(url) > 2_000:
        return None
    return Story(
        url=url,
        title=title[:_TEXT_MOST],
        snippet=" ".join(snippet.split())[:_TEXT_MOST],
        published_at=published_at,
    )
