"""Images: four for a prompt, one of them chosen, each of them public."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from hotmetal.clients.hotmetal import UpdateSessionInput
from hotmetal.services.web import ApiError, answer, body_of
from hotmetal.services.writer.agent.images import Images, ImagesFailed
from hotmetal.services.writer.agent.seo import PROMPT_MAX
from hotmetal.services.writer.desk import dal_of, desk_of
from hotmetal.services.writer.wishes import found, required

_BASE: Final = "/api/images/"
_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    # An SVG is a document; opened by itself it may do nothing.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_OFFLINE: Final = (
    "Composed offline from the prompt, without a model: HOTMETAL_IMAGES_MODEL names one of an"
    " OpenAI-compatible images API, HOTMETAL_IMAGES_KEY or OPENAI_API_KEY is its key."
)


class Prompt(msgspec.Struct):
    """What the images show."""

    prompt: str | None = None


class Choice(msgspec.Struct, rename="camel"):
    """The image that is to stand above the post."""

    image_url: str | None = None


async def generate_images(request: Request) -> Response:
    """POST /api/sessions/:id/generate-images: four of them; 400, 404, 502."""
    id, images = request.path_params["id"], _images(request)
    found(await dal_of(request).get_session_by_id(id), "Session")
    prompt = required((await body_of(request, Prompt)).prompt, "prompt")
    if len(prompt) > PROMPT_MAX:
        raise ApiError(400, f"prompt must be {PROMPT_MAX} characters or less")
    try:
        keys = await images.make(id, prompt)
    except ImagesFailed as failed:
        raise ApiError(502, str(failed)) from None
    entries = [
        {"id": key.rpartition("/")[2].partition(".")[0], "url": f"{_origin(request)}{_BASE}{key}"}
        for key in keys
    ]
    made_by = {"madeBy": "offline", "note": _OFFLINE} if images.is_offline else {"madeBy": "model"}
    return answer({"images": entries} | made_by)


async def select_image(request: Request) -> Response:
    """POST /api/sessions/:id/select-image: only one of this session's; 400, 404."""
    id, images = request.path_params["id"], _images(request)
    url = required((await body_of(request, Choice)).image_url, "imageUrl")
    key = _key(request, url)
    dal = dal_of(request)
    found(await dal.get_session_by_id(id), "Session")
    if key is None or not images.key_of(id, key):
        raise ApiError(400, "imageUrl must reference an image from this session")
    change = UpdateSessionInput(featured_image_url=url)
    session = found(await dal.update_session(id, change), "Session")
    return answer({"featuredImageUrl": session.featured_image_url})


async def get_image(request: Request) -> Response:
    """GET /api/images/*, open to everybody, because posts show them; 404."""
    image = _images(request).find(request.path_params["key"])
    if image is None:
        raise ApiError(404, "Image not found")
    path, kind = image
    return FileResponse(path, media_type=kind, headers=_HEADERS)


def _images(request: Request) -> Images:
    images: Images = request.app.state.images
    return images


def _origin(request: Request) -> str:
    """Where readers find this service."""
    return (desk_of(request).settings.public_url or str(request.base_url)).rstrip("/")


def _key(request: Request, url: str) -> str | None:
    """The key of one of our own addresses, whole or from its path on; None for any other."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    origin = f"{parts.scheme}://{parts.netloc}"
    is_ours = origin in ("://", _origin(request)) and not parts.query and not parts.fragment
    return parts.path[len(_BASE) :] if is_ours and parts.path.startswith(_BASE) else None


ROUTES: Final[list[BaseRoute]] = [
    Route("/api/sessions/{id}/generate-images", generate_images, methods=["POST"]),
    Route("/api/sessions/{id}/select-image", select_image, methods=["POST"]),
    Route("/api/images/{key:path}", get_image, methods=["GET"]),
]
