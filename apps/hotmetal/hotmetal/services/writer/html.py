"""Markdown to the HTML that the CMS keeps: no HTML of the author's own, and cleaned at the end."""

from __future__ import annotations

from typing import Final

import nh3
from markdown_it import MarkdownIt

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def as_html(markdown: str) -> str:
    """The text as HTML in which nothing runs."""
    return nh3.clean(_MARKDOWN.render(markdown))
