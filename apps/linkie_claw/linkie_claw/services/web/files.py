"""
Routes that serve files: generated images, and the page with its script and its style.

Only names from a fixed list or of the images' own pattern are looked up; no part of a request
is ever joined to a path unseen.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from linkie_claw.services.web.answers import Refused
from linkie_claw.services.web.state import web_of

_PAGE: Final = Path(__file__).with_name("page")
_PARTS: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/page/app.css": ("app.css", "text/css; charset=utf-8"),
}
PATHS: Final = tuple(_PARTS)
#: An image is looked at, and can do nothing: no script, no request, no form.
_IMAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # LinkedIn and the automation fetch it from elsewhere; its name is what protects it.
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, max-age=31536000, immutable",
}


async def page(request: Request) -> Response:
    """`GET /` and what it needs."""
    name, media_type = _PARTS[request.url.path]
    data = await asyncio.to_thread((_PAGE / name).read_bytes)
    return Response(data, media_type=media_type)


async def image(request: Request) -> Response:
    """`GET /images/{name}`: an image that the studio made."""
    found = await asyncio.to_thread(web_of(request).images.load, request.path_params["name"])
    if found is None:
        raise Refused(404, "Not found")
    data, media_type = found
    return Response(data, media_type=media_type, headers=_IMAGE_HEADERS)
