"""
What a seed context says: title, angle, brief, tone and sources, as far as they are in it.

The writer's and the scout's seed contexts are Markdown with bold labels; one that somebody
typed may be anything, and then all of it is the brief.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

_LABEL: Final = re.compile(
    r"^\s*(?:[-*]\s+)?(?:\*\*)?(publication|title|angle|brief|summary|writing tone|tone)"
    r"(?:\*\*)?\s*:\s*(?:\*\*)?\s*(.*)$",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(r"^#{1,6}\s+(.*)$")
_URL: Final = re.compile(r"https?://[^\s<>()\"\]]+")
_NAMES: Final = {"summary": "brief", "writing tone": "tone"}


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the story was found, and what it says there."""

    url: str
    title: str
    text: str


@dataclasses.dataclass
class Brief:
    """The assignment; empty where nothing was said."""

    publication: str = ""
    title: str = ""
    angle: str = ""
    brief: str = ""
    tone: str = ""
    sources: list[Source] = dataclasses.field(default_factory=list)


def read_brief(text: str | None) -> Brief:
    """What the text says."""
    head, _, tail = (text or "").partition("## Source Material")
    brief = _labelled(head)
    brief.sources = _sources(tail or head)
    if not (brief.title or brief.angle or brief.brief):
        plain = [line for line in head.splitlines() if not _HEADING.match(line)]
        brief.brief = _joined(plain)
    return brief


def _labelled(text: str) -> Brief:
    brief, at = Brief(), ""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        if label := _LABEL.match(line):
            at = label[1].lower()
            at = _NAMES.get(at, at)
            said.setdefault(at, []).append(label[2])
        elif _HEADING.match(line):
            at = ""
        elif at in ("brief", "angle"):
            said[at].append(line)
    for name, lines in said.items():
        setattr(brief, name, _joined(lines))
    return brief


def _sources(text: str) -> list[Source]:
    """Each address with the heading above it and the words about it."""
    found: dict[str, Source] = {}
    for block in re.split(r"\n\s*\n|\n(?=#{2,6}\s)|\n(?=\s*[-*]\s)", text):
        if (address := _URL.search(block)) is None:
            continue
        url = address[0].rstrip(".,;")
        lines = [line.strip() for line in block.replace(url, "").splitlines()]
        lines = [re.sub(r"^(URL|Source)\s*:\s*", "", line, flags=re.I) for line in lines]
        heads = [h[1].strip() for line in lines if (h := _HEADING.match(line))]
        rest = _joined([line for line in lines if not _HEADING.match(line)])
        rest = rest.strip(" -*[]():")
        title = heads[0] if heads else (rest[:80] or url)
        found.setdefault(url, Source(url, title, rest if rest != title else ""))
    return list(found.values())


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
