"""
The CMS's pages for readers: the list of posts, and each post.

What a post says of itself is text and is escaped; its content is HTML and is cleaned. No page
runs a script, and the policy that goes with it says so to the browser.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable
from typing import Any, Final

import nh3
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

STYLE_PATH: Final = "/style.css"

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data: https: http:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1.125rem/1.65 Georgia, 'Times New Roman', serif; margin: 0 auto; max-width: 40rem;
       padding: 2rem 1.25rem 4rem; }
header { border-bottom: 3px double currentColor; margin-bottom: 2rem; padding-bottom: .75rem; }
header a { color: inherit; font-weight: 700; letter-spacing: .02em; text-decoration: none; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2rem 0 .25rem; overflow-wrap: anywhere; }
.by { font: .9rem/1.5 system-ui, sans-serif; margin: 0 0 1.5rem; opacity: .72; }
.hook { font-size: 1.2rem; font-style: italic; }
img { height: auto; max-width: 100%; }
pre { overflow-x: auto; }
"""


async def style(_request: Request) -> Response:
    """The style of the pages; a page has none of its own, so that the policy can refuse any."""
    return Response(_STYLE, media_type="text/css", headers=_HEADERS)


def index(posts: Iterable[dict[str, Any]]) -> Response:
    """The published posts, newest first."""
    entries = [
        f'<article><h2><a href="/posts/{_text(post["page"])}">{_text(post["title"])}</a></h2>'
        f"{_by(post)}<p>{_text(post['excerpt'] or post['hook'] or '')}</p></article>"
        for post in posts
    ]
    return _page("Posts", "<h1>Posts</h1>" + ("".join(entries) or "<p>Nothing yet.</p>"))


def post(post: dict[str, Any]) -> Response:
    """One post."""
    image = post["featuredImageUrl"]
    parts = [f"<article><h1>{_text(post['title'])}</h1>", _by(post)]
    if image and image.startswith(("https://", "http://", "/")):
        parts.append(f'<p><img src="{_text(image)}" alt=""></p>')
    if post["hook"]:
        parts.append(f'<p class="hook">{_text(post["hook"])}</p>')
    parts.append(nh3.clean(post["content"]))
    parts.append("</article>")
    return _page(post["seoTitle"] or post["title"], "".join(parts))


def nothing() -> Response:
    """There is no such post, or it is not published."""
    return _page("Not found", "<h1>Not found</h1><p>No post is published here.</p>", 404)


def _by(post: dict[str, Any]) -> str:
    day = time.strftime("%d %B %Y", time.gmtime(post["publishedAt"]))
    author = f"{_text(post['author'])}, " if post["author"] else ""
    return f'<p class="by">{author}{day}</p>'


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{_text(title)}</title><link rel="stylesheet" href="{STYLE_PATH}"></head>'
        f'<body><header><a href="/">HotMetal</a></header>{body}</body></html>',
        status,
        headers=_HEADERS,
    )
