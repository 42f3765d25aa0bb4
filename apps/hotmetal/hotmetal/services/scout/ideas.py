"""Ideas as a model proposes them: what is taken of them, and the id that makes them one."""

from __future__ import annotations

import hashlib
import math
from typing import Any, Final

import msgspec

#: How many ideas of one run are kept.
IDEAS_MOST: Final = 5

_TITLE_MOST: Final = 300
_TEXT_MOST: Final = 4_000


class Proposal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An idea before it is stored."""

    title: str
    angle: str
    summary: str
    topic: str | None = None
    score: float = 0.0
    sources: list[dict[str, str]] = []


def idea_id(publication_id: str, title: str, angle: str) -> str:
    """
    The id that this idea has whenever it is proposed: a UUID of a hash of what it says.

    The third group begins with 4 and the fourth with 8, in place of the hash's own digits.
    """
    digits = hashlib.sha256("\0".join((publication_id, title, angle)).encode()).hexdigest()
    groups = (digits[:8], digits[8:12], f"4{digits[13:16]}", f"8{digits[17:20]}", digits[20:32])
    return "-".join(groups)


def proposals(entries: list[Any]) -> list[Proposal]:
    """The usable ones, at most five: with a title, an angle and a summary that are texts."""
    found = (_proposal(entry) for entry in entries)
    return [each for each in found if each is not None][:IDEAS_MOST]


def _proposal(entry: Any) -> Proposal | None:
    if not isinstance(entry, dict):
        return None
    title, angle, summary = (entry.get(name) for name in ("title", "angle", "summary"))
    if not (isinstance(title, str) and isinstance(angle, str) and isinstance(summary, str)):
        return None
    title = " ".join(title.split())[:_TITLE_MOST]
    if not title:
        return None
    topic = entry.get("topic")
    return Proposal(
        title=title,
        angle=angle[:_TEXT_MOST],
        summary=summary[:_TEXT_MOST],
        topic=topic if isinstance(topic, str) else None,
        score=_score(entry.get("relevance_score", entry.get("relevanceScore"))),
        sources=_sources(entry.get("sources")),
    )


def _score(value: Any) -> float:
    """From 0 to 1; what is not a number is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return min(1.0, max(0.0, float(value)))


def _sources(value: Any) -> list[dict[str, str]]:
    """Those with an address; of each what the data layer knows of a source."""
    found = []
    for each in value if isinstance(value, list) else []:
        if not isinstance(each, dict) or not isinstance(each.get("url"), str):
            continue
        names = ("url", "title", "snippet", "publishedAt")
        found.append({n: each[n][:_TEXT_MOST] for n in names if isinstance(each.get(n), str)})
    return found[:20]
