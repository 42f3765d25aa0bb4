"""
The page: the files in this folder, served as they are, and the policy that they run under.

There is nothing to build and nothing from elsewhere. The policy allows this page its own scripts,
styles and images, forbids scripts and styles in the markup, and forbids everybody, this page
too, to turn text into markup.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hotmetal.services.web import ApiError

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)

_FOLDER: Final = Path(__file__).parent
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile:
    """One file, read once, with the tag that says which version it is."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.type = _TYPES[path.suffix]
        self.tag = f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    def answer(self, request: Request) -> Response:
        """The file, or 304 when the browser has this version."""
        headers = {
            "ETag": self.tag,
            # Asked for each time: what is not changed costs a line, what is shows at once.
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if self.tag in _tags(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.type)


def page_routes() -> list[BaseRoute]:
    """`/` and `/page/…`: only the files that are there now, so that no path leads elsewhere."""
    files = {
        path.relative_to(_FOLDER).as_posix(): PageFile(path)
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }

    async def index(request: Request) -> Response:
        return files["index.html"].answer(request)

    async def file(request: Request) -> Response:
        found = files.get(request.path_params["path"])
        if found is None:
            raise ApiError(404, "not found")
        return found.answer(request)

    return [
        Route("/", index, methods=["GET"]),
        Route("/page/{path:path}", file, methods=["GET"]),
    ]


def _tags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
