"""
The text of a post on LinkedIn: title, hook, text, and where it was published first.

Pure. The limit is counted in units of UTF-16, as LinkedIn's own page counts, over the text that a
reader sees: the backslashes before reserved characters are the format's, not the text's.
"""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import Final

LENGTH_MAX: Final = 3000

#: What LinkedIn's `little` text reads as mentions, hashtags and styles unless it is escaped.
_RESERVED: Final = re.compile(r"[\\|{}@\[\]()<>#*_~]")
_ESCAPED: Final = re.compile(r"\\([\\|{}@\[\]()<>#*_~])")
_SKIPPED: Final = {"script", "style", "head", "template"}
_BLOCKS: Final = {
    "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "li", "ul", "ol", "blockquote", "pre",
    "table", "tr", "section", "article", "figure", "figcaption", "hr",
}  # fmt: skip
#: A cut at a space is preferred to one in a word when it costs no more than this.
_WORD_MAX: Final = 60
_JOINER: Final = "\u200d"


def commentary(title: str, hook: str | None, content: str, *, url: str | None) -> str | None:
    """
    What is posted, as plain text of at most `LENGTH_MAX` units; None when the post says nothing.

    What is too long loses the end of its text: the link to the whole stays.
    """
    text = plain_text(content)
    if not text and not (hook or "").strip():
        return None
    head = [part.strip() for part in (title, hook or "", text) if part.strip()]
    footer = f"\n\nOriginally published at {url}" if url else ""
    if length(footer) > LENGTH_MAX // 2:
        footer = ""
    return cut("\n\n".join(head), LENGTH_MAX - length(footer)) + footer


def escaped(text: str) -> str:
    """The text in the `little` format, in which none of its characters means anything else."""
    return _RESERVED.sub(lambda found: "\\" + found[0], text)


def same_text(commentary: str, text: str) -> bool:
    """Whether a commentary, as LinkedIn gives it back, is the text."""
    return text.split() in (_ESCAPED.sub(r"\1", commentary).split(), commentary.split())


def length(text: str) -> int:
    """In units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, length_max: int) -> str:
    """The text, or its beginning with an ellipsis; no character that a reader sees is halved."""
    if length(text) <= length_max:
        return text
    units, end = 1, 0
    for character in text:
        units += 2 if ord(character) > 0xFFFF else 1
        if units > length_max:
            break
        end += 1
    space = max(text.rfind(" ", 0, end + 1), text.rfind("\n", 0, end + 1))
    if space > 0 and end - space <= _WORD_MAX:
        end = space
    while end > 0 and not _is_boundary(text, end):
        end -= 1
    return text[:end].rstrip() + "…"


def plain_text(content: str) -> str:
    """The text of the HTML, its paragraphs apart."""
    reader = _Reader()
    reader.feed(content)
    reader.close()
    paragraphs = re.split(r"\n{2,}", "".join(reader.parts))
    lines = ("\n".join(" ".join(line.split()) for line in p.splitlines()) for p in paragraphs)
    return "\n\n".join(line.strip() for line in lines if line.strip())


class _Reader(HTMLParser):
    """Collects text; blocks begin and end paragraphs, lists get their dots."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipping += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self.parts.append("\n\n• " if tag == "li" else "\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipping = max(0, self._skipping - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            # A line break in the source is a space; only elements make lines.
            self.parts.append(re.sub(r"\s+", " ", data))


def _is_boundary(text: str, index: int) -> bool:
    """Whether a reader sees one character end and another begin there."""
    if index >= len(text):
        return True
    before, after = text[index - 1], text[index]
    if unicodedata.category(after).startswith("M") or _JOINER in (before, after):
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        # A skin tone, or a part of a region's flag.
        return False
    if _is_flag_letter(after) and _is_flag_letter(before):
        first = index
        while first > 0 and _is_flag_letter(text[first - 1]):
            first -= 1
        return (index - first) % 2 == 0
    # The vowels and ends of a Korean syllable that is written in its letters.
    return not "\u1160" <= after <= "\u11ff"


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
