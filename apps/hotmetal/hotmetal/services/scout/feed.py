"""
Reading news from a feed, RSS or Atom: what the scout does without a key for a search provider.

A feed is a stranger's text. No more than `_BYTES_MOST` of it are read, and one with a document
type or entities of its own is refused, so that a few lines cannot unfold to gigabytes.
"""

from __future__ import annotations

import html
import re
import xml.parsers.expat as expat
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from hotmetal.services.scout.clock import Clock
from hotmetal.services.scout.stories import FOUND_MOST, Kind, Story, story

_TIMEOUT_S: Final = 15.0
_BYTES_MOST: Final = 2 << 20
_ITEMS_MOST: Final = 500
_DEPTH_MOST: Final = 64

_AGE: Final[dict[Kind, timedelta]] = {"news": timedelta(days=1), "web": timedelta(days=7)}
_WORD: Final = re.compile(r"\w{4,}")
_TAG: Final = re.compile(r"<[^>]*>")


class FeedRefused(Exception):
    """The answer is no feed that we read."""


class Feed:
    """
    The provider.

    Args:
        http: Carries the calls.
        url: Where the feed is; the query travels as `q`, for feeds that can search.
        clock: Says what is recent.
    """

    #: Part of what is remembered: another provider finds other things.
    name: Final = "feed"

    def __init__(self, http: httpx.AsyncClient, url: str, clock: Clock) -> None:
        self._http = http
        self._url = url
        self._clock = clock

    async def find(self, query: str, kind: Kind) -> list[Story]:
        """
        The recent stories that share words with the query, at most five, the closest first.

        News are of the last day; the last week's pages are those that are older than that.

        Raises:
            httpx.HTTPError: The feed did not answer, or refused.
            FeedRefused: It is too large or no feed.
        """
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        wanted = words_of(query)
        near: list[tuple[int, Story]] = []
        for each in parse_feed(await self._read(query)):
            shared = len(wanted & words_of(f"{each.title} {each.snippet}"))
            if shared and _kind(each, now) == kind:
                near.append((-shared, each))
        near.sort(key=lambda pair: pair[0])
        return [each for _, each in near[:FOUND_MOST]]

    async def _read(self, query: str) -> bytes:
        url = httpx.URL(self._url).copy_merge_params({"q": query})
        raw = bytearray()
        async with self._http.stream("GET", url, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                raw += piece
                if len(raw) > _BYTES_MOST:
                    raise FeedRefused(f"the feed is larger than {_BYTES_MOST} bytes")
        return bytes(raw)


def words_of(text: str) -> set[str]:
    """The words of four letters and more, in lower case."""
    return set(_WORD.findall(text.lower()))


def _kind(each: Story, now: datetime) -> Kind | None:
    """An item without a date is as recent as the feed says by having it: this week's."""
    if each.published_at is None:
        return "web"
    age = now - datetime.fromisoformat(each.published_at)
    if age <= _AGE["news"]:
        return "news"
    return "web" if age <= _AGE["web"] else None


def parse_feed(raw: bytes) -> list[Story]:
    """
    The items of an RSS or Atom feed, in its order.

    Raises:
        FeedRefused: It is not XML, has entities of its own, or nests too deeply.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise FeedRefused(f"the feed is not XML: {error}") from None
    except LookupError:
        raise FeedRefused("the feed's encoding is not known") from None
    return [each for each in map(_item, reader.items) if each is not None]


def _refuse(*_parts: Any) -> None:
    raise FeedRefused("the feed has a document type or entities of its own")


class _Reader:
    """Gathers `item` (RSS) and `entry` (Atom) elements as the texts of their children."""

    def __init__(self) -> None:
        self.items: list[dict[str, str]] = []
        self._path: list[str] = []
        self._item: dict[str, str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        self._path.append(name)
        if len(self._path) > _DEPTH_MOST:
            raise FeedRefused("the feed nests too deeply")
        if name in ("item", "entry") and self._item is None and len(self.items) < _ITEMS_MOST:
            self._item = {}
        elif self._item is not None and name == "link" and _is_page(attributes):
            self._item.setdefault("link", attributes["href"])

    def end(self, name: str) -> None:
        name = name.rpartition(" ")[2]
        self._path.pop()
        if name in ("item", "entry") and self._item is not None:
            self.items.append(self._item)
            self._item = None

    def text(self, text: str) -> None:
        if self._item is not None and self._path[-1] not in ("item", "entry"):
            self._item[self._path[-1]] = self._item.get(self._path[-1], "") + text


def _is_page(link: dict[str, str]) -> bool:
    """Whether an Atom link leads to the story, and not to its comments or its editor."""
    return bool(link.get("href")) and link.get("rel", "alternate") == "alternate"


def _item(item: dict[str, str]) -> Story | None:
    told = item.get("description") or item.get("summary") or item.get("content") or ""
    dated = item.get("pubDate") or item.get("published") or item.get("updated") or ""
    return story(
        item.get("link", ""),
        item.get("title", ""),
        html.unescape(_TAG.sub(" ", told)),
        _date(dated),
    )


def _date(text: str) -> str | None:
    """RFC 822 (RSS) or RFC 3339 (Atom) as ISO 8601 in UTC; None when it is neither."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text.strip())
        except (ValueError, TypeError, IndexError):
            continue
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return found.astimezone(UTC).isoformat()
    return None
